"""Watches one call: what it raises, the processor time it takes, the memory that it needs; knows nothing of what is
called."""

import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tests.fuzz.mutation import Input

SECONDS, SECONDS_PER_MEGABYTE = 2.0, 10.0
"""Far beyond what a decoder takes, far below what one takes whose work grows with the square of its input. Of the
processor, so that a busy machine changes nothing."""

MEMORY = 200_000
"""Bytes that every call may have, whatever its input."""


class Hang(Exception):
    """It took too much of the processor's time."""


class Greed(Exception):
    """It took too much memory."""


class Mistake(Exception):
    """It answered, but with something that is not so."""


@contextmanager
def memory_watched() -> Iterator[None]:
    """While the memory of every call is measured."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def size_of(given: Input) -> int:
    """In bytes; text counts as it is sent."""
    return sum(len(frame.encode() if isinstance(frame, str) else frame) for frame in given)


def bounded(call: Callable[[], object], size: int, bytes_per_byte: int, memory: int = MEMORY) -> None:
    """Calls. Raises Hang or Greed where that takes more than an input of this size justifies, else what it raises."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    with time_limited(SECONDS + SECONDS_PER_MEGABYTE * size / 1_000_000):
        call()
    _, peak = tracemalloc.get_traced_memory()
    if peak - before > memory + bytes_per_byte * size:
        raise Greed(f"more than {bytes_per_byte} bytes for a byte")


@contextmanager
def time_limited(seconds: float) -> Iterator[None]:
    """Raises Hang within, after so many seconds of the processor."""

    def out_of_time(_number: int, _frame: FrameType | None) -> None:
        raise Hang("out of time")

    before = signal.signal(signal.SIGVTALRM, out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
