"""Sockets past their HTTP, over pairs of real ones: turns, what is sent later, ends; and the same under TLS."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event
from typing import Self

import pytest
import tornado.httpserver
import tornado.web
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets

import state
from handlers.line import LANES, READ_BYTES, Line, Lines
from tests.handlers.conftest import until


class Keeper:
    """handlers.line.Owner that writes down what happens."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.came: list[bytes] = []
        self.drains = 0
        self.ends = 0
        self.then: Callable[[], object] = bool

    def received(self, data: bytes) -> None:
        self.came.append(data)
        self.then()

    def drained(self) -> None:
        self.drains += 1

    def ended(self) -> None:
        self.ends += 1


class Pair:
    """A line and the socket at its other end."""

    def __init__(self, lines: Lines) -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.keeper: Keeper
        lines.open(IOStream(_Tcp(ours)), self._keep)

    def _keep(self, line: Line) -> Keeper:
        self.keeper = Keeper(line)
        return self.keeper


class _Tcp(socket.socket):
    """One of a pair, which has no Nagle to be switched off."""

    def __init__(self, of: socket.socket) -> None:
        super().__init__(of.family, of.type, of.proto, of.detach())

    def setsockopt(self, *arguments: object) -> None:
        assert arguments == (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def scene(play: Callable[[Lines, Pair], Awaitable[None]]) -> None:
    async def played() -> None:
        lines = Lines(asyncio.get_running_loop())
        pair = Pair(lines)
        try:
            await play(lines, pair)
        finally:
            await lines.close(0)
            pair.peer.close()

    asyncio.run(played())


def test_one_read_a_turn_however_much_there_is() -> None:
    async def play(lines: Lines, pair: Pair) -> None:
        other = Pair(lines)
        sent = pair.peer.send(bytes(10 * READ_BYTES))
        assert sent > 2 * READ_BYTES, "the system takes too little for this test"
        other.peer.send(b"modest")
        await until(lambda: bool(other.keeper.came))
        assert sum(map(len, pair.keeper.came)) <= 2 * READ_BYTES
        await until(lambda: sum(map(len, pair.keeper.came)) == sent)
        assert max(map(len, pair.keeper.came)) <= READ_BYTES
        other.peer.close()

    scene(play)


def test_who_is_done_with_the_last_that_came_may_find_the_line_closed() -> None:
    async def play(_: Lines, pair: Pair) -> None:
        keeper = pair.keeper
        pair.peer.send(b"takes long")
        await until(lambda: keeper.came == [b"takes long"])
        pair.peer.close()
        await until(lambda: keeper.ends == 1)
        keeper.line.read_on(True)
        await asyncio.sleep(0)
        assert keeper.came == [b"takes long"]

    scene(play)


def test_who_shares_a_lane_is_read_together_and_answered_before_another_lane_has_its_turn() -> None:
    async def play(lines: Lines, pair: Pair) -> None:
        neighbour, stranger = Pair(lines), Pair(lines)
        happened: list[str] = []

        def note(name: str) -> Callable[[], None]:
            def came() -> None:
                happened.append(name)
                lines.soon(lambda: happened.append(f"{name} answered"))

            return came

        for name, number, one in (("a", 1, pair), ("b", 1 + LANES, neighbour), ("c", 2, stranger)):
            one.keeper.line.move(number)
            one.keeper.then = note(name)
        await asyncio.sleep(0)
        for one in (stranger, neighbour, pair):
            one.peer.send(b"1")
        await until(lambda: len(happened) == 6)
        alone = ["c", "c answered"]
        together = happened[2:] if happened[:2] == alone else happened[:4]
        assert sorted(together[:2]) == ["a", "b"]
        assert together[2:] == [f"{name} answered" for name in together[:2]]
        assert [each for each in happened if each not in together] == alone
        for one in (neighbour, stranger):
            one.peer.close()

    scene(play)


def test_a_lane_is_looked_at_when_its_turn_comes_not_when_the_loop_turns() -> None:
    async def play(lines: Lines, pair: Pair) -> None:
        others = [Pair(lines) for _ in range(2)]

        def tell_all() -> None:
            for each in (pair, *others):
                each.peer.send(b"!")

        for number, one in enumerate((pair, *others)):
            one.keeper.line.move(number)
            one.keeper.then = tell_all
        await asyncio.sleep(0)
        tell_all()
        turns = 0
        while not all(one.keeper.came for one in (pair, *others)):
            turns += 1
            await asyncio.sleep(0)
        assert turns <= 2, "all lanes had their turn in one turn of the loop"
        firsts = sorted(one.keeper.came[0] for one in (pair, *others))
        assert [len(first) for first in firsts] == [1, 2, 3], "what the lanes before sent is heard by those behind"
        for one in (pair, *others):
            one.keeper.then = bool
        for one in others:
            one.peer.close()

    scene(play)


def test_what_is_to_be_written_and_read_follows_a_line_that_moves() -> None:
    async def play(_: Lines, pair: Pair) -> None:
        line = pair.keeper.line
        line.write(bytes(3_000_000))
        line.read_on(False)
        line.move(5)
        pair.peer.send(b"unread")
        got = 0
        while got < 3_000_000:
            try:
                got += len(pair.peer.recv(1 << 20))
            except BlockingIOError:
                await asyncio.sleep(0)
        await until(lambda: pair.keeper.drains == 1)
        assert pair.keeper.came == []
        line.move(6)
        line.read_on(True)
        await until(lambda: pair.keeper.came == [b"unread"])
        line.close()
        line.move(7)
        assert pair.keeper.ends == 0

    scene(play)


def test_what_the_socket_does_not_take_follows_in_order_and_then_it_is_said() -> None:
    async def play(_: Lines, pair: Pair) -> None:
        data = bytes(range(256)) * 40_000
        pair.keeper.line.write(data)
        assert not pair.keeper.line.idle()
        pair.keeper.line.write(b"the end")
        read = b""
        while len(read) < len(data) + 7:
            try:
                read += pair.peer.recv(1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0)
        assert read == data + b"the end"
        await until(lambda: pair.keeper.drains == 1)
        assert pair.keeper.line.idle()

    scene(play)


def test_the_end_is_noticed_once_and_nothing_is_left() -> None:
    async def play(lines: Lines, pair: Pair) -> None:
        pair.peer.close()
        await until(lambda: pair.keeper.ends > 0)
        pair.keeper.line.write(b"nobody")
        pair.keeper.line.close()
        await asyncio.sleep(0)
        assert pair.keeper.ends == 1
        assert not lines._open

    scene(play)


def test_a_line_that_broke_in_the_middle_of_a_write_is_told_by_reading() -> None:
    async def play(_: Lines, pair: Pair) -> None:
        pair.keeper.line.write(bytes(10_000_000))
        pair.peer.close()
        await until(lambda: pair.keeper.ends == 1)
        assert pair.keeper.line.idle()

    scene(play)


def test_who_is_not_read_is_not_lost_and_reading_goes_on_later() -> None:
    async def play(lines: Lines, pair: Pair) -> None:
        pair.keeper.line.read_on(False)
        pair.peer.send(b"patience")
        other = Pair(lines)
        other.peer.send(b"x")
        await until(lambda: bool(other.keeper.came))
        assert pair.keeper.came == []
        pair.keeper.line.read_on(True)
        await until(lambda: pair.keeper.came == [b"patience"])
        other.peer.close()

    scene(play)


def test_after_finish_the_peer_gets_everything_and_then_the_end() -> None:
    async def play(_: Lines, pair: Pair) -> None:
        pair.keeper.line.write(bytes(3_000_000))
        pair.keeper.line.finish()
        read = 0
        while True:
            try:
                data = pair.peer.recv(1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            if not data:
                break
            read += len(data)
        assert read == 3_000_000
        pair.peer.send(b"still heard")
        await until(lambda: pair.keeper.came == [b"still heard"])

    scene(play)


def test_what_is_put_off_happens_at_the_end_of_the_turn_also_when_one_call_fails() -> None:
    async def play(lines: Lines, _: Pair) -> None:
        order: list[str] = []
        complaints: list[object] = []
        lines.loop.set_exception_handler(lambda loop, context: complaints.append(context["exception"]))

        def first() -> None:
            lines.soon(lambda: order.append("put off in turn"))
            order.append("first")

        def fails() -> None:
            raise LookupError("a bug")

        lines.soon(first)
        lines.soon(fails)
        lines.soon(lambda: order.append("last"))
        assert order == []
        await until(lambda: len(order) == 3)
        assert order == ["first", "last", "put off in turn"]
        assert [str(each) for each in complaints] == ["a bug"]

    scene(play)


def test_what_came_with_the_head_of_the_request_is_not_lost() -> None:
    keepers: list[Keeper] = []

    def keep(line: Line) -> Keeper:
        keepers.append(Keeper(line))
        return keepers[-1]

    class Handler(tornado.web.RequestHandler):
        def get(self) -> None:
            self.set_status(101)
            self.finish()
            self.settings["lines"].open(self.detach(), keep)

    async def played() -> None:
        lines = Lines(asyncio.get_running_loop())
        server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Handler)], lines=lines))
        (bound,) = bind_sockets(0, "127.0.0.1")
        server.add_socket(bound)
        with socket.create_connection(bound.getsockname()) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"early" * 100)
            await until(lambda: bool(keepers))
            peer.sendall(b"late")
            await until(lambda: b"".join(keepers[0].came) == b"early" * 100 + b"late")
        await until(lambda: keepers[0].ends == 1)
        server.stop()
        await server.close_all_connections()
        await lines.close(1)

    asyncio.run(played())


def test_a_peer_that_has_gone_before_the_line_begins_makes_no_line() -> None:
    async def played() -> None:
        lines = Lines(asyncio.get_running_loop())
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        stream = IOStream(_Tcp(ours))
        peer.close()
        lines.open(stream, Keeper)
        stream.close()
        lines.open(stream, Keeper)
        await lines.close(1)

    asyncio.run(played())


# -- under TLS


class Secure:
    """The server's side of a WebSocket under TLS, and a client of the standard library's."""

    def __init__(self, directory: Path) -> None:
        self._certificate = state.own_certificate(directory, "127.0.0.1")
        self.client = ssl.create_default_context(cafile=str(directory / state.CERTIFICATE_FILE))
        self.keepers: list[Keeper] = []

    async def __aenter__(self) -> Self:
        self.lines = Lines(asyncio.get_running_loop())
        secure = self

        class Handler(tornado.web.RequestHandler):
            def get(self) -> None:
                self.set_status(101)
                self.finish()
                secure.lines.open(self.detach(), secure._keep)

        application = tornado.web.Application([("/", Handler)])
        self._server = tornado.httpserver.HTTPServer(application, ssl_options=self._certificate.context)
        (self._bound,) = bind_sockets(0, "127.0.0.1")
        self._server.add_socket(self._bound)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.stop()
        await self._server.close_all_connections()
        await self.lines.close(0)

    def _keep(self, line: Line) -> Keeper:
        self.keepers.append(Keeper(line))
        return self.keepers[-1]

    def call(
        self, say: bytes, expect: int, session: ssl.SSLSession | None = None, may_read: Event | None = None
    ) -> tuple[bytes, ssl.SSLSession, bool]:
        """A client, for a thread: says something after its request, reads so much; its session, and whether that was
        resumed."""
        with (
            socket.create_connection(self._bound.getsockname()) as plain,
            self.client.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as peer,
        ):
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            read = b""
            while not read.endswith(b"\r\n\r\n"):
                read += peer.recv(1)
            peer.sendall(say)
            if may_read is not None:
                may_read.wait()
            read = b""
            while len(read) < expect:
                read += peer.recv(1 << 16)
            assert peer.session is not None
            return read, peer.session, bool(peer.session_reused)


def test_records_that_tls_has_read_ahead_are_not_forgotten(tmp_path: Path) -> None:
    async def played() -> None:
        async with Secure(tmp_path) as secure:
            said = bytes(range(256)) * 1000
            client = asyncio.create_task(asyncio.to_thread(secure.call, said, 2))
            await until(lambda: bool(secure.keepers) and sum(map(len, secure.keepers[0].came)) == len(said))
            assert b"".join(secure.keepers[0].came) == said
            secure.keepers[0].line.write(b"ok")
            assert (await client)[0] == b"ok"
            await until(lambda: secure.keepers[0].ends == 1)

    asyncio.run(played())


def test_much_is_sent_in_order(tmp_path: Path) -> None:
    async def played() -> None:
        async with Secure(tmp_path) as secure:
            data, may_read = bytes(range(256)) * 40_000, Event()
            client = asyncio.create_task(asyncio.to_thread(secure.call, b"?", len(data) + 3, None, may_read))
            await until(lambda: bool(secure.keepers) and bool(secure.keepers[0].came))
            secure.keepers[0].line.write(data)
            assert not secure.keepers[0].line.idle(), "more than a socket takes"
            secure.keepers[0].line.write(b"end")
            may_read.set()
            assert (await client)[0] == data + b"end"
            await until(lambda: secure.keepers[0].ends == 1)

    asyncio.run(played())


def _heard(secure: Secure, known: int) -> Callable[[], bool]:
    """Whether one more client than that has said something."""
    return lambda: len(secure.keepers) > known and bool(secure.keepers[-1].came)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_comes_back_resumes_its_session(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async def played() -> None:
        async with Secure(tmp_path) as secure:
            secure.client.minimum_version = secure.client.maximum_version = version
            session: ssl.SSLSession | None = None
            for resumed in (False, True):
                client = asyncio.create_task(asyncio.to_thread(secure.call, b"?", 2, session))
                known = len(secure.keepers)
                await until(_heard(secure, known))
                secure.keepers[-1].line.write(b"ok")
                _, session, was = await client
                assert was is resumed

    asyncio.run(played())
