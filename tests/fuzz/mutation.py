"""Makes bad inputs out of good ones, and small inputs out of large ones; knows nothing of what reads them.

An input is a sequence of frames, text or bytes: what reads a single one is given each by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from protocol import Frame

Input = tuple[Frame, ...]

LARGEST = 1_000_000
"""Bytes of one frame: what a server lets through."""
USUAL = 20_000

TOKENS = (
    *(
        b"\x1e",
        b"b",
        b"4",
        b"5",
        b"1",
        b"2probe",
        b"40",
        b"41",
        b"42",
        b"43",
        b"44",
        b"451-",
        b"461-",
        b"450-",
        b"4511-",
    ),
    *(b"/", b",", b"/admin,", b'["a"]', b'"', b"\\", b"[", b"]", b"{", b"}", b":", b"[]", b"{}", b"null", b"true"),
    *(
        b'{"_placeholder":true,"num":0}',
        b'{"_placeholder":true}',
        b'"num":-1',
        b'"num":true',
        b'"num":1e0',
        b'"connect"',
    ),
    *(
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"-0.0",
        b"1e-999",
        b"9007199254740993",
        b"9" * 400,
        b"9" * 5000,
        b"0x" + b"f" * 5000,
    ),
    *(
        b"\\ud800",
        b"\\udfff\\ud800",
        b"\\u0000",
        b"\xed\xa0\x80",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\xf0\x9f\x92\xa9",
    ),
    *(
        b"=",
        b"==",
        b"-_",
        b"+/",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b"%00",
        b"%",
        b"&",
        b"?",
        b"../",
        b";",
    ),
    # WebSocket frames under a mask of zeros, and heads of some that are longer.
    *(b"\x81\x80\0\0\0\0", b"\x01\x81\0\0\0\0a", b"\x82\x82\0\0\0\0\1\2", b"\0\x80\0\0\0\0", b"\x80\x81\0\0\0\0b"),
    *(
        b"\x89\x80\0\0\0\0",
        b"\x8a\x80\0\0\0\0",
        b"\x88\x82\0\0\0\0\3\xe8",
        b"\x82\xfe\0\x7e",
        b"\x81\xff\0\0\0\0\0\1\0\0",
    ),
    *("\u0661\u0662".encode(), "\uff14".encode(), "\u00b2".encode(), b"1_000", b"a." * 2000),
)
"""What means something to somebody: separators, types, numbers and texts at the edge of what can be read."""

DEEP = (b"[", b'{"a":', b"[[", b'[{"_placeholder":')
"""What nests when it is repeated."""


class Mutator:
    """All of its chances come from one seed."""

    def __init__(self, random: Random, corpus: Sequence[Input]) -> None:
        self._random = random
        self._corpus = corpus
        self._changes: tuple[Callable[[bytes], bytes], ...] = (
            self._flip,
            self._put,
            self._insert_token,
            self._insert_token,
            self._cut_out,
            self._double,
            self._truncate,
            self._splice,
            self._repeat,
        )

    def next(self) -> Input:
        """Another input: a known one, a few steps away from it."""
        random = self._random
        frames = list(random.choice(self._corpus))
        for _ in range(random.choice((0, 1, 1, 1, 2, 3, 5, 8))):
            if random.random() < 0.2:
                frames = self._shuffled(frames)
            elif frames:
                at = random.randrange(len(frames))
                frames[at] = self._changed(frames[at])
        return tuple(frames)

    def bytes_near(self, data: bytes) -> bytes:
        """The same for a single piece of bytes."""
        for _ in range(self._random.choice((1, 1, 2, 4))):
            data = self._random.choice(self._changes)(data)
        return data

    def _changed(self, frame: Frame) -> Frame:
        if isinstance(frame, str):
            return as_text(self._random.choice(self._changes)(frame.encode()))
        return self._random.choice(self._changes)(frame)

    def _shuffled(self, frames: list[Frame]) -> list[Frame]:
        random = self._random
        other = random.choice(random.choice(self._corpus) or (b"",))
        at = random.randrange(len(frames) + 1)
        match random.randrange(6):
            case 0:
                return [*frames[:at], other, *frames[at:]]
            case 1:
                return [*frames[:at], *frames[at + 1 :]]
            case 2:
                return [*frames, *frames[at:]]
            case 3:
                return random.sample(frames, len(frames))
            case 4:
                return [*frames[:at], *(turned(frame) for frame in frames[at : at + 1]), *frames[at + 1 :]]
            case _:
                return [*frames, *(turned(other),) * random.choice((1, 2, 12))]

    def _place(self, data: bytes) -> int:
        return self._random.randrange(len(data) + 1)

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]

    def _put(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._random.randbytes(self._random.choice((1, 1, 1, 4, 16))) + data[at + 1 :]

    def _insert_token(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._random.choice(TOKENS) + data[at + self._random.choice((0, 0, 1, 4)) :]

    def _cut_out(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + data[at + self._random.choice((1, 2, 8, 64)) :]

    def _double(self, data: bytes) -> bytes:
        begin, at = self._place(data), self._place(data)
        return (data[:at] + data[begin : begin + self._random.choice((1, 4, 32, 1000))] + data[at:])[:USUAL]

    def _truncate(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._random.choice(self._corpus) or (b"",))
        piece = other.encode() if isinstance(other, str) else other
        return (data[: self._place(data)] + piece[self._place(piece) :])[:USUAL]

    def _repeat(self, data: bytes) -> bytes:
        """A little, much, or as much as a server lets through."""
        token = self._random.choice((*DEEP, self._random.choice(TOKENS)))
        size = self._random.choice((100, 2000, USUAL, USUAL, LARGEST if self._random.random() < 0.05 else USUAL))
        at = self._place(data)
        return data[:at] + token * (size // len(token)) + data[at:]


def as_text(data: bytes) -> str:
    """Text of any bytes. What is no UTF-8 is replaced: no transport lets it through to a decoder of text."""
    return data.decode("utf-8", "replace")


def turned(frame: Frame) -> Frame:
    """The same as the other kind of frame."""
    return frame.encode() if isinstance(frame, str) else as_text(frame)


def smallest(bad: Input, fails: Callable[[Input], bool], attempts: int) -> Input:
    """Leaves out whatever is not needed for the failure, frames and then pieces of them, for so many attempts."""
    best = bad
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(best):
            if attempts == 0:
                return best
            attempts -= 1
            if fails(candidate):
                best, progress = candidate, True
                break
    return best


def _smaller(bad: Input) -> Iterator[Input]:
    for at in range(len(bad)):
        yield bad[:at] + bad[at + 1 :]
    for at, frame in enumerate(bad):
        for size in (len(frame) >> halvings for halvings in range(len(frame).bit_length())):
            for begin in range(0, len(frame), size):
                yield (*bad[:at], _without(frame, begin, size), *bad[at + 1 :])


def _without(frame: Frame, begin: int, size: int) -> Frame:
    if isinstance(frame, str):
        return frame[:begin] + frame[begin + size :]
    return frame[:begin] + frame[begin + size :]
