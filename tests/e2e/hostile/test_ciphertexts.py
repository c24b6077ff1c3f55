"""docs/protocol.md, "Room ciphertexts": whatever is not exactly right is refused by the page, and the reader told; what
is right is shown for what it is, however odd. The server puts each into the log itself."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.e2e.hostile.scene import Scene
from tests.e2e.hostile.voice import Voice, encoded, now
from tests.e2e.pages import Guest
from tests.reference import HEADER, Json, Kind, Room, Signer, b64, class_of, encrypt, pad, seal_encoded, unb64

Forged = tuple[str, str]
"""A member and a ciphertext, as they stand in an event."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P = 2**255 - 19


# Who says it


def anothers(voice: Voice) -> Forged:
    return Signer.generate().member, voice.says("not theirs").ciphertext


def of_another_room(voice: Voice) -> Forged:
    other = Voice(Room.from_secret(bytes(32)), voice.name)
    return other.member, other.says("elsewhere").ciphertext


def bound_to_another_room(voice: Voice) -> Forged:
    """The same key, another address."""
    other = Voice(Room(Signer.generate(), voice.room.key), voice.name)
    return other.member, other.says("elsewhere").ciphertext


def of_kind(kind: Kind) -> Callable[[Voice], Forged]:
    def forge(voice: Voice) -> Forged:
        return voice.member, voice.seals(kind, voice.draft("another kind", on=True)).ciphertext

    return forge


# How it is spelled


def spelled(change: Callable[[str], str]) -> Callable[[Voice], Forged]:
    def forge(voice: Voice) -> Forged:
        return voice.member, change(voice.says("spelled otherwise").ciphertext)

    return forge


def with_other_last_bits(ciphertext: str) -> str:
    """The smallest class leaves two bits of the last character unused."""
    return ciphertext[:-1] + ALPHABET[ALPHABET.index(ciphertext[-1]) + 1]


def in_the_other_alphabet(ciphertext: str) -> str:
    return "+" + ciphertext[1:]


def with_a_flipped_bit(ciphertext: str) -> str:
    data = bytearray(unb64(ciphertext))
    data[-1] ^= 1
    return b64(bytes(data))


# How it is padded and signed


def padded(size: int, *, length: int | None = None, last: int = 0) -> Callable[[Voice], Forged]:
    """A right message in a buffer of this size, which says this length and ends with this byte."""

    def forge(voice: Voice) -> Forged:
        payload = encoded(voice.draft("padded otherwise"))
        whole = bytearray(pad(voice.signer.public_key, sign(voice, payload), payload, size)[:size])
        if length is not None:
            whole[HEADER - 4 : HEADER] = length.to_bytes(4, "big")
        if last:
            whole[-1] = last
        return voice.member, b64(encrypt(voice.room, "message", bytes(whole)))

    return forge


def signed(sign: Callable[[Voice, bytes], bytes]) -> Callable[[Voice], Forged]:
    def forge(voice: Voice) -> Forged:
        payload = encoded(voice.draft("signed otherwise"))
        whole = pad(voice.signer.public_key, sign(voice, payload), payload, class_of("message", len(payload)))
        return voice.member, b64(encrypt(voice.room, "message", whole))

    return forge


def sign(voice: Voice, payload: bytes) -> bytes:
    return voice.signer.sign(voice.room.binding("message") + payload)


def by_key(key: bytes) -> Callable[[Voice], Forged]:
    """The signature that holds for every text where no private key is needed: R neutral, S = 0."""

    def forge(voice: Voice) -> Forged:
        payload = encoded(voice.draft("signed by nobody"))
        whole = pad(key, (1).to_bytes(32, "little") + bytes(32), payload, class_of("message", len(payload)))
        return b64(key), b64(encrypt(voice.room, "message", whole))

    return forge


def point(y: int, sign: int = 0) -> bytes:
    return (y + (sign << 255)).to_bytes(32, "little")


ORDER_EIGHT = (
    2707385501144840649318225287225658788936804267575313519463743609750303021995,
    P - 2707385501144840649318225287225658788936804267575313519463743609750303021995,
)
SMALL = (("0", 0), ("1", 1), ("-1", P - 1))
UNSAFE_KEYS = {
    **{
        f"y = {name}, sign {sign}": point(y, sign)
        for name, y in {"0": 0, "1": 1, "-1": P - 1}.items()
        for sign in (0, 1)
    },
    **{f"order 8, {at}, sign {sign}": point(y, sign) for at, y in enumerate(ORDER_EIGHT) for sign in (0, 1)},
    **{f"not canonical: p + {more}": point(P + more) for more in (0, 1, 18)},
}


# What it says


def saying(payload: bytes) -> Callable[[Voice], Forged]:
    return lambda voice: (voice.member, seal_encoded(voice.room, voice.signer, "message", payload).ciphertext)


def changed(**changes: Json) -> Callable[[Voice], Forged]:
    return lambda voice: (voice.member, voice.seals("message", voice.draft("changed", **changes)).ciphertext)


def raw(find: bytes, put: bytes) -> Callable[[Voice], Forged]:
    """A right payload with other bytes in it."""

    def forge(voice: Voice) -> Forged:
        payload = encoded(voice.draft("changed")).replace(find, put)
        assert put in payload
        return saying(payload)(voice)

    return forge


def without(key: str) -> Callable[[Voice], Forged]:
    def forge(voice: Voice) -> Forged:
        draft = voice.draft("something missing")
        del draft[key]
        return voice.member, voice.seals("message", draft).ciphertext

    return forge


DIGEST = b64(bytes(32))

REFUSED: dict[str, Callable[[Voice], Forged]] = {
    "member: not the signer": anothers,
    "another room's message": of_another_room,
    "bound to another room's address": bound_to_another_room,
    "kind: a user ciphertext": of_kind("user"),
    "kind: a typing notice": of_kind("typing"),
    "spelling: with =": spelled(lambda text: text + "="),
    "spelling: other last bits": spelled(with_other_last_bits),
    "spelling: + and /": spelled(in_the_other_alphabet),
    "spelling: white space": spelled(lambda text: f" {text}\n"),
    "spelling: nothing": spelled(lambda _: ""),
    "spelling: words": spelled(lambda _: "Dear reader, go to https://evil.example"),
    "spelling: another alphabet": spelled(lambda text: "Ä" + text[1:]),
    "spelling: cut": spelled(lambda text: text[:-4]),
    "spelling: one bit flipped": spelled(with_a_flipped_bit),
    **{f"class: {size}": padded(size) for size in (0, 99, 255, 257, 384, 512, 65_536, 131_072)},
    "length: beyond the end": padded(256, length=157),
    "length: as large as it gets": padded(256, length=2**32 - 1),
    "length: less than there is": padded(256, length=10),
    "length: 0": padded(256, length=0),
    "padding: not zero": padded(256, last=1),
    "signature: of nothing": signed(lambda voice, payload: bytes(64)),
    "signature: another's": signed(lambda voice, payload: sign(Voice(voice.room, "Other"), payload)),
    "signature: for another kind": signed(
        lambda voice, payload: voice.signer.sign(voice.room.binding("user") + payload)
    ),
    "signature: for another room": signed(
        lambda voice, payload: voice.signer.sign(Room.from_secret(bytes(32)).binding("message") + payload)
    ),
    "signature: of other words": signed(lambda voice, payload: sign(voice, payload + b" ")),
    **{f"key: {name}": by_key(key) for name, key in UNSAFE_KEYS.items()},
    "payload: none": saying(b""),
    "payload: no JSON": saying(b"hello"),
    "payload: null": saying(b"null"),
    "payload: a list": saying(b"[]"),
    "payload: a number": saying(b"7"),
    "payload: not closed": saying(b'{"name":"Ann"'),
    "payload: NaN": raw(b'"seen":null', b'"seen":NaN'),
    "payload: not UTF-8": raw(b"changed", b"chang\xffd"),
    "payload: overlong UTF-8": raw(b"changed", b"chang\xc1\xa5d"),
    "payload: a surrogate in UTF-8": raw(b"changed", b"chang\xed\xa0\x80d"),
    "payload: byte-order mark": raw(b'{"name"', b'\xef\xbb\xbf{"name"'),
    "payload: UTF-16": lambda voice: saying(json.dumps(voice.draft("wide")).encode("utf-16-le"))(voice),
    **{f"payload: without {key}": without(key) for key in ("name", "text", "at", "seq", "prev", "seen")},
    "name: null": changed(name=None),
    "name: two characters": changed(name="Jo"),
    "name: 33 characters": changed(name="n" * 33),
    "name: a line break": changed(name="Ann\nBob"),
    "name: a tab": changed(name="Ann\tBob"),
    "name: zero width space": changed(name="An\u200bn"),
    "name: word joiner": changed(name="An\u2060n"),
    "name: right-to-left override": changed(name="An\u202en"),
    "name: isolate": changed(name="\u2067Ann\u2069"),
    "name: Arabic letter mark": changed(name="Ann\u061c"),
    "name: byte-order mark": changed(name="Ann\ufeff"),
    "name: a loose joiner": changed(name="Ann\u200d"),
    "name: Hangul filler": changed(name="Ann\u3164"),
    "name: tag characters": changed(name="Ann\U000e0041"),
    "name: unpaired surrogate": raw(b'"name":"', rb'"name":"\ud800'),
    "text: null": changed(text=None),
    "text: a number": changed(text=5),
    "text: 10,001 characters": changed(text="x" * 10_001),
    "text: unpaired surrogate": raw(b"changed", rb"chang\ud800"),
    "at: text": changed(at="1"),
    "at: a fraction": changed(at=1.5),
    "at: negative": changed(at=-1),
    "at: after the year 9999": changed(at=253_402_300_800_000),
    "at: not safe": changed(at=2**53),
    "at: true": changed(at=True),
    "at: infinite": raw(b'"at":', b'"at":1e999,"later":'),
    "seq: 0": changed(seq=0),
    "seq: text": changed(seq="1"),
    "seq: a fraction": changed(seq=1.5),
    "seq: not safe": changed(seq=2**53, prev=DIGEST),
    "prev: null": changed(prev=None),
    "prev: something for the first": changed(prev=DIGEST),
    "prev: nothing for the second": changed(seq=2),
    "prev: too short": changed(seq=2, prev=DIGEST[:-1]),
    "prev: not canonical": changed(seq=2, prev=DIGEST[:-1] + "B"),
    "seen: an object": changed(seen={}),
    "seen: too short": changed(seen=[1]),
    "seen: id 0": changed(seen=[0, DIGEST]),
    "seen: no digest": changed(seen=[1, "digest"]),
    "void: false": changed(void=False),
    "void: 1": changed(void=1),
}


@pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in REFUSED.items()])
async def test_what_is_not_exactly_right_is_refused(scene: Scene, forge: Callable[[Voice], Forged]) -> None:
    """A wrong class, a length beyond the buffer, or a padding byte that is not zero is refused; other spellings of the
    last bits are refused; an event whose member is not the signer of its ciphertext is refused."""
    before = {guest.name: (await refusals(guest), await guest.texts()) for guest in scene.guests}
    scene.post(*forge(scene.voice("Forger")))
    for guest in scene.guests:
        count, texts = before[guest.name]
        await expect(guest.notices.filter(has_text=re.compile(rf"^{count + 1} messages? refused"))).to_have_count(1)
        assert await guest.texts() == texts
        assert "Forger" not in await guest.page.locator("body").inner_text()


async def refusals(guest: Guest) -> int:
    """How many messages this page says it has refused."""
    notices = await guest.notices.filter(has_text="refused:").all_inner_texts()
    return sum(int(notice.split()[0]) for notice in notices)


async def test_after_all_that_honest_messages_arrive(scene: Scene) -> None:
    """Nothing that was refused stands in the way of what is right, and none of it runs by as a ciphertext."""
    async with scene.watching() as (alice, bob):
        await scene.bob.say("still here")
    assert alice.texts == bob.texts == ["still here"]
    assert alice.alarms == bob.alarms == []
    for guest in scene.guests:
        for ciphertext in await guest.ciphertexts():
            assert re.fullmatch(r"[\w-]{300,}…?", ciphertext)


# What is right, however odd


def text_of(size: int) -> str:
    """A text whose message needs this class."""
    return "x" * (size // 2)


ACCEPTED: dict[str, tuple[dict[str, Json], str]] = {
    "keys that nobody knows yet": ({"text": "one more key", "later": {"deep": [1, None]}}, "one more key"),
    "a key that JavaScript has a meaning for": ({"text": "no prototype", "__proto__": {"name": "Eve"}}, "no prototype"),
    "the smallest class": ({"text": ""}, ""),
    "10,000 characters of four bytes": ({"text": "𝄞" * 10_000}, "𝄞" * 10_000),
    "the largest class": ({"text": "\x01" * 10_000}, "\x01" * 10_000),
    "nested as deeply as fits": ({"text": "deep", "later": []}, "deep"),
    "a name with joiners between letters": ({"name": "نمی\u200cخواهم", "text": "joined"}, "joined"),
    "the largest time": ({"text": "the last moment", "at": 253_402_300_799_999}, "the last moment"),
    "the smallest time": ({"text": "the first moment", "at": 0}, "the first moment"),
}


@pytest.mark.parametrize(("changes", "text"), [pytest.param(*case, id=name) for name, case in ACCEPTED.items()])
async def test_what_is_right_is_shown(scene: Scene, changes: dict[str, Json], text: str) -> None:
    """Keys that are not listed are ignored. Text up to 10,000 code points, classes up to 65,536 bytes."""
    voice = scene.voice()
    async with scene.watching() as (alice, bob):
        scene.post(voice.member, voice.says("", **changes).ciphertext)
    for seen in (alice, bob):
        assert [shown.strip() for shown in seen.texts] == [text.strip()]
        assert seen.alarms == []


async def test_the_last_of_two_equal_keys_counts(scene: Scene) -> None:
    """As everywhere in JSON; the signature covers both, so nobody but the author has chosen."""
    voice = scene.voice()
    payload = encoded(voice.draft("the second")).replace(b'"text"', b'"text":"the first","text"')
    async with scene.watching() as (alice, bob):
        scene.post(voice.member, seal_encoded(voice.room, voice.signer, "message", payload).ciphertext)
    assert alice.texts == bob.texts == ["the second"]


async def test_depth_without_end_harms_nobody(scene: Scene) -> None:
    """A payload that is nothing but brackets."""
    voice = scene.voice()
    payload = encoded(voice.draft("deep"))[:-1] + b',"later":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    async with scene.watching() as (alice, bob):
        scene.post(voice.member, seal_encoded(voice.room, voice.signer, "message", payload).ciphertext)
    assert alice.texts == bob.texts == ["deep"]


async def test_a_message_that_was_given_up_takes_its_place_and_shows_nothing(scene: Scene) -> None:
    """`{"void": true, ...}` for one that was given up."""
    voice = scene.voice()
    async with scene.watching() as (alice, bob):
        scene.speak(voice, "one")
        scene.post(voice.member, voice.speaks(void(voice)).ciphertext)
        scene.speak(voice, "three")
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["one", "three"], [])


def void(voice: Voice) -> dict[str, Json]:
    return {"void": True, "at": now(), "seq": voice.seq + 1, "prev": voice.prev, "seen": None}


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24 * 365 * 50])
async def test_a_live_message_of_another_time_is_marked(scene: Scene, minutes: int) -> None:
    """`at` more than 5 minutes off on a live message is marked."""
    voice, text = scene.voice(), f"from minute {minutes}"
    async with scene.watching():
        scene.post(voice.member, voice.says(text, at=now() + minutes * 60_000).ciphertext)
    for guest in scene.guests:
        await expect(guest.message(text).locator(".mark")).to_have_text("clock differs")
