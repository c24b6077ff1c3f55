"""Connections are accepted a few a turn, in the order in which they came, so many in all and from each address."""

import asyncio
import errno
import itertools
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

import handlers.listener
from handlers import redirects
from handlers.listener import ACCEPTS_A_TURN, CountedSocket, Listener, Peer, listen
from handlers.pages import SecureHandler
from state import own_certificate
from tests.handlers.conftest import until

pytestmark = pytest.mark.gen_test

LOTS = 1000


class Scene:
    """A listener and those who call it. `streams`: what it has handed out."""

    def __init__(self, listener: Listener, streams: list[IOStream], port: int) -> None:
        self.listener = listener
        self.streams = streams
        self.port = port
        self.callers: list[socket.socket] = []

    def call(self, times: int = 1) -> None:
        for _ in range(times):
            caller = socket.create_connection(("127.0.0.1", self.port))
            caller.setblocking(False)
            self.callers.append(caller)

    async def has(self, number: int) -> None:
        """So many have been let in, and no more come."""
        await until(lambda: len(self.streams) >= number)
        await asyncio.sleep(0.05)
        assert len(self.streams) == number


@asynccontextmanager
async def scene(
    *,
    at_most: int = LOTS,
    at_most_each: int = LOTS,
    address_of: Callable[[str], bytes | None] = str.encode,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Scene]:
    sockets = listen(0, "127.0.0.1")
    server, streams = HTTPServer(lambda request: None), list[IOStream]()
    server.handle_stream = lambda stream, address: streams.append(stream)  # type: ignore[method-assign]
    plain = HTTPServer(redirects())
    listener = Listener(
        sockets, server, at_most=at_most, at_most_each=at_most_each, address_of=address_of, tls=tls, plain=plain
    )
    it = Scene(listener, streams, sockets[0].getsockname()[1])
    try:
        yield it
    finally:
        listener.stop()
        for stream in streams:
            stream.close()
        for caller in it.callers:
            caller.close()
        await plain.close_all_connections()
        await asyncio.sleep(0)


def gone(caller: socket.socket) -> bool:
    """Whether the other end has been closed."""
    try:
        return caller.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def ends(writer: asyncio.StreamWriter) -> None:
    """The caller goes, and is gone when this returns."""
    writer.transport.abort()
    for _ in range(3):  # TLS passes it on, and a socket is closed with the next turn
        await asyncio.sleep(0)


async def test_more_than_a_few_have_to_wait_for_the_next_turn() -> None:
    async with scene() as it:
        it.call(2 * ACCEPTS_A_TURN + 3)
        turns = [0]
        async with asyncio.timeout(5):
            while turns[-1] < len(it.callers):
                await asyncio.sleep(0)
                turns.append(len(it.streams))
        assert max(after - before for before, after in itertools.pairwise(turns)) == ACCEPTS_A_TURN
        peers = [stream.socket.getpeername() for stream in it.streams]
        assert peers == [caller.getsockname() for caller in it.callers]


async def test_when_all_places_are_taken_the_others_wait_until_somebody_goes() -> None:
    async with scene(at_most=2) as it:
        it.call(4)
        await it.has(2)
        it.streams[0].close()
        await it.has(3)
        it.streams[1].close()
        it.streams[2].close()
        await it.has(4)
        assert not any(map(gone, it.callers[3:]))


async def test_one_address_has_no_more_than_its_places_and_others_are_not_concerned() -> None:
    whose = iter([b"a", b"a", b"a", b"b", b"a"])
    async with scene(at_most_each=2, address_of=lambda _: next(whose)) as it:
        it.call(4)
        await it.has(3)
        assert [gone(caller) for caller in it.callers] == [False, False, True, False]
        it.streams[0].close()
        it.call()
        await it.has(4)
        assert not gone(it.callers[4])


async def test_a_proxy_is_nobodys_address() -> None:
    async with scene(at_most_each=1, address_of=lambda _: None) as it:
        it.call(3)
        await it.has(3)


async def test_a_system_without_sockets_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handlers.listener, "REST_SECONDS", 0.05)
    asked: list[float] = []

    def accept(_: socket.socket) -> tuple[socket.socket, Peer]:
        asked.append(asyncio.get_running_loop().time())
        raise OSError(errno.EMFILE, "too many open files")

    async with scene() as it:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "accept", accept)
            it.call()
            await until(lambda: len(asked) >= 3)
        assert all(after - before >= 0.04 for before, after in itertools.pairwise(asked))
        await it.has(1)
    assert {(record.levelno, record.name) for record in caplog.records} == {(logging.WARNING, "handlers.listener")}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return own_certificate(Path(tmp_path_factory.mktemp("state")), "127.0.0.1").context


async def test_tls_is_told_from_http_by_its_first_byte(tls: ssl.SSLContext) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with scene(tls=tls, at_most=1) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"GET /room?x=1 HTTP/1.1\r\nHost: chat.example:5000\r\n\r\n")
        answer = (await reader.read()).decode()
        assert answer.startswith("HTTP/1.1 308 ")
        assert "\r\nLocation: https://chat.example:5000/room?x=1\r\n" in answer
        await ends(writer)
        # The place is free again, and it is the only one.
        handshake = asyncio.open_connection("127.0.0.1", it.port, ssl=trusting)
        task = asyncio.create_task(handshake)
        await it.has(1)
        it.streams[0].close()
        _, writer = await task
        await ends(writer)


@pytest.mark.parametrize("host", ["evil.example/@x", "a b", "x" * 300, '"', "[::1", "evil.example#"])
async def test_nobody_is_sent_on_to_what_is_no_host(tls: ssl.SSLContext, host: str) -> None:
    async with scene(tls=tls) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        await ends(writer)


async def test_who_says_nothing_where_tls_is_spoken_is_not_waited_for(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers.listener, "FIRST_BYTE_SECONDS", 0.05)
    async with scene(tls=tls) as it:
        it.call(3)
        await until(lambda: all(map(gone, it.callers)))
        assert it.streams == []


async def test_what_was_sent_ahead_is_not_looked_at_once_the_line_has_ended(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer of this server is the last on its line. A thousand requests are there by then."""
    prepare, asked = SecureHandler.prepare, list[str]()

    def noted(handler: SecureHandler) -> None:
        asked.append(handler.request.uri or "")
        prepare(handler)

    monkeypatch.setattr(SecureHandler, "prepare", noted)
    async with scene(tls=tls) as it:
        it.call()
        (caller,) = it.callers
        sent = b"".join(b"GET /%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % number for number in range(1000))
        await asyncio.get_running_loop().sock_sendall(caller, sent)
        await until(lambda: bool(asked))
        await asyncio.sleep(0.2)
    assert asked == ["/0"]


async def test_who_waits_when_it_stops_is_let_go(tls: ssl.SSLContext) -> None:
    async with scene(tls=tls) as it:
        it.call()
        await until(lambda: len(it.listener._waiting) == 1)
        it.listener.stop()
        await until(lambda: gone(it.callers[0]))


async def test_a_socket_tells_of_its_end_once() -> None:
    ends: list[str] = []
    counted = CountedSocket()
    counted.on_close = lambda: ends.append("closed")
    counted.close()
    counted.close()
    assert ends == ["closed"]
