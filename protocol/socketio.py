"""Socket.IO v5 packets, to and from Engine.IO messages; knows nothing of connections, rooms or time.

Source: the Socket.IO protocol, revision 5 (sections "Packet encoding", "Packet format", "Sample session").
"""

import re
from enum import IntEnum
from typing import NamedTuple

from protocol import Frame, Json, ProtocolError, strict_json

DEFAULT_NAMESPACE = "/"

MAX_ATTACHMENTS = 10
"""The official parser refuses packets with more since 4.2.6, in both directions."""

RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


class PacketType(IntEnum):
    """The types on the wire. Packet objects never have the last two: bytes within the data say it."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class Packet(NamedTuple):
    """One packet. `data`: CONNECT an object or None; EVENT a list whose first item is the event's name;
    ACK a list; CONNECT_ERROR an object; DISCONNECT None. Events and acks may hold `bytes` anywhere."""

    type: PacketType
    namespace: str = DEFAULT_NAMESPACE
    id: int | None = None
    data: Json = None


_TYPES = {str(int(kind)): kind for kind in PacketType}
_BINARY = {PacketType.EVENT: PacketType.BINARY_EVENT, PacketType.ACK: PacketType.BINARY_ACK}
_PLAIN = {binary: plain for plain, binary in _BINARY.items()}

# type, attachments, namespace (up to a comma or the end), ack id (below 2^53, as JavaScript counts), JSON
_HEAD = re.compile(r"([0-6])(?:([0-9]{1,4})-)?(?:(/[^,]*)(?:,|\Z))?([0-9]{1,15})?", re.DOTALL)


def encode(packet: Packet) -> list[Frame]:
    """The packet as Engine.IO frames: one text, then its attachments.

    Raises ValueError for what no peer may be sent (NaN, a reserved event name, too many attachments) and
    ProtocolError for data nested too deeply, which only an echo of a peer's own data can be.
    """
    attachments: list[bytes] = []
    kind, data = packet.type, packet.data
    try:
        try:
            body = "" if data is None else strict_json.dump(data)
        except TypeError:  # bytes, which few packets hold
            body = strict_json.dump(_take_out(data, attachments))
    except RecursionError as error:
        raise ProtocolError("data nested too deeply") from error
    if kind is PacketType.EVENT and data[0] in RESERVED_EVENTS:
        raise ValueError(f"{data[0]!r} is a reserved event name")
    if len(attachments) > MAX_ATTACHMENTS:
        raise ValueError(f"{len(attachments)} attachments; at most {MAX_ATTACHMENTS} can be received")
    count = ""
    if attachments:
        if kind not in _BINARY:
            raise ValueError(f"{kind.name} cannot carry bytes")
        kind, count = _BINARY[kind], f"{len(attachments)}-"
    namespace = "" if packet.namespace == DEFAULT_NAMESPACE else packet.namespace + ","
    number = "" if packet.id is None else str(packet.id)
    return [f"4{kind:d}{count}{namespace}{number}{body}", *attachments]


def encode_ack(namespace: str, number: int, data: list[Json]) -> list[Frame]:
    """An ack as Engine.IO frames; as `encode`, of which it is the greatest part."""
    try:
        body = strict_json.dump(data)
    except TypeError:  # bytes, which few acks hold
        return encode(Packet(PacketType.ACK, namespace, number, data))
    return [f"43{number}{body}" if namespace == DEFAULT_NAMESPACE else f"43{namespace},{number}{body}"]


class Decoder:
    """Turns a connection's Engine.IO messages into packets, collecting binary attachments in order.

    `max_bytes` bounds the attachments of one packet together, so that a peer cannot park more than
    one packet's worth of memory here.
    """

    __slots__ = ("_attachments", "_due", "_max_bytes", "_pending")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pending: Packet | None = None
        self._due = 0
        self._attachments: list[bytes] = []

    def feed(self, message: str | bytes) -> Packet | None:
        """The packet that this message completes, or None while attachments are due.

        Raises ProtocolError; the decoder must not be used after that.
        """
        if isinstance(message, bytes):
            return self._attach(message)
        if self._pending is not None:
            raise ProtocolError("text while attachments are due")
        packet, self._due = _parse(message)
        if not self._due:
            return packet
        self._pending = packet
        return None

    def _attach(self, data: bytes) -> Packet | None:
        if self._pending is None:
            raise ProtocolError("an attachment that nothing announced")
        self._attachments.append(data)
        if sum(map(len, self._attachments)) > self._max_bytes:
            raise ProtocolError("attachments too large")
        if len(self._attachments) < self._due:
            return None
        packet, attachments = self._pending, self._attachments
        self._pending, self._attachments = None, []
        try:
            return Packet(packet.type, packet.namespace, packet.id, _put_back(packet.data, attachments))
        except RecursionError as error:
            raise ProtocolError("data nested too deeply") from error


def _parse(text: str) -> tuple[Packet, int]:
    """The packet in a text message and the number of attachments that must follow it."""
    head = _HEAD.match(text)
    if head is None:
        raise ProtocolError("unknown Socket.IO packet type")
    digit, count, namespace, number = head.groups()
    kind = _TYPES[digit]
    due = 0 if count is None else int(count)
    if (kind in _PLAIN) != (count is not None) or (count is not None and not 1 <= due <= MAX_ATTACHMENTS):
        raise ProtocolError("wrong number of attachments")
    kind = _PLAIN.get(kind, kind)
    if kind is PacketType.ACK and number is None:
        raise ProtocolError("an ack without an id")
    if kind not in _BINARY and number is not None:
        raise ProtocolError("an id on a packet that takes none")
    body = text[head.end() :]
    data = strict_json.load(body) if body else None
    if not _shape_holds(kind, data, empty=not body):
        raise ProtocolError("wrong payload for this packet type")
    return Packet(kind, namespace or DEFAULT_NAMESPACE, None if number is None else int(number), data), due


def _shape_holds(kind: PacketType, data: Json, *, empty: bool) -> bool:
    match kind:
        case PacketType.CONNECT:
            return empty or isinstance(data, dict)
        case PacketType.DISCONNECT:
            return empty
        case PacketType.EVENT:
            return isinstance(data, list) and bool(data) and _is_event_name(data[0])
        case PacketType.ACK:
            return isinstance(data, list)
        case _:
            return isinstance(data, dict | str)


def _is_event_name(name: Json) -> bool:
    """Strings and, as the official parser has it, numbers; never a name that client libraries keep for themselves."""
    if isinstance(name, str):
        return name not in RESERVED_EVENTS
    return isinstance(name, int) and not isinstance(name, bool)


def _take_out(data: Json, attachments: list[bytes]) -> Json:
    """`data` with every `bytes` moved to `attachments` and a placeholder left in its place."""
    match data:
        case bytes():
            # What stands in several places travels once: as a peer may have sent it, and perhaps a thousand times.
            number = next((number for number, known in enumerate(attachments) if known is data), len(attachments))
            if number == len(attachments):
                attachments.append(data)
            return {"_placeholder": True, "num": number}
        case list() | tuple():
            return [_take_out(item, attachments) for item in data]
        case dict():
            return {key: _take_out(item, attachments) for key, item in data.items()}
        case _:
            return data


def _put_back(data: Json, attachments: list[bytes]) -> Json:
    """The reverse of `_take_out`. Raises ProtocolError for a placeholder that points nowhere."""
    match data:
        case {"_placeholder": True, "num": number}:
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(attachments):
                raise ProtocolError("a placeholder without its attachment")
            return attachments[number]
        case {"_placeholder": True}:
            raise ProtocolError("a placeholder without a number")
        case list():
            return [_put_back(item, attachments) for item in data]
        case dict():
            return {key: _put_back(item, attachments) for key, item in data.items()}
        case _:
            return data
