"""Knows the protocol's cryptography a second time, on other libraries, written from docs/protocol.md; imports nothing
of the product, whose vectors it makes and checks, and whose test client stands on it."""

import base64
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Payload: TypeAlias = dict[str, Json]
Kind = Literal["user", "message", "typing"]

VERSION = b"chatsite/1 "
HEADER = 32 + 64 + 4
NONCE, TAG = 12, 16
CLASSES: dict[str, list[int]] = {"user": [512], "typing": [512], "message": [256 << n for n in range(9)]}
MAX_AT = 253_402_300_799_999
MAX_SAFE = 2**53 - 1


class Refused(Exception):
    """`code` is the first reason found, in the words that the browser's modules use."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(spelling: str) -> bytes:
    """Only the canonical spelling; anything else is Refused("encoding")."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", spelling) or len(spelling) % 4 == 1:
        raise Refused("encoding")
    data = base64.urlsafe_b64decode(spelling + "=" * (-len(spelling) % 4))
    if b64(data) != spelling:
        raise Refused("encoding")
    return data


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hkdf(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=b"", info=VERSION + purpose).derive(secret)


def grouped(digest: bytes) -> str:
    return digest.hex(" ", 2).upper()


# Names

# JavaScript's \s, which is neither Python's nor Unicode's.
_WHITE_SPACE = "[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+"
_NO_WIDTH = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JOINERS = "\u200c\u200d"


def normalize_room(typed: str) -> str:
    if not _well_formed(typed):
        raise Refused("surrogate")
    name = _tidy(typed)
    if name in {"", "room-"}:
        raise Refused("empty")
    if len(name) > 128:
        raise Refused("too-long")
    return name


def normalize_username(typed: str) -> str:
    name = _tidy(re.sub("[\ufe00-\ufe0f]", "", typed))
    if len(name) < 3:
        raise Refused("too-short")
    if len(name) > 32:
        raise Refused("too-long")
    if not is_username(name):
        raise Refused("forbidden")
    return name


def is_username(name: str) -> bool:
    kinds = [unicodedata.category(character) for character in name]
    joined = all(
        0 < at < len(name) - 1 and kinds[at - 1][0] in "LM" and kinds[at + 1][0] in "LM"
        for at, character in enumerate(name)
        if character in _JOINERS
    )
    shown = all(
        kind not in {"Cc", "Cs", "Zl", "Zp"} and (kind != "Cf" or character in _JOINERS)
        for character, kind in zip(name, kinds, strict=True)
    )
    return 3 <= len(name) <= 32 and joined and shown and not _NO_WIDTH.search(name)


def _tidy(typed: str) -> str:
    folded = unicodedata.normalize("NFKC", typed)
    trimmed = re.sub(f"^{_WHITE_SPACE}|{_WHITE_SPACE}\\Z", "", folded)
    return re.sub(_WHITE_SPACE, "-", trimmed)


def _well_formed(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


# Keys


def kdf_salt(site_salt: bytes) -> bytes:
    return sha256(VERSION + b"salt" + site_salt)[:16]


def room_secret(name: str, site_salt: bytes) -> bytes:
    """From a normalised name. About 0.3 s and 128 MiB."""
    return hash_secret_raw(name.encode(), kdf_salt(site_salt), 3, 128 * 1024, 1, 32, Type.ID, 0x13)


@dataclass(frozen=True)
class Signer:
    """An Ed25519 pair: a tab's signer or a room's identity."""

    private_key: Ed25519PrivateKey
    public_key: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        private_key = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(private_key, private_key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        return cls.from_seed(os.urandom(32))

    @property
    def member(self) -> str:
        return b64(self.public_key)

    def sign(self, data: bytes) -> bytes:
        return self.private_key.sign(data)


@dataclass(frozen=True)
class Room:
    identity: Signer
    key: bytes

    @classmethod
    def from_secret(cls, secret: bytes) -> Self:
        return cls(Signer.from_seed(hkdf(secret, b"room identity")), hkdf(secret, b"room key"))

    @classmethod
    def from_name(cls, typed: str, site_salt: bytes) -> Self:
        return cls.from_secret(room_secret(normalize_room(typed), site_salt))

    @property
    def address(self) -> bytes:
        return self.identity.public_key

    @property
    def fingerprint(self) -> str:
        return grouped(sha256(VERSION + b"fingerprint\0" + self.address)[:16])

    def binding(self, kind: str) -> bytes:
        """Additional data of a ciphertext, and the beginning of what is signed in it."""
        return VERSION + kind.encode() + b"\0" + self.address


def describe_signer(member: str) -> tuple[str, int]:
    """Twenty letters, of which the first four are the tag, and a hue in degrees."""
    digest = sha256(VERSION + b"tag\0" + unb64(member))
    letters = "".join("bcdfghjkmnpqrtvz"[int(nibble, 16)] for nibble in digest[:10].hex())
    return letters, int.from_bytes(digest[30:], "big") % 360


def is_safe_key(key: bytes) -> bool:
    """By arithmetic instead of a table: canonical, and eight times the point is not the neutral one."""
    p = 2**255 - 19
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if len(key) != 32 or y >= p:
        return False
    d = -121665 * pow(121666, -1, p) % p
    for _ in range(3):
        # RFC 8032, section 5.1: the curve is y^2 - x^2 = 1 + d x^2 y^2, and doubling needs no more than y and x^2.
        x2 = (y * y - 1) * pow(d * y * y + 1, p - 2, p)
        y = (y * y + x2) * pow(2 - y * y + x2, p - 2, p) % p
    return y != 1


# Room ciphertexts


@dataclass(frozen=True)
class Sealed:
    data: bytes
    payload_digest: str

    @property
    def ciphertext(self) -> str:
        return b64(self.data)

    @property
    def digest(self) -> str:
        return b64(sha256(self.data))


@dataclass(frozen=True)
class Opened:
    member: str
    payload: Payload
    digest: str
    payload_digest: str


def seal_content(room: Room, signer: Signer, kind: Kind, payload: Payload, *, nonce: bytes | None = None) -> Sealed:
    encoded = json.dumps(check_payload(kind, payload), ensure_ascii=False, separators=(",", ":")).encode()
    return seal_encoded(room, signer, kind, encoded, nonce=nonce)


def seal_encoded(room: Room, signer: Signer, kind: Kind, encoded: bytes, *, nonce: bytes | None = None) -> Sealed:
    """Like seal_content with any bytes as payload: what a hostile member can make."""
    padded = pad(signer.public_key, signer.sign(room.binding(kind) + encoded), encoded, class_of(kind, len(encoded)))
    return Sealed(encrypt(room, kind, padded, nonce=nonce), b64(sha256(encoded)))


def pad(signer: bytes, signature: bytes, encoded: bytes, size: int) -> bytes:
    return (signer + signature + len(encoded).to_bytes(4, "big") + encoded).ljust(size, b"\0")


def encrypt(room: Room, kind: str, padded: bytes, *, nonce: bytes | None = None) -> bytes:
    nonce = nonce or os.urandom(NONCE)
    return nonce + AESGCM(room.key).encrypt(nonce, padded, room.binding(kind))


def class_of(kind: Kind, length: int) -> int:
    fitting = [size for size in CLASSES[kind] if HEADER + length <= size]
    if not fitting:
        raise Refused("size")
    return fitting[0]


def open_content(room: Room, kind: Kind, ciphertext: str) -> Opened:
    data = unb64(ciphertext)
    if len(data) - NONCE - TAG not in CLASSES[kind]:
        raise Refused("size")
    try:
        padded = AESGCM(room.key).decrypt(data[:NONCE], data[NONCE:], room.binding(kind))
    except InvalidTag:
        raise Refused("key") from None
    signer, signature, length = padded[:32], padded[32:96], int.from_bytes(padded[96:HEADER], "big")
    encoded, zeros = padded[HEADER : HEADER + length], padded[HEADER + length :]
    if HEADER + length > len(padded) or class_of(kind, length) != len(padded) or any(zeros):
        raise Refused("padding")
    if not is_safe_key(signer):
        raise Refused("signer")
    verify(signer, signature, room.binding(kind) + encoded)
    return Opened(b64(signer), decode_payload(kind, encoded), b64(sha256(data)), b64(sha256(encoded)))


def verify(key: bytes, signature: bytes, signed: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise Refused("signature") from None


# Payloads


def decode_payload(kind: Kind, encoded: bytes) -> Payload:
    try:
        text = encoded.decode()
        # As JavaScript reads numbers: NaN is none, and all are floats in the end.
        value = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused("payload") from None
    if not isinstance(value, dict):
        raise Refused("payload")
    return check_payload(kind, value)


def check_payload(kind: Kind, payload: Payload) -> Payload:
    """Only the known keys. What is missing, of the wrong type or out of bounds is Refused("payload")."""
    if not _shaped(kind, payload):
        raise Refused("payload")
    return {key: payload[key] for key in _keys(kind, payload)}


def _keys(kind: Kind, payload: Payload) -> tuple[str, ...]:
    if kind == "message":
        return (*_body(payload), "at", "seq", "prev", "seen")
    return ("name" if kind == "user" else "on", "at", "seq", "prev")


def _body(payload: Payload) -> tuple[str, ...]:
    for first, *rest in (("void",), ("edit", "text"), ("erase",), ("react", "sign", "on"), ("fade",)):
        if first in payload:
            return (first, *rest)
    return ("name", "text", *(key for key in ("me", "re", "file") if key in payload))


def _shaped(kind: Kind, payload: Payload) -> bool:
    keys = _keys(kind, payload)
    if not all(key in payload and _CHECKS[key](payload[key]) for key in keys):
        return False
    if "file" in keys and not is_file_name(payload["text"]):
        return False
    seq = payload["seq"]
    earlier = [payload[key] for key in ("edit", "erase") if key in keys]
    if isinstance(seq, int) and not all(_is_count(each, 1, seq - 1) for each in earlier):
        return False
    # A message's number is its own, a head's that of the last message; `prev` is the hash of the one before or of that.
    first = 1 if kind == "message" else 0
    return _is_count(payload["seq"], first) and (payload["prev"] == "") == (payload["seq"] == first)


def _is_count(value: Json, least: int, most: int = MAX_SAFE) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_digest(value: Json, size: int = 32) -> bool:
    try:
        return isinstance(value, str) and len(unb64(value)) == size
    except Refused:
        return False


def _is_seen(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_count(value[0], 1) and _is_digest(value[1])


def _is_ref(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_digest(value[0]) and _is_count(value[1], 1)


def is_file_name(value: Json) -> bool:
    """Written apart from the page's way to make one."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 120
        and value == unicodedata.normalize("NFC", value)
        and not re.search(r'[\\/:*?"<>|]|^[.\s]|[.\s]$|\s\s|[^\S ]', value)
        and not _NO_WIDTH.search(value)
        and all(char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp", "Cf"} for char in value)
    )


def _is_file(value: Json) -> bool:
    if not isinstance(value, list) or len(value) != 5:
        return False
    number, size, kind, key, digest = value
    return (
        _is_digest(number, 16)
        and _is_count(size, 0)
        and isinstance(kind, str)
        and re.fullmatch(r"(?:[a-z]+/[a-z0-9.+-]{1,80})?", kind) is not None
        and _is_digest(key)
        and _is_digest(digest)
    )


def _is_sign(value: Json) -> bool:
    """Nearly what docs/protocol.md says, which is in terms of properties that Python does not know."""
    if not isinstance(value, str) or not 0 < len(value) <= 16:
        return False
    if re.fullmatch("[\U0001f1e6-\U0001f1ff]{2}", value):
        return True
    bare = re.sub("[\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]", "", value)
    return all(len(each) == 1 and _is_pictographic(each) for each in bare.split("\u200d"))


def _is_pictographic(char: str) -> bool:
    return unicodedata.category(char) == "So" and not "\U0001f1e6" <= char <= "\U0001f1ff"


_CHECKS: dict[str, Callable[[Json], bool]] = {
    "void": lambda value: value is True,
    "me": lambda value: value is True,
    "re": _is_ref,
    "file": _is_file,
    "edit": lambda value: _is_count(value, 1),
    "erase": lambda value: _is_count(value, 1),
    "react": _is_ref,
    "fade": lambda value: _is_count(value, 0, 31_536_000),
    "sign": _is_sign,
    "on": lambda value: isinstance(value, bool),
    "name": lambda value: isinstance(value, str) and is_username(value),
    "text": lambda value: isinstance(value, str) and len(value) <= 10_000 and _well_formed(value),
    "at": lambda value: _is_count(value, 0, MAX_AT),
    "seq": lambda value: _is_count(value, 0),
    "prev": lambda value: value == "" or _is_digest(value),
    "seen": lambda value: value is None or _is_seen(value),
}


def _number(spelling: str) -> int | float:
    value = float(spelling)
    return int(value) if value.is_integer() else value


def _no_number(spelling: str) -> None:
    raise ValueError(spelling)
