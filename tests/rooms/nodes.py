"""A node as far as its broker goes, without sockets: joins and says, and keeps what it is told; for the tests of rooms
in Redis. Asserts nothing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from rooms.broker import Limits
from rooms.model import Entry, ErrorCode, Joined, Left, Lost, Member, MemberId, Message, Posted, Refused, RoomAddress
from rooms.model import RoomEvent as Event
from rooms.redis_broker import RedisBroker

ROOM, OTHER_ROOM, THIRD_ROOM = (RoomAddress(letter * 32) for letter in (b"r", b"o", b"t"))
LIMITS = Limits(log_size=35, message_ttl=0, empty_room_ttl=3600, room_members=1000, rooms=1000)
LEASE = 0.6
PATIENT_LEASE = 1.5
"""Where nobody is to be given up: a machine that has much to do stands still for longer than one would think."""


@dataclass
class Node:
    broker: RedisBroker
    events: list[Event] = field(default_factory=list)

    @classmethod
    async def start(cls, url: str, lease: float = LEASE, **limits: Any) -> "Node":  # noqa: ANN401 - of Limits
        node = cls(RedisBroker(url, replace(LIMITS, **limits), asyncio.get_running_loop(), lease=lease))
        await node.broker.start(node.events.append)
        return node

    async def join(self, name: str, room: RoomAddress = ROOM, seat: str = "") -> None:
        await self.broker.join(room, Member(MemberId(name), f"user of {name}", seat or f"seat of {name}"))

    async def leave(self, name: str, room: RoomAddress = ROOM, seat: str = "") -> None:
        await self.broker.leave(room, MemberId(name), seat or f"seat of {name}")

    async def say(self, name: str, text: str, room: RoomAddress = ROOM, seat: str = "") -> int:
        message = Message(MemberId(name), text, hashlib.sha256(text.encode()).digest())
        return await self.broker.publish(room, message, seat or f"seat of {name}")

    async def insist(self, name: str, text: str) -> int:
        """As a client does: again, as long as Redis is away."""
        while True:
            try:
                return await self.say(name, text)
            except Refused as refused:
                if refused.code is not ErrorCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.05)

    @property
    def posted(self) -> list[Entry]:
        return [event.entry for event in self.events if isinstance(event, Posted)]

    @property
    def joined(self) -> Joined:
        """The last that was."""
        return [event for event in self.events if isinstance(event, Joined)][-1]

    @property
    def lost(self) -> int:
        """How often its rooms were."""
        return sum(isinstance(event, Lost) for event in self.events)

    @property
    def told(self) -> list[tuple[str, str]]:
        """Who came and went."""
        told: list[tuple[str, str]] = []
        for event in self.events:
            match event:
                case Joined(_, member):
                    told.append(("joined", member.id))
                case Left(_, gone):
                    told.append(("left", gone))
        return told


@asynccontextmanager
async def nodes(*urls: str, lease: float = PATIENT_LEASE, **limits: Any) -> AsyncIterator[list[Node]]:  # noqa: ANN401
    """One at each of the URLs."""
    started: list[Node] = []
    try:
        for url in urls:
            started.append(await Node.start(url, lease, **limits))  # noqa: PERF401 - those that are there are closed
        yield started
    finally:
        for node in started:
            await node.broker.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
