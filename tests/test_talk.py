"""People talk: two clients of another making against the real server, and a proof that it never gets to know what they
say, who they are and where they meet."""

import asyncio
import base64
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit

import pytest

from tests.client import Client, Object, talking
from tests.reference import Refused, Room, b64, hkdf, open_content, room_secret
from tests.reference_join import Channel, Random, ServerKey
from tests.serving import Served, serve

NAME = "room-quiet-otters-dance"


@pytest.fixture(name="served", scope="module")
def _served() -> Iterator[Served]:
    with serve(grace_time=0.2, events_per_connection="10, 1000") as served:
        yield served
        assert served.stop() == 0
    assert served.stderr == ""


@pytest.fixture(name="room")
def _room() -> Room:
    """A room of its own for each test, without the cost of a name."""
    return Room.from_secret(os.urandom(32))


def test_two_people_talk_both_ways(served: Served, room: Room) -> None:
    async def scene() -> None:
        async with talking(served.url, room, "Steve", "Ann") as (steve, ann):
            assert cast(Object, await steve.hears("new_user"))["member"] == ann.member
            assert ann.names() == {steve.member: "Steve", ann.member: "Ann"}
            assert await steve.say("Hello") == {"id": 1}
            await ann.hears("get_message")
            assert await ann.say("Hello, Steve. 👋🏽 <b>") == {"id": 2}
            for client in (steve, ann):
                await client.hears("get_message", 2)
                assert client.texts == ["Hello", "Hello, Steve. 👋🏽 <b>"]
                assert [opened.member for opened in client.messages] == [steve.member, ann.member]

    asyncio.run(scene())


def test_typing_and_a_new_name_reach_the_other(served: Served, room: Room) -> None:
    async def scene() -> None:
        async with talking(served.url, room, "Steve", "Ann") as (steve, ann):
            assert await ann.type() == {}
            heard = cast(Object, await steve.hears("typing"))
            assert open_content(steve.room, "typing", str(heard["typing"])).payload["on"] is True
            assert await ann.rename("Anna") == {}
            heard = cast(Object, await steve.hears("user_changed"))
            assert (heard["member"], steve.name_in(str(heard["user"]))) == (ann.member, "Anna")

    asyncio.run(scene())


def test_the_late_joiner_gets_thirty_five_messages_and_not_the_thirty_sixth(served: Served, room: Room) -> None:
    async def scene() -> None:
        async with talking(served.url, room, "Steve") as (steve,), Client(served.url) as late:
            for number in range(1, 37):
                assert await steve.say(f"message {number}") == {"id": number}
            await late.join(room, "Late")
            assert late.texts == [f"message {number}" for number in range(2, 37)]
            assert (late.snapshot["first"], late.snapshot["last"]) == (2, 36)

    asyncio.run(scene())


def test_another_name_is_another_room(served: Served) -> None:
    async def scene() -> None:
        async with talking(served.url, NAME, "Steve") as (steve,), talking(served.url, NAME + "x", "Eve") as (eve,):
            await steve.say("Hello")
            assert list(eve.names().values()) == ["Eve"]
            assert await eve.say("Is anybody here?") == {"id": 1}
            await steve.say("Nobody, it seems")
            await steve.hears("get_message", 2)
            await eve.hears("get_message")
            assert eve.texts == ["Is anybody here?"]
            assert steve.texts == ["Hello", "Nobody, it seems"]
            with pytest.raises(Refused):
                open_content(eve.room, "message", str(cast(Object, steve.all("get_message")[0])["message"]))

    asyncio.run(scene())


def test_two_of_one_name_are_two_people(served: Served, room: Room) -> None:
    async def scene() -> None:
        async with talking(served.url, room, "Steve", "Steve") as (one, two):
            assert one.member != two.member
            assert two.names() == {one.member: "Steve", two.member: "Steve"}
            users = cast("list[Object]", two.snapshot["users"])
            assert users[0]["user"] != users[1]["user"]

    asyncio.run(scene())


@pytest.mark.parametrize("how", ["leave", "close", "crash"])
def test_whoever_leaves_by_any_way_is_gone_once(served: Served, room: Room, how: str) -> None:
    async def scene() -> None:
        async with talking(served.url, room, "Steve", "Ann") as (steve, ann):
            match how:
                case "leave":
                    assert await ann.leave() == {}
                case "close":
                    await ann.close()
                case "crash":
                    ann.crash()
            assert await steve.hears("user_left") == {"member": ann.member}
            async with Client(served.url) as late:
                await late.join(room, "Late")
                assert set(late.names()) == {steve.member, late.member}
            await steve.hears("user_left", 2)
            assert steve.all("user_left") == [{"member": ann.member}, {"member": late.member}]

    asyncio.run(scene())


def test_a_tab_whose_line_broke_comes_back_unnoticed_and_misses_nothing(room: Room) -> None:
    async def scene(url: str) -> None:
        async with talking(url, room, "Steve", "Ann") as (steve, ann), Client(url, signer=ann.signer) as back:
            await steve.say("before")
            await ann.hears("get_message")
            ann.crash()
            await steve.say("meanwhile")
            assert await back.join(room, "Ann", since=ann.place) == {"member": ann.member}
            assert back.texts == ["meanwhile"]
            await steve.say("after")
            await back.hears("get_message")
            assert back.texts == ["meanwhile", "after"]
            assert [name for name, _ in steve.events if name in {"new_user", "user_left"}] == ["new_user"]

    with serve(grace_time=60) as served:
        asyncio.run(scene(served.url))


# The proof


class Wire:
    """Records all that clients send to a server, each connection's bytes by itself."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._serving: set[asyncio.Task[None]] = set()
        self.streams: list[bytearray] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """The address through which it records. Ends when all connections have."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await asyncio.gather(*self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self.streams.append(bytearray())
        await asyncio.gather(self._pass(reader, back, self.streams[-1]), self._pass(there, writer, bytearray()))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bytearray) -> None:
        with suppress(ConnectionError):  # a crash is one
            while data := await source.read(65536):
                record += data
                sink.write(data)
        sink.close()
        with suppress(ConnectionError):
            await sink.wait_closed()


def unmasked(stream: bytes) -> bytes:
    """A client's stream with the payloads of its WebSocket frames as the server reads them (RFC 6455, section 5.3)."""
    at = stream.find(b"\r\n\r\n", max(0, stream.find(b"Sec-WebSocket-Key"))) + 4
    out = bytearray(stream[:at])
    while at < len(stream):
        length = stream[at + 1] & 127
        extra = {126: 2, 127: 8}.get(length, 0)
        if extra:
            length = int.from_bytes(stream[at + 2 : at + 2 + extra])
        at += 2 + extra
        mask, data = stream[at : at + 4], stream[at + 4 : at + 4 + length]
        out += bytes(byte ^ key for byte, key in zip(data, itertools.cycle(mask), strict=False))
        at += 4 + length
    return bytes(out)


def spellings(secret: bytes) -> set[bytes]:
    """The ways in which these bytes, or a hash that anybody could guess them by, may stand in others."""
    found: set[bytes] = set()
    hashes = (hashlib.new(name, secret).digest() for name in ("md5", "sha1", "sha256", "sha512"))
    for data in (secret, secret.lower(), secret[::-1], *hashes):
        found |= {data, data.hex().encode(), data.hex().upper().encode(), quote(data).encode()}
        for shift in range(3):
            # The letters of base64 that depend on nothing but these bytes, wherever they stand in a group of three.
            coded = base64.urlsafe_b64encode(bytes(shift) + data).rstrip(b"=")
            inner = coded[-(-8 * shift // 6) : (8 * (shift + len(data))) // 6]
            found |= {inner, inner.replace(b"-", b"+").replace(b"_", b"/")}
    return found | {secret.decode().encode("utf-16-le")}


def test_the_spellings_are_found_where_they_stand() -> None:
    for around in itertools.product(("", "a", "ab"), repeat=2):
        text = "walrus".join(around).encode()
        for written in (text, base64.b64encode(text), base64.urlsafe_b64encode(text), text.hex().encode()):
            assert any(each in written for each in spellings(b"walrus"))


def test_neither_room_nor_names_nor_texts_are_ever_received_logged_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, steve_says, ann_says = "room-proof-of-the-walrus", "the-walrus-sings", "at-midnight-it-dances"
    opened: list[bytes] = []

    def seal(channel: Channel, event: str, body: bytes = b"") -> str:
        opened.append(body)
        return honest_seal(channel, event, body)

    def seal_envelope(key: ServerKey, plain: bytes, random: Random = os.urandom) -> bytes:
        opened.append(plain)
        return honest_envelope(key, plain, random)

    honest_seal, honest_envelope = Channel.seal, ServerKey.seal
    monkeypatch.setattr(Channel, "seal", seal)
    monkeypatch.setattr(ServerKey, "seal", seal_envelope)

    async def scene(url: str) -> tuple[list[bytes], list[bytes]]:
        wire = Wire(url)
        async with wire.open() as through, talking(through, room, "Zebedee", "Quentin") as (one, two):
            await one.type()
            await one.say(steve_says)
            await two.hears("get_message")
            await two.say(ann_says)
            await two.rename("Quentina")
            await one.hears("user_changed")
            async with Client(through) as late:
                await late.join(room, "Zebedee")
                assert late.texts == [steve_says, ann_says]
            await two.leave()
            one.crash()
            secret = room_secret(room, one.site)
            keys = [secret, hkdf(secret, b"room identity"), hkdf(secret, b"room key")]
        return [unmasked(bytes(stream)) for stream in wire.streams], keys

    with serve(state=tmp_path) as served:
        received, keys = asyncio.run(scene(served.url))
        served.stop()
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    logged = [served.stdout.encode(), served.stderr.encode()]

    assert sum(b"join-room" in stream for stream in received) == 3, "the wire was not read"
    assert sum(b'"member"' in body for body in opened) == 3, "the envelopes were not read"
    for kept in (received, opened, stored, logged):
        assert any(kept)
        everything = b"\n".join(kept)
        for text in (room, "Zebedee", "Quentin", steve_says, ann_says):
            assert not [each for each in spellings(text.encode()) if each in everything]
        for key in keys:
            assert not [each for each in (key, key.hex().encode(), b64(key).encode()) if each in everything]
