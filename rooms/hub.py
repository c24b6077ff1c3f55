"""Which sockets of this node sit in which room; knows neither the meaning of events nor other nodes."""

from protocol import Frame, Json
from protocol.namespace import Socket
from protocol.socketio import Packet, PacketType, encode
from rooms.model import MemberId, RoomAddress


class Hub:
    """Local seats. A room with nobody here takes no memory here."""

    def __init__(self) -> None:
        self._rooms: dict[RoomAddress, dict[MemberId, Socket]] = {}

    def enter(self, room: RoomAddress, member: MemberId, socket: Socket) -> Socket | None:
        """Seats a socket; answers the one that held this member's place until now."""
        seats = self._rooms.setdefault(room, {})
        before = seats.get(member)
        seats[member] = socket
        return before

    def leave(self, room: RoomAddress, member: MemberId, socket: Socket | None = None) -> Socket | None:
        """Frees a member's place, if `socket` (or anybody, where it is None) holds it; answers who did."""
        seats = self._rooms.get(room, {})
        held = seats.get(member)
        if held is None or socket not in (None, held):
            return None
        del seats[member]
        if not seats:
            del self._rooms[room]
        return held

    def broadcast(self, room: RoomAddress, event: str, *args: Json) -> None:
        """One event for everybody of this room on this node: encoded once, the same frames to all."""
        seats = self._rooms.get(room)
        if seats:
            frames = encode_event(event, *args)
            # A slow consumer may be closed by its own `send`, which frees its seat.
            for socket in tuple(seats.values()):
                socket.send(frames)


def encode_event(event: str, *args: Json) -> list[Frame]:
    """An event for the namespace that the chat lives in."""
    return encode(Packet(PacketType.EVENT, data=[event, *args]))
