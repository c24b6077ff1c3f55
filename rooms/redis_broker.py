"""Rooms in Redis, shared by several nodes: the contract of rooms.broker over one script, a channel for each room, and
leases. Knows nothing about sockets, keys or what a ciphertext says.

What happens in a room has a number, which Redis gives in the step that makes it happen. A node hears of it twice at
most, in the answer to its own command and on the room's channel, and tells it once (rooms.track). Where something is
missing it asks for the room's state and tells the difference. Source: docs/scaling.md, "How nodes share a room".
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from redis.exceptions import ResponseError

from rooms import kept, redis_room
from rooms.broker import Limits
from rooms.clock import Cancellable, Clock
from rooms.model import (
    Changed,
    Entry,
    ErrorCode,
    Left,
    Member,
    MemberId,
    Message,
    Posted,
    Refused,
    RoomAddress,
    RoomEvent,
    Typed,
    to_base64url,
)
from rooms.redis_follower import Follower
from rooms.redis_link import Away, Unanswered, report
from rooms.redis_room import Answer, read_epoch
from rooms.redis_seats import Seats
from rooms.redis_site import PREFIX, RedisSite
from rooms.redis_topology import Topology
from rooms.track import State, Track

logger = logging.getLogger(__name__)

RENEWALS = 3
"""In a lease's time a node says so often that it lives. It is taken for dead after two thirds of it, and whoever renews
next notices: within the whole of it."""
TICKS = 16
"""Parts of a round of renewals."""
NODE_BYTES = 9

Undone = tuple[RoomAddress, MemberId, str]


class RedisBroker:
    """rooms.broker.Broker over one Redis, or a cluster. `lease`: seconds within which a node that died is forgotten.
    `now`: the time in seconds that all nodes share; where it is None, Redis's."""

    def __init__(
        self, url: str, limits: Limits, clock: Clock, lease: float = 15.0, now: Callable[[], float] | None = None
    ) -> None:
        self.node = secrets.token_urlsafe(NODE_BYTES)
        self._mailbox = _letters(self.node).encode()
        self._clock = clock
        self._lease = lease
        self._now = now
        self._topology = Topology(url, self._heard, self._sure)
        self._seats = Seats(self.node)
        self._follower = Follower(self.node, self._topology, self._state, clock, self._learned)
        self.site = RedisSite(self._topology, self.node, lease)
        self._undone: dict[Undone, None] = {}
        """Members that must go, which Redis could not be told."""
        self._round: list[Track] = []
        """Rooms whose lease is still to be renewed in this round."""
        self._tick = 0
        self._receive: Callable[[bytes], None] | None = None
        self._timer: Cancellable | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.obey(limits)

    def obey(self, limits: Limits) -> None:
        """Other limits, for what happens from now on."""
        self._limits = limits
        self._rules = redis_room.rules(limits, self._lease * (RENEWALS - 1) / RENEWALS)

    @property
    def log_bytes(self) -> int:
        """What all logs weigh here: they lie in Redis."""
        return 0

    def count(self) -> tuple[int, int]:
        """Rooms, each counted by one node of all, and members on this one."""
        return len(self._follower.led), sum(len(track.mine) for track in self._follower.tracks.values())

    @property
    def up(self) -> bool:
        """Whether all rooms can be reached now."""
        return self._topology.up

    async def open(self) -> None:
        """`start` does it, too. Raises Away, with the reason in one line."""
        await self._topology.open()

    def elsewhere(self, room: RoomAddress, member: MemberId) -> str | None:
        node = self._follower.node_of(room, member)
        return node if node != self.node else None

    async def post(self, node: str, letter: bytes) -> None:
        channel = _letters(node)
        with contextlib.suppress(Away, ResponseError):
            await self._topology.ask(channel, self._topology.publish, channel, letter)

    async def start(self, deliver: Callable[[RoomEvent], None], receive: Callable[[bytes], None] | None = None) -> None:
        def told(event: RoomEvent) -> None:
            self._seats.happened(event)
            deliver(event)

        self._follower.deliver, self._receive = told, receive
        if not self._topology.opened:
            await self._topology.open()
        self._topology.subscribe(self._mailbox)
        self._arm()

    async def join(self, address: RoomAddress, member: Member) -> None:
        async with self._follower.channels.entering(address):
            self._seats.give(address, member)
            known = address in self._follower.tracks
            full = not known and self.site.rooms_elsewhere + len(self._follower.led) >= self._limits.rooms
            try:
                answer = await self._command(address, "join", member.id, member.user, member.seat, int(full))
            except Refused as refused:
                self._seats.free(address, member.id, member.seat)
                if isinstance(refused.__cause__, Unanswered):  # it may have happened all the same
                    self._undone[address, member.id, member.seat] = None
                raise
            await self._follower.joined(address, member, answer)

    async def leave(self, address: RoomAddress, member: MemberId, seat: str) -> None:
        self._seats.free(address, member, seat)
        try:
            answer = await self._command(address, "leave", member, seat)
        except Refused as refused:
            if refused.code is ErrorCode.UNAVAILABLE:
                self._undone[address, member, seat] = None
            return
        await self._follower.caused(address, answer, Left(address, member))

    async def change(self, address: RoomAddress, member: Member) -> None:
        answer = await self._command(address, "change", member.id, member.seat, member.user)
        await self._follower.caused(address, answer, Changed(address, member))

    async def publish(self, address: RoomAddress, message: Message, seat: str) -> int:
        digest = to_base64url(message.digest)
        answer = await self._command(address, "publish", message.member, seat, message.ciphertext, digest)
        number = int(answer[3])
        if answer[1]:
            before, after = answer[4].decode(), answer[5].decode()
            posted = Posted(address, Entry(number, message.member, message.ciphertext))
            await self._follower.caused(address, answer, posted, before, after)
        return number

    async def signal(self, address: RoomAddress, member: MemberId, seat: str, ciphertext: str) -> None:
        answer = await self._command(address, "signal", member, seat, ciphertext)
        await self._follower.caused(address, answer, Typed(address, member, ciphertext))

    async def keep(self, address: RoomAddress, member: MemberId, seat: str, seconds: int) -> None:
        await self._command(address, "keep", member, seat, seconds)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._follower.close()
        await self._topology.close()

    # -- commands

    async def _command(self, address: RoomAddress, name: str, *arguments: str | int) -> Answer:
        """Raises Refused."""
        now = "" if self._now is None else f"{self._now():.6f}"
        keys, publish = redis_room.keys(address), self._topology.publish
        young = int(self._topology.came_back(keys[0], self._lease))
        given = redis_room.channel(address), publish, self._rules, now, self.node, young, _fresh_epoch()
        try:
            answer = await self._topology.run(redis_room.ROOM, keys, name, *given, *arguments)
        except Away as error:
            raise Refused(ErrorCode.UNAVAILABLE) from error
        except ResponseError as error:
            logger.warning("Redis refuses: %s", str(error).split(" ", 1)[0])
            raise Refused(ErrorCode.UNAVAILABLE) from error
        if answer[0] != b"ok":
            raise Refused(ErrorCode(answer[0].decode()))
        return answer  # type: ignore[no-any-return]

    # -- what is heard

    def _heard(self, channel: bytes, data: bytes) -> None:
        try:
            if self._receive is not None and channel == self._mailbox:
                self._receive(data)
            else:
                self._follower.heard(channel, data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # of a later version, perhaps
            logger.warning("what another node says makes no sense: %s", type(error).__name__)

    def _sure(self, channel: bytes) -> None:
        self._follower.sure(channel)

    # -- leases

    def _learned(self, address: RoomAddress, state: State) -> None:
        """What a room is by now, which may be less than it was."""
        for member in self._seats.strange(address, state):
            self._undone[address, member.id, member.seat] = None

    async def _state(self, track: Track) -> Answer:
        known = track.seq, track.last, track.chain, to_base64url(track.epoch)
        return await self._command(track.address, "state", *known)

    def _arm(self) -> None:
        self._timer = self._clock.call_later(self._lease / RENEWALS / TICKS, self._renew)

    def _renew(self) -> None:
        """One part of the rooms at a time: all at once, they would make messages wait."""
        for undone in tuple(self._undone):
            del self._undone[undone]
            self._later(self.leave(*undone))
        if self._tick % TICKS == 0:
            self._round = list(self._follower.tracks.values())
            self._later(self.site.beat(*self.count()))
        rest = TICKS - self._tick % TICKS
        for _ in range(-(-len(self._round) // rest)):
            self._later(self._renew_one(self._round.pop()))
        self._tick += 1
        self._arm()

    async def _renew_one(self, track: Track) -> None:
        known = track.seq
        try:
            answer = await self._command(track.address, "renew")
        except Refused:
            return
        seq, same = int(answer[1]), read_epoch(answer[2]) == track.epoch
        if not answer[3] or not same or seq < known or (seq > track.seq and not track.waits):
            self._follower.look(track)

    def _later(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report)


def _letters(node: str) -> str:
    return f"{PREFIX}:{{{node}}}:letters"


def _fresh_epoch() -> str:
    return to_base64url(secrets.token_bytes(kept.EPOCH_BYTES))
