"""Every official client, over every transport that it can be told or made to use: all that the protocol promises.

Which of them could not be used is in the test's name: client, transport, case.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from protocol import Json
from tests.clients.echoing import echoing
from tests.clients.official import Home
from tests.clients.transports import SETTINGS, Setting, Talk, talking
from tests.serving import Served

AUTH: Json = {"token": "123", "list": [1, None, "ä\u2028😀"]}
JSON: list[Json] = [1, "2", {"3": [True, None, -1.5, {}]}, "ä\u2028😀", []]
BINARY: list[Json] = [bytes(range(256)), "between", {"deep": [b"\x00", {"deeper": b"\xff\xfe"}]}]
BY_CLIENT = (["io client disconnect"], ["client disconnect"])
BY_SERVER = (["io server disconnect"], ["server disconnect"])
BY_LINE = (["transport close"], ["transport error"])

pytestmark = pytest.mark.usefixtures("runner")

each_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)


@pytest.fixture(scope="module")
def echo() -> Iterator[Served]:
    with echoing() as served:
        yield served


async def connects(talk: Talk) -> None:
    assert await talk.client.ears.heard("auth") == [AUTH]


async def sends_json(talk: Talk) -> None:
    await talk.client.emit("message", *JSON)
    assert await talk.client.ears.heard("message-back") == JSON


async def sends_binary(talk: Talk) -> None:
    await talk.client.emit("message", *BINARY)
    assert await talk.client.ears.heard("message-back") == BINARY


async def gets_acks(talk: Talk) -> None:
    assert await talk.client.call("message-with-ack", *JSON) == JSON
    assert await talk.client.call("message-with-ack", *BINARY) == BINARY
    assert await talk.client.call("message-with-ack") == []


async def gives_acks(talk: Talk) -> None:
    for args in (JSON, BINARY):
        await talk.client.emit("ask", *args)
        assert await talk.client.ears.heard("question") == args
        assert await talk.client.ears.heard("answered") == args


async def gets_no_ack_and_lives(talk: Talk) -> None:
    talk.line.deafen()
    with pytest.raises(TimeoutError):
        await talk.client.call("message-with-ack", "first", seconds=0.2)
    talk.line.flow()
    assert await talk.client.call("message-with-ack", "second") == ["second"], "the first one's came too late"
    assert "disconnect" not in talk.client.ears.names()


async def leaves(talk: Talk) -> None:
    await talk.client.leave()
    assert await talk.client.ears.heard("disconnect") in BY_CLIENT


async def is_put_out(talk: Talk) -> None:
    await talk.client.emit("leave-me")
    assert await talk.client.ears.heard("disconnect") in BY_SERVER


Case = Callable[[Talk], Awaitable[None]]
ENDING = (leaves, is_put_out)


@each_setting
@pytest.mark.parametrize(
    "case",
    [connects, sends_json, sends_binary, gets_acks, gives_acks, gets_no_ack_and_lives, *ENDING],
    ids=lambda case: case.__name__,
)
async def test_alone(home: Home, setting: Setting, case: Case, echo: Served) -> None:
    async with talking(home, setting, echo.port, auth=AUTH) as talk:
        await case(talk)
        assert talk.handshakes() == 1
        assert talk.client.ears.names().count("connect") == 1
        if case not in ENDING:
            assert await talk.client.transport() == setting.ends_with


@each_setting
async def test_unknown_namespace_is_refused(home: Home, setting: Setting, echo: Served) -> None:
    async with talking(home, setting, echo.port, namespaces=("/", "/nowhere")) as talk:
        assert await talk.client.ears.heard("connect_error", "/nowhere") == ["Invalid namespace"]
        assert await talk.client.call("message-with-ack", "here") == ["here"], "the other one is not concerned"
        assert talk.client.ears.names("/nowhere") == ["connect_error"]
        assert talk.handshakes() == 1


@each_setting
async def test_two_namespaces_share_a_connection(home: Home, setting: Setting, echo: Served) -> None:
    async with talking(home, setting, echo.port, namespaces=("/", "/custom"), auth=AUTH) as talk:
        ears = talk.client.ears
        (other,) = await ears.heard("connect", "/custom")
        assert ("/", "connect", [other]) not in ears.all, "each namespace has an id of its own"
        for namespace in ("/", "/custom"):
            assert await ears.heard("auth", namespace) == [AUTH]
            await talk.client.emit("message", namespace, *BINARY, namespace=namespace)
            assert await ears.heard("message-back", namespace) == [namespace, *BINARY]
            assert await talk.client.call("message-with-ack", namespace, namespace=namespace) == [namespace]
        assert talk.handshakes() == 1


@each_setting
async def test_comes_back_to_a_server_started_anew(home: Home, setting: Setting, port: int) -> None:
    with echoing(port) as first:
        async with talking(home, setting, port, auth=AUTH) as talk:
            ears = talk.client.ears
            assert await ears.heard("auth") == [AUTH]
            assert await asyncio.to_thread(first.stop) == 0
            assert await ears.heard("disconnect") in BY_LINE
            with echoing(port) as second:
                assert await ears.heard("auth") == [AUTH]
                await talk.settled()
                assert await talk.client.call("message-with-ack", *BINARY) == BINARY
                await talk.client.leave()
                assert await asyncio.to_thread(second.stop) == 0
            assert ears.names().count("connect") == 2
