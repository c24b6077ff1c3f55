"""Engine.IO v4 packets and payloads, to and from the wire; knows nothing of sessions, time or Socket.IO.

Source: the Engine.IO protocol, revision 4 (sections "Protocol", "Packet encoding", "Handshake").
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from protocol import Frame, ProtocolError, strict_json

VERSION = "4"
SEPARATOR = "\x1e"


class PacketType(IntEnum):
    """The seven packet types; on the wire each is its decimal digit."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


class Packet(NamedTuple):
    """One packet. `data` is text, or bytes where the type is MESSAGE."""

    type: PacketType
    data: str | bytes = ""


_TYPES = {str(int(kind)): kind for kind in PacketType}


def encode(packet: Packet) -> Frame:
    """The packet as one WebSocket message: text with its type in front, binary messages bare.

    Raises ValueError for bytes in a packet that is not a message: only messages can be binary.
    """
    if isinstance(packet.data, bytes):
        if packet.type is not PacketType.MESSAGE:
            raise ValueError(f"{packet.type.name} cannot carry bytes")
        return packet.data
    return f"{packet.type:d}{packet.data}"


def decode(frame: Frame) -> Packet:
    """The packet in one WebSocket message. Raises ProtocolError for an empty text or an unknown type."""
    if isinstance(frame, bytes):
        return Packet(PacketType.MESSAGE, frame)
    kind = _TYPES.get(frame[:1])
    if kind is None:
        raise ProtocolError("unknown Engine.IO packet type")
    return Packet(kind, frame[1:])


def encode_payload(frames: Iterable[Frame]) -> str:
    """Encoded packets joined for one HTTP body; a binary message becomes `b` and standard base64."""
    return SEPARATOR.join(
        "b" + base64.b64encode(frame).decode("ascii") if isinstance(frame, bytes) else frame for frame in frames
    )


def decode_payload(payload: str) -> Iterator[Packet]:
    """The packets of one HTTP body, in order.

    A generator, because packets in front of a bad one count: it yields them, then raises ProtocolError. It looks for
    the next one only when asked: a payload of a million bytes may hold half as many packets.
    """
    end = -1
    while end < len(payload):
        begin, end = end + 1, payload.find(SEPARATOR, end + 1)
        if end < 0:
            end = len(payload)
        part = payload[begin:end]
        if part[:1] == "b":
            try:
                yield Packet(PacketType.MESSAGE, base64.b64decode(part[1:], validate=True))
            except (binascii.Error, ValueError) as error:
                raise ProtocolError("bad base64 in an Engine.IO payload") from error
        else:
            yield decode(part)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the server says first. Times in seconds here, in whole milliseconds on the wire (never 0)."""

    sid: str
    upgrades: tuple[str, ...]
    ping_interval: float
    ping_timeout: float
    max_payload: int

    def packet(self) -> Packet:
        """The OPEN packet with exactly the five keys of the specification."""
        body = {
            "sid": self.sid,
            "upgrades": list(self.upgrades),
            "pingInterval": max(1, round(self.ping_interval * 1000)),
            "pingTimeout": max(1, round(self.ping_timeout * 1000)),
            "maxPayload": self.max_payload,
        }
        return Packet(PacketType.OPEN, strict_json.dump(body))
