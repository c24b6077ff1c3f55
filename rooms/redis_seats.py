"""The seats that this node has given, so that one which Redis says is this node's, and which is nobody's here, is found
out: a Redis that has lost its last moments knows members who have left since. Asks nobody.
"""

from collections.abc import Iterator

from rooms.model import Joined, Left, Member, MemberId, RoomAddress, RoomEvent
from rooms.track import State


class Seats:
    """Of all rooms. A seat is there from before Redis is asked for it until nobody here can be in it any more."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._given: dict[tuple[RoomAddress, MemberId], dict[str, bool]] = {}
        """And whether Redis has said so, by the member's seats: until then what is told of the member is about
        others."""

    def give(self, room: RoomAddress, member: Member) -> None:
        """Redis is about to be asked for it."""
        self._given.setdefault((room, member.id), {})[member.seat] = False

    def free(self, room: RoomAddress, member: MemberId, seat: str) -> None:
        """Nobody is there any more, or it was refused."""
        seats = self._given.get((room, member), {})
        seats.pop(seat, None)
        if not seats:
            self._given.pop((room, member), None)

    def happened(self, event: RoomEvent) -> None:
        """What is told of a room: who sits elsewhere by now, or nowhere, has left the seat here."""
        match event:
            case Joined(room, member):
                seats = self._given.get((room, member.id), {})
                if member.seat in seats:
                    seats[member.seat] = True
                self._clear(room, member.id, member.seat)
            case Left(room, gone):
                self._clear(room, gone, "")

    def strange(self, room: RoomAddress, state: State) -> Iterator[Member]:
        """Those who are said to be here, and are not."""
        for held in state.members.values():
            if held.node == self._node and held.member.seat not in self._given.get((room, held.member.id), {}):
                yield held.member

    def _clear(self, room: RoomAddress, member: MemberId, but: str) -> None:
        for seat, settled in tuple(self._given.get((room, member), {}).items()):
            if settled and seat != but:
                self.free(room, member, seat)
