"""Knows which cases the test vectors hold and makes them, always the same bytes; checks nothing.

python -m tests.make_vectors writes tests/vectors/*.json. The RSA key among them is for these tests only.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.reference import (
    Json,
    Kind,
    Payload,
    Refused,
    Room,
    Signer,
    b64,
    describe_signer,
    encrypt,
    is_safe_key,
    kdf_salt,
    normalize_room,
    normalize_username,
    open_content,
    pad,
    room_secret,
    seal_content,
    seal_encoded,
    sha256,
    unb64,
)
from tests.reference_join import Joining, ServerKey, Since, make_join, proven

VECTORS = Path(__file__).parent / "vectors"
SERVER_KEY = VECTORS / "server-key-for-tests-only.pem"

Case = dict[str, Json]


def stream(label: str, length: int) -> bytes:
    """Bytes that look random and are the same every time."""
    return hashlib.shake_256(label.encode()).digest(length)


ROOM = Room.from_secret(stream("room secret", 32))
OTHER_ROOM = Room.from_secret(stream("other room secret", 32))
ANN = Signer.from_seed(stream("Ann", 32))
DIGEST = b64(sha256(b"something said before"))
AT = 1_790_000_000_000


def build() -> dict[str, Case]:
    """File names without the ending, and what stands in the files."""
    return {
        "names": {"room": outcomes(normalize_room, ROOM_NAMES), "username": outcomes(normalize_username, USERNAMES)},
        "base64url": {"cases": outcomes(lambda spelling: unb64(spelling).hex(), SPELLINGS)},
        "kdf": {"cases": [kdf_case("room-a", bytes(16)), kdf_case("Straße-李𝄞", stream("site", 16))]},
        "rooms": {"cases": [room_case(bytes(32)), room_case(stream("room secret", 32))]},
        "signers": {"tags": [tag_case(name) for name in ("Ann", "Bob")], "keys": list(key_cases())},
        "content": {
            "room_secret": stream("room secret", 32).hex(),
            "accepted": list(accepted()),
            "refused": [
                {"about": about, "kind": kind, "ciphertext": text, "code": code}
                for about, kind, text, code in refused()
            ],
        },
        "join": join_case(),
    }


# Names and spellings

ROOM_NAMES = [
    *("room-", " room- ", "ｒｏｏｍ－", "", " \t\n", "room-a", "Room-", "Straße", "a  b\tc", "\u00a0a\u3000b\ufeff"),
    *("A\u030a", "ﬁne", "x" * 128, "x" * 129, "𝄞" * 128, "𝄞" * 129, "\ufdfa" * 8, "a\u180eb", "a\x1cb", "a\u200bb"),
    *("e\ud800", "\udc00e", " \u0338a"),
]
USERNAMES = [
    *(
        "Ann",
        " Ann ",
        "An",
        "",
        "x" * 32,
        "x" * 33,
        "𝄞" * 32,
        "Ann Lee",
        "李小龍",
        "می\u200cخواهم",
        "क्\u200dष",
        "Anna ❤\ufe0f",
    ),
    *(
        "Ann\u200b",
        "Ann\u200d",
        "\u200cAnn",
        "A\u200d1n",
        "Ann\u202e",
        "A\u2066nn",
        "An\x00n",
        "An\x7fn",
        "A\u3164nn",
        "<b>&",
    ),
    *(
        "A\u034fnn",
        "A\u00adnn",
        "An\U000e0041n",
        "An\ud800n",
        "👩\u200d💻 Ann",
        "Ann\u2028Lee",
        "...",
        "\u00a0\u00a0\u00a0",
        "A\ufe0f\u030ann",
    ),
]
SPELLINGS = [
    "",
    "AA",
    "AQ",
    "-_-_",
    "AAAA",
    "A",
    "AAAAA",
    "AB",
    "AAB",
    "AA==",
    "AA=",
    "+/+/",
    "AA AA",
    "AAAA\n",
    "ÄÄÄÄ",
]


def outcomes(function: Callable[[str], str], inputs: list[str]) -> list[Json]:
    cases: list[Json] = []
    for given in inputs:
        try:
            cases.append({"in": given, "out": function(given)})
        except Refused as refused:
            cases.append({"in": given, "refused": refused.code})
    return cases


# Keys


def kdf_case(name: str, site_salt: bytes) -> Case:
    return {
        "name": name,
        "site_salt": site_salt.hex(),
        "kdf_salt": kdf_salt(site_salt).hex(),
        "secret": room_secret(name, site_salt).hex(),
    }


def room_case(secret: bytes) -> Case:
    room = Room.from_secret(secret)
    return {
        "secret": secret.hex(),
        "address": room.address.hex(),
        "key": room.key.hex(),
        "fingerprint": room.fingerprint,
        "signed": stream("signed", 50).hex(),
        "signature": room.identity.sign(stream("signed", 50)).hex(),
    }


def tag_case(name: str) -> Case:
    member = Signer.from_seed(stream(name, 32)).member
    letters, hue = describe_signer(member)
    return {"member": member, "letters": letters, "hue": hue}


_P = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def key_cases() -> Iterator[Case]:
    small = {"0": 0, "1": 1, "-1": _P - 1, "of order 8": _ORDER_8, "of order 8, the other": _P - _ORDER_8}
    beyond = {"0 + p": _P, "1 + p": _P + 1, "3 + p": _P + 3, "the greatest": 2**255 - 1}
    for about, y in {**small, **beyond, "2": 2, "3": 3, "p - 2": _P - 2, "large": 0x7F << 248 | 0xFF}.items():
        for sign in (0, 1):
            key = (y | sign << 255).to_bytes(32, "little")
            yield {"about": f"y is {about}, sign {sign}", "key": key.hex(), "safe": is_safe_key(key)}
    yield {"about": "an ordinary key", "key": ANN.public_key.hex(), "safe": True}
    yield {"about": "a byte short", "key": ANN.public_key[:31].hex(), "safe": False}
    yield {"about": "a byte long", "key": (ANN.public_key + b"\0").hex(), "safe": False}


# Room ciphertexts

SAID: Payload = {"name": "Ann", "text": "Hello", "at": AT, "seq": 1, "prev": "", "seen": None}
NEXT: Payload = {**SAID, "text": 'Grüße, 李 👩\u200d💻\n\\"\x00\u2028', "seq": 2, "prev": DIGEST, "seen": [7, DIGEST]}
GIVEN_UP: Payload = {"void": True, "at": AT, "seq": 3, "prev": DIGEST, "seen": None}
REF: Json = [DIGEST, 1]
PLACE: Payload = {"at": AT, "seq": 3, "prev": DIGEST, "seen": [7, DIGEST]}
SIGN: Payload = {**PLACE, "react": REF, "sign": "👍🏽", "on": True}
FILE: list[Json] = [b64(bytes(16)), 70_000, "image/png", DIGEST, DIGEST]
FILED: Payload = {**SAID, "text": "a picture.png", "file": FILE}
USER: Payload = {"name": "می\u200cخواهم", "at": AT, "seq": 0, "prev": ""}
TYPING: Payload = {"on": True, "at": AT, "seq": 2, "prev": DIGEST}
PLAIN = json.dumps(SAID, separators=(",", ":")).encode()


def accepted() -> Iterator[Case]:
    yield opened("a first message", "message", sealed("message", SAID))
    yield opened("a later message", "message", sealed("message", NEXT))
    yield opened("a message of the second class", "message", sealed("message", {**NEXT, "text": "x" * 200}))
    yield opened("the empty text", "message", sealed("message", {**SAID, "text": ""}))
    yield opened("one that was given up", "message", sealed("message", GIVEN_UP))
    yield opened("what somebody does, in answer", "message", sealed("message", {**NEXT, "me": True, "re": REF}))
    yield opened("a file", "message", sealed("message", FILED))
    yield opened(
        "an empty file of no type", "message", sealed("message", {**FILED, "file": [*FILE[:1], 0, "", *FILE[3:]]})
    )
    yield opened("an edit", "message", sealed("message", {**PLACE, "edit": 2, "text": "Hello again"}))
    yield opened("an erasure", "message", sealed("message", {**PLACE, "erase": 1}))
    for sign in ("👍", "❤️", "👩🏽\u200d🚒", "🇳🇴", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"):
        yield opened(f"the sign {sign}", "message", sealed("message", {**SIGN, "sign": sign}))
    for seconds in (0, 31_536_000):
        yield opened(f"messages vanish after {seconds} s", "message", sealed("message", {**PLACE, "fade": seconds}))
    yield opened("a sign taken away", "message", sealed("message", {**SIGN, "on": False}))
    yield opened("a user before any message", "user", sealed("user", USER))
    yield opened("a user of 32 wide characters", "user", sealed("user", {**TYPING, "name": "𝄞" * 32}))
    yield opened("typing", "typing", sealed("typing", TYPING))
    yield opened("no typing any more", "typing", sealed("typing", {**TYPING, "on": False, "seq": 0, "prev": ""}))
    yield opened("unknown keys", "message", raw(PLAIN[:-1] + b',"later":{"a":[1e999]},"__proto__":{"x":1}}'))
    yield opened("the last of two equal keys", "message", raw(PLAIN[:-1] + b',"text":"Bye"}'))
    yield opened("numbers spelt otherwise", "message", raw(PLAIN.replace(b'"seq":1,', b'"seq":1.0e0,')))
    yield opened("white space", "message", raw(b" \n" + PLAIN.replace(b",", b" ,\t") + b"\r\n"))
    yield opened("the last moment", "message", sealed("message", {**SAID, "at": 253_402_300_799_999}))


def opened(about: str, kind: Kind, ciphertext: str) -> Case:
    content = open_content(ROOM, kind, ciphertext)
    return {
        "about": about,
        "kind": kind,
        "ciphertext": ciphertext,
        "member": content.member,
        "payload": content.payload,
        "digest": content.digest,
        "payload_digest": content.payload_digest,
    }


def sealed(kind: Kind, payload: Payload) -> str:
    return seal_content(ROOM, ANN, kind, payload, nonce=stream(repr(payload), 12)).ciphertext


def raw(encoded: bytes, kind: Kind = "message") -> str:
    return seal_encoded(ROOM, ANN, kind, encoded, nonce=stream(repr(encoded), 12)).ciphertext


def forged(padded: bytes, *, bound_to: str = "message", room: Room = ROOM) -> str:
    return b64(encrypt(room, bound_to, padded, nonce=stream(repr(padded), 12)))


def refused() -> Iterator[tuple[str, Kind, str, str]]:
    good = sealed("message", SAID)
    signature = ANN.sign(ROOM.binding("message") + PLAIN)
    whole = pad(ANN.public_key, signature, PLAIN, 256)

    for about, text in {
        "with padding of base64": good + "=",
        "in the other alphabet": good[:-1] + "+",
        "with a line break": good + "\n",
        "a letter that is no byte": good + "AA",
        # 284 bytes leave four unused bits in the last letter.
        "unused last bits": good[:-1] + chr(ord(good[-1]) + 1),
    }.items():
        yield about, "message", text, "encoding"

    sizes: tuple[tuple[str, Kind, int], ...] = (
        ("nothing inside", "message", 0),
        ("no class", "message", 300),
        ("a class below the smallest", "message", 128),
        ("a class for messages only", "user", 256),
        ("a class for messages only", "typing", 1024),
    )
    for about, kind, size in sizes:
        yield about, kind, b64(encrypt(ROOM, kind, bytes(size), nonce=bytes(12))), "size"
    yield "empty", "message", "", "size"
    yield "cut short", "message", b64(unb64(good)[:-3]), "size"

    yield "of another kind", "user", forged(pad(ANN.public_key, signature, PLAIN, 512)), "key"
    yield "of another room", "message", forged(whole, room=OTHER_ROOM), "key"
    yield "one bit changed", "message", b64(_flip(unb64(good), 100)), "key"
    yield "its nonce changed", "message", b64(_flip(unb64(good), 0)), "key"

    yield "a padding byte that is not zero", "message", forged(whole[:-1] + b"\1"), "padding"
    yield "a class too large", "message", forged(whole.ljust(512, b"\0")), "padding"
    yield "a length beyond the buffer", "message", forged(_long(whole, 157)), "padding"
    yield "the greatest length", "message", forged(_long(whole, 2**32 - 1)), "padding"

    # Under these keys this signature holds for anything: S = 0, R the neutral point.
    universal = (1).to_bytes(32, "little") + bytes(32)
    for case in key_cases():
        if not case["safe"] and len(str(case["key"])) == 64:
            weak = bytes.fromhex(str(case["key"]))
            yield f"a signer whose {case['about']}", "message", forged(pad(weak, universal, PLAIN, 256)), "signer"

    def signed(signature: bytes, key: bytes = ANN.public_key) -> str:
        return forged(pad(key, signature, PLAIN, 256))

    order = 2**252 + 27742317777372353535851937790883648493
    malleable = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    yield "one bit of the signature changed", "message", signed(_flip(signature, 5)), "signature"
    yield "a signature for another kind", "message", signed(ANN.sign(ROOM.binding("user") + PLAIN)), "signature"
    yield (
        "a signature for another room",
        "message",
        signed(ANN.sign(OTHER_ROOM.binding("message") + PLAIN)),
        "signature",
    )
    yield "a signature of the payload alone", "message", signed(ANN.sign(PLAIN)), "signature"
    yield "somebody else's signature", "message", signed(signature, ROOM.address), "signature"
    yield "a key that is no point", "message", signed(signature, (2).to_bytes(32, "little")), "signature"
    yield "S of the signature beyond the order", "message", signed(malleable), "signature"

    for about, kind, encoded in bad_payloads():
        yield about, kind, raw(encoded, kind), "payload"


def bad_payloads() -> Iterator[tuple[str, Kind, bytes]]:
    yield "a byte-order mark", "message", b"\xef\xbb\xbf" + PLAIN
    yield "bytes that are not UTF-8", "message", PLAIN.replace(b"Hello", b"\xff")
    yield "an overlong spelling in UTF-8", "message", PLAIN.replace(b"Hello", b"\xc0\xaf")
    yield "a surrogate in UTF-8", "message", PLAIN.replace(b"Hello", b"\xed\xa0\x80")
    yield "an unpaired surrogate by escape", "message", PLAIN.replace(b"Hello", b"\\ud800")
    yield "a raw line break in a string", "message", PLAIN.replace(b"Hello", b"\n")
    yield "UTF-16", "message", PLAIN.decode().encode("utf-16-le")
    for text in (b"", b"null", b"[]", b'"text"', b"1", PLAIN + b"x", PLAIN + PLAIN, PLAIN.replace(b"{", b"{,"), b"NaN"):
        yield f"not an object of JSON: {text[:6].decode()}", "message", text
    yield "NaN", "message", PLAIN.replace(b"null", b"NaN")

    wrong: dict[str, list[Json]] = {
        "name": [None, 7, "An", "x" * 33, "Ann\u202e", "Ann\u200b", "A\nnn"],
        "text": [None, 7, ["Hello"]],
        "at": [None, "1", -1, 1.5, True, 253_402_300_800_000, 2**53],
        "seq": [None, "1", 0, -1, 1.5, True, 2, 2**53],
        "prev": [None, 0, DIGEST],
        "seen": [{}, [], [7], [0, DIGEST], [7, ""], [7, DIGEST[:-1]], [7.5, DIGEST], ["7", DIGEST], [7, DIGEST, 7]],
    }
    for key, values in wrong.items():
        yield f"without {key}", "message", _json({other: value for other, value in SAID.items() if other != key})
        for value in values:
            yield f"{key} is {json.dumps(value)[:50]}", "message", _json({**SAID, key: value})
    for prev in ("", DIGEST[:-1], DIGEST + "A", DIGEST[:-1] + "B", DIGEST[:-1] + "="):
        yield f"a second message with prev {prev!r}", "message", _json({**NEXT, "prev": prev})
    for void in (False, None, 1, "true"):
        yield f"void is {json.dumps(void)}", "message", _json({**SAID, "void": void})
    yield from bad_changes()
    yield "message 0, with prev", "message", _json({**SAID, "seq": 0, "prev": DIGEST})
    yield "a user after message -1", "user", _json({**USER, "seq": -1, "prev": DIGEST})
    yield "a user before any message, with prev", "user", _json({**USER, "prev": DIGEST})
    yield "a user after a message, without prev", "user", _json({**USER, "seq": 1})
    yield "a user without name", "user", _json(TYPING)
    yield "typing that is neither on nor off", "typing", _json({**TYPING, "on": 1})


def bad_changes() -> Iterator[tuple[str, Kind, bytes]]:
    numbers: list[Json] = [None, 0, -1, 1.5, "1", True, 3, 4]
    signs = [None, "", "a", "1", "👍👍", "👍 ", "\u200d", "👍\u200d", "🇳", "\ufe0f", "<b>", "👍" + "\ufe0f" * 16]
    edit: Payload = {**PLACE, "text": "x"}
    wrong: list[tuple[Payload, str, list[Json]]] = [
        (SAID, "me", [False, None, 1]),
        (
            FILED,
            "text",
            ["", ".", " a", "a ", "a.", ".a", "a/b", "a\\b", "a\nb", "a  b", "a\u202eb", "a" * 121, "a\u0301", 1],
        ),
        (FILED, "file", [None, {}, [], FILE[:4], [*FILE, 1], *others_of(FILE)]),
        (SAID, "re", [None, [], [DIGEST], [DIGEST, 0], ["x", 1], [DIGEST, 1, 1]]),
        (edit, "edit", numbers),
        (edit, "erase", numbers),
        (SIGN, "sign", [*signs]),
        (SIGN, "react", [None, {}, [DIGEST], [DIGEST, 0], [DIGEST[:-1], 1]]),
        (SIGN, "on", [None, 1]),
        (PLACE, "fade", [None, -1, 1.5, "1", True, 31_536_001]),
    ]
    for payload, key, values in wrong:
        for value in values:
            yield (
                f"{key} is {json.dumps(value)[:50]} in number {payload['seq']}",
                "message",
                _json({**payload, key: value}),
            )
    yield "an edit without text", "message", _json({**PLACE, "edit": 1})


def others_of(file: list[Json]) -> Iterator[Json]:
    """With one thing that is none."""
    for at, wrong in ((0, DIGEST), (1, -1), (1, 1.5), (1, "1"), (2, "image"), (2, "a/" + "b" * 81), (2, None)):
        yield [*file[:at], wrong, *file[at + 1 :]]
    for at in (3, 4):
        yield [*file[:at], file[0], *file[at + 1 :]]


def _json(payload: Payload) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _long(padded: bytes, length: int) -> bytes:
    return padded[:96] + length.to_bytes(4, "big") + padded[100:]


# Joining


def join_case() -> Case:
    server_key = ServerKey.from_pem(SERVER_KEY.read_text(encoding="ascii"))
    user = unb64(sealed("user", USER))
    since = Since(stream("epoch", 16), 2**33)
    joining = Joining(server_key, "Zb9-x_7AAAB", stream("site", 16), since, user)
    request, channel = make_join(joining, ROOM, ANN, Stream("join").read)
    session_key = stream("join", 32)
    transcript = joining.transcript(ROOM.address, session_key, ANN.public_key)
    without = replace(joining, since=None).transcript(ROOM.address, session_key, ANN.public_key)
    return {
        "about": "The RSA key is for these tests only.",
        "private_key_for_tests_only": SERVER_KEY.read_text(encoding="ascii"),
        "pem": server_key.pem,
        "server_digest": server_key.digest.hex(),
        "fingerprint": server_key.fingerprint,
        "socket_id": joining.socket_id,
        "site": joining.site.hex(),
        "room_secret": stream("room secret", 32).hex(),
        "session_key": session_key.hex(),
        "member": ANN.member,
        "since": {"epoch": b64(since.epoch), "id": since.id},
        "user": b64(user),
        "transcript": transcript.hex(),
        "transcript_without_since": without.hex(),
        "room_proof": ROOM.identity.sign(proven(b"room", transcript)).hex(),
        "member_proof": ANN.sign(proven(b"member", transcript)).hex(),
        "request": dict(request),
        "sealed": [
            {"counter": channel.counter, "event": event, "body": body.hex(), "sealed": channel.seal(event, body)}
            for event, body in (("send_message", stream("body", 284)), ("leave-room", b""), ("typing", b"x"))
        ],
    }


class Stream:
    """Reads on in what `stream` gives."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._at = 0

    def read(self, length: int) -> bytes:
        self._at += length
        return stream(self._label, self._at)[-length:]


def main() -> None:
    for name, case in build().items():
        (VECTORS / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
