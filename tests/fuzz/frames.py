"""WebSocket frames as a target: what is heard must not depend on how the line cuts it, nothing may follow a refusal or
a close, and what was heard can be said again."""

import hashlib
from collections.abc import Iterable

from protocol import Frame
from protocol.websocket import Close, CloseCode, FrameError, Nothing, Ping, Receiver, encode, encode_close, encode_pong
from tests.fuzz.decoders import Target, bytes_of, must
from tests.fuzz.mutation import Input
from tests.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame

MAX_BYTES = 1000
SAID_AGAIN = 100
"""Events of an input that are said again; a large one has a hundred thousand."""


def plain(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = bytes(4)) -> bytes:
    """Its mask is zero, so that what it says stands in the bytes."""
    return frame(opcode, payload, fin=fin, mask=mask)


CORPUS: tuple[Input, ...] = (
    (plain(TEXT, b"40"), plain(TEXT, b'42["a"]'), plain(BINARY, b"\1\2\3\4")),
    (plain(TEXT, "\u00e4\u20ac\U0001f600".encode() * 20) + plain(PING, b"there?") + plain(TEXT, b"", mask=b"mask"),),
    (plain(TEXT, b"\xe2", fin=False), plain(PING, b""), plain(0, b"\x82", fin=False), plain(0, b"\xac")),
    (plain(BINARY, b"", fin=False) + plain(0, b"", fin=False) * 3 + plain(0, b"end"), plain(PONG, b"unasked")),
    (plain(BINARY, bytes(126)), plain(BINARY, bytes(125)), plain(TEXT, b"x" * MAX_BYTES, mask=b"\xff\0\xff\0")),
    (plain(TEXT, b"before"), plain(CLOSE, b"\x03\xe8bye"), plain(TEXT, b"after")),
    (plain(TEXT, b"half", fin=False), plain(CLOSE, b"")),
    tuple(bytes([byte]) for byte in plain(TEXT, b"cut") + plain(PING, b"cut") + plain(CLOSE, b"\x0f\xa0")),
    (plain(BINARY, bytes(600), fin=False), plain(0, bytes(401))),
    (b"\x82\xfe\3\xe9", b"\x82\xff\0\0\0\0\0\1\0\0"),
)


Said = Frame | Ping | Close


class Ear:
    """Hears pieces to their end, keeps a digest of the events and, of an input's beginning, the events."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.refused: CloseCode | None = None
        self.first: list[Said] = []
        self._events = hashlib.sha256()
        receiver = Receiver(MAX_BYTES)
        for piece in pieces:
            receiver.feed(piece)
            try:
                while (event := receiver.next()) is not None:
                    if event is not Nothing.YET:
                        self._note(event)
            except FrameError as error:
                must(self.refused is None, "refused twice")
                self.refused = error.code

    def _note(self, event: Said) -> None:
        must(self.refused is None, "something is heard after a refusal")
        if isinstance(event, str | bytes):
            must(len(event.encode() if isinstance(event, str) else event) <= MAX_BYTES, "larger than is allowed")
        if len(self.first) < SAID_AGAIN:
            self.first.append(event)
        self._events.update(repr(event).encode("unicode-escape"))

    def same_as(self, other: "Ear") -> bool:
        return (self.refused, self._events.digest()) == (other.refused, other._events.digest())


def said_again(event: Said) -> bytes:
    """As a client would say it whose mask is zero."""
    wire = encode_pong(event.data) if isinstance(event, Ping) else encode_any(event)
    name = wire[0] - 1 if isinstance(event, Ping) else wire[0]  # a ping is numbered before its pong
    length = {126: 2, 127: 8}.get(wire[1], 0)
    return bytes([name, wire[1] | 0x80]) + wire[2 : 2 + length] + bytes(4) + wire[2 + length :]


def encode_any(event: Said) -> bytes:
    if isinstance(event, str | bytes):
        return encode(event)
    assert not isinstance(event, Ping)
    return encode_close(event.code)


def read_frames(given: Input) -> None:
    """What it is given are pieces from a line."""
    pieces = [bytes_of(piece) for piece in given]
    heard = Ear(pieces)
    must(heard.same_as(Ear([b"".join(pieces)])), "in one piece it is something else")
    must(heard.first == Ear(map(said_again, heard.first)).first, "said again it is something else")
    if heard.refused is not None:
        raise FrameError(heard.refused, "as it should be")


def target() -> Target:
    return Target("websocket.Receiver", CORPUS, read_frames, (FrameError,))
