"""Several nodes and nothing that keeps a client at one of them: on one port, and behind a proxy that deals requests out
by turns. WebSockets do not mind; who polls is told cleanly that the session is unknown there, and tries again."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Iterator

import aiohttp
import pytest
import socketio

from tests.client import PATIENCE, Client
from tests.clients.official import Wish, opened
from tests.clients.scripts import NodeHome
from tests.proxies import Proxy
from tests.redis_server import redis_server
from tests.reference import Room
from tests.serving import NotServed, Served, serve
from tests.turns import by_turns, connected, key_of, returned

POLLING = "/socket.io/?EIO=4&transport=polling"
TRIES = 3
MANY = 24
"""Connections on one port: that all of them come to one of two processes happens once in eight million times."""


class Handshakes(logging.Handler):
    """Counts those of python-engineio by polling, of which it tells in its log only."""

    def __init__(self) -> None:
        super().__init__()
        self.count = asyncio.Semaphore(0)

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Polling connection accepted"):
            self.count.release()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with by_turns(tmp_path_factory.mktemp("nginx")) as proxy:
        yield proxy


def test_the_other_node_says_that_it_does_not_know_the_session(proxy: Proxy) -> None:
    """The documented error, and the session at the node that knows it is none the worse for it."""

    sid = json.loads(proxy.asked(POLLING).body[1:])["sid"]
    wrong, right = [proxy.asked(f"{POLLING}&sid={sid}", b"40") for _ in range(2)]
    assert (wrong.status, json.loads(wrong.body)) == (400, {"code": 1, "message": "Session ID unknown"})
    assert wrong.headers["Content-Type"] == "application/json"
    assert (right.status, right.body) == (200, b"ok")


def test_the_official_client_tries_again_and_gets_through_by_websocket(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(proxy.certificate))

    async def scene() -> None:
        home = NodeHome()
        await home.start()
        async with opened(home, Wish(proxy.url)) as polls:
            for _ in range(TRIES):
                assert await polls.ears.heard("open", "") == ["polling"]
            for transports in (("websocket",), ("websocket", "polling")):
                async with opened(home, Wish(proxy.url, transports)) as other:
                    await other.ears.heard("connect")
                    assert await other.transport() == "websocket"
                    await other.ears.heard("send_public_key")
                    assert "disconnect" not in other.ears.names()
            assert await polls.ears.heard("open", "") == ["polling"], "it still tries"
        await home.stop()

    asyncio.run(scene())


def test_python_socketio_tries_again_and_gets_through_by_websocket(proxy: Proxy) -> None:
    async def scene() -> None:
        heard = Handshakes()
        logger = logging.Logger("a client", logging.INFO)  # noqa: LOG001 - for one client, not for this name
        logger.addHandler(heard)
        # A session of ours, since the library leaves its own open where it tries again.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
            polls = socketio.AsyncClient(
                http_session=http, engineio_logger=logger, reconnection_delay=0.05, reconnection_delay_max=0.1
            )
            await polls.connect(proxy.url, transports=["polling"], wait=False)
            async with asyncio.timeout(PATIENCE):
                for _ in range(TRIES):
                    await heard.count.acquire()
            await polls.shutdown()
        async with Client(proxy.url) as other:
            assert other.line.transport() == "websocket"

    asyncio.run(scene())


def test_people_talk_by_websocket_whatever_node_they_are_at(proxy: Proxy) -> None:
    async def scene() -> None:
        room = Room.from_secret(os.urandom(32))
        people = [Client(proxy.url) for _ in range(3)]
        for number, each in enumerate(people):
            await each.connect()
            await each.join(room, f"Guest {number}")
            await asyncio.to_thread(proxy.asked, "/healthz")  # with the two requests of one who comes: the other's turn
        assert len({key_of(each) for each in people}) == 2
        for number in range(9):
            assert await people[number % 3].say(f"message {number}") == {"id": number + 1}
        for each in people:
            await each.hears("get_message", 9)
            assert each.texts == [f"message {number}" for number in range(9)]
            await each.close()

    asyncio.run(scene())


def test_two_processes_share_a_port_and_one_is_enough() -> None:
    async def scene(first: Served, second: Served) -> None:
        room = Room.from_secret(os.urandom(32))
        people = [Client(second.url) for _ in range(MANY)]
        for each in people:
            await each.connect()
        goes = people[0]
        stays = next(each for each in people if key_of(each) != key_of(goes))
        await goes.join(room, "Goes")
        await stays.join(room, "Stays")
        assert await goes.say("from one") == {"id": 1}
        assert await stays.say("from the other") == {"id": 2}
        for each in (goes, stays):
            await each.hears("get_message", 2)
        assert goes.texts == stays.texts == ["from one", "from the other"]
        assert await asyncio.to_thread(first.stop, signal.SIGKILL) == -signal.SIGKILL
        # Which of them was at that one is not known before.
        gone = [asyncio.create_task(each.hears("disconnect")) for each in (goes, stays)]
        (ended,), (open_,) = await asyncio.wait(gone, return_when=asyncio.FIRST_COMPLETED)
        open_.cancel()
        if ended is gone[1]:
            goes, stays = stays, goes
        assert await stays.say("meanwhile") == {"id": 3}
        back = await returned(goes)
        assert await back.say("after") == {"id": 4}
        await stays.hears("get_message", 4)
        await back.hears("get_message")
        said = ["from one", "from the other", "meanwhile", "after"]
        assert stays.texts == goes.texts + back.texts == said
        for _ in range(MANY):
            other = Client(second.url)
            assert await connected(other)
            assert key_of(other) == key_of(stays)
            await other.close()
        for each in (stays, back, *people):
            await each.close()

    with redis_server() as broker, serve(reuse_port=True, broker=broker) as first:
        with serve(port=first.port, reuse_port=True, broker=broker) as second:
            assert second.port == first.port
            asyncio.run(scene(first, second))
            assert second.stop() == 0
        assert (first.stderr, second.stderr) == ("", "")


@pytest.mark.parametrize(("one", "two"), [(False, False), (True, False), (False, True)])
def test_a_port_is_shared_only_by_those_who_say_so(one: bool, two: bool) -> None:
    with serve(reuse_port=one) as first:
        with pytest.raises(NotServed) as refused, serve(port=first.port, reuse_port=two):
            pass
        assert refused.value.status == 2
        line = f"chatsite: port = {first.port}: in use on 127.0.0.1; expected a free port\n"
        assert refused.value.stderr.startswith(line)
