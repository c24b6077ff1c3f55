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
        self._stall = b""
        self._flows = asyncio.Event()
        self._flows.set()

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
        self._flows.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self, words: bytes = b"") -> None:
        """What comes from now on waits, in both directions, on connections that have sent these words."""
        self._stall = words
        self._flows.clear()

    def flow(self) -> None:
        """What waits goes on."""
        self._flows.set()

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
        await asyncio.gather(self._pump(reader, back, heard), self._pump(there, writer, bytearray()))
        self._writers -= ends
        self._tasks.discard(task)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, heard: bytearray) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                heard += chunk
                if self._stall in heard:
                    await self._flows.wait()
                target.write(chunk)
                await target.drain()
        target.close()
