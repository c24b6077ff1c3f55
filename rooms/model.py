"""The nouns of the chat and the shape of what clients send; reads no ciphertext and does no input or output."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType

import pybase64

from protocol import Json

RoomAddress = NewType("RoomAddress", bytes)
"""A room's Ed25519 public key, 32 bytes: all that the server knows of its name."""

MemberId = NewType("MemberId", str)
"""The Ed25519 public key of a tab, base64url, 43 characters."""

TIMER_BYTES, LONGEST_TIMER = 4, 31_536_000
MAX_TEXT = 10_000
"""Code points of a message: what a page lets people type. The server can only see sizes."""

NONCE_BYTES, TAG_BYTES = 12, 16
MESSAGE_CLASSES = (256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
"""The sizes that the plaintext of a message is padded to."""
PERSON_CLASSES = (512,)
"""The same for who somebody is and whether they type."""
LARGEST_CIPHERTEXT = NONCE_BYTES + MESSAGE_CLASSES[-1] + TAG_BYTES


class ErrorCode(StrEnum):
    """All that a refused request may be told."""

    BAD_REQUEST = "bad-request"
    BAD_ENVELOPE = "bad-envelope"
    WRONG_SITE = "wrong-site"
    NOT_IN_ROOM = "not-in-room"
    TOO_LARGE = "too-large"
    RATE_LIMITED = "rate-limited"
    ROOM_FULL = "room-full"
    SERVER_FULL = "server-full"
    UNAVAILABLE = "unavailable"
    FILE_GONE = "file-gone"


class Refused(Exception):
    """A request is refused and has changed nothing. The client is told the code and no more."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.value)
        self.code = code


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a room. `seat` names the one connection that holds the place: a member who comes back over
    a new connection takes a new seat, and whatever the old one still does is void. Nobody is told seats."""

    id: MemberId
    user: str
    seat: str


class Message(NamedTuple):
    """A message before it has an id: ciphertext (base64url) and the SHA-256 of its bytes."""

    member: MemberId
    ciphertext: str
    digest: bytes


class Entry(NamedTuple):
    """A message in a room's log. Ids count 1, 2, 3 ... within an epoch."""

    id: int
    member: MemberId
    ciphertext: str


@dataclass(frozen=True, slots=True)
class Since:
    """The last that a returning client has seen: the room's epoch (16 bytes) and a message id."""

    epoch: bytes
    id: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A room at one moment: `last` is the id of its latest message (0 if none), `log` what it still holds, `timer` for
    how many seconds its people want messages kept (0 if they have not said)."""

    epoch: bytes
    last: int
    members: tuple[Member, ...]
    log: tuple[Entry, ...]
    timer: int = 0

    def log_after(self, since: Since | None) -> tuple[Entry, ...]:
        """The part of the log that a client which has seen `since` lacks: all of it if that was another epoch."""
        if since is None or since.epoch != self.epoch:
            return self.log
        return tuple(entry for entry in self.log if entry.id > since.id)


@dataclass(frozen=True, slots=True)
class Joined:
    """A member took a seat; the snapshot is of the very moment after. `returned`: it held another seat before.
    `missed`: this node has not seen it happen, and knows of two seats no more which is the later one."""

    room: RoomAddress
    member: Member
    snapshot: Snapshot
    returned: bool
    missed: bool = False

    def told(self, since: Since | None, ttl: float) -> Json:
        """What the member is told of it, having seen the room until `since`. `ttl`: seconds that messages are shown."""
        snapshot = self.snapshot
        log = snapshot.log_after(since)
        return {
            "member": self.member.id,
            "epoch": to_base64url(snapshot.epoch),
            "first": log[0].id if log else snapshot.last + 1,
            "last": snapshot.last,
            "ttl": ttl,
            "timer": snapshot.timer,
            "users": [{"member": member.id, "user": member.user} for member in snapshot.members],
            "log": [{"id": entry.id, "member": entry.member, "message": entry.ciphertext} for entry in log],
        }


@dataclass(frozen=True, slots=True)
class Left:
    """A member is gone."""

    room: RoomAddress
    member: MemberId


@dataclass(frozen=True, slots=True)
class Changed:
    """A member has a new user ciphertext."""

    room: RoomAddress
    member: Member


class Posted(NamedTuple):
    """A message is in the log."""

    room: RoomAddress
    entry: Entry


@dataclass(frozen=True, slots=True)
class Typed:
    """A member's typing notice; nothing keeps it."""

    room: RoomAddress
    member: MemberId
    ciphertext: str


@dataclass(frozen=True, slots=True)
class Lost:
    """This node does not know any longer what happens in a room: whoever is here has to join anew."""

    room: RoomAddress


RoomEvent = Joined | Left | Changed | Posted | Typed | Lost


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PADDING = ("", "", "==", "=")
_LAST = (frozenset({"", *_ALPHABET}), frozenset[str](), frozenset(_ALPHABET[::16]), frozenset(_ALPHABET[::4]))
"""What may be the last character, by how many there are beyond whole groups of four: one whose unused bits are zero."""


def to_base64url(data: bytes) -> str:
    """Without padding, the one spelling that the protocol allows."""
    return pybase64.b64encode_as_string(data, b"-_").rstrip("=")


def from_base64url(text: str, size: int | None = None) -> bytes:
    """The bytes, `size` of them if given. Raises ValueError for any spelling that `to_base64url` would not give."""
    rest = len(text) % 4
    if "+" in text or "/" in text or text[-1:] not in _LAST[rest]:
        raise ValueError("not canonical base64url")
    data = pybase64.b64decode(text + _PADDING[rest], b"-_", validate=True)
    if size not in (None, len(data)):
        raise ValueError("not base64url of the right size")
    return data


def parse_ciphertext(data: bytes, classes: tuple[int, ...]) -> str:
    """A room ciphertext's own spelling, after a look at its size: the server can check nothing else.

    Raises Refused: `too-large` beyond the largest class, `bad-request` for a size that no class has.
    """
    if len(data) > LARGEST_CIPHERTEXT:
        raise Refused(ErrorCode.TOO_LARGE)
    if len(data) - NONCE_BYTES - TAG_BYTES not in classes:
        raise Refused(ErrorCode.BAD_REQUEST)
    return to_base64url(data)


def parse_timer(data: bytes) -> int:
    """For how many seconds messages are to be kept. Raises Refused."""
    seconds = int.from_bytes(data, "big")
    if len(data) != TIMER_BYTES or seconds > LONGEST_TIMER:
        raise Refused(ErrorCode.BAD_REQUEST)
    return seconds


def parse_message(member: MemberId, data: bytes) -> Message:
    """A message as a member sends it. Raises Refused."""
    return Message(member, parse_ciphertext(data, MESSAGE_CLASSES), hashlib.sha256(data).digest())
