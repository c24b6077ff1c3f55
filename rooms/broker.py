"""Where rooms live: the contract that every broker keeps, and the one that keeps rooms in this process's memory.

A broker knows members, order and logs. It knows no sockets, no keys and nothing about what a ciphertext says.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from rooms.clock import Cancellable, Clock
from rooms.kept import KeptRoom, Scales
from rooms.model import (
    Changed,
    Entry,
    ErrorCode,
    Joined,
    Left,
    Member,
    MemberId,
    Message,
    Posted,
    Refused,
    RoomAddress,
    RoomEvent,
    Typed,
)

SPARE_REVIEWS = 64


class Broker(Protocol):
    """The order of everything that happens in rooms.

    For one room, `deliver` sees the same events in the same order on every node, each once. What a command
    causes is on the feed before the command returns. A command that raises Refused has changed nothing.
    """

    @property
    def log_bytes(self) -> int:
        """What the logs in this process weigh."""

    @property
    def up(self) -> bool:
        """Whether rooms can be reached now; where not, commands are refused as `unavailable`."""

    def count(self) -> tuple[int, int]:
        """Rooms, and members in them; of several nodes, the sums are those of the site."""

    def obey(self, limits: "Limits") -> None:
        """Other limits, for what happens from now on."""

    @property
    def node(self) -> str:
        """How other nodes call this one; nobody else is told."""

    def elsewhere(self, room: RoomAddress, member: MemberId) -> str | None:
        """The node that a member is on, of a room that somebody here is in; None if it is this one, or none."""

    async def post(self, node: str, letter: bytes) -> None:
        """A letter for another node alone; it gets lost where that one, or the way to it, is not there."""

    async def start(self, deliver: Callable[[RoomEvent], None], receive: Callable[[bytes], None] | None = None) -> None:
        """From now on `deliver` gets the feed, and `receive` the letters. They must not raise and not wait."""

    async def join(self, room: RoomAddress, member: Member) -> None:
        """Joined. The room is created if need be; a member already there is taken over (`returned`).
        Raises Refused: `room-full`, `server-full`, `unavailable`."""

    async def leave(self, room: RoomAddress, member: MemberId, seat: str) -> None:
        """Left; or nothing, if the member is not there or holds another seat by now."""

    async def change(self, room: RoomAddress, member: Member) -> None:
        """Changed. Raises Refused `not-in-room` unless the member holds this seat."""

    async def publish(self, room: RoomAddress, message: Message, seat: str) -> int:
        """The message's id, and Posted: log, digest and feed in one atomic step. A message already known is
        answered with the id it has, and nothing happens. Raises Refused `not-in-room`."""

    async def signal(self, room: RoomAddress, member: MemberId, seat: str, ciphertext: str) -> None:
        """Typed. Raises Refused `not-in-room`."""

    async def keep(self, room: RoomAddress, member: MemberId, seat: str, seconds: int) -> None:
        """From now on the room's messages are kept for so long, where the limits do not say less; 0: as the limits say.
        Raises Refused `not-in-room`."""

    async def close(self) -> None:
        """Nothing is delivered any more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a broker keeps: messages a room, seconds (0: no limit of age), members a room, rooms in all, bytes of one
    room's log (as base64url), and of all that rooms keep."""

    log_size: int
    message_ttl: float
    empty_room_ttl: float
    room_members: int
    rooms: int
    room_log_bytes: int = 2_000_000
    log_bytes: int = 250_000_000


class MemoryBroker:
    """Rooms in a dict. Every command is atomic because nothing in it waits.

    What ages (a room that stands empty, a message where messages have a limit) is looked at when it is due:
    one heap of (due, room), at most one valid review a room, and one timer for the earliest.

    Where there are too many rooms, the one that has stood empty for longest goes; where they are too heavy together,
    the heaviest loses an older half: who fills the memory meets the limit, and not those who come after.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._rooms: dict[RoomAddress, KeptRoom] = {}
        self._empty: dict[RoomAddress, None] = {}
        """Those where nobody is, the one that has been so for longest first."""
        self._scales = Scales()
        self._reviews: list[tuple[float, RoomAddress]] = []
        self._timer: Cancellable | None = None
        self._deliver: Callable[[RoomEvent], None] = lambda event: None

    @property
    def log_bytes(self) -> int:
        """What all rooms weigh."""
        return self._scales.total

    def count(self) -> tuple[int, int]:
        """Rooms, and members in them."""
        return len(self._rooms), sum(len(room.members) for room in self._rooms.values())

    def obey(self, limits: Limits) -> None:
        """Other limits, for what happens from now on."""
        self._limits = limits

    @property
    def up(self) -> bool:
        return True

    @property
    def node(self) -> str:
        return ""

    def elsewhere(self, room: RoomAddress, member: MemberId) -> str | None:
        return None

    async def post(self, node: str, letter: bytes) -> None:
        pass

    async def start(self, deliver: Callable[[RoomEvent], None], receive: Callable[[bytes], None] | None = None) -> None:
        self._deliver = deliver

    async def join(self, address: RoomAddress, member: Member) -> None:
        self._review()
        room = self._rooms.get(address)
        if room is None:
            self._make_room()
            room = self._rooms[address] = KeptRoom()
        returned = member.id in room.members
        if not returned and len(room.members) >= self._limits.room_members:
            raise Refused(ErrorCode.ROOM_FULL)
        room.members[member.id] = member
        self._empty.pop(address, None)
        self._deliver(Joined(address, member, room.snapshot(), returned))

    async def leave(self, address: RoomAddress, member: MemberId, seat: str) -> None:
        try:
            room, _ = self._seated(address, member, seat)
        except Refused:
            return
        del room.members[member]
        self._deliver(Left(address, member))
        if room.members:
            return
        if not room.last:  # nothing was said: there is nothing to keep
            self._forget(address)
            return
        self._empty[address] = None
        room.empty_since = self._clock.time()
        self._review_at(address, room, room.empty_since + self._limits.empty_room_ttl)

    async def change(self, address: RoomAddress, member: Member) -> None:
        room, held = self._seated(address, member.id, member.seat)
        room.members[member.id] = replace(held, user=member.user)
        self._deliver(Changed(address, member))

    async def publish(self, address: RoomAddress, message: Message, seat: str) -> int:
        room, _ = self._seated(address, message.member, seat)
        known = room.digests.get(message.digest)
        if known is not None:
            return known
        now = self._clock.time()
        room.last += 1
        entry = Entry(room.last, message.member, message.ciphertext)
        room.remember(entry, message.digest, now)
        room.forget_digests(now)
        while len(room.log) > self._limits.log_size or room.log_bytes > self._limits.room_log_bytes:
            room.forget_oldest()
        self._scales.weigh(address, room)
        if self._scales.total > self._limits.log_bytes:
            self._lighten()
        if ttl := self._ttl(room):
            self._review_at(address, room, now + ttl)
        self._deliver(Posted(address, entry))
        return entry.id

    async def signal(self, address: RoomAddress, member: MemberId, seat: str, ciphertext: str) -> None:
        self._seated(address, member, seat)
        self._deliver(Typed(address, member, ciphertext))

    async def keep(self, address: RoomAddress, member: MemberId, seat: str, seconds: int) -> None:
        room, _ = self._seated(address, member, seat)
        room.timer = seconds
        if (ttl := self._ttl(room)) and room.log:
            self._review_at(address, room, max(room.log_times[0] + ttl, self._clock.time()))

    async def close(self) -> None:
        self._deliver = lambda event: None
        if self._timer is not None:
            self._timer.cancel()

    def _seated(self, address: RoomAddress, member: MemberId, seat: str) -> tuple[KeptRoom, Member]:
        room = self._rooms.get(address)
        held = None if room is None else room.members.get(member)
        if room is None or held is None or held.seat != seat:
            raise Refused(ErrorCode.NOT_IN_ROOM)
        return room, held

    def _make_room(self) -> None:
        """For one more. Raises Refused `server-full` where there is somebody in every one."""
        if len(self._rooms) >= self._limits.rooms:
            if not self._empty:
                raise Refused(ErrorCode.SERVER_FULL)
            self._forget(next(iter(self._empty)))

    def _forget(self, address: RoomAddress) -> None:
        """Nobody is there."""
        room = self._rooms.pop(address)
        self._empty.pop(address, None)
        room.forget_all()
        self._scales.weigh(address, room)

    def _lighten(self) -> None:
        while self._scales.total > self._limits.log_bytes:
            address = self._scales.heaviest()
            room = self._rooms[address]
            room.forget_half()
            self._scales.weigh(address, room)

    def _review_at(self, address: RoomAddress, room: KeptRoom, due: float) -> None:
        if room.review_due is None or due < room.review_due:
            room.review_due = due
            heapq.heappush(self._reviews, (due, address))
            if len(self._reviews) > 2 * len(self._rooms) + SPARE_REVIEWS:
                self._tidy()
            self._arm()

    def _tidy(self) -> None:
        """Without the reviews of rooms that had to make way, which would be due in an hour and have no bound."""
        rooms = self._rooms.items()
        self._reviews = [(room.review_due, address) for address, room in rooms if room.review_due is not None]
        heapq.heapify(self._reviews)

    def _review(self) -> None:
        """Lets go of all that is due. The timer calls it, and a join does, so that a late timer shows nothing."""
        now = self._clock.time()
        while self._reviews and self._reviews[0][0] <= now:
            due, address = heapq.heappop(self._reviews)
            room = self._rooms.get(address)
            if room is None or room.review_due != due:
                continue
            room.review_due = None
            next_due = self._age(address, room, now)
            if next_due is not None:
                self._review_at(address, room, next_due)
        self._arm()

    def _age(self, address: RoomAddress, room: KeptRoom, now: float) -> float | None:
        """Drops what is too old in one room, or the room itself; answers when to look again."""
        dues = []
        if not room.members:
            forgotten = room.empty_since + self._limits.empty_room_ttl
            if forgotten <= now:
                self._forget(address)
                return None
            dues.append(forgotten)
        if ttl := self._ttl(room):
            while room.log and room.log_times[0] + ttl <= now:
                room.forget_oldest()
            self._scales.weigh(address, room)
            if room.log:
                dues.append(room.log_times[0] + ttl)
        return min(dues, default=None)

    def _ttl(self, room: KeptRoom) -> float:
        """For how long its messages are kept: 0 for as long as there is room."""
        limit, wanted = self._limits.message_ttl, room.timer
        return min(limit, wanted) if limit and wanted else limit or wanted

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._reviews:
            self._timer = self._clock.call_later(max(0.0, self._reviews[0][0] - self._clock.time()), self._review)
