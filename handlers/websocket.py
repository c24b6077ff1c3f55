"""The WebSocket transport at /socket.io/: HTTP checks, then frames to and from a Connection.

Source: the Engine.IO protocol, revision 4, and the errors of the reference server (codes 0 to 5).
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

import tornado.websocket
from tornado.concurrent import Future

from handlers.base import BaseHandler
from handlers.connection import Connection, Connections
from protocol import Frame, engineio, strict_json
from protocol.session import CloseReason, Via

UNKNOWN_TRANSPORT = (0, "Transport unknown")
UNKNOWN_SESSION = (1, "Session ID unknown")
BAD_METHOD = (2, "Bad handshake method")
BAD_REQUEST = (3, "Bad request")
FORBIDDEN = (4, "Forbidden")
UNSUPPORTED_VERSION = (5, "Unsupported protocol version")

GOING_AWAY = 1001


class SocketTransport:
    """handlers.connection.Transport over one WebSocket: one batch at a time is in Tornado's hands, the rest
    waits in the session's bounded outbox."""

    def __init__(self, handler: "WebSocketHandler") -> None:
        self._handler = handler
        self._sending: Future[None] | None = None

    def writable(self) -> bool:
        return self._sending is None

    def send(self, frames: Sequence[Frame]) -> None:
        try:
            for frame in frames:
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
            self._handler.flush_connection()

    def close(self, reason: CloseReason) -> None:
        # Tornado cuts the line itself if the peer has not closed its side within five seconds.
        self._handler.close(GOING_AWAY if reason is CloseReason.SHUTTING_DOWN else None)


class WebSocketHandler(BaseHandler, tornado.websocket.WebSocketHandler):
    """One client's WebSocket. Anything wrong with the request is answered instead of the upgrade."""

    def initialize(self, connections: Connections, allowed_origins: Sequence[str]) -> None:
        self._connections = connections
        self._allowed_origins = allowed_origins
        self._connection: Connection | None = None

    async def prepare(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self.refuse(*refusal)
        elif self._connections.full:
            self.set_status(503)
            self.set_header("Retry-After", "10")
            self.finish()

    def _refusal(self) -> tuple[int, str] | None:
        """The first thing wrong, in the reference server's order, with strangers' pages turned away early."""
        transport, sid = self.get_query_argument("transport", ""), self.get_query_argument("sid", "")
        if transport != Via.WEBSOCKET:
            return UNKNOWN_TRANSPORT
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            return FORBIDDEN
        if sid:
            return UNKNOWN_SESSION if self._connections.find(sid) is None else BAD_REQUEST
        if self.request.method != "GET":
            return BAD_METHOD
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            return BAD_REQUEST
        if self.get_query_argument("EIO", "") != engineio.VERSION:
            return UNSUPPORTED_VERSION
        return None

    def refuse(self, code: int, message: str) -> None:
        """The documented JSON error."""
        self.set_status(403 if (code, message) == FORBIDDEN else 400)
        self.set_header("Content-Type", "application/json")
        self.finish(strict_json.dump({"code": code, "message": message}))

    def check_origin(self, origin: str) -> bool:
        """Pages of this site, and of those that the operator lists; a WebSocket knows no other protection."""
        try:
            return urlsplit(origin).netloc == self.request.host or origin in self._allowed_origins
        except ValueError:
            return False

    def open(self, *args: str, **kwargs: str) -> None:
        # Nagle would hold the second of two small frames until the first is acknowledged, 40 ms later.
        self.set_nodelay(True)
        self._connection = self._connections.open(SocketTransport(self), Via.WEBSOCKET)

    async def on_message(self, message: str | bytes) -> None:
        if self._connection is not None:
            await self._connection.receive(message, Via.WEBSOCKET)

    def on_close(self) -> None:
        if self._connection is not None:
            self._connection.close(CloseReason.TRANSPORT_CLOSE)

    def flush_connection(self) -> None:
        """The line has taken what was sent."""
        if self._connection is not None:
            self._connection.flush()
