"""Three official clients behind one face: Node's socket.io-client, python-socketio with asyncio and with threads."""

import asyncio
import json
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import socketio

from protocol import Json
from tests.node import node_command

SECONDS = 20
WEBSOCKET = {"transports": ["websocket"], "wait_timeout": SECONDS}
RECONNECTION = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.1, "randomization_factor": 0}
SCRIPT = Path(__file__).with_name("client.mjs")


class Ears:
    """What a client has heard and nobody has asked for yet."""

    def __init__(self) -> None:
        self._heard: list[tuple[str, list[Json]]] = []
        self._news = asyncio.Event()

    def hear(self, name: str, *args: Json) -> None:
        self._heard.append((name, list(args)))
        self._news.set()

    async def heard(self, name: str) -> list[Json]:
        """The arguments of the first event of this name that was not asked for before; waits until there is one."""
        async with asyncio.timeout(SECONDS):
            while True:
                for position, (event, args) in enumerate(self._heard):
                    if event == name:
                        del self._heard[position]
                        return args
                self._news.clear()
                await self._news.wait()


class Official(Protocol):
    """A client: what the server says it has `heard` by event; besides `connect` (socket id), `connect_error`
    (message), `disconnect` (reason) and `ping`."""

    ears: Ears

    async def connect(self, url: str) -> None:
        """Begins to connect to the namespace that the URL ends with, and to come back whenever the line breaks."""

    async def call(self, event: str, *args: Json) -> Json:
        """Emits and answers the ack."""

    async def leave(self) -> None:
        """Disconnects on purpose."""

    async def close(self) -> None:
        """Leaves nothing behind."""


class NodeClient:
    """socket.io-client in a Node of its own."""

    def __init__(self) -> None:
        self.ears = Ears()
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(self, url: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *node_command(), "--no-warnings", str(SCRIPT), url, stdin=PIPE, stdout=PIPE
        )
        self._listening = asyncio.create_task(self._listen(self._process))

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            name, *args = json.loads(line)
            self.ears.hear(name, *args)

    def _tell(self, *command: Json) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def call(self, event: str, *args: Json) -> Json:
        self._tell("call", event, *args)
        (answer,) = await self.ears.heard("ack")
        return answer

    async def leave(self) -> None:
        self._tell("leave")

    async def close(self) -> None:
        if self._process is not None and self._listening is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            async with asyncio.timeout(SECONDS):
                await self._listening
                assert await self._process.wait() == 0


class _Pings(logging.Handler):
    """python-engineio tells of pings in its log only."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Received packet PING"):
            self._hear("ping")


def _logger(hear: Callable[[str], None]) -> logging.Logger:
    logger = logging.Logger("a client", logging.INFO)  # noqa: LOG001 - for one client, not for this name
    logger.addHandler(_Pings(hear))
    return logger


def _split(url: str) -> tuple[str, str]:
    """The server's URL and the namespace."""
    scheme, _, rest = url.partition("://")
    host, _, namespace = rest.partition("/")
    return f"{scheme}://{host}", "/" + namespace


def _message(data: Json) -> Json:
    """A CONNECT_ERROR's, or the text by which the library says that nobody listens."""
    return data["message"] if isinstance(data, dict) else data


class AsyncioClient:
    """socketio.AsyncClient."""

    def __init__(self) -> None:
        self.ears = Ears()
        self._client = socketio.AsyncClient(engineio_logger=_logger(self.ears.hear), **RECONNECTION)

    async def connect(self, url: str) -> None:
        server, namespace = _split(url)
        hear = self.ears.hear
        self._client.on("connect", lambda: hear("connect", self._client.get_sid(namespace)), namespace)
        self._client.on("connect_error", lambda data: hear("connect_error", _message(data)), namespace)
        self._client.on("disconnect", lambda reason: hear("disconnect", reason), namespace)
        self._client.on("*", hear, namespace)
        try:
            await self._client.connect(server, namespaces=[namespace], **WEBSOCKET)
        except socketio.exceptions.ConnectionError:
            await self._client.disconnect()

    async def call(self, event: str, *args: Json) -> Json:
        return await self._client.call(event, args, timeout=SECONDS)

    async def leave(self) -> None:
        await self._client.disconnect()

    async def close(self) -> None:
        await self._client.shutdown()


class _Closable(Protocol):
    """A websocket.WebSocket, as far as it is used here."""

    def shutdown(self) -> None: ...


class ThreadsClient:
    """socketio.Client, whose threads are kept away from the test."""

    def __init__(self) -> None:
        self.ears = Ears()
        self._loop = asyncio.get_running_loop()
        self._client = socketio.Client(engineio_logger=_logger(self._hear), **RECONNECTION)
        self._lines: list[_Closable | None] = []

    def _came(self, name: str, what: Json) -> None:
        self._lines.append(self._client.eio.ws)
        self._hear(name, what)

    def _hear(self, name: str, *args: Json) -> None:
        self._loop.call_soon_threadsafe(self.ears.hear, name, *args)

    async def connect(self, url: str) -> None:
        server, namespace = _split(url)
        self._client.on("connect", lambda: self._came("connect", self._client.get_sid(namespace)), namespace)
        self._client.on("connect_error", lambda data: self._came("connect_error", _message(data)), namespace)
        self._client.on("disconnect", lambda reason: self._hear("disconnect", reason), namespace)
        self._client.on("*", self._hear, namespace)
        try:
            await asyncio.to_thread(self._client.connect, server, namespaces=[namespace], **WEBSOCKET)
        except socketio.exceptions.ConnectionError:
            await self.leave()

    async def call(self, event: str, *args: Json) -> Json:
        return await asyncio.to_thread(self._client.call, event, args, timeout=SECONDS)

    async def leave(self) -> None:
        await asyncio.to_thread(self._client.disconnect)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.shutdown)
        for line in self._lines:
            if line is not None:
                line.shutdown()  # which the library leaves to the garbage collector when the server has closed
