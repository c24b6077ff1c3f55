"""What the echo server answers, over Engine.IO and over Socket.IO; knows no server."""

from handlers.connection import Connection
from protocol import Json, engineio
from protocol.engineio import Packet, PacketType
from protocol.namespace import Departure, Socket


class EngineEcho:
    """handlers.connection.Application: every message comes back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.session.connected()  # there is nothing to join

    async def message(self, data: str | bytes) -> None:
        self._connection.send([engineio.encode(Packet(PacketType.MESSAGE, data))])

    def closed(self, gone: bool) -> None:
        pass


class SocketEcho:
    """protocol.namespace.Namespace: tells clients what they said on connecting, and what they say.

    `message` comes back as `message-back`, `message-with-ack` in its ack. `ask` is asked back: its arguments go out in
    `question`, and what the client acknowledges that with in `answered`. Who says `leave-me` is disconnected.
    """

    def __init__(self) -> None:
        self._auth: Json = None

    def authorize(self, auth: Json) -> None:
        self._auth = auth or {}  # of the very client that `connected` is called for next

    def connected(self, socket: Socket) -> None:
        socket.emit("auth", self._auth)

    async def event(self, socket: Socket, name: str | int, args: list[Json]) -> list[Json]:
        match name:
            case "message":
                socket.emit("message-back", *args)
            case "message-with-ack":
                return args
            case "ask":
                socket.ask("question", *args, answered=lambda answer: socket.emit("answered", *answer))
            case "leave-me":
                socket.disconnect()
        return []

    def disconnected(self, socket: Socket, departure: Departure) -> None:
        pass
