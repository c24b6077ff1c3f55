"""The official clients in Python: python-socketio with asyncio and with threads."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

import socketio

from protocol import Json
from tests.clients.official import SECONDS, Ears, Wish

RECONNECTION = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.1, "randomization_factor": 0}


class _Pings(logging.Handler):
    """python-engineio tells of pings in its log only."""

    def __init__(self, hear: Callable[[str, str], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Received packet PING"):
            self._hear("", "ping")


def _logger(hear: Callable[[str, str], None]) -> logging.Logger:
    logger = logging.Logger("a client", logging.INFO)  # noqa: LOG001 - for one client, not for this name
    logger.addHandler(_Pings(hear))
    return logger


def _message(data: Json) -> Json:
    """A CONNECT_ERROR's, or the text by which the library says that nobody listens."""
    return data["message"] if isinstance(data, dict) else data


def _arguments(answer: Json) -> list[Json]:
    """Of an ack: the library tells none, one and several apart by type."""
    if answer is None:
        return []
    return list(answer) if isinstance(answer, tuple) else [answer]


class _PythonClient:
    """What both have in common."""

    def __init__(self, make: Callable[..., Json]) -> None:
        self.ears = Ears()
        self._client = make(engineio_logger=_logger(self._hear), **RECONNECTION)

    def _hear(self, namespace: str, event: str, *args: Json) -> None:
        self.ears.hear(namespace, event, *args)

    def _connecting(self, wish: Wish) -> dict[str, Json]:
        """The arguments of the library's `connect`, for a client that listens to what comes of it."""
        for namespace in wish.namespaces:
            self._listen(namespace)
        return {
            "url": wish.url,
            "auth": wish.auth,
            "namespaces": list(wish.namespaces),
            "transports": wish.transports,
            "wait": False,  # for the namespaces, one of which may be refused
        }

    def _listen(self, namespace: str) -> None:
        def hear(event: str, *args: Json) -> None:
            self._hear(namespace, event, *args)

        def question(*args: Json) -> tuple[Json, ...]:
            hear("question", *args)
            return args

        client = self._client
        client.on("connect", lambda: hear("connect", client.get_sid(namespace)), namespace)
        client.on("connect_error", lambda data: hear("connect_error", _message(data)), namespace)
        client.on("disconnect", lambda reason: hear("disconnect", reason), namespace)
        client.on("question", question, namespace)
        client.on("*", hear, namespace)

    async def transport(self) -> str:
        return str(self._client.transport())


class AsyncioClient(_PythonClient):
    """socketio.AsyncClient; tests.clients.official.Official."""

    def __init__(self) -> None:
        super().__init__(socketio.AsyncClient)

    async def open(self, wish: Wish) -> None:
        await self._client.connect(**self._connecting(wish))

    async def emit(self, event: str, *args: Json, namespace: str = "/") -> None:
        await self._client.emit(event, args, namespace)

    async def flood(self, event: str, total: int, pause: float) -> None:
        for number in range(total):
            await self.emit(event, number)
            await asyncio.sleep(pause)
        self._hear("", "flooded")

    async def call(self, event: str, *args: Json, namespace: str = "/", seconds: float = SECONDS) -> list[Json]:
        try:
            return _arguments(await self._client.call(event, args, namespace, seconds))
        except socketio.exceptions.TimeoutError:
            raise TimeoutError from None

    async def leave(self) -> None:
        await self._client.disconnect()

    async def close(self) -> None:
        await self._client.shutdown()


class _Closable(Protocol):
    """A websocket.WebSocket, as far as it is used here."""

    def shutdown(self) -> None: ...


class ThreadsClient(_PythonClient):
    """socketio.Client, whose threads are kept away from the test; tests.clients.official.Official."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: list[_Closable | None] = []
        super().__init__(socketio.Client)

    def _hear(self, namespace: str, event: str, *args: Json) -> None:
        self._lines.append(self._client.eio.ws)
        self._loop.call_soon_threadsafe(self.ears.hear, namespace, event, *args)

    async def open(self, wish: Wish) -> None:
        await asyncio.to_thread(self._client.connect, **self._connecting(wish))

    async def emit(self, event: str, *args: Json, namespace: str = "/") -> None:
        await asyncio.to_thread(self._client.emit, event, args, namespace)

    async def flood(self, event: str, total: int, pause: float) -> None:
        def emit() -> None:
            for number in range(total):
                self._client.emit(event, number)
                time.sleep(pause)

        await asyncio.to_thread(emit)
        self._hear("", "flooded")

    async def call(self, event: str, *args: Json, namespace: str = "/", seconds: float = SECONDS) -> list[Json]:
        try:
            return _arguments(await asyncio.to_thread(self._client.call, event, args, namespace, seconds))
        except socketio.exceptions.TimeoutError:
            raise TimeoutError from None

    async def leave(self) -> None:
        await asyncio.to_thread(self._client.disconnect)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.shutdown)
        for line in self._lines:
            if line is not None:
                line.shutdown()  # which the library leaves to the garbage collector when the server has closed


class PythonHome:
    """tests.clients.official.Home: this process."""

    upgrades_later = False

    def __init__(self, name: str, make: Callable[[], AsyncioClient | ThreadsClient]) -> None:
        self.name = name
        self.client = make

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass
