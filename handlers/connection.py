"""One client's connection: session, transport, timer, decoder and the namespaces it has joined.

Not a handler and not Tornado: the transports hand it frames and are handed frames, so that it is tested with
fakes for the transport and the clock. Source: the Socket.IO protocol, revision 5.
"""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from protocol import Frame, Json, ProtocolError, engineio, socketio
from protocol.namespace import ConnectRefused, Departure, Namespace
from protocol.session import Closed, CloseReason, Event, Received, Session, Timing, Via
from protocol.socketio import Packet, PacketType
from rooms.clock import Cancellable, Clock

logger = logging.getLogger(__name__)

ID_BYTES = 15
"""120 bits: an Engine.IO session id is a bearer secret."""


class Transport(Protocol):
    """What carries frames to one client, in order."""

    def writable(self) -> bool:
        """Whether `send` may be called now: what was sent before is on its way, or a poll waits."""

    def send(self, frames: Sequence[Frame]) -> None:
        """Sends; calls `Connection.flush` when it is writable again."""

    def close(self, reason: CloseReason) -> None:
        """Closes the line after what has been sent."""


class ServerSocket:
    """One client in one namespace: protocol.namespace.Socket."""

    def __init__(self, connection: "Connection", namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._id = secrets.token_urlsafe(ID_BYTES)

    @property
    def id(self) -> str:
        return self._id

    def emit(self, event: str, *args: Json) -> None:
        self.send(socketio.encode(Packet(PacketType.EVENT, self._namespace, data=[event, *args])))

    def send(self, frames: Sequence[Frame]) -> None:
        if self._connection.holds(self._namespace, self):
            self._connection.send(frames)

    def disconnect(self) -> None:
        if self._connection.holds(self._namespace, self):
            self._connection.expel(self._namespace)


class Connection:
    """Drives the session of one client and speaks Socket.IO with it.

    `receive` must be awaited before the next frame of the same client is handed in: that keeps its events in
    order, and lets a busy server slow its client down instead of queueing for it.
    """

    def __init__(
        self,
        transport: Transport,
        via: Via,
        namespaces: Mapping[str, Namespace],
        timing: Timing,
        clock: Clock,
        on_closed: Callable[["Connection"], None],
    ) -> None:
        self._transport = transport
        self._namespaces = namespaces
        self._clock = clock
        self._on_closed = on_closed
        self._sockets: dict[str, ServerSocket] = {}
        self._decoder = socketio.Decoder(timing.max_payload)
        self._timer: Cancellable | None = None
        self._timer_due = 0.0
        self.session = Session(secrets.token_urlsafe(ID_BYTES), via, timing, clock.time())

    def start(self) -> None:
        """Sends the handshake and lets the session's clock run."""
        self.flush()
        self._arm()

    async def receive(self, frame: Frame, via: Via) -> None:
        """A frame came in over `via`."""
        try:
            packet = engineio.decode(frame)
        except ProtocolError:
            self.close(CloseReason.PARSE_ERROR)
            return
        for event in self.session.receive(packet, via=via, now=self._clock.time()):
            if isinstance(event, Received):
                await self._message(event.data)
            else:
                self._apply([event])
        self._arm()

    def send(self, frames: Sequence[Frame]) -> None:
        """Queues frames and sends what the transport takes."""
        self._apply(self.session.send(frames))
        self.flush()

    def flush(self) -> None:
        """Hands the transport what waits for it, if it can take it."""
        if self.session.closed is None and self._transport.writable():
            frames = self.session.take()
            if frames:
                self._transport.send(frames)

    def close(self, reason: CloseReason) -> None:
        """Ends the session, for the given reason unless it had ended already."""
        self._apply(self.session.close(reason))

    def holds(self, namespace: str, socket: ServerSocket) -> bool:
        """Whether this very socket is joined to the namespace."""
        return self._sockets.get(namespace) is socket

    def expel(self, namespace: str) -> None:
        """The server puts the client out of a namespace; the connection stays."""
        del self._sockets[namespace]
        self.send(socketio.encode(Packet(PacketType.DISCONNECT, namespace)))

    async def _message(self, data: str | bytes) -> None:
        try:
            packet = self._decoder.feed(data)
            if packet is not None:
                await self._dispatch(packet)
        except ProtocolError as error:
            logger.info("a connection broke the protocol: %s", error)
            self.close(CloseReason.FORCED_CLOSE)
        except Exception:
            # The edge for messages: a bug met one client's event. That client goes; the server and this log stay.
            logger.exception("an event could not be handled")
            self.close(CloseReason.FORCED_CLOSE)

    async def _dispatch(self, packet: Packet) -> None:
        if packet.type is PacketType.CONNECT:
            self._connect(packet)
            return
        socket = self._sockets.get(packet.namespace)
        if socket is None:
            raise ProtocolError("a packet for a namespace that is not joined")
        match packet.type:
            case PacketType.EVENT:
                answer = await self._namespaces[packet.namespace].event(socket, packet.data[0], packet.data[1:])
                if packet.id is not None and self.holds(packet.namespace, socket):
                    self.send(socketio.encode(Packet(PacketType.ACK, packet.namespace, packet.id, answer)))
            case PacketType.DISCONNECT:
                del self._sockets[packet.namespace]
                self._namespaces[packet.namespace].disconnected(socket, Departure.LEFT)
            case PacketType.ACK:
                pass  # an answer to nothing: this server asks for none
            case _:
                raise ProtocolError("a packet that only servers send")

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        namespace = self._namespaces.get(name)
        if name in self._sockets:
            raise ProtocolError("a namespace joined twice")
        try:
            if namespace is None:
                raise ConnectRefused("Invalid namespace")
            namespace.authorize(packet.data)
        except ConnectRefused as refused:
            self.send(socketio.encode(Packet(PacketType.CONNECT_ERROR, name, data={"message": str(refused)})))
            return
        socket = ServerSocket(self, name)
        self.session.connected()
        self.send(socketio.encode(Packet(PacketType.CONNECT, name, data={"sid": socket.id})))
        if self.session.closed is None:
            self._sockets[name] = socket
            namespace.connected(socket)

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Closed):
                self._closed(event.reason)

    def _closed(self, reason: CloseReason) -> None:
        if self._timer is not None:
            self._timer.cancel()
        sockets, self._sockets = self._sockets, {}
        self._transport.close(reason)
        self._on_closed(self)
        for name, socket in sockets.items():
            self._namespaces[name].disconnected(socket, Departure.LOST)

    def _arm(self) -> None:
        """One timer a connection. A deadline that moved away needs no new one: that tick finds nothing due."""
        due = self.session.deadline()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._clock.call_later(max(0.0, due - self._clock.time()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._apply(self.session.tick(self._clock.time()))
        self.flush()
        self._arm()


class Connections:
    """All connections of this process, and the namespaces that they may join."""

    def __init__(self, namespaces: Mapping[str, Namespace], timing: Timing, clock: Clock, at_most: int) -> None:
        self._namespaces = namespaces
        self.timing = timing
        self._clock = clock
        self._at_most = at_most
        self._open: dict[str, Connection] = {}

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._open) >= self._at_most

    def open(self, transport: Transport, via: Via) -> Connection:
        """A new session over a transport that is ready to send."""
        connection = Connection(transport, via, self._namespaces, self.timing, self._clock, self._forget)
        self._open[connection.session.sid] = connection
        connection.start()
        return connection

    def find(self, sid: str) -> Connection | None:
        """The connection with this Engine.IO session id, if it is open."""
        return self._open.get(sid)

    def close(self) -> None:
        """The server stops: every client is let go and will try to come back."""
        self._at_most = 0  # also for handshakes that are under way
        for connection in tuple(self._open.values()):
            connection.close(CloseReason.SHUTTING_DOWN)

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection.session.sid, None)
