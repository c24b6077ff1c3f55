"""The line between clients and a server does what it says: it relays, waits, loses, breaks and refuses."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.proxy import Line, Way

pytestmark = pytest.mark.gen_test(timeout=20)

SHORT = 0.05
"""Seconds in which what is held back does not come."""

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
UPGRADE = b"GET /two HTTP/1.1\r\nHost: a\r\nupgrade: WebSocket\r\n\r\n"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What it is told, in capitals."""
    while chunk := await reader.read(65_536):
        writer.write(chunk.upper())
    writer.close()


async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the requests of a connection by their numbers and the sizes of their bodies."""
    number = 0
    while head := await reader.readline():
        while (line := await reader.readline()) != b"\r\n":
            head += line
        length = re.search(rb"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        writer.write(b"%d %d\n" % (number, len(body)))
        number += 1
    writer.close()


@dataclass
class Ends:
    """A client's connection through a line."""

    line: Line
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def hears(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.read(1), SHORT)

    async def hears_out(self) -> bytes:
        """What comes up to the end of the line, however it ends."""
        heard = b""
        try:
            while chunk := await self.reader.read(1):
                heard += chunk
        except ConnectionError:
            pass
        return heard


@asynccontextmanager
async def client(line: Line) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    try:
        yield Ends(line, reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def served(handle: Handle = echo) -> AsyncIterator[int]:
    """A server's port."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_it_relays_both_ways_and_remembers_connection_by_connection() -> None:
    async with served() as port, Line(port) as line, client(line) as one, client(line) as two:
        for ends, text in ((one, b"first"), (two, b"second"), (one, b"third")):
            await ends.says(text)
            assert await ends.hears(len(text)) == text.upper()
        assert line.up == [b"firstthird", b"second"]
        assert line.down == [b"FIRSTTHIRD", b"SECOND"]


async def test_it_ends_where_either_end_ends() -> None:
    async with served() as port, Line(port) as line, client(line) as one:
        one.writer.write_eof()
        assert await one.hears_out() == b""


async def test_a_server_that_is_down_ends_the_connection() -> None:
    async with served() as port:
        pass
    async with Line(port) as line, client(line) as one:
        assert await one.hears_out() == b""


async def test_another_server_may_be_behind_it() -> None:
    async with served() as port, served(count) as other, Line(port) as line, client(line) as one:
        line.target = other
        async with client(line) as two:
            await two.says(b"GET /\r\n\r\n")
            assert await two.hears(4) == b"0 0\n"
        await one.says(b"still")
        assert await one.hears(5) == b"STILL"


async def test_it_breaks_and_is_mended_on_the_same_port() -> None:
    async with served() as port, Line(port) as line:
        before = line.port
        async with client(line) as one:
            await one.says(b"a")
            await one.hears(1)
            await line.cut()
            assert await one.hears_out() == b""
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", line.port)
        await line.mend()
        assert line.port == before
        async with client(line) as one:
            await one.says(b"b")
            assert await one.hears(1) == b"B"


async def test_it_stalls_and_flows() -> None:
    async with served() as port, Line(port) as line, client(line) as one, client(line) as two:
        await one.says(b"word")
        await one.hears(4)
        line.stall(b"word")
        await one.says(b"waits")
        await one.hears_nothing()
        await two.says(b"goes on")
        assert await two.hears(7) == b"GOES ON"
        line.flow()
        assert await one.hears(5) == b"WAITS"


async def test_it_goes_deaf_in_one_direction() -> None:
    async with served() as port, Line(port) as line, client(line) as one:
        line.deafen()
        await one.says(b"heard")
        await one.hears_nothing()
        assert line.down == [b"HEARD"]
        line.flow()
        assert await one.hears(5) == b"HEARD"


@pytest.mark.parametrize(("way", "answered"), [("up", b""), ("down", b"LOST")])
async def test_it_loses_what_goes_one_way(way: Way, answered: bytes) -> None:
    async with served() as port, Line(port) as line, client(line) as one:
        line.drop(way)
        await one.says(b"lost")
        await one.hears_nothing()
        assert line.up == [b"lost"]
        assert line.down == [answered]
        line.flow()
        await one.says(b"found")
        assert await one.hears(5) == b"FOUND"


async def test_it_is_slow_and_keeps_the_order() -> None:
    async with served() as port, Line(port, delay=SHORT) as line, client(line) as one:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(10):
            await one.says(b"%d" % number)
        assert await one.hears(10) == b"0123456789"
        assert loop.time() - began >= 2 * SHORT, "once for each way"


@pytest.mark.parametrize("after", [0, 1, 7, 10])
async def test_it_breaks_after_so_many_bytes_down(after: int) -> None:
    async with served() as port, Line(port) as line, client(line) as one, client(line) as two:
        done = line.cut_after("down", after, b"0123")
        await two.says(b"others")
        assert await two.hears(6) == b"OTHERS"
        await one.says(b"0123456789")
        assert await one.hears_out() == b"0123456789"[:after]
        await done.wait()
        await two.says(b"0123 once only")
        assert await two.hears(14) == b"0123 ONCE ONLY"


async def test_it_breaks_after_so_many_bytes_up() -> None:
    heard = bytearray()
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                heard.extend(chunk)
        except ConnectionError:
            pass
        writer.close()
        ended.set()

    async with served(listen) as port, Line(port) as line, client(line) as one:
        done = line.cut_after("up", 5)
        for text in (b"abc", b"defg"):
            await one.says(text)
        await done.wait()
        await ended.wait()
        assert heard == b"abcde"


async def test_it_refuses_websockets_and_nothing_else() -> None:
    async with served(count) as port, Line(port, refuses_websocket=True) as line, client(line) as one:
        await one.says(b"GET /one HTTP/1.1\r\n\r\nPOST /two HTTP/1.1\r\nContent-Length: 21\r\n\r\nupgrade: websocket")
        await one.says(b"\r\n\r")
        assert await one.hears(9) == b"0 0\n1 21\n"
        await one.says(b"GET /three HTTP/1.1\r\n\r\n")
        assert await one.hears(4) == b"2 0\n"
        assert line.refused == 0
        await one.says(UPGRADE)
        assert (await one.hears_out()).startswith(b"HTTP/1.1 403 ")
        assert line.refused == 1
        assert b"upgrade: WebSocket" not in line.up[0]
        async with client(line) as two:
            await two.says(b"GET /four HTTP/1.1\r\n\r\n")
            assert await two.hears(4) == b"0 0\n"


async def test_it_refuses_them_only_when_it_is_told_to() -> None:
    async with served() as port, Line(port) as line, client(line) as one:
        await one.says(UPGRADE)
        assert await one.hears(len(UPGRADE)) == UPGRADE.upper()
