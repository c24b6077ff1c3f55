"""A chat without a network: sockets that keep what they hear, tabs that prove and seal by the other implementation, and
time that stands still."""

import asyncio
import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from envelope import ServerKey
from protocol import Frame, Json
from protocol.namespace import Departure, Socket
from protocol.socketio import Decoder
from rooms.broker import Limits, MemoryBroker
from rooms.chat import ChatNamespace
from rooms.guest import Policy
from rooms.hub import Hub
from rooms.join import Door, Join
from rooms.limits import Flow, Quotas, Rate, Traffic
from rooms.model import Member, MemberId, RoomAddress
from tests import reference_join
from tests.fakes import FakeClock, Seated, at_once
from tests.reference import Room, Signer, b64
from tests.reference_join import Channel, Joining, Since, proven

SITE = b"site" * 4
LIMITS = Limits(log_size=35, message_ttl=0, empty_room_ttl=3600, room_members=1000, rooms=1000)
AMPLE = Rate(per_second=1e9, burst=1e9)
QUOTAS = Quotas(
    socket=Traffic(Rate(per_second=10, burst=40), AMPLE),
    address=Traffic(AMPLE, AMPLE),
    room=Traffic(AMPLE, AMPLE),
    address_joins=AMPLE,
    room_joins=AMPLE,
    attempts=3,
    refusals=Rate(per_second=1, burst=100),
)
FLOW = Flow(largest=10_000_000, each=1e9, all=1e9)
POLICY = Policy(grace_time=15, message_ttl=0, join_timeout=3600, quotas=QUOTAS, files=FLOW)

Object = dict[str, Any]
Work = TypeVar("Work")


@functools.cache
def server_key() -> ServerKey:
    """One for all tests: a new one takes a third of a second."""
    return ServerKey()


@functools.cache
def public_key() -> reference_join.ServerKey:
    return reference_join.ServerKey.from_pem(server_key().pem)


def person() -> bytes:
    """A user or typing ciphertext: to the server any bytes of that size are one."""
    return os.urandom(12 + 512 + 16)


def message() -> bytes:
    return os.urandom(12 + 256 + 16)


@dataclass(slots=True, eq=False)
class FakeSocket(Seated):
    """protocol.namespace.Socket. `heard`: names and arguments of all events. `connected` as its owner sees it;
    `for_good`: the server has ended its connection, too; `dropped`: as if the line had broken."""

    id: str
    heard: list[tuple[str, Any]] = field(default_factory=list)
    connected: bool = True
    for_good: bool = False
    dropped: bool = False
    breaks: Callable[[], None] | None = None
    """Called instead of the next send: how a consumer that is too slow is closed in the middle of it."""
    asked: list[tuple[str, Any, Callable[[list[Json]], None]]] = field(default_factory=list)
    """What it was asked, and what its answer goes to."""

    def ask(self, event: str, *args: Json, answered: Callable[[list[Json]], None]) -> None:
        if self.connected:
            (arg,) = args
            self.asked.append((event, arg, answered))

    def send(self, frames: Sequence[Frame], *, last: bool = False) -> None:
        if self.connected and self.breaks is not None:
            breaks, self.breaks = self.breaks, None
            breaks()
        elif self.connected:
            decoder = Decoder(1_000_000)
            first, *attachments = frames
            packet = decoder.feed(str(first)[1:])
            for each in attachments:
                packet = decoder.feed(each)
            assert packet is not None
            name, *args = packet.data
            self.heard.append((name, args[0] if args else None))

    def disconnect(self, *, for_good: bool = False) -> None:
        self.connected, self.for_good = False, for_good

    def drop(self) -> None:
        self.connected, self.dropped = False, True

    def taken(self) -> list[tuple[str, Any]]:
        """What it heard since the last look."""
        heard, self.heard = self.heard, []
        return heard

    def all(self, event: str) -> list[Any]:
        return [said for name, said in self.heard if name == event]


class Gate:
    """Lets through at once, or while `held`, when it is told to."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[asyncio.Future[None]] = []

    async def passed(self) -> None:
        if self.held:
            self.waiting.append(asyncio.get_running_loop().create_future())
            await self.waiting[-1]

    def let_go(self, number: int = 0) -> None:
        """One of those who wait, if anybody does."""
        if self.waiting:
            self.waiting.pop(number % len(self.waiting)).set_result(None)


class Runner:
    """Takes work off the loop. `turn`: before it is done; `way_back`: before its result arrives. `done`: how often."""

    def __init__(self) -> None:
        self.turn, self.way_back = Gate(), Gate()
        self.done = 0

    async def __call__(self, work: Callable[[], Work]) -> Work:
        await self.turn.passed()
        self.done += 1
        result = work()
        await self.way_back.passed()
        return result


class FarBroker:
    """A broker somewhere else. `before`: until joins and leaves get there; `after`: until their answers are back."""

    def __init__(self, memory: MemoryBroker) -> None:
        self._memory = memory
        self.before, self.after = Gate(), Gate()
        self.start, self.close = memory.start, memory.close
        self.change, self.publish, self.signal, self.keep = memory.change, memory.publish, memory.signal, memory.keep
        self.obey, self.count, self.elsewhere, self.post = memory.obey, memory.count, memory.elsewhere, memory.post
        self.node, self.log_bytes, self.up = memory.node, memory.log_bytes, True

    async def join(self, room: RoomAddress, member: Member) -> None:
        await self.before.passed()
        await self._memory.join(room, member)
        await self.after.passed()

    async def leave(self, room: RoomAddress, member: MemberId, seat: str) -> None:
        await self.before.passed()
        await self._memory.leave(room, member, seat)
        await self.after.passed()


class Stage:
    """The chat with all its parts, and whoever connects."""

    def __init__(self, limits: Limits = LIMITS, policy: Policy = POLICY) -> None:
        self.clock = FakeClock()
        self.memory = MemoryBroker(limits, self.clock)
        self.broker = FarBroker(self.memory)
        self.hub = Hub(at_once)
        self.runner = Runner()
        self.chat = ChatNamespace(
            Door(server_key(), SITE),
            self.broker,
            self.hub,
            policy,
            self.clock,
            cast("Callable[[Callable[[], Join]], Any]", self.runner),
        )
        self.sockets = 0

    def connect(self) -> FakeSocket:
        self.sockets += 1
        socket = FakeSocket(f"socket-{self.sockets}")
        self.chat.authorize(None)
        self.chat.connected(socket)
        return socket

    async def ask(self, socket: FakeSocket, event: str | int, *args: Json) -> Any:  # noqa: ANN401 - JSON
        """What the chat acknowledges."""
        (answer,) = await self.chat.event(socket, event, list(args))
        await self.settle()
        return answer

    async def depart(self, socket: FakeSocket, departure: Departure) -> None:
        """The client goes, unless it was shown the door before."""
        self.cut(socket, departure)
        await self.settle()

    def cut(self, socket: FakeSocket, departure: Departure = Departure.LOST) -> None:
        if socket.connected:
            socket.connected = False
            self.chat.disconnected(socket, departure)

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Everything that is due now has happened."""
        for _ in range(4):
            self.clock.advance(0)
            await asyncio.sleep(0)

    @property
    def nobody(self) -> bool:
        """Whether there is no trace of anybody."""
        lobby = self.chat._lobby
        present = any(room.members for room in self.memory._rooms.values())
        return not (present or lobby._guests or lobby._grace._timers or lobby._tasks or self.hub._rooms)


async def open_stage(limits: Limits = LIMITS, policy: Policy = POLICY) -> Stage:
    stage = Stage(limits, policy)
    await stage.chat.start()
    return stage


class Tab:
    """A tab of somebody: a signer, the room it knows, and a connection that can be another one each time."""

    def __init__(self, stage: Stage, room: Room | None = None, signer: Signer | None = None) -> None:
        self.stage = stage
        self.room = room or Room.from_secret(os.urandom(32))
        self.signer = signer or Signer.generate()
        self.user = person()
        self.channel: Channel
        self.socket = stage.connect()

    @property
    def member(self) -> str:
        return self.signer.member

    def reconnect(self) -> None:
        """A new line; the old one is left as it is."""
        self.socket = self.stage.connect()

    def joining(self, since: Since | None = None) -> Joining:
        return Joining(public_key(), self.socket.id, SITE, since, self.user)

    def request(self, since: Since | None = None) -> dict[str, str]:
        """An honest request to join."""
        request, self.channel = reference_join.make_join(self.joining(since), self.room, self.signer)
        return request

    async def join(self, since: Since | None = None) -> Object:
        """Joins; answers what `connected` holds."""
        self.socket.taken()
        assert await self.stage.ask(self.socket, "join-room", cast(Json, self.request(since))) == {
            "member": self.member
        }
        (name, connected), *rest = self.socket.taken()
        assert (name, rest) == ("connected", [])
        return cast(Object, connected)

    async def ask(self, event: str, body: bytes = b"") -> Object:
        """A sealed request; answers the ack."""
        return await self.ask_sealed(event, self.channel.seal(event, body))

    async def ask_sealed(self, event: str, sealed: Json) -> Object:
        return cast(Object, await self.stage.ask(self.socket, event, sealed))


async def company(stage: Stage, size: int) -> list[Tab]:
    """So many tabs in one room, who have heard nothing yet."""
    room = Room.from_secret(os.urandom(32))
    tabs = [Tab(stage, room) for _ in range(size)]
    for tab in tabs:
        await tab.join()
    for tab in tabs:
        tab.socket.taken()
    return tabs


@dataclass
class Forgery:
    """A join of which every part can be another than the one that was proven. None: as an honest tab has it."""

    tab: Tab
    proven: Joining
    address: bytes | None = None
    session_key: bytes | None = None
    member: bytes | None = None
    room_signer: Signer | None = None
    member_signer: Signer | None = None

    def request(self, **said: Json) -> dict[str, str]:
        """`said`: keys of the body that differ from what is proven."""
        tab, session_key = self.tab, os.urandom(32)
        transcript = self.proven.transcript(
            self.address or tab.room.address, self.session_key or session_key, self.member or tab.signer.public_key
        )
        room_proof = (self.room_signer or tab.room.identity).sign(proven(b"room", transcript))
        member_proof = (self.member_signer or tab.signer).sign(proven(b"member", transcript))
        since = self.proven.since
        body: dict[str, Json] = {
            "member": tab.member,
            "proof": b64(member_proof),
            "user": b64(tab.user),
            "since": since and {"epoch": b64(since.epoch), "id": since.id},
            "site": b64(SITE),
        }
        return sealed_join(tab.room.address + session_key + room_proof, session_key, {**body, **said})


def sealed_join(opener: bytes, session_key: bytes, body: Json, *, event: str = "join-room") -> dict[str, str]:
    sealed = Channel(session_key).seal(event, json.dumps(body).encode())
    return {"envelope": b64(public_key().seal(opener)), "body": sealed}


def seated(hub: Hub, room: RoomAddress) -> dict[MemberId, Socket]:
    """Who sits there."""
    here = hub._rooms.get(room)
    return {member: seat.socket for member, seat in here.seats.items()} if here else {}
