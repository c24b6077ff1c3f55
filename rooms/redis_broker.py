"""Rooms in Redis, shared by several nodes: the contract of rooms.broker over one script, a channel for each room, and
leases. Knows nothing about sockets, keys or what a ciphertext says.

What happens in a room has a number, which Redis gives in the step that makes it happen. A node hears of it twice at
most, in the answer to its own command and on the room's channel, and tells it once (rooms.track). Where something is
missing it asks for the room's state and tells the difference. Source: docs/scaling.md, "How nodes share a room".
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from rooms import kept
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
    from_base64url,
    to_base64url,
)
from rooms.redis_link import Away, report
from rooms.redis_site import PREFIX, RedisSite
from rooms.redis_topology import Script, Topology
from rooms.track import Held, State, Step, Track

logger = logging.getLogger(__name__)

ROOM = Script((Path(__file__).parent / "redis_broker.lua").read_text("utf-8"))
KEYS = ("room", "members", "log", "digests", "times", "nodes")
RENEWALS = 3
"""In a lease's time a node says so often that it lives. It is taken for dead after two thirds of it, and whoever renews
next notices: within the whole of it."""
WAIT_SECONDS = 1.0
"""For what should have come on the channel; then the room's state is asked for."""
NODE_BYTES = 9

Undone = tuple[RoomAddress, MemberId, str]


class RedisBroker:
    """rooms.broker.Broker over one Redis, or a cluster. `lease`: seconds within which a node that died is forgotten.
    `now`: the time in seconds that all nodes share; where it is None, Redis's. `full`: whether the site has no place for
    one more room."""

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
        self._joining: dict[RoomAddress, list[Step]] = {}
        """Rooms that somebody is about to enter, and what is said there meanwhile."""
        self._entering: dict[RoomAddress, int] = {}
        self._channels: dict[bytes, tuple[RoomAddress, asyncio.Future[None]]] = {}
        self._catching_up: set[RoomAddress] = set()
        self._undone: dict[Undone, None] = {}
        """Members that must go, which Redis could not be told."""
        self._led: set[RoomAddress] = set()
        self._young_until = 0.0
        self._deliver: Callable[[RoomEvent], None] = lambda event: None
        self._timer: Cancellable | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.obey(limits)

    def obey(self, limits: Limits) -> None:
        """Other limits, for what happens from now on."""
        self._limits = limits
        self._rules = json.dumps(
            {
                "log_size": limits.log_size,
                "message_ttl": limits.message_ttl,
                "empty_room_ttl": limits.empty_room_ttl,
                "room_members": limits.room_members,
                "room_log_bytes": limits.room_log_bytes,
                "digests_kept": kept.DIGESTS_KEPT,
                "digests_at_most": kept.DIGESTS_AT_MOST,
                "digest_seconds": kept.DIGEST_SECONDS,
                "lease": self._lease * (RENEWALS - 1) / RENEWALS,
            },
            separators=(",", ":"),
        )

    @property
    def log_bytes(self) -> int:
        """What all logs weigh here: they lie in Redis."""
        return 0

    def count(self) -> tuple[int, int]:
        """Rooms, each counted by one node of all, and members on this one."""
        return len(self._led), sum(len(track.mine) for track in self._tracks.values())

    @property
    def up(self) -> bool:
        """Whether rooms can be reached."""
        return self._topology.up

    async def open(self) -> None:
        """`start` does it, too. Raises Away, with the reason in one line."""
        await self._topology.open()

    async def start(self, deliver: Callable[[RoomEvent], None]) -> None:
        self._deliver = deliver
        if not self._topology.opened:
            await self._topology.open()
        self._arm()

    async def join(self, address: RoomAddress, member: Member) -> None:
        self._entering[address] = self._entering.get(address, 0) + 1
        try:
            await self._enter(address, member)
        except Refused as refused:
            if refused.code is ErrorCode.UNAVAILABLE:  # it may have happened all the same
                self._undone[address, member.id, member.seat] = None
            raise
        finally:
            self._entering[address] -= 1
            if not self._entering[address]:
                del self._entering[address]
                self._joining.pop(address, None)
                if address not in self._tracks:
                    self._unsubscribe(address)

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

    async def _command(self, address: RoomAddress, name: str, *arguments: str | int) -> list[Any]:
        """Raises Refused."""
        tag = to_base64url(address)
        keys = [f"{PREFIX}:{{{tag}}}:{key}" for key in KEYS]
        now = "" if self._now is None else f"{self._now():.6f}"
        young = int(self._clock.time() < self._young_until)
        given = (f"{PREFIX}:{{{tag}}}:feed", self._topology.publish, self._rules, now, self.node, young, _epoch())
        try:
            answer = await self._topology.run(ROOM, keys, name, *given, *arguments)
        except Away as error:
            raise Refused(ErrorCode.UNAVAILABLE) from error
        except ResponseError as error:
            logger.warning("Redis refuses: %s", str(error).split(" ", 1)[0])
            raise Refused(ErrorCode.UNAVAILABLE) from error
        if answer[0] != b"ok":
            raise Refused(ErrorCode(answer[0].decode()))
        return answer  # type: ignore[no-any-return]

    async def _enter(self, address: RoomAddress, member: Member) -> None:
        await self._subscribe(address)
        full = int(address not in self._tracks and self.site.rooms_elsewhere + len(self._led) >= self._limits.rooms)
        answer = await self._command(address, "join", member.id, member.user, member.seat, full)
        state = _state(answer)
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
        for step in self._joining.pop(address, ()):
            track.offer(step)
        return track

    async def _caused(
        self, address: RoomAddress, answer: list[Any], event: Callable[[], RoomEvent], before: str = "", after: str = ""
    ) -> None:
        """Returns when what a command of this node has caused is told."""
        track = self._tracks.get(address)
        if track is None:
            return
        if track.epoch != _read_epoch(answer[2]):
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
        if not track.mine and event.room not in self._entering:
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
        if track.address not in self._entering:
            self._unsubscribe(track.address)

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
        state = _state(answer)
        older = known <= state.seq < track.seq and not track.broken
        if older and state.epoch == track.epoch:
            return  # than what has come meanwhile
        if not track.adopt(state):
            self._lose(track)

    def _heard(self, channel: bytes, data: bytes) -> None:
        address, _ = self._channels.get(channel, (None, None))
        if address is None:
            return
        said = json.loads(data)
        track = self._tracks.get(address)
        if track is not None and from_base64url(said["epoch"]) != track.epoch:
            self._look(track)
        elif said["kind"] == "joined" and said["node"] == self.node:
            pass  # the answer tells it better
        elif track is not None:
            track.offer(_step(address, said))
        elif address in self._entering:
            self._joining.setdefault(address, []).append(_step(address, said))

    def _sure(self, channel: bytes) -> None:
        """Nothing that is said there is missed from now on."""
        address, done = self._channels.get(channel, (None, None))
        if address is None or done is None:
            return
        if not done.done():
            done.set_result(None)
        self._young_until = self._clock.time() + self._lease
        track = self._tracks.get(address)
        if track is not None:
            self._look(track)

    async def _subscribe(self, address: RoomAddress) -> None:
        """Raises Refused."""
        channel = _channel(address)
        if channel not in self._channels:
            self._channels[channel] = address, asyncio.get_running_loop().create_future()
            try:
                self._topology.subscribe(channel)
            except Away as error:
                del self._channels[channel]
                raise Refused(ErrorCode.UNAVAILABLE) from error
        try:
            await asyncio.wait_for(asyncio.shield(self._channels[channel][1]), WAIT_SECONDS)
        except TimeoutError as error:
            raise Refused(ErrorCode.UNAVAILABLE) from error

    def _unsubscribe(self, address: RoomAddress) -> None:
        channel = _channel(address)
        if self._channels.pop(channel, None) is not None:
            self._topology.unsubscribe(channel)

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
        same = int(answer[1]) >= known and _read_epoch(answer[2]) == track.epoch
        if not answer[3] or not same or (int(answer[1]) > track.seq and not track.waits):
            self._look(track)

    def _later(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report)


def _channel(address: RoomAddress) -> bytes:
    return f"{PREFIX}:{{{to_base64url(address)}}}:feed".encode()


def _epoch() -> str:
    return to_base64url(secrets.token_bytes(kept.EPOCH_BYTES))


def _read_epoch(text: bytes) -> bytes:
    return from_base64url(text.decode())


def _state(answer: list[Any]) -> State:
    flat = answer[6]
    members = [(json.loads(value), MemberId(key.decode())) for key, value in zip(flat[::2], flat[1::2], strict=True)]
    members.sort(key=lambda each: each[0]["order"])
    entries = (json.loads(entry) for entry in answer[7])
    return State(
        int(answer[1]),
        _read_epoch(answer[2]),
        int(answer[3]),
        answer[4].decode(),
        int(answer[5]),
        {key: Held(Member(key, held["user"], held["seat"]), held["node"]) for held, key in members},
        tuple(Entry(entry[0], MemberId(entry[1]), entry[2]) for entry in entries),
    )


def _step(address: RoomAddress, said: dict[str, Any]) -> Step:
    """What was said on a room's channel."""
    seq = said["seq"]
    if said["kind"] == "anew":
        return Step(seq, Lost(address))
    member = MemberId(said["member"])
    match said["kind"]:
        case "joined":
            bare = State(seq, _read_epoch(said["epoch"].encode()), 0, "", 0, {}, ()).snapshot(bare=True)
            event = Joined(address, Member(member, said["user"], said["seat"]), bare, said["returned"])
            return Step(seq, event, node=said["node"])
        case "left":
            return Step(seq, Left(address, member))
        case "changed":
            return Step(seq, Changed(address, Member(member, said["user"], said["seat"])))
        case "posted":
            entry = Entry(said["id"], member, said["ciphertext"])
            return Step(seq, Posted(address, entry), said["before"], said["after"])
        case _:
            return Step(seq, Typed(address, member, said["ciphertext"]))
