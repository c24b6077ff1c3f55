"""Which sockets of this node sit in which room, and what they are told; knows neither the meaning of events nor other
nodes.

What a room says in one turn of the loop is told at its end, in one piece that is made once for all.
"""

from collections.abc import Callable

from protocol import Frame, Json
from protocol.batch import Batch
from protocol.namespace import Socket
from protocol.socketio import Packet, PacketType, encode
from rooms.model import MemberId, RoomAddress

UNTOLD_BYTES = 65_536
"""What a room may say in a turn before it is told within the turn: who reads well must not be taken for slow."""


class _Seat:
    """A member's socket, and how much of what is untold it has been told by itself."""

    __slots__ = ("socket", "told")

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.told = 0


class _Room:
    """`untold`: what was said since everybody was told, event by event."""

    __slots__ = ("seats", "size", "untold")

    def __init__(self) -> None:
        self.seats: dict[MemberId, _Seat] = {}
        self.untold: list[Batch] = []
        self.size = 0

    def tell(self) -> None:
        """Everybody here gets what is untold."""
        if not self.untold:
            return
        untold, self.untold, self.size = self.untold, [], 0
        whole = Batch.joined(untold)
        # A slow consumer may be closed by its own `send`, which frees its seat.
        for seat in tuple(self.seats.values()):
            told, seat.told = seat.told, 0
            if not told:
                seat.socket.send(whole, last=True)
            elif told < len(untold):
                seat.socket.send(Batch.joined(untold[told:]), last=True)


class Hub:
    """Local seats. A room with nobody here takes no memory here. `soon` puts a call off to the end of the turn."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._rooms: dict[RoomAddress, _Room] = {}
        self._due: list[_Room] = []

    def enter(self, room: RoomAddress, member: MemberId, socket: Socket) -> Socket | None:
        """Seats a socket; answers the one that held this member's place until now. What was said before is not for
        it."""
        here = self._rooms.get(room)
        if here is None:
            here = self._rooms[room] = _Room()
        here.tell()
        before = here.seats.get(member)
        here.seats[member] = _Seat(socket)
        return before.socket if before else None

    def leave(self, room: RoomAddress, member: MemberId, socket: Socket | None = None) -> Socket | None:
        """Frees a member's place, if `socket` (or anybody, where it is None) holds it; answers who did. What was said
        before is still told to it."""
        here = self._rooms.get(room)
        if here is None or not self._holds(here, member, socket):
            return None
        here.tell()
        if not self._holds(here, member, socket):
            return None  # it was too slow for that
        held = here.seats.pop(member)
        if not here.seats:
            del self._rooms[room]
        return held.socket

    def broadcast(self, room: RoomAddress, event: str, *args: Json) -> None:
        """One event for everybody of this room on this node."""
        if room in self._rooms:
            self.spread(room, encode_event(event, *args))

    def spread(self, room: RoomAddress, frames: list[Frame]) -> None:
        """One encoded event for everybody of this room on this node: the same bytes for all."""
        here = self._rooms.get(room)
        if here is None:
            return
        batch = Batch(frames)
        here.untold.append(batch)
        here.size += batch.size
        if here.size > UNTOLD_BYTES:
            here.tell()
        elif len(here.untold) == 1:
            self._due.append(here)
            if len(self._due) == 1:
                self._soon(self._tell)

    def catch_up(self, room: RoomAddress, member: MemberId) -> None:
        """Tells one member what the room has said so far, ahead of what it is about to be told alone."""
        here = self._rooms.get(room)
        if here is None or not here.untold:
            return
        seat = here.seats.get(member)
        if seat is not None and seat.told < len(here.untold):
            told, seat.told = seat.told, len(here.untold)
            seat.socket.send(Batch.joined(here.untold[told:]))

    def _tell(self) -> None:
        due, self._due = self._due, []
        for room in due:
            room.tell()

    @staticmethod
    def _holds(here: _Room, member: MemberId, socket: Socket | None) -> bool:
        seat = here.seats.get(member)
        return seat is not None and socket in (None, seat.socket)


def encode_event(event: str, *args: Json) -> list[Frame]:
    """An event for the namespace that the chat lives in."""
    return encode(Packet(PacketType.EVENT, data=[event, *args]))
