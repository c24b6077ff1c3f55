"""Which sockets of this node sit in which room, and what they are told; knows neither the meaning of events nor other
nodes.

What a room says in one turn of the loop is told at its end, in one piece that is made once for all.
"""

from collections.abc import Callable, Sequence

from protocol import Frame, Json
from protocol.batch import Batch
from protocol.namespace import Socket
from protocol.socketio import Packet, PacketType, encode
from rooms.model import MemberId, RoomAddress
from rooms.tally import Tally

UNTOLD_BYTES = 65_536
"""What a room may say in a turn before it is told within the turn: who reads well must not be taken for slow."""


class _Seat:
    """A member's socket, and what it alone is told: after how many of the room's untold words which."""

    __slots__ = ("own", "room", "socket")

    def __init__(self, room: "_Room", socket: Socket) -> None:
        self.room = room
        self.socket = socket
        self.own: list[tuple[int, Batch]] = []
        socket.order(self.say)

    def say(self, frames: Sequence[Frame]) -> None:
        """To this member alone, behind what the room has said so far."""
        before = len(self.room.untold)
        if not before:
            self.socket.send(frames)
            return
        self.own.append((before, Batch(frames)))
        self.room.grow(frames)

    def tell(self, whole: Batch, untold: list[Batch]) -> None:
        """`whole` is made of `untold`."""
        if self.own:
            own, self.own = self.own, []
            parts, told = list[Batch](), 0
            for before, batch in own:
                if before > told:
                    parts += untold[told:before]
                    told = before
                parts.append(batch)
            whole = Batch.joined(parts + untold[told:])
        self.socket.send(whole, last=True)


class _Room:
    """`untold`: what was said since everybody was told, event by event."""

    __slots__ = ("_tally", "seats", "size", "untold")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.seats: dict[MemberId, _Seat] = {}
        self.untold: list[Batch] = []
        self.size = 0

    def grow(self, frames: Sequence[Frame]) -> None:
        """These wait to be told, too."""
        for frame in frames:
            self.size += len(frame)
        if self.size > UNTOLD_BYTES:
            self.tell()

    def tell(self) -> None:
        """Everybody here gets what is untold."""
        if not self.untold:
            return
        untold, self.untold, self.size = self.untold, [], 0
        self._tally.deliveries += len(self.seats) * len(untold)
        whole = Batch.joined(untold)
        # A slow consumer may be closed by its own `send`, which frees its seat.
        for seat in tuple(self.seats.values()):
            seat.tell(whole, untold)


class Hub:
    """Local seats. A room with nobody here takes no memory here. `soon` puts a call off to the end of the turn."""

    def __init__(self, soon: Callable[[Callable[[], None]], object], tally: Tally | None = None) -> None:
        self._soon = soon
        self._tally = tally or Tally()
        self._rooms: dict[RoomAddress, _Room] = {}
        self._due: list[_Room] = []

    def enter(self, room: RoomAddress, member: MemberId, socket: Socket) -> Socket | None:
        """Seats a socket; answers the one that held this member's place until now. What was said before is not for
        it."""
        if room in self._rooms:
            self._rooms[room].tell()
        here = self._rooms.get(room)  # looked up now: who was too slow to be told may have been the last one here
        if here is None:
            here = self._rooms[room] = _Room(self._tally)
        before = here.seats.get(member)
        if before is not None:
            before.socket.order(None)
        here.seats[member] = _Seat(here, socket)
        socket.move(hash(room))
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
        held.socket.order(None)
        if not here.seats:
            del self._rooms[room]
        return held.socket

    def clear(self, room: RoomAddress) -> list[Socket]:
        """Frees every place of a room; answers who held them."""
        here = self._rooms.pop(room, None)
        if here is None:
            return []
        here.tell()
        sockets = [seat.socket for seat in here.seats.values()]
        for socket in sockets:
            socket.order(None)
        return sockets

    def seat(self, room: RoomAddress, member: MemberId) -> Socket | None:
        """The socket of a member who is here."""
        here = self._rooms.get(room)
        seat = None if here is None else here.seats.get(member)
        return None if seat is None else seat.socket

    def broadcast(self, room: RoomAddress, event: str, *args: Json) -> None:
        """One event for everybody of this room on this node."""
        if room in self._rooms:
            self.spread(room, encode_event(event, *args))

    def spread(self, room: RoomAddress, frames: list[Frame]) -> None:
        """One encoded event for everybody of this room on this node: the same bytes for all."""
        here = self._rooms.get(room)
        if here is None:
            return
        here.untold.append(Batch(frames))
        if len(here.untold) == 1:
            self._due.append(here)
            if len(self._due) == 1:
                self._soon(self._tell)
        here.grow(frames)

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
