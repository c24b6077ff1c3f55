"""What an attacker does who speaks Socket.IO, and joins rooms."""

import asyncio
import itertools
import json
import os
import random
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.attacks.target import POLLING, Attack, Target
from tests.reference import Room, Signer, b64, seal_content, unb64
from tests.reference_join import Channel, Joining, ServerKey, make_join
from tests.websocket import CLOSE, TEXT, RawWebSocket, frame


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


async def site_of(target: Target) -> bytes:
    answer = await target.asked("GET /site.json HTTP/1.1\n\n")
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
    site, room = await site_of(target), Room.from_secret(os.urandom(32))

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
    site, room = await site_of(target), Room.from_secret(os.urandom(32))
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
    site = await site_of(target)
    async with target.line() as line:
        member = await join(line, site, Room.from_secret(os.urandom(32)))
        sealed = member.message()
        line.send(f'422["send_message","{sealed}"]')
        line.send(f'423["send_message","{sealed}"]')
        target.did["replays"] += 1
        await answers(target, line)


async def replayed_join(target: Target) -> None:
    """An envelope that was somebody's, on another line."""
    site = await site_of(target)
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
    site, room = await site_of(target), Room.from_secret(os.urandom(32))
    for _ in range(5):
        sid = b64(random.randbytes(15))  # noqa: S311 - a guess
        await target.asked(f"GET {POLLING}&sid={sid} HTTP/1.1\n\n")
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
    site = await site_of(target)
    while True:
        async with target.line(target.another_source()) as line:
            member = await join(line, site, Room.from_secret(os.urandom(32)))
            line.send(f'422["send_message","{member.message()}"]')
            line.send(f'423["leave-room","{member.channel.seal("leave-room")}"]')
            while not (await line.text()).startswith("433"):
                pass
            target.did["rooms"] += 1
