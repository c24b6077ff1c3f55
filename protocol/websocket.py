"""WebSocket frames of a server's side, to and from the wire; knows no socket, no HTTP and no Engine.IO.

Source: RFC 6455, sections 5 (framing), 7.4 (close codes) and 8.1 (UTF-8). No extension is ever agreed on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from struct import Struct
from typing import Final

from protocol import Frame, ProtocolError

MEDIUM, LONG = 126, 127
"""What stands instead of a length for one of two and of eight bytes. Source: section 5.2."""
LARGEST_CONTROL = 125
FIN, OPCODE, RESERVED, MASKED, LENGTH = 0x80, 0x0F, 0x70, 0x80, 0x7F


class Opcode(IntEnum):
    """The six that are defined."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Those that a server of ours says. Source: section 7.4.1 and the registry of close codes."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    TOO_LARGE = 1009
    TRY_AGAIN_LATER = 1013


class FrameError(ProtocolError):
    """The peer broke the rules of frames. `code` is what it is to be told."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with a pong that carries the same bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer's last frame: its code, or None where it gave none."""

    code: int | None


class Nothing(Enum):
    """A frame that amounts to nothing by itself: a pong, or a fragment of a message that goes on. It is an event all
    the same, so that whoever hears a peer can count what the peer makes it do."""

    YET = auto()


Event = Frame | Ping | Close | Nothing
"""What a peer's frame amounts to: a whole message (text or bytes), a ping, the end, or nothing yet."""


def encode(message: Frame) -> bytes:
    """A whole message as one frame, which is never masked on a server's side."""
    if isinstance(message, bytes):
        return _head(Opcode.BINARY, len(message)) + message
    data = message.encode()
    return _head(Opcode.TEXT, len(data)) + data


def encode_pong(data: bytes) -> bytes:
    """The answer to a ping, with its bytes (125 at most)."""
    return _head(Opcode.PONG, len(data)) + data


def encode_close(code: int | None) -> bytes:
    """The last frame of a side."""
    return _head(Opcode.CLOSE, 0) if code is None else _head(Opcode.CLOSE, 2) + code.to_bytes(2, "big")


_MEDIUM_HEAD: Final = Struct("!BBH").pack
_LONG_HEAD: Final = Struct("!BBQ").pack


def _head(opcode: Opcode, length: int) -> bytes:
    if length < MEDIUM:
        return bytes((FIN | opcode, length))
    if length < 1 << 16:
        return _MEDIUM_HEAD(FIN | opcode, MEDIUM, length)
    return _LONG_HEAD(FIN | opcode, LONG, length)


def unmask(mask: bytes, data: bytes) -> bytes:
    """`data` with the four bytes of `mask` taken from it over and over. Source: section 5.3."""
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(len(data), "little")


_TEXT: Final = FIN | Opcode.TEXT
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY})
_CONTROL: Final = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})
_REGISTERED: Final = frozenset({*range(1000, 1004), *range(1007, 1015)})
"""Close codes below 3000 that a peer may send."""


class Receiver:
    """Takes what a client's line brings, in pieces of any size, and gives out the frames in it as events, one by one.

    A message has at most `max_bytes`, however it is fragmented: one that is longer is refused as soon as a length says
    so, before it is there. `unmask` may be a faster one than this module's. After a FrameError or a Close nothing
    follows.
    """

    __slots__ = ("_at", "_data", "_fragments", "_kind", "_max_bytes", "_over", "_unmask")

    def __init__(self, max_bytes: int, unmask: Callable[[bytes, bytes], bytes] = unmask) -> None:
        self._max_bytes = max_bytes
        self._unmask = unmask
        self._data: bytes | bytearray = b""
        self._at = 0
        """What is before it in `_data` has been given out."""
        self._kind: Opcode | None = None
        """Of the message whose fragments are collected."""
        self._fragments: bytes | bytearray = b""
        self._over = False

    def feed(self, data: bytes) -> None:
        """More from the line. `next` gives out what it amounts to."""
        if self._over:
            return
        if self._at:
            self._forget()
        if not self._data:
            # Mostly: what came before was whole frames, and nothing has to be copied.
            self._data = data
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += data

    def next(self) -> Event | None:
        """The next frame's event, or None until there is more data. Raises FrameError."""
        if self._at == len(self._data):
            self._data, self._at = b"", 0
            return None
        try:
            frame = self._frame()
            if frame is not None:
                return self._event(*frame)
        except FrameError:
            self._end()
            raise
        if self._at:
            self._forget()
        return None

    def _forget(self) -> None:
        """What has been given out is not kept: a line that is idle after a large message holds none of it."""
        if isinstance(self._data, bytes):
            self._data = self._data[self._at :]
        else:
            del self._data[: self._at]
        self._at = 0

    def _end(self) -> None:
        self._over = True
        self._data, self._at, self._fragments = b"", 0, b""

    def _frame(self) -> tuple[int, bytes] | None:
        """The first byte and the payload of the next frame, once all of it is there."""
        data, at = self._data, self._at
        there = len(data) - at
        if there < 2:
            return None
        first, second = data[at], data[at + 1]
        if not second & MASKED:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a client's frame that is not masked")
        length, at = second & LENGTH, at + 2
        if length >= MEDIUM:
            size = 2 if length == MEDIUM else 8
            if there < 2 + size:
                return None
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
            if length < (MEDIUM if size == 2 else 1 << 16) or length >= 1 << 63:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a length that is not written as it must be")
        if first != _TEXT or self._kind is not None or length > self._max_bytes:  # hardly ever
            self._check(first, length)
        payload = at + 4
        end = payload + length
        if end > len(data):
            return None
        self._at = end
        return first, self._unmask(bytes(data[at:payload]), bytes(data[payload:end]))

    def _check(self, first: int, length: int) -> None:
        """Raises for a frame that must not come, whatever is in it."""
        opcode = first & OPCODE
        if first & RESERVED:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "reserved bits without an extension")
        if opcode in _CONTROL:
            if length > LARGEST_CONTROL or not first & FIN:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a control frame that is long or fragmented")
            return
        if opcode in _DATA:
            if self._kind is not None:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a message within a message")
        elif opcode != Opcode.CONTINUATION:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "an opcode that is not defined")
        elif self._kind is None:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a continuation of nothing")
        if len(self._fragments) + length > self._max_bytes:
            raise FrameError(CloseCode.TOO_LARGE, "a message that is too large")

    def _event(self, first: int, payload: bytes) -> Event:
        if first == _TEXT:
            return _text(payload)
        match first & OPCODE:
            case Opcode.CLOSE:
                self._end()
                return _close(payload)
            case Opcode.PING:
                return Ping(payload)
            case Opcode.PONG:
                return Nothing.YET
            case Opcode.CONTINUATION:
                pass
            case opcode:
                self._kind = Opcode(opcode)
        return self._fragment(payload, last=bool(first & FIN))

    def _fragment(self, payload: bytes, *, last: bool) -> Frame | Nothing:
        """The message that is complete with this, or nothing while more is due."""
        if not last:
            if not isinstance(self._fragments, bytearray):
                self._fragments = bytearray(self._fragments)
            self._fragments += payload
            return Nothing.YET
        whole, kind = bytes(self._fragments + payload) if self._fragments else payload, self._kind
        self._kind, self._fragments = None, b""
        return _text(whole) if kind is Opcode.TEXT else whole


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FrameError(CloseCode.INVALID_DATA, "a text that is no UTF-8") from error


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(None)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _REGISTERED or 3000 <= code < 5000):
        raise FrameError(CloseCode.PROTOCOL_ERROR, "a close code that no peer may send")
    _text(payload[2:])
    return Close(code)
