"""One Socket.IO client: the namespaces that it has joined over its connection, events and acks both ways.

Knows nothing of transports, HTTP or rooms. Source: the Socket.IO protocol, revision 5.
"""

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from handlers.connection import ID_BYTES, Connection
from protocol import Frame, Json, ProtocolError, socketio
from protocol.namespace import ConnectRefused, Departure, Namespace
from protocol.session import CloseReason
from protocol.socketio import Packet, PacketType

MAX_CONNECTS = 100
"""Times that one connection may join namespaces: each begins anew with what it may use up."""
GOODBYE_SECONDS = 5.0
"""How long a client that was put out for good may take to hear of it, and to go."""
MAX_UNANSWERED = 1000
"""Acks that one client may owe: who takes events and never answers would let the server wait for ever."""


class ServerSocket:
    """One client in one namespace: protocol.namespace.Socket."""

    __slots__ = ("_asked", "_client", "_namespace", "_number", "_order", "address", "id", "joined")

    def __init__(self, client: "Client", namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.address = client.connection.address
        self.id = secrets.token_urlsafe(ID_BYTES)
        self._number = 0
        self._asked: dict[int, Callable[[list[Json]], None]] = {}
        self._order: Callable[[Sequence[Frame]], None] | None = None
        self.joined = False

    def move(self, number: int) -> None:
        if self.joined:
            self._client.connection.move(number)

    def order(self, say: Callable[[Sequence[Frame]], None] | None) -> None:
        self._order = say

    def emit(self, event: str, *args: Json) -> None:
        self._say(socketio.encode(Packet(PacketType.EVENT, self._namespace, data=[event, *args])))

    def ask(self, event: str, *args: Json, answered: Callable[[list[Json]], None]) -> None:
        if not self.joined:
            return
        if len(self._asked) >= MAX_UNANSWERED:
            self._client.connection.close(CloseReason.SLOW_CONSUMER)
            return
        number = self._number
        self._number += 1
        self._asked[number] = answered
        self._say(socketio.encode(Packet(PacketType.EVENT, self._namespace, number, [event, *args])))

    def acknowledge(self, number: int, args: list[Json]) -> None:
        """What the client asked for an answer to has been done."""
        self._say(socketio.encode_ack(self._namespace, number, args))

    def send(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        if self.joined:
            self._client.connection.send(frames, last=last)

    def _say(self, frames: Sequence[Frame]) -> None:
        (self._order or self.send)(frames)

    def disconnect(self, *, for_good: bool = False) -> None:
        if self.joined:
            self._client.expel(self._namespace)
        if for_good:
            self._client.end()

    def drop(self) -> None:
        if self.joined:
            self._client.connection.close(CloseReason.SHUTTING_DOWN)

    def answer(self, number: int, args: list[Json]) -> None:
        """The client acknowledged an event; what nobody asked for, or twice, is nothing."""
        answered = self._asked.pop(number, None)
        if answered is not None:
            answered(args)


class Client:
    """handlers.connection.Application: Socket.IO over one connection, with these namespaces."""

    __slots__ = ("_connects", "_decoder", "_ended", "_namespaces", "_sockets", "connection")

    def __init__(self, connection: Connection, namespaces: Mapping[str, Namespace], max_bytes: int) -> None:
        self.connection = connection
        self._namespaces = namespaces
        self._decoder = socketio.Decoder(max_bytes)
        self._sockets: dict[str, ServerSocket] = {}
        self._connects = 0
        self._ended = False

    def expel(self, namespace: str) -> None:
        """The server puts the client out of a namespace; the connection stays."""
        self._forget(namespace)
        self.connection.send(socketio.encode(Packet(PacketType.DISCONNECT, namespace)))

    def end(self) -> None:
        """Nothing that it says is heard any more. Its connection ends soon, and not at once: who polls has still to
        hear that it was put out."""
        self._ended = True
        self.connection.unused(GOODBYE_SECONDS)

    def message(self, data: str | bytes) -> Coroutine[Any, Any, None] | None:
        if self._ended:
            return None
        packet = self._decoder.feed(data)
        if packet is None:
            return None
        socket = self._sockets.get(packet.namespace)
        if socket is not None and packet.type is PacketType.EVENT:
            return self._event(socket, packet)
        if packet.type is PacketType.CONNECT:
            self._connect(packet)
        elif socket is None:
            raise ProtocolError("a packet for a namespace that is not joined")
        elif packet.type is PacketType.ACK and packet.id is not None:
            socket.answer(packet.id, packet.data)
        elif packet.type is PacketType.DISCONNECT:
            self._forget(packet.namespace)
            self._namespaces[packet.namespace].disconnected(socket, Departure.LEFT)
        else:
            raise ProtocolError("a packet that only servers send")
        return None

    async def _event(self, socket: ServerSocket, packet: Packet) -> None:
        answer = await self._namespaces[packet.namespace].event(socket, packet.data[0], packet.data[1:])
        if packet.id is not None:
            socket.acknowledge(packet.id, answer)

    def closed(self, gone: bool) -> None:
        departure = Departure.LEFT if gone else Departure.LOST
        sockets, self._sockets = self._sockets, {}
        for name, socket in sockets.items():
            socket.joined = False
            self._namespaces[name].disconnected(socket, departure)

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        namespace = self._namespaces.get(name)
        if name in self._sockets:
            raise ProtocolError("a namespace joined twice")
        self._connects += 1
        if self._connects > MAX_CONNECTS:
            raise ProtocolError("namespaces joined without end")
        try:
            if namespace is None:
                raise ConnectRefused("Invalid namespace")
            namespace.authorize(packet.data)
        except ConnectRefused as refused:
            error = Packet(PacketType.CONNECT_ERROR, name, data={"message": str(refused)})
            self.connection.send(socketio.encode(error))
            return
        socket = ServerSocket(self, name)
        self.connection.session.connected()
        self.connection.send(socketio.encode(Packet(PacketType.CONNECT, name, data={"sid": socket.id})))
        if self.connection.session.closed is None:
            self._sockets[name] = socket
            socket.joined = True
            namespace.connected(socket)

    def _forget(self, namespace: str) -> None:
        self._sockets.pop(namespace).joined = False
        if not self._sockets:
            self.connection.unused()
