"""The WebSocket transport: frames to and from a Connection, its own or one that polls and wants to change over.

Source: the Engine.IO protocol, revision 4 (sections "WebSocket", "Upgrade").
"""

from collections import deque
from collections.abc import Collection, Sequence

import tornado.websocket
from tornado.concurrent import Future

from handlers.connection import Connection, Connections
from handlers.engine import EngineHandler
from protocol import Frame
from protocol.session import CloseReason, Via

GOING_AWAY, TRY_AGAIN_LATER = 1001, 1013

FRAMES_A_TURN = 64
"""Frames written before others have their turn; an outbox may hold a hundred thousand small ones."""


class WebSocketTransport:
    """handlers.connection.Transport over one WebSocket: a few frames at a time are in Tornado's hands, what came
    with them waits here, and the rest in the session's bounded outbox."""

    def __init__(self, handler: "WebSocketHandler") -> None:
        self._handler = handler
        self._waiting: deque[Frame] = deque()
        self._sending: Future[None] | None = None

    def writable(self) -> bool:
        return self._sending is None

    def send(self, frames: Sequence[Frame]) -> None:
        self._waiting.extend(frames)
        if self._sending is None:
            self._write()

    def _write(self) -> None:
        try:
            for _ in range(min(FRAMES_A_TURN, len(self._waiting))):
                frame = self._waiting.popleft()
                self._sending = self._handler.write_message(frame, binary=isinstance(frame, bytes))
                self._sending.add_done_callback(self._sent)
        except tornado.websocket.WebSocketClosedError:
            return  # the handler's on_close tells the connection

    def _sent(self, future: "Future[None]") -> None:
        # Every frame's outcome is looked at: asyncio reports one that nobody looks at as an error.
        if future.cancelled() or future.exception() is not None:
            return  # the line is gone: on_close tells the connection
        if future is self._sending:
            self._sending = None
            if self._waiting:
                self._write()
            else:
                self._handler.flush_connection()

    def busy(self) -> bool:
        return False

    def retire(self) -> None:
        pass  # nothing takes over from a WebSocket

    def close(self, reason: CloseReason, rest: Sequence[Frame]) -> bool:
        # Last words are few; whoever has let many pile up asks for them when it comes back. Tornado cuts the line
        # itself if the peer has not closed its side within five seconds.
        self._waiting.extend(rest)
        self._write()
        self._handler.close(GOING_AWAY if reason is CloseReason.SHUTTING_DOWN else None)
        return True


class WebSocketHandler(EngineHandler, tornado.websocket.WebSocketHandler):
    """One client's WebSocket. Anything wrong with the request is answered instead of the upgrade."""

    via = Via.WEBSOCKET

    def initialize(self, connections: Connections, allowed_origins: Collection[str]) -> None:
        super().initialize(connections, allowed_origins)
        self._transport = WebSocketTransport(self)

    def prepare(self) -> None:
        if (refusal := self.judge()) is not None:
            self.refuse(refusal)

    def fits(self, connection: Connection | None) -> bool:
        return self.request.method == "GET" and self.request.headers.get("Upgrade", "").lower() == "websocket"

    def open(self, *args: str, **kwargs: str) -> None:
        # Nagle would hold the second of two small frames until the first is acknowledged, 40 ms later.
        self.set_nodelay(True)
        if self._connections.full and not self.sid:
            self.close(TRY_AGAIN_LATER)  # the last place has been taken since `prepare`
        elif not self.sid:
            self.connection = self._connections.open(self._transport, Via.WEBSOCKET)
        elif self.connection is not None and not self.connection.begin_upgrade(self._transport):
            self.connection = None
            self.close()

    async def on_message(self, message: str | bytes) -> None:
        if self.connection is not None:
            await self.connection.receive(message, self._transport)

    def on_close(self) -> None:
        if self.connection is not None:
            self.connection.lost(self._transport, CloseReason.TRANSPORT_CLOSE)

    def flush_connection(self) -> None:
        """The line has taken what was sent."""
        if self.connection is not None:
            self.connection.flush()
