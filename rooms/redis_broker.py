"""Rooms in Redis, shared by several nodes: the contract of rooms.broker over one script, a channel for each room, and
leases. Knows nothing about sockets, keys or what a ciphertext says.

What happens in a room has a number, which Redis gives in the step that makes it happen. A node hears of it twice at
most, in the answer to its own command and on the room's channel, and tells it once (rooms.track). Where something is
missing it asks for the room's state and tells the difference. Source: docs/scaling.md, "How nodes share a room".
"""

import asyncio
import contextlib
import json
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
    Joined,
    Left,
    Lost,
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
from rooms.redis_channels import Channels
from rooms.redis_link import Away, report
from rooms.redis_room import Answer, read_epoch, read_state, read_step
from rooms.redis_site import PREFIX, RedisSite
from rooms.redis_topology import Topology
from rooms.track import State, Step, Track

logger = logging.getLogger(__name__)

RENEWALS = 3
"""In a lease's time a node says so often that it lives. It is taken for dead after two thirds of it, and whoever renews
next notices: within the whole of it."""
WAIT_SECONDS = 1.0
"""For what should have come on the channel; then the room's state is asked for."""
NODE_BYTES = 9

Undone = tuple[RoomAddress, MemberId, str]


class RedisBroker:
    """rooms.broker.Broker over one Redis, or a cluster. `lease`: seconds within which a node that died is forgotten.
    `now`: the time in seconds that all nodes share; where it is None, Redis's."""

    def __init__(
        self, url: str, limits: Limits, clock: Clock, lease: float = 15.0, now: Callable[[], float] | None = None
    ) -> None:
        self.node = secrets.token_urlsafe(NODE_BYTES)
        self._clock = clock
        self._lease = lease
        self._now = now
        self._topology = Topology(url, self._heard, self._sure)
        self.site = RedisSite(self._topology, self.node, lease)
        self._tracks: dict[RoomAddress, Track] = {}
        self._channels = Channels(self._topology, self._tracks.__contains__)
        self._catching_up: set[RoomAddress] = set()
        self._undone: dict[Undone, None] = {}
        """Members that must go, which Redis could not be told."""
        self._led: set[RoomAddress] = set()
        self._young_until = 0.0
        self._deliver: Callable[[RoomEvent], None] = lambda event: None
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
        return len(self._led), sum(len(track.mine) for track in self._tracks.values())

    @property
    def up(self) -> bool:
        """Whether all rooms can be reached now."""
        return self._topology.up

    async def open(self) -> None:
        """`start` does it, too. Raises Away, with the reason in one line."""
        await self._topology.open()

    def elsewhere(self, room: RoomAddress, member: MemberId) -> str | None:
        track = self._tracks.get(room)
        held = track.roster.get(member) if track is not None else None
        return held.node if held is not None and held.node != self.node else None

    async def post(self, node: str, letter: bytes) -> None:
        channel = _letters(node)
        with contextlib.suppress(Away, ResponseError):
            await self._topology.ask(channel, self._topology.publish, channel, letter)

    async def start(self, deliver: Callable[[RoomEvent], None], receive: Callable[[bytes], None] | None = None) -> None:
        self._deliver, self._receive = deliver, receive
        if not self._topology.opened:
            await self._topology.open()
        self._topology.subscribe(_letters(self.node).encode())
        self._arm()

    async def join(self, address: RoomAddress, member: Member) -> None:
        try:
            async with self._channels.entering(address):
                await self._enter(address, member)
        except Refused as refused:
            if refused.code is ErrorCode.UNAVAILABLE:  # it may have happened all the same
                self._undone[address, member.id, member.seat] = None
            raise

    async def leave(self, address: RoomAddress, member: MemberId, seat: str) -> None:
        try:
            answer = await self._command(address, "leave", member, seat)
        except Refused as refused:
            if refused.code is ErrorCode.UNAVAILABLE:
                self._undone[address, member, seat] = None
            return
        await self._caused(address, answer, lambda: Left(address, member))

    async def change(self, address: RoomAddress, member: Member) -> None:
        answer = await self._command(address, "change", member.id, member.seat, member.user)
        await self._caused(address, answer, lambda: Changed(address, member))

    async def publish(self, address: RoomAddress, message: Message, seat: str) -> int:
        digest = to_base64url(message.digest)
        answer = await self._command(address, "publish", message.member, seat, message.ciphertext, digest)
        number = int(answer[3])
        if answer[1]:
            before, after = answer[4].decode(), answer[5].decode()
            entry = Entry(number, message.member, message.ciphertext)
            await self._caused(address, answer, lambda: Posted(address, entry), before, after)
        return number

    async def signal(self, address: RoomAddress, member: MemberId, seat: str, ciphertext: str) -> None:
        answer = await self._command(address, "signal", member, seat, ciphertext)
        await self._caused(address, answer, lambda: Typed(address, member, ciphertext))

    async def keep(self, address: RoomAddress, member: MemberId, seat: str, seconds: int) -> None:
        await self._command(address, "keep", member, seat, seconds)

    async def close(self) -> None:
        self._deliver = lambda event: None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._topology.close()

    # -- commands

    async def _command(self, address: RoomAddress, name: str, *arguments: str | int) -> Answer:
        """Raises Refused."""
        now = "" if self._now is None else f"{self._now():.6f}"
        young = int(self._clock.time() < self._young_until)
        given = (
            redis_room.channel(address),
            self._topology.publish,
            self._rules,
            now,
            self.node,
            young,
            _fresh_epoch(),
        )
        try:
            answer = await self._topology.run(redis_room.ROOM, redis_room.keys(address), name, *given, *arguments)
        except Away as error:
            raise Refused(ErrorCode.UNAVAILABLE) from error
        except ResponseError as error:
            logger.warning("Redis refuses: %s", str(error).split(" ", 1)[0])
            raise Refused(ErrorCode.UNAVAILABLE) from error
        if answer[0] != b"ok":
            raise Refused(ErrorCode(answer[0].decode()))
        return answer  # type: ignore[no-any-return]

    async def _enter(self, address: RoomAddress, member: Member) -> None:
        full = int(address not in self._tracks and self.site.rooms_elsewhere + len(self._led) >= self._limits.rooms)
        answer = await self._command(address, "join", member.id, member.user, member.seat, full)
        state = read_state(answer)
        track = self._tracks.get(address)
        if track is not None and track.epoch != state.epoch:
            self._lose(track)
            track = None
        if track is None:
            track = self._follow(address, state)
        event = Joined(address, member, state.snapshot(), bool(answer[8]))
        await self._offered(track, Step(state.seq, event, node=self.node))

    def _follow(self, address: RoomAddress, state: State) -> Track:
        """From now on what happens in a room is told here; this state's own last event is yet to be."""
        before = State(state.seq - 1, state.epoch, state.last, state.chain, state.timer, state.members, ())
        track = self._tracks[address] = Track(address, self.node, before, self._tell, self._gap)
        for step in self._channels.kept(address):
            track.offer(step)
        return track

    async def _caused(
        self, address: RoomAddress, answer: Answer, event: Callable[[], RoomEvent], before: str = "", after: str = ""
    ) -> None:
        """Returns when what a command of this node has caused is told."""
        track = self._tracks.get(address)
        if track is None:
            return
        if track.epoch != read_epoch(answer[2]):
            self._look(track)
            return
        await self._offered(track, Step(int(answer[1]), event(), before, after))

    async def _offered(self, track: Track, step: Step) -> None:
        track.offer(step)
        if track.seq >= step.seq:
            return
        try:
            await asyncio.wait_for(asyncio.shield(track.told(step.seq)), WAIT_SECONDS)
        except TimeoutError:
            await self._catch_up(track)

    # -- what is heard

    def _tell(self, event: RoomEvent) -> None:
        self._deliver(event)
        track = self._tracks.get(event.room)
        if track is None:
            return
        if not track.mine and not self._channels.entered_by(event.room):
            self._forget(track)
        elif track.led:
            self._led.add(event.room)
        else:
            self._led.discard(event.room)

    def _forget(self, track: Track) -> None:
        """Nobody of this node is there any more."""
        track.end()
        del self._tracks[track.address]
        self._led.discard(track.address)
        self._channels.release(track.address)

    def _lose(self, track: Track) -> None:
        """Whoever is here has to join anew."""
        self._forget(track)
        self._deliver(Lost(track.address))

    def _gap(self, track: Track) -> None:
        if track.crowded or track.broken:
            self._look(track)
        else:
            self._clock.call_later(WAIT_SECONDS, lambda: self._look(track) if track.waits else None)

    def _look(self, track: Track) -> None:
        if self._tracks.get(track.address) is track and track.address not in self._catching_up:
            self._later(self._catch_up(track))

    async def _catch_up(self, track: Track) -> None:
        """What was missed is told now; where more was missed than is kept, all that are here join anew."""
        self._catching_up.add(track.address)
        known = track.seq
        try:
            answer = await self._command(track.address, "state", known, track.last, track.chain)
        except Refused:
            return
        finally:
            self._catching_up.discard(track.address)
        if self._tracks.get(track.address) is not track:
            return
        state = read_state(answer)
        older = known <= state.seq < track.seq and not track.broken
        if older and state.epoch == track.epoch:
            return  # than what has come meanwhile
        if not track.adopt(state):
            self._lose(track)

    def _heard(self, channel: bytes, data: bytes) -> None:
        try:
            self._read(channel, data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # of a later version, perhaps
            logger.warning("what another node says makes no sense: %s", type(error).__name__)

    def _read(self, channel: bytes, data: bytes) -> None:
        if self._receive is not None and channel == _letters(self.node).encode():
            self._receive(data)
            return
        address = self._channels.room_of(channel)
        if address is None:
            return
        said = json.loads(data)
        track = self._tracks.get(address)
        if track is not None and read_epoch(said["epoch"]) != track.epoch:
            self._look(track)
        elif said["kind"] == "joined" and said["node"] == self.node:
            pass  # the answer tells it better
        elif track is not None:
            track.offer(read_step(address, said))
        else:
            self._channels.keep(address, read_step(address, said))

    def _sure(self, channel: bytes) -> None:
        """Nothing that is said there is missed from now on."""
        address = self._channels.room_of(channel)
        if address is None:
            return
        self._channels.sure(channel)
        self._young_until = self._clock.time() + self._lease
        track = self._tracks.get(address)
        if track is not None:
            self._look(track)

    # -- leases

    def _arm(self) -> None:
        self._timer = self._clock.call_later(self._lease / RENEWALS, self._renew)

    def _renew(self) -> None:
        for track in tuple(self._tracks.values()):
            self._later(self._renew_one(track))
        for undone in tuple(self._undone):
            del self._undone[undone]
            self._later(self.leave(*undone))
        self._later(self.site.beat(*self.count()))
        self._arm()

    async def _renew_one(self, track: Track) -> None:
        known = track.seq
        try:
            answer = await self._command(track.address, "renew")
        except Refused:
            return
        same = int(answer[1]) >= known and read_epoch(answer[2]) == track.epoch
        if not answer[3] or not same or (int(answer[1]) > track.seq and not track.waits):
            self._look(track)

    def _later(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report)


def _letters(node: str) -> str:
    return f"{PREFIX}:{{{node}}}:letters"


def _fresh_epoch() -> str:
    return to_base64url(secrets.token_bytes(kept.EPOCH_BYTES))
