"""Knows a line between clients and a server that can break, stall, be slow, lose what it is given, and remember what
went through it; of what the bytes mean it knows where an HTTP request ends and whether it asks for a WebSocket."""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Literal, Self

from tests.serving import kept_port

Way = Literal["up", "down"]
"""Up to the server, down to the client."""

WAYS: tuple[Way, ...] = ("up", "down")
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class _Connection:
    """A client's connection and the one to the server that belongs to it: by the way, where to write, what was said,
    and how many bytes of it have been written."""

    to: dict[Way, asyncio.StreamWriter]
    said: dict[Way, bytearray] = field(default_factory=lambda: {way: bytearray() for way in WAYS})
    written: Counter[Way] = field(default_factory=Counter)

    def abort(self) -> None:
        for writer in self.to.values():
            writer.transport.abort()


@dataclass
class _Cut:
    """A cut to come: where it is, and on connections that have sent which words."""

    way: Way
    after: int
    words: bytes
    done: asyncio.Event

    def rest(self, way: Way, connection: _Connection) -> int | None:
        """How many bytes it leaves to the connection this way; None: it does not concern it."""
        if way != self.way or self.words not in connection.said["up"]:
            return None
        return max(0, self.after - connection.written[way])


class Line:
    """A TCP relay on a port of its own.

    `target`: the server's port, for connections to come. `delay`: seconds that each chunk waits, in its order.
    `refuses_websocket`: whether connections to come carry HTTP requests one by one, and those for an upgrade get a
    403; `refused` counts them. `up`, `down`: what each connection's client, and the server, have sent on it, in the
    order of connecting.
    """

    def __init__(self, target: int, *, delay: float = 0, refuses_websocket: bool = False) -> None:
        self.target = target
        self.delay = delay
        self.refuses_websocket = refuses_websocket
        self.refused = 0
        self.up: list[bytearray] = []
        self.down: list[bytearray] = []
        self.port = 0
        self._keeping = ExitStack()
        self._listener: socket.socket | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stalled = b""
        self._flows: dict[Way, asyncio.Event] = {way: asyncio.Event() for way in WAYS}
        self._dropped: frozenset[Way] = frozenset()
        self._cut: _Cut | None = None
        self.flow()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self.port = self._keeping.enter_context(kept_port())
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        self._keeping.close()

    async def mend(self) -> None:
        """Takes connections, always on the same port."""
        # No asyncio.Server: what it has just accepted when it is closed, it forgets to close.
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def cut(self) -> None:
        """Ends every connection without a goodbye and takes no new one."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
        self._listener = None
        for connection in self._connections:
            connection.abort()
        self.flow()
        await asyncio.gather(*self._tasks)

    def cut_after(self, way: Way, number: int, words: bytes = b"") -> asyncio.Event:
        """The first connection to have sent these words ends without a goodbye when exactly so many bytes of it have
        gone this way, or with the next when more have; the answer is set then. The others stay, new ones may come."""
        self._cut = _Cut(way, number, words, asyncio.Event())
        return self._cut.done

    def stall(self, words: bytes = b"") -> None:
        """What comes from now on waits, in both directions, on connections that have sent these words."""
        self._stalled = words
        for flows in self._flows.values():
            flows.clear()

    def deafen(self) -> None:
        """What the server says waits; what it is told arrives."""
        self._stalled = b""
        self._flows["down"].clear()

    def drop(self, *ways: Way) -> None:
        """What comes from now on this way is lost, and nobody is told."""
        self._dropped = frozenset(ways)

    def flow(self) -> None:
        """What waits goes on, and nothing is lost any more."""
        self._dropped = frozenset()
        for flows in self._flows.values():
            flows.set()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the client is gone already
            task = asyncio.create_task(self._connected(listener.accept()[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connected(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # the server is down
            writer.close()
            return
        connection = _Connection({"up": back, "down": writer})
        if self._listener is None:  # cut while it was being made
            connection.abort()
            return
        for end in (writer, back):
            end.transport.set_write_buffer_limits(0)  # what has been drained is gone, and no abort takes it back
        self._connections.add(connection)
        self.up.append(connection.said["up"])
        self.down.append(connection.said["down"])
        chunks = self._requests(reader, writer) if self.refuses_websocket else _chunks(reader)
        await asyncio.gather(self._relay(chunks, "up", connection), self._relay(_chunks(there), "down", connection))
        self._connections.discard(connection)

    async def _relay(self, chunks: AsyncIterator[bytes], way: Way, connection: _Connection) -> None:
        with suppress(OSError):
            async for chunk in chunks:
                connection.said[way] += chunk
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self._stalled in connection.said["up"]:
                    await self._flows[way].wait()
                if way not in self._dropped:
                    await self._write(chunk, way, connection)
        connection.to[way].close()

    async def _write(self, chunk: bytes, way: Way, connection: _Connection) -> None:
        target, cut = connection.to[way], self._cut
        if cut is not None and (rest := cut.rest(way, connection)) is not None and rest <= len(chunk):
            self._cut, chunk = None, chunk[:rest]
        else:
            cut = None
        target.write(chunk)
        connection.written[way] += len(chunk)
        try:
            await target.drain()
        finally:
            if cut is not None:
                connection.abort()
                cut.done.set()  # also where the client had gone already

    async def _requests(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> AsyncIterator[bytes]:
        """The heads and bodies of requests, up to one for an upgrade."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await client.readuntil(b"\r\n\r\n")
                if re.search(rb"\r\nupgrade:\s*websocket", head, re.IGNORECASE):
                    self.refused += 1
                    answers.write(REFUSAL)
                    return
                yield head
                length = re.search(rb"\r\ncontent-length:\s*(\d+)", head, re.IGNORECASE)
                if length and int(length[1]):
                    yield await client.readexactly(int(length[1]))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(65_536):
        yield chunk
