"""What rooms weigh in Redis, and what it takes to join one: written there by a broker of this process, for there is no
need for anybody who listens. Measures no node.
"""

import asyncio
import os
from dataclasses import dataclass

from bench.measures import Figures
from bench.store import Store, storing
from rooms.broker import Limits
from rooms.model import MESSAGE_CLASSES, Member, MemberId, RoomAddress, parse_message, to_base64url
from rooms.redis_broker import RedisBroker

MEMBERS, ENTRIES = 10, 35
SEALED = 12 + 16
"""Bytes that a message's nonce and tag add to its class."""
TEXT_CLASS, LONG_CLASS = 512, 4096
"""A text of 256 bytes is padded to the first, docs/protocol.md, "Room ciphertexts"."""
USER_BYTES = 540
MANY_MESSAGES = 1024
LIMITS = Limits(log_size=ENTRIES, message_ttl=0, empty_room_ttl=3600, room_members=1000, rooms=1_000_000)


@dataclass(frozen=True, slots=True)
class Content:
    """What a room holds: members, and how many messages of which class were said."""

    messages: int
    size: int = TEXT_CLASS


CONTENTS = {
    "empty log": Content(0),
    f"{ENTRIES} messages of {TEXT_CLASS}": Content(ENTRIES),
    f"{ENTRIES} messages of {LONG_CLASS}": Content(ENTRIES, LONG_CLASS),
    f"{MANY_MESSAGES} messages of {TEXT_CLASS}, the last {ENTRIES} kept": Content(MANY_MESSAGES),
}
EMPTY, USUAL, LONG, MANY = CONTENTS


def weighed(content: str, rooms: int) -> Figures:
    """Bytes of a room: `by_keys`, as MEMORY USAGE says of its keys; `by_server`, what the whole server has grown by,
    with one subscriber. And what joining such a room took: Redis's time in the script, and bytes of its answer and of
    what the others hear."""
    assert CONTENTS[content].size in MESSAGE_CLASSES
    with storing() as store:
        return asyncio.run(_weighed(store, CONTENTS[content], rooms))


async def _weighed(store: Store, content: Content, rooms: int) -> Figures:
    broker = RedisBroker(store.url, LIMITS, asyncio.get_running_loop(), 600)
    await broker.open()
    await broker.start(lambda event: None)
    try:
        # What the first room takes is the server's: its script, buffers of its connections.
        await _fill(broker, RoomAddress(os.urandom(32)), content)
        empty, one = store.work().memory, store.weight()
        addresses = [RoomAddress(os.urandom(32)) for _ in range(rooms)]
        for address in addresses:
            await _fill(broker, address, content)
        figures = {"rooms": rooms, "by_keys": (store.weight() - one) / rooms}
        before = store.work()
        for address in addresses:
            await broker.join(address, _member())
        after = store.work()
    finally:
        await broker.close()
    return {
        **figures,
        "by_server": (before.memory - empty) / rooms,
        "join_script_us": (after.script_us - before.script_us) / (after.calls - before.calls),
        "join_bytes_in": (after.bytes_in - before.bytes_in) / rooms,
        "join_bytes_out": (after.bytes_out - before.bytes_out) / rooms,
    }


async def _fill(broker: RedisBroker, address: RoomAddress, content: Content) -> None:
    members = [_member() for _ in range(MEMBERS)]
    for member in members:
        await broker.join(address, member)
    said = [
        broker.publish(address, parse_message(author.id, os.urandom(content.size + SEALED)), author.seat)
        for author in (members[number % MEMBERS] for number in range(content.messages))
    ]
    await asyncio.gather(*said)


def _member() -> Member:
    return Member(MemberId(to_base64url(os.urandom(32))), to_base64url(os.urandom(USER_BYTES)), "s" * 20)
