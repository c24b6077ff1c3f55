"""What hearing a client's WebSocket frames costs, counted in bytes and not in time: work that grows as what the client
sends does and no faster, memory that does not grow."""

import tracemalloc
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Self, SupportsIndex

import pytest

from protocol import websocket
from protocol.websocket import FrameError, Receiver, unmask
from tests.fuzz.bounds import memory_watched
from tests.protocol.listening import chopped
from tests.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame


class Work:
    """Counts the bytes that a receiver looks at, copies or moves: everything that it does with bytes it does by
    methods of these two, and by taking masks off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = 0
        work = self

        class Bytes(bytes):
            def __getitem__(self, at: SupportsIndex | slice) -> int | bytes:  # type: ignore[override]
                taken = super().__getitem__(at)
                work.done += 1 if isinstance(taken, int) else len(taken)
                return taken

            def __add__(self, data: bytes) -> bytes:  # type: ignore[override]
                work.done += len(self) + len(data)
                return Bytes(super().__add__(data))

            def __radd__(self, data: bytes) -> bytes:
                return Bytes(data).__add__(self)

        class Bytearray(bytearray):
            def __init__(self, data: bytes = b"") -> None:
                work.done += len(data)
                super().__init__(data)

            def __getitem__(self, at: SupportsIndex | slice) -> int | bytearray:  # type: ignore[override]
                taken = super().__getitem__(at)
                work.done += 1 if isinstance(taken, int) else len(taken)
                return taken

            def __delitem__(self, at: SupportsIndex | slice) -> None:
                assert isinstance(at, slice)
                assert at.start is None, "elsewhere than at the front, where nothing is moved"
                work.done += len(self)
                super().__delitem__(at)
                work.done -= len(self)

            def __iadd__(self, data: bytes) -> Self:  # type: ignore[misc, override]
                work.done += len(data)
                return super().__iadd__(data)

        self.bytes = Bytes
        monkeypatch.setattr(websocket, "bytearray", Bytearray, raising=False)

    def of(self, pieces: Iterable[bytes], max_bytes: int) -> int:
        """Done to hear all of this; no event is kept."""

        def counted(mask: bytes, data: bytes) -> bytes:
            self.done += len(data)
            return self.bytes(unmask(mask, data))

        self.done = 0
        receiver = Receiver(max_bytes, counted)
        for piece in pieces:
            receiver.feed(self.bytes(piece))
            deque(iter(receiver.next, None), maxlen=0)
        return self.done


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


PIECE = 65_536
"""Bytes that come at once, mostly."""
PER_BYTE = 20
"""Bytes of work for a byte on the line, at most: some looks at a head, some copies of a payload. Were anything looked
at or copied again for every piece, it would be thousands."""

EMPTY = frame(0, b"", fin=False, mask=bytes(4))
TINY = frame(TEXT, b"a", mask=bytes(4))
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "tiny": (b"", TINY),
    "pings": (b"", frame(PING, b"x")),
    "pongs": (b"", frame(PONG, b"")),
    "empty fragments": (frame(TEXT, b"", fin=False), EMPTY),
    "empty fragments and pings": (frame(BINARY, b"x", fin=False), EMPTY + frame(PING, b"")),
    "messages of empty fragments": (b"", frame(TEXT, b"", fin=False) + EMPTY + EMPTY + frame(0, b"")),
}
"""What begins them and what comes again and again."""
floods = pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
million = pytest.param(7_000_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])
"""Bytes with about a million frames."""


def poured(flood: tuple[bytes, bytes], times: int) -> Iterator[bytes]:
    """In pieces as they come from a line, never all of them at once."""
    begin, group = flood
    yield begin
    size = len(group) * times
    stream = group * (PIECE // len(group) + 2)
    for at in range(0, size, PIECE):
        place = at % len(group)
        yield stream[place : place + min(PIECE, size - at)]


@pytest.mark.parametrize("total", [350_000, million])
@floods
def test_many_frames_cost_what_their_bytes_do(flood: tuple[bytes, bytes], total: int, work: Work) -> None:
    times = total // len(flood[1])
    size = len(flood[0]) + len(flood[1]) * times
    assert sum(map(len, poured(flood, times))) == size
    assert size <= work.of(poured(flood, times), 1000) <= PER_BYTE * size


@floods
def test_also_when_they_come_at_once(flood: tuple[bytes, bytes], work: Work) -> None:
    wire = flood[0] + flood[1] * (350_000 // len(flood[1]))
    assert len(wire) <= work.of([wire], 1000) <= PER_BYTE * len(wire)


@pytest.mark.parametrize("size", [1, 125, 126, 10_000, 70_000])
@pytest.mark.parametrize("piece", [1, 2, 1000])
def test_nor_do_small_pieces_cost_more(piece: int, size: int, work: Work) -> None:
    wire = frame(BINARY, bytes(size)) * (50_000 // size + 1)
    assert len(wire) <= work.of(chopped(wire, piece), size) <= PER_BYTE * len(wire)


def test_nor_one_byte_fragments_of_a_large_message(work: Work) -> None:
    wire = frame(BINARY, b"", fin=False) + frame(0, b"x", fin=False) * 50_000 + frame(0, b"")
    assert len(wire) <= work.of(chopped(wire, PIECE), 100_000) <= PER_BYTE * len(wire)


def test_nor_a_consumer_that_is_slower_than_the_line(work: Work) -> None:
    receiver = Receiver(1000)
    wire = TINY * 10_000
    for piece in chopped(wire, 2 * len(TINY)):
        receiver.feed(work.bytes(piece))
        assert receiver.next() == "a"
    assert len(wire) <= work.done <= PER_BYTE * len(wire)


# -- what is held

NOTHING = 2000
"""Bytes that are as good as none."""
LARGE = 100_000
"""Bytes of a message, or the most that one may have."""


@dataclass(frozen=True)
class Held:
    """Bytes that hearing has left in the receiver, and that it took at most; nobody keeps what is heard."""

    left: int
    peak: int
    refused: bool


def hold(pieces: Iterable[bytes], max_bytes: int) -> Held:
    refused = False
    with memory_watched():
        receiver = Receiver(max_bytes)
        for piece in pieces:
            receiver.feed(piece)
            try:
                deque(iter(receiver.next, None), maxlen=0)
            except FrameError:
                refused = True
        del piece
        left, peak = tracemalloc.get_traced_memory()
    return Held(left, peak, refused)


@pytest.mark.parametrize("total", [200_000, million])
@floods
def test_many_frames_leave_nothing_behind(flood: tuple[bytes, bytes], total: int) -> None:
    held = hold(poured(flood, total // len(flood[1])), 1000)
    assert not held.refused
    assert held.left < NOTHING
    assert held.peak < 6 * PIECE


@pytest.mark.parametrize("size", [LARGE, 1000, 1])
@pytest.mark.parametrize("rest", [b"", frame(TEXT, b"more")[:5]], ids=["whole", "rest"])
def test_a_large_message_that_was_heard_is_not_kept(size: int, rest: bytes) -> None:
    """A client may be silent for hours after it."""
    wire = frame(BINARY, bytes(LARGE)) + rest
    held = hold(chopped(wire, size), LARGE)
    assert held.peak > LARGE
    assert held.left < NOTHING


def test_nor_one_of_fragments() -> None:
    wire = frame(BINARY, b"", fin=False) + frame(0, bytes(1000), fin=False) * (LARGE // 1000) + frame(0, b"")
    held = hold(chopped(wire, PIECE), LARGE)
    assert held.peak > LARGE
    assert held.left < NOTHING


def test_nor_is_a_piece_of_which_little_is_still_unfinished() -> None:
    assert hold([TINY * 10_000 + TINY[:3]], 1000).left < NOTHING


@pytest.mark.parametrize(
    "last",
    [frame(CLOSE, b""), frame(3, b""), frame(TEXT, b"\xff"), frame(BINARY, bytes(LARGE + 1))[:10]],
    ids=["close", "opcode", "text", "size"],
)
def test_what_comes_after_the_end_is_not_kept(last: bytes) -> None:
    begun = [frame(BINARY, bytes(LARGE // 2), fin=False)] if last[0] & 0xF == CLOSE else []
    held = hold(chain(begun, [last], (bytes(PIECE) for _ in range(50))), LARGE)
    assert held.refused == (last[0] & 0xF != CLOSE)
    assert held.left < NOTHING
    assert held.peak < 5 * LARGE


@pytest.mark.parametrize("fragment", [5, 100, 10_000])
def test_a_message_without_an_end_is_held_to_the_limit_and_then_refused(fragment: int) -> None:
    begin, more = frame(BINARY, b"", fin=False), frame(0, bytes(fragment), fin=False)
    held = hold(poured((begin, more), LARGE // fragment), LARGE)
    assert not held.refused
    assert LARGE <= held.left < 1.3 * LARGE
    held = hold(poured((begin, more), 2 * LARGE // fragment), LARGE)
    assert held.refused
    assert held.left < NOTHING
    assert held.peak < 2 * LARGE + 6 * PIECE


def test_nor_does_a_frame_without_an_end_hold_more() -> None:
    """Together with the fragments before it, it has at most what a message may have."""
    wire = frame(BINARY, bytes(LARGE // 2), fin=False) + frame(0, bytes(LARGE // 2))[:-1]
    held = hold(chopped(wire, 100), LARGE)
    assert LARGE <= held.left < 1.3 * LARGE
