"""What a request to join says and whether it is true; changes nothing and knows no room.

Source: docs/protocol.md, "Join".
"""

import hashlib
from dataclasses import dataclass

import envelope
from protocol import ProtocolError, strict_json
from rooms.events import JOIN_ROOM
from rooms.model import (
    PERSON_CLASSES,
    ErrorCode,
    MemberId,
    Refused,
    RoomAddress,
    Since,
    from_base64url,
    parse_ciphertext,
)

LARGEST_ENVELOPE = 1024
"""Characters; an envelope of RSA-2048 has 342. What is longer is not worth decoding."""
LARGEST_JOIN_BODY = 4096
"""Characters; a join's body has about 1,400."""
LARGEST_ID = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Join:
    """A join that is proven: who holds the room's key and the member's key made it for this very socket."""

    address: RoomAddress
    member: MemberId
    user: str
    since: Since | None
    channel: envelope.Channel


@dataclass(frozen=True, slots=True)
class Door:
    """Opens joins of one site under one server key."""

    key: envelope.ServerKey
    site_salt: bytes

    def open(self, socket_id: str, sealed: bytes, body: bytes) -> Join:
        """The join, opened and verified. One RSA operation and two signatures: call it off the loop.

        Raises Refused: `wrong-site` where the client derived its keys with another site's salt, and
        `bad-envelope` for everything else, whatever failed.
        """
        try:
            return self._open(socket_id, sealed, body)
        except Refused as refused:
            if refused.code is ErrorCode.WRONG_SITE:
                raise
            raise Refused(ErrorCode.BAD_ENVELOPE) from refused
        except (envelope.EnvelopeError, ProtocolError, KeyError, TypeError, ValueError) as error:
            raise Refused(ErrorCode.BAD_ENVELOPE) from error

    def _open(self, socket_id: str, sealed: bytes, body: bytes) -> Join:
        opened = self.key.open(sealed)
        channel = envelope.Channel(opened.session_key)
        said = strict_json.load(channel.open(JOIN_ROOM, body).decode("utf-8"))
        if from_base64url(said["site"], len(self.site_salt)) != self.site_salt:
            raise Refused(ErrorCode.WRONG_SITE)
        member = from_base64url(said["member"], 32)
        user = from_base64url(said["user"])
        since = None if said["since"] is None else _parse_since(said["since"])
        proven = envelope.transcript(
            (
                socket_id.encode("utf-8"),
                self.key.digest,
                self.site_salt,
                opened.address,
                opened.session_key,
                member,
                b"" if since is None else since.epoch + since.id.to_bytes(8, "big"),
                hashlib.sha256(user).digest(),
            )
        )
        envelope.verify(opened.address, envelope.ROOM_PROOF + proven, opened.room_proof)
        envelope.verify(member, envelope.MEMBER_PROOF + proven, from_base64url(said["proof"], 64))
        return Join(
            RoomAddress(opened.address),
            MemberId(said["member"]),
            parse_ciphertext(user, PERSON_CLASSES),
            since,
            channel,
        )


def _parse_since(said: dict[str, object]) -> Since:
    epoch, last = said["epoch"], said["id"]
    if not isinstance(epoch, str) or not isinstance(last, int) or isinstance(last, bool) or not 0 <= last <= LARGEST_ID:
        raise ValueError("not a position in a room")
    return Since(from_base64url(epoch, 16), last)
