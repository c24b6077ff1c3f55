"""A link to Redis and all that it tells, and what may be at its other end: a line that stalls, or a server that answers
as it is told to; for the tests of links."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import hiredis

from rooms.redis_link import Link, Pair
from rooms.redis_url import Source
from tests.proxy import Line
from tests.redis_server import RedisServer


@dataclass
class Listener:
    """A link, and what it has told."""

    url: str
    sharded: bool = False
    heard: list[tuple[bytes, bytes]] = field(default_factory=list)
    surely: list[bytes] = field(default_factory=list)
    moved: list[bytes] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.link = Link(
            self._make,
            lambda channel, data: self.heard.append((channel, data)),
            self.surely.append,
            self.moved.append,
            self.broken.append,
            sharded=self.sharded,
        )

    async def _make(self) -> Pair:
        source = Source.read(self.url)
        return source.connection(source.hosts[0]), source.connection(source.hosts[0])

    async def comes_up(self) -> None:
        await until(lambda: self.link.up)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[Listener]:
    listener = Listener(url)
    try:
        await listener.comes_up()
        yield listener
    finally:
        await listener.link.close()


@asynccontextmanager
async def line_to(server: RedisServer) -> AsyncIterator[tuple[Line, str]]:
    async with Line(server.port) as line:
        yield line, f"redis://127.0.0.1:{line.port}/0"


Answerer = Callable[[list[bytes]], bytes | None]


@asynccontextmanager
async def answering(answer: Answerer) -> AsyncIterator[str]:
    """The URL of a server that answers so; None: it hangs up after what it has said. Greetings are taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        while data := await reader.read(65_536):
            parser.feed(data)
            while (words := parser.gets()) is not False:
                said = b"+OK\r\n" if words[0] == b"CLIENT" else answer(words)
                writer.write(said or b"$100\r\nhalf")
                if said is None:
                    writer.close()
                    return
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
