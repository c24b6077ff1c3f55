"""The WebSocket transport: frames to and from a Connection, its own or one that polls and wants to change over.

Tornado answers the request; from then on the socket is ours (handlers.line), and so are the frames
(protocol.websocket). Source: RFC 6455, sections 4.2 and 7; the Engine.IO protocol, revision 4 (sections "WebSocket",
"Upgrade").
"""

import asyncio
import base64
import contextlib
from collections.abc import Collection

from tornado.util import _websocket_mask as unmask  # in C, where Tornado could be built with it
from tornado.websocket import WebSocketProtocol13

from handlers import eager
from handlers.address import Addresses
from handlers.connection import Connection
from handlers.connections import Connections
from handlers.engine import BAD_REQUEST, EngineHandler, Refusal
from handlers.line import Line, Lines
from protocol import websocket
from protocol.batch import Batch
from protocol.session import CloseReason, Via
from protocol.websocket import Close, CloseCode, FrameError, Nothing, Ping, Receiver

VERSION = "13"
OUTDATED = Refusal(426, headers={"Sec-WebSocket-Version": VERSION})

FRAMES_A_TURN = 64
"""Frames of one client that are handled before others have their turn; a chunk may hold ten thousand small ones."""
CLOSE_SECONDS = 5.0
"""How long a peer that has been told may take to close its side."""


class WebSocketTransport:
    """handlers.connection.Transport over one line (handlers.line.Owner)."""

    __slots__ = ("_busy", "_closing", "_due", "_line", "_lines", "_ping", "_receiver", "connection")

    def __init__(self, line: Line, lines: Lines, max_payload: int) -> None:
        self._line = line
        self._lines = lines
        self._receiver = Receiver(max_payload, unmask)
        self._due = False  # will flush when this turn is over
        self._busy = False  # a message is being handled
        self._ping: bytes | None = None  # the last one of a peer that has much to read first
        self._closing: asyncio.TimerHandle | None = None  # the last frame has been said; when patience ends
        self.connection: Connection | None = None

    # -- handlers.connection.Transport

    def wanted(self, connection: Connection) -> None:
        if not self._due:
            self._due = True
            self._lines.soon(self._flush)

    def writable(self) -> bool:
        return self._line.idle() and self._closing is None

    def send(self, batch: Batch) -> None:
        self._line.write(batch.wire())

    def offer(self, batch: Batch) -> bool:
        if self._closing is not None:
            return False
        return self._line.offer(batch.wire())

    def move(self, number: int) -> None:
        self._line.move(number)

    def busy(self) -> bool:
        return False

    def retire(self) -> None:
        pass  # nothing takes over from a WebSocket

    def close(self, reason: CloseReason, rest: Batch) -> bool:
        if self._closing is None and rest:
            self.send(rest)
        if reason is CloseReason.SHUTTING_DOWN:
            self.say_goodbye(CloseCode.GOING_AWAY)
            self._line.finish()  # browsers may take seconds to answer; the end of the line they see at once
        else:
            self.say_goodbye(None)
        return True

    # -- handlers.line.Owner

    def received(self, data: bytes) -> None:
        self._receiver.feed(data)
        if self._busy:
            self._line.read_on(False)  # one chunk ahead, so that the end of the line is noticed meanwhile
        else:
            self._handle()

    def drained(self) -> None:
        self._pong()
        if self.connection is not None:
            self.connection.flush()

    def ended(self) -> None:
        self._forget_closing()
        self._lost()

    # -- frames

    def _handle(self) -> None:
        """What has come, message by message; each waits until the one before it is handled."""
        try:
            for _ in range(FRAMES_A_TURN):
                event = self._receiver.next()
                if event is None:
                    self._line.read_on(True)
                    return
                if isinstance(event, str | bytes):
                    if self.connection is None or self._closing is not None:
                        continue
                    task = eager.start(self.connection.receive(event, self))
                    if task is not None:
                        self._busy = True
                        task.add_done_callback(self._handled)
                        return
                elif event is not Nothing.YET:
                    self._control(event)
        except FrameError as error:
            self._fail(error.code)
            return
        self._line.read_on(False)
        self._lines.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._busy:
            self._handle()

    def _handled(self, task: asyncio.Task[None]) -> None:
        self._busy = False
        if not task.cancelled():
            task.result()  # never a client's fault: the loop writes it down
            self._handle()

    def _control(self, event: Ping | Close) -> None:
        if isinstance(event, Ping):
            # Pongs for a peer that does not read must not pile up: the last is enough. Source: section 5.5.3.
            self._ping = event.data
            self._pong()
            return
        # Browsers say so of a page that is left or crashed, before the page itself could say anything (Firefox), or
        # where it cannot. Source: RFC 6455, section 7.4.1, 1001.
        gone = event.code == CloseCode.GOING_AWAY
        reason = CloseReason.CLIENT_GONE if gone else CloseReason.TRANSPORT_CLOSE
        self._lines.soon(lambda: self._end(event.code, reason))  # what came before in this turn is answered first

    def _end(self, code: int | None, reason: CloseReason = CloseReason.TRANSPORT_CLOSE) -> None:
        """The peer has said its last frame, or may say nothing any more."""
        self._flush()
        self.say_goodbye(code)
        self._line.finish()
        self._lost(reason)

    def _pong(self) -> None:
        if self._ping is not None and self.writable():
            self._line.write(websocket.encode_pong(self._ping))
            self._ping = None

    def say_goodbye(self, code: int | None) -> None:
        """The last frame, if it has not been said: from now on only the peer's last one counts. Source: section 7.1."""
        if self._closing is None:
            self._line.write(websocket.encode_close(code))
            self._closing = self._lines.loop.call_later(CLOSE_SECONDS, self._line.close)

    def _fail(self, code: CloseCode) -> None:
        """The peer broke the protocol: it is told, and nothing that it says counts any more. Source: section 7.1.7."""
        self._line.read_on(True)  # what is left unread would turn the end into a reset, and lose the last frame
        self._lines.soon(lambda: self._end(code))  # what came before in this turn is answered first

    def _lost(self, reason: CloseReason = CloseReason.TRANSPORT_CLOSE) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.lost(self, reason)

    def _flush(self) -> None:
        self._due = False
        if self.connection is not None:
            self.connection.flush()

    def _forget_closing(self) -> None:
        if self._closing is not None:
            self._closing.cancel()


class WebSocketHandler(EngineHandler):
    """The request that becomes a WebSocket. Anything wrong with it is answered instead."""

    via = Via.WEBSOCKET

    def initialize(  # type: ignore[override] # the arguments are those of this handler's rule
        self, connections: Connections, allowed_origins: Collection[str], addresses: Addresses, lines: Lines
    ) -> None:
        super().initialize(connections, allowed_origins, addresses)
        self._lines = lines

    def prepare(self) -> None:
        if (refusal := self.judge() or self._handshake()) is not None:
            self.refuse(refusal)

    def fits(self, connection: Connection | None) -> bool:
        return self.request.method == "GET" and self.request.headers.get("Upgrade", "").lower() == "websocket"

    def get(self) -> None:
        """Source: RFC 6455, section 4.2.2. No extension and no subprotocol is agreed on."""
        self.set_status(101)
        self.clear_header("Content-Type")
        self.set_header("Upgrade", "websocket")
        self.set_header("Connection", "Upgrade")
        key = self.request.headers["Sec-WebSocket-Key"]
        self.set_header("Sec-WebSocket-Accept", WebSocketProtocol13.compute_accept_value(key))
        self.finish()
        self._lines.open(self.detach(), self._transport)

    def _handshake(self) -> Refusal | None:
        """What is wrong with the request as a WebSocket's. Source: RFC 6455, section 4.2.1."""
        headers = self.request.headers
        if "upgrade" not in {token.strip().lower() for token in headers.get("Connection", "").split(",")}:
            return BAD_REQUEST
        if headers.get("Sec-WebSocket-Version") != VERSION:
            return OUTDATED
        with contextlib.suppress(ValueError):
            if len(base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)) == 16:
                return None
        return BAD_REQUEST

    def _transport(self, line: Line) -> WebSocketTransport:
        transport = WebSocketTransport(line, self._lines, self._connections.timing.max_payload)
        if self.connection is not None:
            if self.connection.begin_upgrade(transport):
                transport.connection = self.connection
            else:
                transport.say_goodbye(None)
        elif self.no_room():
            transport.say_goodbye(CloseCode.TRY_AGAIN_LATER)  # the last place has been taken since `prepare`
        else:
            transport.connection = self._connections.open(transport, Via.WEBSOCKET, self.address)
        return transport
