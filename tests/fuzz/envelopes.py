"""Joins, sealed requests and signatures as targets. What was changed by a single bit must not open: there the other
implementation, or what was sealed, says what is true."""

import functools
import json
from dataclasses import dataclass, replace
from random import Random
from typing import cast

import envelope
from envelope import EnvelopeError
from rooms.events import JOIN_ROOM
from rooms.join import Door
from rooms.model import ErrorCode, Refused
from tests import reference
from tests.fuzz.bounds import Mistake
from tests.fuzz.decoders import Target, bytes_of, must, text_of
from tests.fuzz.mutation import Input
from tests.reference import Room, Signer, unb64
from tests.reference_join import Channel, Joining, ServerKey, Since, make_join
from tests.rooms.stage import SITE, server_key

SOCKET_ID = "the-id-of-a-socket"
SESSION_KEY = bytes(range(32))


@dataclass(frozen=True)
class Opened:
    """Stands in for a server's key where the envelope is not the subject: opening one takes milliseconds."""

    plain: envelope.Envelope
    digest: bytes

    def open(self, sealed: bytes) -> envelope.Envelope:
        return self.plain


@functools.cache
def honest() -> dict[str, bytes]:
    """One join as an honest tab sends it: `envelope` and `body` sealed, and `said`, what is in the body."""
    random = Random(0)  # noqa: S311 - keys of nobody, the same in every run
    room = Room.from_secret(random.randbytes(32))
    key = ServerKey.from_pem(server_key().pem)
    joining = Joining(key, SOCKET_ID, SITE, Since(bytes(16), 7), random.randbytes(540))
    request, _ = make_join(joining, room, Signer.from_seed(random.randbytes(32)), lambda size: SESSION_KEY[:size])
    sealed = unb64(request["body"])
    said = envelope.Channel(SESSION_KEY).open(JOIN_ROOM, sealed)
    return {"envelope": unb64(request["envelope"]), "body": sealed, "said": said}


@functools.cache
def inner_door() -> Door:
    opened = Opened(server_key().open(honest()["envelope"]), server_key().digest)
    return Door(cast(envelope.ServerKey, opened), SITE)


def read_envelopes(frames: Input) -> None:
    for frame in frames:
        server_key().open(bytes_of(frame))
        must(bytes_of(frame) == honest()["envelope"], "another envelope was opened")


def read_joins(frames: Input) -> None:
    """A socket's id, which is the server's own choice and never long, an envelope, a body."""
    if len(frames) < 3:
        return
    try:
        Door(server_key(), SITE).open(text_of(frames[0])[:100], bytes_of(frames[1]), bytes_of(frames[2]))
    except Refused as refused:
        must(refused.code in {ErrorCode.BAD_ENVELOPE, ErrorCode.WRONG_SITE}, refused.code)
        raise
    same = (text_of(frames[0])[:100], *map(bytes_of, frames[1:3])) == joins()[0]
    must(same, "another join was let in")


def read_bodies(frames: Input) -> None:
    """What is said within a join, properly sealed."""
    for frame in frames:
        sealed = unb64(Channel(SESSION_KEY).seal(JOIN_ROOM, bytes_of(frame)))
        try:
            join = inner_door().open(SOCKET_ID, b"", sealed)
        except Refused as refused:
            must(refused.code in {ErrorCode.BAD_ENVELOPE, ErrorCode.WRONG_SITE}, refused.code)
            raise
        # White space and unknown keys change nothing; what the proofs speak of must be what was proven.
        known = json.loads(honest()["said"])
        must(join.member == known["member"] and join.user == known["user"], "another member was let in")
        must(join.since is not None and join.since.id == known["since"]["id"], "another place was let in")


def read_requests(frames: Input) -> None:
    """An event's name and a sealed body, for a channel that is at its third request."""
    if len(frames) < 2:
        return
    channel = envelope.Channel(SESSION_KEY)
    for _, (event, sealed) in zip(range(2), requests(), strict=False):
        channel.open(text_of(event), bytes_of(sealed))
    try:
        channel.open(text_of(frames[0])[:100], bytes_of(frames[1]))
    except EnvelopeError:
        event, sealed = requests()[2]
        channel.open(text_of(event), bytes_of(sealed))
        raise
    must((text_of(frames[0]), bytes_of(frames[1])) == requests()[2], "another request was opened")


def read_signatures(frames: Input) -> None:
    """A key, a message, a signature; the other implementation knows which hold."""
    if len(frames) < 3:
        return
    key, message, signature = map(bytes_of, frames[:3])
    must(envelope.is_safe_key(key) == reference.is_safe_key(key), "a key is safe for one implementation only")
    try:
        reference.verify(key, signature, message)
        holds = reference.is_safe_key(key)
    except (reference.Refused, ValueError):
        holds = False
    try:
        envelope.verify(key, message, signature)
    except EnvelopeError as error:
        if holds:
            raise Mistake("a good signature was refused") from error
        raise
    must(holds, "a bad signature was taken for good")


@functools.cache
def requests() -> tuple[Input, ...]:
    """Honest requests of one channel in their order; the first is its join."""
    channel = Channel(SESSION_KEY)
    names = (JOIN_ROOM, "send_message", "typing", "update_user")
    return tuple((name, unb64(channel.seal(name, name.encode() * 20))) for name in names)


@functools.cache
def joins() -> tuple[Input, ...]:
    return ((SOCKET_ID, honest()["envelope"], honest()["body"]),)


@functools.cache
def signatures() -> tuple[Input, ...]:
    signers = [Signer.from_seed(bytes([seed]) * 32) for seed in range(3)]
    special = (bytes(32), b"\1" + bytes(31), b"\xff" * 32, (2**255 - 20).to_bytes(32, "little"), b"")
    good = tuple((signer.public_key, b"said", signer.sign(b"said")) for signer in signers)
    return (*good, *((key, b"said", bytes(64)) for key in special))


@functools.cache
def targets() -> tuple[Target, ...]:
    """Made when they are needed: the keys take a third of a second."""
    said = Target("Door.open, what is said", ((honest()["said"],),), read_bodies, (Refused,), bytes_per_byte=200)
    return (
        Target("ServerKey.open", ((honest()["envelope"],),), read_envelopes, (EnvelopeError,), short=300),
        Target("Door.open", joins(), read_joins, (Refused,), short=200),
        said,
        replace(said, name="Channel.open", corpus=requests(), read=read_requests, refusals=(EnvelopeError,)),
        Target("verify", signatures(), read_signatures, (EnvelopeError,), short=200),
    )
