"""`python -m bench.growth`: what a room takes, what a message in its log, and whether a million messages leave anything
behind. Compares nothing.

Rooms and logs are weighed in a process of their own that holds nothing else, so that what a thousand of them take is
what it grows by; the million goes through a real server.
"""

import asyncio
import multiprocessing
import os
import sys

from bench.generator import Fault, Shape, generating
from bench.machine import rss_kb
from bench.servers import serving
from rooms.broker import Limits, MemoryBroker
from rooms.model import MESSAGE_CLASSES, Member, MemberId, RoomAddress, parse_message, to_base64url

ROOMS, ENTRIES = 2_000, 35
RATE, ROUNDS, ROUND_SECONDS = 5_000.0, 10, 20.0
"""A million messages in ten rounds, at a rate that nobody has to wait at."""
FEW = Shape(10, 10)
"""Rooms that are so busy that each knows as many digests as it may (rooms.broker.DIGESTS_AT_MOST) after two rounds."""
CIPHERTEXT_BYTES = 12 + MESSAGE_CLASSES[1] + 16


def main() -> int:
    """Prints its figures; status 1 when a message was lost."""
    empty = _weigh(0)
    print(f"a room with one member: {empty:.2f} kB")
    print(f"a message in its log ({CIPHERTEXT_BYTES} bytes): {(_weigh(ENTRIES) - empty) / ENTRIES:.2f} kB", flush=True)
    try:
        _million()
    except Fault as fault:
        print(f"FAILED: {fault}", file=sys.stderr)
        return 1
    return 0


def _weigh(entries: int) -> float:
    """kB of a room with so many messages in its log."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_grown, (entries,))


def _grown(entries: int) -> float:
    before = rss_kb(os.getpid())
    rooms = asyncio.run(_rooms(entries))
    after = rss_kb(os.getpid())
    del rooms  # not before
    return (after - before) / ROOMS


async def _rooms(entries: int) -> MemoryBroker:
    limits = Limits(log_size=ENTRIES, message_ttl=0, empty_room_ttl=3600, room_members=1000, rooms=ROOMS)
    broker = MemoryBroker(limits, asyncio.get_running_loop())

    def make(size: int) -> str:
        return to_base64url(os.urandom(size))

    for number in range(ROOMS):
        room, member = RoomAddress(os.urandom(32)), MemberId(make(32))
        await broker.join(room, Member(member, make(540), f"seat {number}"))
        for _ in range(entries):
            await broker.publish(room, parse_message(member, os.urandom(CIPHERTEXT_BYTES)), f"seat {number}")
    return broker


def _million() -> None:
    """What there is to grow, logs and digests, is full after two rounds."""
    with serving("chatsite") as server, generating(server.address, FEW) as generator:
        generator.join()
        for number in range(ROUNDS + 1):
            kb = rss_kb(server.pid)
            print(f"after {round(number * RATE * ROUND_SECONDS):>9,} messages: {kb / 1024:.1f} MB", flush=True)
            if number < ROUNDS:
                generator.open(RATE, 0, ROUND_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
