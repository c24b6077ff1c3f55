"""Knows a line between a browser and a server that can break, stall, and remember what went up; knows nothing of what
the bytes mean."""

import asyncio
from contextlib import suppress
from typing import Self, cast


class Line:
    """A TCP relay on a port of its own. `up`: what each connection has sent to the server, in order of connecting."""

    def __init__(self, server_port: int) -> None:
        self.up: list[bytearray] = []
        self.port = 0
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stalled = b""
        self._up_flows, self._down_flows = asyncio.Event(), asyncio.Event()
        self.flow()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Takes connections, always on the same port."""
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Ends every connection without a goodbye and takes no new one."""
        if self._listener is not None:
            self._listener.close()
        self._listener = None
        for writer in self._writers:
            writer.transport.abort()
        self.flow()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self, words: bytes = b"") -> None:
        """What comes from now on waits, in both directions, on connections that have sent these words."""
        self._stalled = words
        self._up_flows.clear()
        self._down_flows.clear()

    def deafen(self) -> None:
        """What the server says waits; what it is told arrives."""
        self._stalled = b""
        self._down_flows.clear()

    def flow(self) -> None:
        """What waits goes on."""
        self._up_flows.set()
        self._down_flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:  # the server is down
            writer.close()
            return
        task, ends, heard = cast("asyncio.Task[None]", asyncio.current_task()), {writer, back}, bytearray()
        self._tasks.add(task)
        self._writers |= ends
        self.up.append(heard)
        await asyncio.gather(self._climb(reader, back, heard), self._descend(there, writer, heard))
        self._writers -= ends
        self._tasks.discard(task)

    async def _climb(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, heard: bytearray) -> None:
        with suppress(OSError):
            while chunk := await client.read(65_536):
                heard += chunk
                await self._pass(chunk, server, self._up_flows, heard)
        server.close()

    async def _descend(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, heard: bytearray) -> None:
        with suppress(OSError):
            while chunk := await server.read(65_536):
                await self._pass(chunk, client, self._down_flows, heard)
        client.close()

    async def _pass(self, chunk: bytes, target: asyncio.StreamWriter, flows: asyncio.Event, heard: bytearray) -> None:
        if self._stalled in heard:
            await flows.wait()
        target.write(chunk)
        await target.drain()
