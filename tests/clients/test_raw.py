"""A client that keeps no rules against a real server process: it is let go, and nobody else notices."""

import json
from collections.abc import Iterator

import pytest

from tests.serving import Served, serve
from tests.websocket import BINARY, CLOSE, TEXT, RawWebSocket, Refusal, frame

pytestmark = pytest.mark.gen_test(timeout=60)

LARGEST = 100_000


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A server that has nothing to say about clients that keep no rules."""
    with serve(max_payload=LARGEST) as served:
        yield served
        assert served.stop() == 0
    assert served.stderr == ""


@pytest.fixture(scope="module")
def impatient() -> Iterator[Served]:
    """The same with little patience."""
    with serve(ping_interval=0.3, ping_timeout=2, connect_timeout=2) as served:
        yield served
        assert served.stop() == 0
    assert served.stderr == ""


async def joined(server: Served) -> RawWebSocket:
    """A client that has heard the handshake, its id and the server's key."""
    client = await RawWebSocket.open(server.port)
    client.send("40")
    assert (await client.text())[0] == "0"
    assert (await client.text()).startswith("40{")
    assert (await client.text()).startswith('42["send_public_key"')
    return client


async def test_the_announced_times_and_sizes_are_the_configured_ones(server: Served, impatient: Served) -> None:
    async with await RawWebSocket.open(server.port) as usual, await RawWebSocket.open(impatient.port) as special:
        assert json.loads((await usual.text())[1:])["maxPayload"] == LARGEST
        handshake = json.loads((await special.text())[1:])
        assert (handshake["pingInterval"], handshake["pingTimeout"]) == (300, 2000)


async def test_who_answers_pings_stays(impatient: Served) -> None:
    async with await joined(impatient) as client:
        for _ in range(4):
            assert await client.text() == "2"
            client.send("3")
        client.send('420["get_public_key"]')
        assert (await client.text()).startswith("430[")


async def test_who_does_not_is_let_go(impatient: Served) -> None:
    async with await joined(impatient) as client:
        assert await client.text() == "2"
        client.send('420["get_public_key"]')
        assert (await client.text()).startswith("430["), "other traffic is no pong"
        assert await client.receive() == (CLOSE, b"")


async def test_who_joins_nothing_is_let_go(impatient: Served) -> None:
    async with await RawWebSocket.open(impatient.port) as client:
        assert (await client.text())[0] == "0"
        while (received := await client.receive()) == (TEXT, b"2"):
            client.send("3")
        assert received == (CLOSE, b"")


@pytest.mark.parametrize(
    "message",
    [
        *("", "8", "2", "40", "4", "42", "42{}", '42["disconnect"]', '42["a",Infinity]', '42/x,["a"]', "44{}"),
        *('450-["a"]', "4" + "[" * 40_000, '42["a",' + "[" * 40_000 + "]" * 40_000 + "]", b"", bytes(1000)),
    ],
)
async def test_who_breaks_the_protocol_is_let_go(server: Served, message: str | bytes) -> None:
    async with await joined(server) as client:
        client.send(message)
        assert await client.end() == 0


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_what_is_too_big_is_refused_by_name(server: Served, opcode: int) -> None:
    async with await joined(server) as client:
        client.raw(frame(opcode, b"4" * (LARGEST + 1)))
        assert await client.end() == 1009


@pytest.mark.parametrize(
    ("data", "code"),
    [(frame(TEXT, b"4\xff"), 1007), (frame(7, b""), 1002), (b"\x00" * 20, 1002), (b"\xff" * 20, 1002)],
    ids=["no UTF-8", "an unknown opcode", "zeros", "ones"],
)
async def test_what_is_no_frame_ends_the_line_and_is_told_so(server: Served, data: bytes, code: int) -> None:
    async with await joined(server) as client:
        client.raw(data)
        assert await client.end() == code


async def test_who_fills_the_house_is_turned_away_and_those_inside_stay() -> None:
    with serve(max_connections=2) as served:
        async with await joined(served) as one, await joined(served) as two:
            with pytest.raises(Refusal) as refused:
                await RawWebSocket.open(served.port)
            assert refused.value.answer.status == 503
            for client in (one, two):
                client.send('420["get_public_key"]')
                assert (await client.text()).startswith("430[")
    assert served.stderr == ""


async def test_when_the_server_is_stopped_everybody_is_told_and_nothing_is_left() -> None:
    with serve() as served:
        async with await joined(served) as one, await joined(served) as two:
            served.process.terminate()
            assert [await client.end() for client in (one, two)] == [1001, 1001]
        assert served.stop() == 0
    assert served.stderr == ""
