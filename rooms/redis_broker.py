"""Rooms in Redis, shared by several nodes: the contract of rooms.broker over one script, a channel for each room, and
leases. Knows nothing about sockets, keys or what a ciphertext says.

What happens in a room has a number (`seq`), which Redis gives in the step that makes it happen. A node hears of it twice
at most: in the answer to its own command and on the room's channel. It delivers them in their order, each once; where one
does not come, it asks for the room's state and delivers the difference.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from rooms.broker import Limits
from rooms.clock import Cancellable, Clock
from rooms import kept
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
    Snapshot,
    Typed,
    from_base64url,
    to_base64url,
)

logger = logging.getLogger(__name__)

SCRIPT = (Path(__file__).parent / "redis_broker.lua").read_text("utf-8")
KEYS = ("room", "members", "log", "digests", "times", "nodes")
RENEWALS = 3
"""A lease is renewed so often before it ends."""
WAIT_SECONDS = 2.0
"""For what should have come on the channel; then the room's state is asked for."""
NODE_BYTES = 9

Found = Mapping[str, Any]


@dataclass(slots=True)
class _Here:
    """A room with members on this node. `seq`: of the last event that was delivered; `early`: what came too soon, by
    its number; `waiting`: commands whose event has not been delivered."""

    address: RoomAddress
    seq: int
    epoch: bytes
    last: int
    roster: dict[MemberId, Member]
    mine: set[MemberId] = field(default_factory=set)
    early: dict[int, RoomEvent] = field(default_factory=dict)
    waiting: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    catching_up: asyncio.Task[None] | None = None


class RedisBroker:
    """rooms.broker.Broker over one Redis. `now`: the time in seconds that all nodes share; where it is None, Redis's."""

    def __init__(
        self, url: str, limits: Limits, clock: Clock, lease: float = 15.0, now: Callable[[], float] | None = None
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._lease = lease
        self._now = now
        self._node = secrets.token_urlsafe(NODE_BYTES)
        self._redis = redis.asyncio.Redis.from_url(url)
        self._feed = self._redis.pubsub(ignore_subscribe_messages=False)
        self._sha = ""
        self._here: dict[RoomAddress, _Here] = {}
        self._joining: dict[RoomAddress, int] = {}
        self._subscribed: dict[str, asyncio.Future[None]] = {}
        self._deliver: Callable[[RoomEvent], None] = lambda event: None
        self._listening: asyncio.Task[None] | None = None
        self._timer: Cancellable | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, deliver: Callable[[RoomEvent], None]) -> None:
        self._deliver = deliver
        self._sha = await self._redis.script_load(SCRIPT)
        self._arm()

    async def join(self, address: RoomAddress, member: Member) -> None:
        self._joining[address] = self._joining.get(address, 0) + 1
        try:
            await self._subscribe(address)
            epoch = to_base64url(secrets.token_bytes(kept.EPOCH_BYTES))
            answer = await self._command(address, "join", member.id, member.user, member.seat, epoch)
            snapshot = _snapshot(answer)
            here = self._here.get(address)
            if here is None:
                here = self._here[address] = _Here(
                    address, int(answer[1]) - 1, snapshot.epoch, snapshot.last, {each.id: each for each in snapshot.members}
                )
            here.mine.add(member.id)
            await self._caused(here, int(answer[1]), Joined(address, member, snapshot, bool(answer[7])))
        finally:
            self._joining[address] -= 1
            if not self._joining[address]:
                del self._joining[address]

    async def leave(self, address: RoomAddress, member: MemberId, seat: str) -> None:
        try:
            answer = await self._command(address, "leave", member, seat)
        except Refused:
            return
        here = self._here.get(address)
        if here is not None:
            await self._caused(here, int(answer[1]), Left(address, member))

    async def change(self, address: RoomAddress, member: Member) -> None:
        answer = await self._command(address, "change", member.id, member.seat, member.user)
        await self._caused(self._here[address], int(answer[1]), Changed(address, member))

    async def publish(self, address: RoomAddress, message: Message, seat: str) -> int:
        digest = to_base64url(message.digest)
        answer = await self._command(address, "publish", message.member, seat, message.ciphertext, digest)
        seq, number = int(answer[1]), int(answer[2])
        if seq:
            posted = Posted(address, Entry(number, message.member, message.ciphertext))
            await self._caused(self._here[address], seq, posted)
        return number

    async def signal(self, address: RoomAddress, member: MemberId, seat: str, ciphertext: str) -> None:
        answer = await self._command(address, "signal", member, seat, ciphertext)
        await self._caused(self._here[address], int(answer[1]), Typed(address, member, ciphertext))

    async def keep(self, address: RoomAddress, member: MemberId, seat: str, seconds: int) -> None:
        await self._command(address, "keep", member, seat, str(seconds))

    async def close(self) -> None:
        self._deliver = lambda event: None
        if self._timer is not None:
            self._timer.cancel()
        for task in (*self._tasks, self._listening):
            if task is not None:
                task.cancel()
        await self._feed.aclose()
        await self._redis.aclose()

    # -- commands

    async def _command(self, address: RoomAddress, name: str, *arguments: str) -> list[Any]:
        """Raises Refused."""
        tag = to_base64url(address)
        keys = [f"chatsite:{{{tag}}}:{key}" for key in KEYS]
        now = "" if self._now is None else f"{self._now():.6f}"
        given = [name, _channel(address), self._rules(), now, self._node, *arguments]
        try:
            try:
                answer = await self._redis.evalsha(self._sha, len(keys), *keys, *given)
            except NoScriptError:  # Redis was started anew
                answer = await self._redis.eval(SCRIPT, len(keys), *keys, *given)
        except (RedisError, OSError) as error:
            logger.warning("Redis cannot be asked: %s", type(error).__name__)
            raise Refused(ErrorCode.UNAVAILABLE) from error
        if answer[0] != b"ok":
            raise Refused(ErrorCode(answer[0].decode()))
        return cast("list[Any]", answer)

    def _rules(self) -> str:
        limits = self._limits
        return json.dumps(
            {
                "log_size": limits.log_size,
                "message_ttl": limits.message_ttl,
                "empty_room_ttl": limits.empty_room_ttl,
                "room_members": limits.room_members,
                "room_log_bytes": limits.room_log_bytes,
                "digests_kept": kept.DIGESTS_KEPT,
                "digests_at_most": kept.DIGESTS_AT_MOST,
                "digest_seconds": kept.DIGEST_SECONDS,
                "lease": self._lease,
            }
        )

    async def _caused(self, here: _Here, seq: int, event: RoomEvent) -> None:
        """Returns when an event of a command of this node has been delivered."""
        if seq <= here.seq:
            return
        done = here.waiting.setdefault(seq, asyncio.get_running_loop().create_future())
        self._offer(here, seq, event)
        if done.done():
            return
        try:
            await asyncio.wait_for(asyncio.shield(done), WAIT_SECONDS)
        except TimeoutError:
            await self._catch_up(here)

    # -- the order of events

    def _offer(self, here: _Here, seq: int, event: RoomEvent) -> None:
        """One event; delivered with all that were waiting for it, or kept until those before it have come."""
        if seq <= here.seq or seq in here.early:
            return
        here.early[seq] = event
        while (event_ := here.early.pop(here.seq + 1, None)) is not None:
            here.seq += 1
            self._happened(here, event_)
            done = here.waiting.pop(here.seq, None)
            if done is not None and not done.done():
                done.set_result(None)
        if here.early and here.catching_up is None:
            self._clock.call_later(WAIT_SECONDS / 2, lambda: self._look(here))

    def _look(self, here: _Here) -> None:
        if here.early and here.catching_up is None and self._here.get(here.address) is here:
            here.catching_up = self._later(self._catch_up(here))

    def _happened(self, here: _Here, event: RoomEvent) -> None:
        match event:
            case Joined(_, member):
                here.roster[member.id] = member
            case Left(_, member):
                here.roster.pop(member, None)
                here.mine.discard(member)
            case Changed(_, member):
                here.roster[member.id] = member
            case Posted(_, entry):
                here.last = entry.id
        self._deliver(event)
        if not here.mine and here.address not in self._joining:
            self._forget(here)

    def _forget(self, here: _Here) -> None:
        """Nobody of this node is there any more."""
        if self._here.pop(here.address, None) is not None:
            self._subscribed.pop(_channel(here.address), None)
            self._later(self._feed.unsubscribe(_channel(here.address)))

    async def _catch_up(self, here: _Here) -> None:
        """What was missed is told now; where more was missed than is kept, everybody here has to join anew."""
        try:
            answer = await self._command(here.address, "state", str(here.last))
        except Refused:
            return
        finally:
            here.catching_up = None
        if self._here.get(here.address) is not here:
            return
        snapshot, seq = _snapshot(answer), int(answer[1])
        if seq < here.seq:
            return  # it is older than what has come meanwhile
        missed = [entry for entry in snapshot.log if entry.id > here.last]
        known = {member.id: member for member in snapshot.members}
        whole = snapshot.epoch == here.epoch and len(missed) == snapshot.last - here.last
        if not whole or any(member not in known for member in here.mine):
            self._here.pop(here.address)
            self._deliver(Lost(here.address))
            self._later(self._feed.unsubscribe(_channel(here.address)))
            self._subscribed.pop(_channel(here.address), None)
            return
        bare = Snapshot(snapshot.epoch, snapshot.last, (), (), snapshot.timer)
        here.seq = seq
        here.early = {number: event for number, event in here.early.items() if number > seq}
        for gone in here.roster.keys() - known.keys():
            self._happened(here, Left(here.address, gone))
        for each in snapshot.members:
            before = here.roster.get(each.id)
            if before is None or before.seat != each.seat:
                self._happened(here, Joined(here.address, each, bare, returned=before is not None))
            elif before.user != each.user:
                self._happened(here, Changed(here.address, each))
        for entry in missed:
            self._happened(here, Posted(here.address, entry))
        for number in [number for number in here.waiting if number <= seq]:
            here.waiting.pop(number).set_result(None)

    # -- the feed

    async def _subscribe(self, address: RoomAddress) -> None:
        channel = _channel(address)
        known = self._subscribed.get(channel)
        if known is None:
            known = self._subscribed[channel] = asyncio.get_running_loop().create_future()
            try:
                await self._feed.subscribe(channel)
            except (RedisError, OSError) as error:
                del self._subscribed[channel]
                raise Refused(ErrorCode.UNAVAILABLE) from error
            if self._listening is None or self._listening.done():
                self._listening = self._later(self._listen())
        await known

    async def _listen(self) -> None:
        while True:
            try:
                async for said in self._feed.listen():
                    self._heard(said)
                return
            except (RedisError, OSError) as error:
                logger.warning("Redis does not speak: %s", type(error).__name__)
                await asyncio.sleep(WAIT_SECONDS / 2)

    def _heard(self, said: Found) -> None:
        channel = said["channel"].decode()
        if said["type"] == "subscribe":
            done = self._subscribed.get(channel)
            if done is not None and not done.done():
                done.set_result(None)
            return
        if said["type"] != "message":
            return
        event = json.loads(said["data"])
        here = next((each for each in self._here.values() if _channel(each.address) == channel), None)
        if here is not None:
            read = _event(here, event, self._node)
            if read is not None:
                self._offer(here, event["seq"], read)

    # -- leases

    def _arm(self) -> None:
        self._timer = self._clock.call_later(self._lease / RENEWALS, self._renew)

    def _renew(self) -> None:
        for here in tuple(self._here.values()):
            self._later(self._renew_one(here))
        self._arm()

    async def _renew_one(self, here: _Here) -> None:
        try:
            answer = await self._command(here.address, "renew")
        except Refused:
            return
        if not int(answer[2]) or int(answer[1]) != here.seq:
            await self._catch_up(here)

    def _later(self, step: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _channel(address: RoomAddress) -> str:
    return f"chatsite:{{{to_base64url(address)}}}:feed"


def _snapshot(answer: list[Any]) -> Snapshot:
    flat = answer[5]
    members = [(json.loads(value), key.decode()) for key, value in zip(flat[::2], flat[1::2], strict=True)]
    members.sort(key=lambda each: each[0]["order"])
    log = [json.loads(entry) for entry in answer[6]]
    return Snapshot(
        _epoch(answer[2]),
        int(answer[3]),
        tuple(Member(MemberId(key), held["user"], held["seat"]) for held, key in members),
        tuple(Entry(entry[0], MemberId(entry[1]), entry[2]) for entry in log),
        int(answer[4]),
    )


def _epoch(text: bytes) -> bytes:
    return from_base64url(text.decode(), kept.EPOCH_BYTES) if text else b""


def _event(here: _Here, said: Found, node: str) -> RoomEvent | None:
    """What was said on the channel; None for this node's own join, which the answer to it tells better."""
    address, member = here.address, MemberId(said["member"])
    match said["kind"]:
        case "joined":
            if said["node"] == node:
                return None
            bare = Snapshot(here.epoch, here.last, (), ())
            return Joined(address, Member(member, said["user"], said["seat"]), bare, said["returned"])
        case "left":
            return Left(address, member)
        case "changed":
            return Changed(address, Member(member, said["user"], said["seat"]))
        case "posted":
            return Posted(address, Entry(said["id"], member, said["ciphertext"]))
        case _:
            return Typed(address, member, said["ciphertext"])
