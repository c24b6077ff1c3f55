"""Lines between guests and a server that deliver when they are told to: WebSockets and single HTTP requests. Each may
break at any moment, and either end may hear of that at once, later or never."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tornado import httputil

from handlers.connection import Connection
from protocol import Frame
from protocol.session import CloseReason

WINDOW = 4
"""Frames that a line takes before whoever sends must wait: small, so that readers are slow soon."""

ENDED = b"the other end has closed"
"""Stands behind the last frame of a line that was closed in order."""


class Caller(Protocol):
    """The end of a line at the guest."""

    def heard(self, line: "Line", frame: Frame) -> None:
        """A frame came over a WebSocket."""

    def answered(self, exchange: "Exchange", status: int, body: str) -> None:
        """A request is answered."""

    def broken(self, line: "Line | Exchange") -> None:
        """A line is at its end."""


@dataclass(eq=False)
class Line:
    """A WebSocket, and on its server's side handlers.connection.Transport."""

    caller: Caller
    connection: Connection | None = None
    up: deque[Frame] = field(default_factory=deque)
    down: deque[Frame] = field(default_factory=deque)
    cut: bool = False
    slow: bool = False
    server_knows: bool = False
    caller_knows: bool = False
    _arrived: deque[Frame] = field(default_factory=deque)
    _reading: "asyncio.Task[None] | None" = None
    _closed: bool = False
    _waiting: bool = False

    # the server's side

    def wanted(self, connection: Connection) -> None:
        connection.flush()

    def writable(self) -> bool:
        if len(self.down) >= WINDOW:
            self._waiting = True
        return len(self.down) < WINDOW

    def send(self, frames: Sequence[Frame]) -> None:
        assert not self._closed, "sent after it was closed"
        if not self.cut:
            self.down += frames

    def offer(self, frames: Sequence[Frame]) -> bool:
        if not self.writable():
            return False
        self.send(frames)
        return True

    def move(self, number: int) -> None:
        pass

    def busy(self) -> bool:
        return self._reading is not None

    def retire(self) -> None:
        raise AssertionError("something took over from a WebSocket")

    def close(self, reason: CloseReason, rest: Sequence[Frame]) -> bool:
        if not self._closed:
            self.send(rest)
            self._closed = True
            if not self.cut:
                self.down.append(ENDED)
        return True

    # the network's

    def traffic(self) -> list[Callable[[], None]]:
        ways: list[Callable[[], None]] = []
        if self.up and not self.cut:
            ways.append(self._carry_up)
        if self.down and not self.slow and not self.cut:
            ways.append(self._carry_down)
        return ways

    def _carry_up(self) -> None:
        frame = self.up.popleft()
        if frame is ENDED:
            self.tell_server()
            return
        self._arrived.append(frame)
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while self._arrived:
            frame = self._arrived.popleft()
            if self.connection is not None:
                await self.connection.receive(frame, self)
        self._reading = None

    def _carry_down(self) -> None:
        frame = self.down.popleft()
        if self._waiting and self.writable() and self.connection is not None:
            self._waiting = False
            self.connection.flush()
        if frame is ENDED:
            self.break_off()
            self.tell_caller()
            self.tell_server()
        else:
            self.caller.heard(self, frame)

    def break_off(self) -> None:
        """What is on its way is lost. Nobody is told."""
        self.cut = True
        self.up.clear()
        self.down.clear()

    def tell_server(self) -> None:
        """As a reset of the connection does."""
        self.cut = True
        if not self.server_knows:
            self.server_knows = True
            if self.connection is not None:
                self.connection.lost(self, CloseReason.TRANSPORT_CLOSE)

    def tell_caller(self) -> None:
        if not self.caller_knows:
            self.caller_knows = True
            self.caller.broken(self)


class Exchange(httputil.HTTPConnection):
    """One HTTP request and its answer, handed to a Tornado application as its own server does."""

    def __init__(self, caller: Caller, application: Any, method: str, query: str, body: str = "") -> None:  # noqa: ANN401
        self.caller = caller
        self.method, self.query, self.body = method, query, body
        self.cut = self.slow = False
        self.server_knows = self.caller_knows = False
        self.arrived = False
        self.answer: tuple[int, str] | None = None
        self._application = application
        self._delegate: httputil.HTTPMessageDelegate | None = None
        self._on_close: Callable[[], object] | None = None
        self._status = 0
        self._written = b""
        self._task: asyncio.Task[None] | None = None

    def again(self) -> "Exchange":
        """The same request a second time, as an impatient proxy sends it; nobody waits for its answer."""
        return Exchange(_Nobody(), self._application, self.method, self.query, self.body)

    @property
    def over(self) -> bool:
        return self.caller_knows and (self.server_knows or self.answer is not None or not self.arrived)

    def traffic(self) -> list[Callable[[], None]]:
        if self.cut:
            return []
        if not self.arrived:
            return [self._carry_up]
        return [self._carry_down] if self.answer is not None and not self.slow and not self.caller_knows else []

    def _carry_up(self) -> None:
        self.arrive(len(self.body))

    def arrive(self, size: int) -> None:
        """The request gets there, with so much of its body."""
        self.arrived = True
        delegate = self._delegate = self._application.start_request(None, self)
        start = httputil.RequestStartLine(self.method, f"/socket.io/?EIO=4&transport=polling{self.query}", "HTTP/1.1")
        headers = httputil.HTTPHeaders({"Host": "chat", "Content-Length": str(len(self.body))})
        prepared = delegate.headers_received(start, headers)

        async def read() -> None:
            if prepared is not None:
                await prepared
            if size and not self.server_knows:
                delegate.data_received(self.body[:size].encode())
            if size == len(self.body) and not self.server_knows:
                self._delegate = None
                delegate.finish()

        self._task = asyncio.ensure_future(read())

    def _carry_down(self) -> None:
        assert self.answer is not None
        self.caller_knows = True
        self.caller.answered(self, *self.answer)

    def break_off(self) -> None:
        self.cut = True

    def tell_server(self) -> None:
        self.cut = True
        if self.server_knows or not self.arrived or self.answer is not None:
            return
        self.server_knows = True
        if self._delegate is not None:
            self._delegate.on_connection_close()
        elif self._on_close is not None:
            self._on_close()

    def tell_caller(self) -> None:
        if not self.caller_knows:
            self.caller_knows = True
            self.caller.broken(self)

    # tornado.httputil.HTTPConnection

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        self._on_close = callback

    def set_max_body_size(self, size: int) -> None:
        assert size > 0

    def set_body_timeout(self, timeout: float) -> None:
        """How long a body may take, which the network of the schedules knows better."""

    def write_headers(
        self,
        start_line: "httputil.RequestStartLine | httputil.ResponseStartLine",
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        assert isinstance(start_line, httputil.ResponseStartLine)
        self._status = start_line.code
        return self.write(chunk or b"")

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        self._written += chunk
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    def finish(self) -> None:
        self._on_close = None
        self.answer = (self._status, self._written.decode())


class _Nobody:
    def heard(self, line: Line, frame: Frame) -> None:
        raise AssertionError("nobody listens")

    def answered(self, exchange: Exchange, status: int, body: str) -> None:
        pass

    def broken(self, line: Line | Exchange) -> None:
        pass
