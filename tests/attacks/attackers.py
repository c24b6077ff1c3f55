"""What an attacker does, as a process of its own: `python -m tests.attacks.attackers NAME PORT SECONDS`. Knows nothing
of those who suffer. Prints what it did and what became of it, as counts in JSON. Ends earlier with two more arguments:
a count, and how large it is to become.

It comes from addresses of its own (127.66.x.y), as somebody elsewhere would.
"""

import asyncio
import itertools
import json
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.reference import Room, Signer, b64, seal_content, unb64
from tests.reference_join import Channel, Joining, ServerKey, make_join
from tests.websocket import BINARY, CLOSE, PONG, QUERY, TEXT, RawWebSocket, Refusal, frame, request

SOURCE = "127.66.0.1"
POLLING = "/socket.io/?EIO=4&transport=polling"
ENDLESS = 1 << 40
"""Bytes that somebody says are to come."""
LOOK_SECONDS = 0.1
"""Until the attacker asks itself again whether that is enough."""
GONE = (OSError, EOFError, AssertionError, Refusal)
"""What an attacker whose line was ended meets."""


@dataclass
class Target:
    """`did`: counts, by what."""

    port: int
    did: Counter[str] = field(default_factory=Counter)
    sources: "itertools.count[int]" = field(default_factory=lambda: itertools.count(256))

    def another_source(self) -> str:
        """An address that has not been here before."""
        number = next(self.sources)
        return f"127.66.{number // 256 % 256}.{number % 256}"

    @asynccontextmanager
    async def line(self, source: str = SOURCE) -> AsyncIterator[RawWebSocket]:
        """A WebSocket; noted where it is refused, or ends."""
        try:
            line = await RawWebSocket.open(self.port, QUERY, source=source)
        except Refusal as refused:
            self.did[f"status {refused.answer.status}"] += 1
            await asyncio.sleep(0.05)
            raise
        async with line:
            self.did["lines"] += 1
            yield line

    @asynccontextmanager
    async def tcp(self, source: str = SOURCE) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self.did["lines"] += 1
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def flood(self, line: RawWebSocket, wire: bytes, frames: int) -> None:
        """As fast as the line takes it, until it ends. Reads nothing."""
        while not line.writer.is_closing():
            line.raw(wire)
            await line.writer.drain()
            self.did["frames"] += frames

    async def ended(self, line: RawWebSocket) -> None:
        """Reads on to the end, which is noted."""
        code = await line.end()
        self.did[f"closed {code}"] += 1


Attack = Callable[[Target], Awaitable[None]]


async def for_ever(target: Target, attempt: Attack) -> None:
    """Again and again, whatever becomes of it."""
    while True:
        with suppress(*GONE):
            await attempt(target)
        await asyncio.sleep(0.01)


def many(number: int, attempt: Attack) -> Attack:
    """So many at the same time."""

    async def attack(target: Target) -> None:
        await asyncio.gather(*(for_ever(target, attempt) for _ in range(number)))

    return attack


# -- lines


async def half_open(target: Target) -> None:
    async with target.tcp():
        await asyncio.sleep(3600)


async def slow_head(target: Target) -> None:
    async with target.tcp() as (reader, writer):
        for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 10_000:
            writer.write(bytes([byte]))
            target.did["bytes"] += 1
            await asyncio.sleep(1)
        await reader.read()


async def slow_body(target: Target) -> None:
    async with target.tcp() as (_, writer):
        head = "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
        writer.write(head.encode())
        while True:
            writer.write(b"x")
            target.did["bytes"] += 1
            await asyncio.sleep(1)


async def slow_frame(target: Target) -> None:
    async with target.line() as line:
        for byte in frame(TEXT, b"4" + b"x" * 100_000):
            line.raw(bytes([byte]))
            target.did["bytes"] += 1
            await asyncio.sleep(1)


async def page_flood(target: Target) -> None:
    """Pages, asked for without waiting for those before."""
    async with target.tcp() as (reader, writer):

        async def ask() -> None:
            while True:
                writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
                await writer.drain()

        asking = asyncio.create_task(ask())
        try:
            while line := await reader.readline():
                if line.startswith(b"HTTP/1.1 "):
                    target.did[f"status {line.split()[1].decode()}"] += 1
        finally:
            asking.cancel()


async def too_large(target: Target) -> None:
    """A message, bodies and a head that say or show that they are larger than any may be."""
    async with target.line() as line:
        line.raw(bytes([0x80 | BINARY, 0xFF]) + ENDLESS.to_bytes(8, "big") + bytes(4) + b"x" * 100_000)
        await target.ended(line)
    for heads in (f"Content-Length: {ENDLESS}\r\n\r\n", f"Transfer-Encoding: chunked\r\n\r\n{ENDLESS:x}\r\n", "X: "):
        handshake = await request(target.port, f"GET {POLLING} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n")
        session = f"{POLLING}&sid={json.loads(handshake.body[1:])['sid']}"
        async with target.tcp() as (reader, writer):
            writer.write(f"POST {session} HTTP/1.1\r\nHost: 127.0.0.1\r\n{heads}".encode() + b"x" * 500_000)
            try:
                target.did[f"status {(await reader.readline()).split()[1].decode()}"] += 1
            except (OSError, IndexError):
                target.did["cut"] += 1


# -- frames


async def pongs(target: Target) -> None:
    async with target.line() as line:
        await target.flood(line, frame(PONG, b"") * 2_000, 2_000)


async def tiny_messages(target: Target) -> None:
    async with target.line() as line:
        await target.flood(line, frame(TEXT, b"6") * 2_000, 2_000)  # Engine.IO's NOOP


async def fragments(target: Target) -> None:
    async with target.line() as line:
        line.raw(frame(BINARY, b"", fin=False))
        ending = asyncio.create_task(target.ended(line))
        wire = frame(0, b"x" * 1000, fin=False) * 20
        while not ending.done():
            line.raw(wire)
            target.did["frames"] += 20
            await asyncio.sleep(0.001)


async def half_messages(target: Target) -> None:
    """As much as a message may have, and never its end."""
    async with target.line() as line:
        line.raw(frame(BINARY, b"x" * 100_000, fin=False) + frame(0, b"x" * 99_000, fin=False))
        await line.writer.drain()
        target.did["bytes"] += 199_000
        await target.ended(line)


async def empty_fragments(target: Target) -> None:
    async with target.line() as line:
        line.raw(frame(BINARY, b"", fin=False))
        await target.flood(line, frame(0, b"", fin=False) * 2_000, 2_000)


async def compression(target: Target) -> None:
    """An extension that was not agreed on, and a body that would be a thousand times as long."""
    async with target.line() as line:
        line.raw(frame(TEXT, b"\xed\xc0\x81\x00" * 1000, reserved=4))
        await target.ended(line)
    head = "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n"
    answer = await request(target.port, f"{head}Content-Encoding: gzip\nContent-Length: 0\n\n")
    target.did[f"status {answer.status}"] += 1


# -- Socket.IO


async def connected(line: RawWebSocket) -> tuple[str, ServerKey]:
    """The Socket.IO id, and the server's key."""
    line.send("40")
    await line.text()
    sid = json.loads((await line.text())[2:])["sid"]
    return sid, ServerKey.from_pem(json.loads((await line.text())[2:])[1])


async def answers(target: Target, line: RawWebSocket) -> None:
    """Reads acks and notes what they say, until the attacker is put out."""
    while (said := await line.receive()) is not None:
        words = said[1].decode("utf-8", "replace")
        if words.startswith("43") and "error" in words:
            target.did[words[words.index("error") + 8 :].rstrip('"}]')] += 1
        if said[0] == CLOSE or words == "41":
            target.did["put out"] += 1
            return


def until_put_out(packets: Sequence[str], pause: float) -> Attack:
    """Sends these again and again, so many seconds apart."""

    async def attempt(target: Target) -> None:
        wire = b"".join(frame(TEXT, packet.encode()) for packet in packets)
        async with target.line() as line:
            await connected(line)
            reading = asyncio.create_task(answers(target, line))
            while not reading.done():
                line.raw(wire)
                target.did["frames"] += len(packets)
                await asyncio.sleep(pause)

    return attempt


EARLY = [f'42{number}["send_message","x"]' for number in range(200)]
ASKED_AND_ANSWERED = [f'42{number}["get_public_key"]' for number in range(20)] + ["431[1]"] * 200
"""Asks for answers, and answers what nobody asked."""


async def join_storm(target: Target) -> None:
    """Each costs the server an RSA operation, and is nobody's."""
    async with target.line() as line:
        _, key = await connected(line)
        reading = asyncio.create_task(answers(target, line))
        sealed = {"envelope": b64(key.seal(os.urandom(128))), "body": b64(os.urandom(200))}
        for number in range(3):
            line.send(f"42{number}{json.dumps(['join-room', sealed])}")
            target.did["joins"] += 1
        await reading


@dataclass
class Member:
    """Somebody who has joined over a line."""

    line: RawWebSocket
    channel: Channel
    request: dict[str, str]
    room: Room
    signer: Signer
    site: bytes

    def message(self, size: int = 10) -> str:
        payload = {"name": "Mallory", "text": "x" * size, "at": 0, "seq": 1, "prev": "", "seen": None}
        return self.channel.seal("send_message", seal_content(self.room, self.signer, "message", payload).data)  # type: ignore[arg-type]


async def site_of(port: int) -> bytes:
    answer = await request(port, "GET /site.json HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n")
    return unb64(json.loads(answer.body)["salt"])


async def join(line: RawWebSocket, site: bytes, room: Room) -> Member:
    sid, key = await connected(line)
    signer = Signer.generate()
    user = seal_content(room, signer, "user", {"name": "Mallory", "at": 0, "seq": 0, "prev": ""}).data
    made, channel = make_join(Joining(key, sid, site, None, user), room, signer)
    line.send(f"421{json.dumps(['join-room', made])}")
    while "431" not in (said := await line.text())[:3]:
        pass
    assert "error" not in said, said
    return Member(line, channel, made, room, signer, site)


async def deaf_reader(target: Target) -> None:
    """A room of their own: four talk as much as they may, which is more than a line holds, and one reads none of it."""
    site, room = await site_of(target.port), Room.from_secret(os.urandom(32))

    async def talk_on(mouth: RawWebSocket) -> None:
        talker = await join(mouth, site, room)
        reading = asyncio.create_task(answers(target, mouth))
        for number in itertools.count():
            mouth.send(f'42{number}["send_message","{talker.message(9_000)}"]')
            target.did["messages"] += 1
            await asyncio.sleep(0.01)
            if reading.done():
                return

    async with target.line() as ears, AsyncExitStack() as stack:
        ears.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await join(ears, site, room)
        ears.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        mouths = [await stack.enter_async_context(target.line()) for _ in range(4)]
        await asyncio.gather(*map(talk_on, mouths))


async def chunk_flood(target: Target) -> None:
    """Chunks of a file, as many as are passed on and more; the owner answers every third wrongly, every fourth not."""
    site, room = await site_of(target.port), Room.from_secret(os.urandom(32))
    answers_ = {0: [b"x" * 65_552], 1: [b"x" * 65_552], 2: [b"x"], 3: []}

    async def owns(line: RawWebSocket) -> None:
        while (said := await line.receive()) is not None:
            words = said[1].decode()
            if said[0] == TEXT and "chunk_wanted" in words:
                number = words[2 : words.index("[")]
                for chunk in answers_[int(number) % 4]:
                    line.send(f'461-{number}[{{"chunk":{{"_placeholder":true,"num":0}}}}]', chunk)
                    target.did["chunks"] += 1
                await line.writer.drain()

    async with target.line() as has, target.line(target.another_source()) as wants:
        owner = await join(has, site, room)
        reader = await join(wants, site, room)
        owning = asyncio.create_task(owns(has))
        reading = asyncio.create_task(answers(target, wants))
        try:
            for index in itertools.count():
                body = owner.signer.public_key + bytes(16) + (index % 800).to_bytes(4, "big")
                wants.send(f'42{index}["get_chunk","{reader.channel.seal("get_chunk", body)}"]')
                target.did["asked"] += 1
                await asyncio.sleep(0.002)
                if reading.done():
                    return
        finally:
            owning.cancel()


async def counter_back(target: Target) -> None:
    site = await site_of(target.port)
    async with target.line() as line:
        member = await join(line, site, Room.from_secret(os.urandom(32)))
        sealed = member.message()
        line.send(f'422["send_message","{sealed}"]')
        line.send(f'423["send_message","{sealed}"]')
        target.did["replays"] += 1
        await answers(target, line)


async def replayed_join(target: Target) -> None:
    """An envelope that was somebody's, on another line."""
    site = await site_of(target.port)
    async with target.line() as line, target.line() as other:
        member = await join(line, site, Room.from_secret(os.urandom(32)))
        await connected(other)
        reading = asyncio.create_task(answers(target, other))
        for number in range(3):
            other.send(f"42{number}{json.dumps(['join-room', member.request])}")
            target.did["replays"] += 1
        await reading


async def other_ids(target: Target) -> None:
    """Sessions that are somebody else's, and a member's place without the key."""
    site, room = await site_of(target.port), Room.from_secret(os.urandom(32))
    for _ in range(5):
        sid = b64(random.randbytes(15))  # noqa: S311 - a guess
        polling = f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n"
        answer = await request(target.port, polling)
        target.did[f"status {answer.status}"] += 1
    async with target.line() as line, target.line() as thief:
        victim = await join(line, site, room)
        sid, key = await connected(thief)
        reading = asyncio.create_task(answers(target, thief))
        user = seal_content(room, victim.signer, "user", {"name": "Victim", "at": 0, "seq": 0, "prev": ""}).data
        for number in range(3):
            impostor = Signer.generate()
            made, _ = make_join(Joining(key, sid, site, None, user), room, impostor, claimed=victim.signer.member)
            thief.send(f"42{number}{json.dumps(['join-room', made])}")
            target.did["thefts"] += 1
        await reading


async def empty_rooms(target: Target) -> None:
    """A room after the other, each from another address, with a message that makes the server keep it."""
    site = await site_of(target.port)
    while True:
        async with target.line(target.another_source()) as line:
            member = await join(line, site, Room.from_secret(os.urandom(32)))
            line.send(f'422["send_message","{member.message()}"]')
            line.send(f'423["leave-room","{member.channel.seal("leave-room")}"]')
            while not (await line.text()).startswith("433"):
                pass
            target.did["rooms"] += 1


ATTACKS: dict[str, Attack] = {
    "half-open": many(1_500, half_open),
    "slow-head": many(500, slow_head),
    "slow-body": many(500, slow_body),
    "slow-frame": many(300, slow_frame),
    "page-flood": many(10, page_flood),
    "too-large": many(3, too_large),
    "pongs": many(3, pongs),
    "tiny-messages": many(3, tiny_messages),
    "fragments": many(3, fragments),
    "empty-fragments": many(3, empty_fragments),
    "half-messages": many(1_000, half_messages),
    "compression": many(3, compression),
    "early-events": many(3, until_put_out(EARLY, 0.01)),
    "ack-flood": many(3, until_put_out(ASKED_AND_ANSWERED, 0.005)),
    "join-storm": many(20, join_storm),
    "deaf-reader": many(2, deaf_reader),
    "chunk-flood": many(3, chunk_flood),
    "counter-back": many(3, counter_back),
    "replayed-join": many(3, replayed_join),
    "other-ids": many(3, other_ids),
    "empty-rooms": many(4, empty_rooms),
}


async def main(name: str, port: int, seconds: float, until: tuple[str, int] | None) -> None:
    target = Target(port)
    attack = asyncio.ensure_future(ATTACKS[name](target))
    for _ in range(round(seconds / LOOK_SECONDS)):
        await asyncio.sleep(LOOK_SECONDS)
        if until is not None and target.did[until[0]] >= until[1]:
            break
    assert not attack.done(), "it goes on for ever"
    print(json.dumps(target.did), flush=True)  # noqa: T201 - to whoever has started it
    os._exit(0)  # as one whose machine is switched off: Python's own ways out wait for each task


if __name__ == "__main__":
    chosen, port_, seconds_, *until_ = sys.argv[1:]
    asyncio.run(main(chosen, int(port_), float(seconds_), (until_[0], int(until_[1])) if until_ else None))
