"""How this process keeps its memory: when the garbage collector looks, and when the C library gives back what is free.
Knows nothing of what the memory is for."""

import contextlib
import ctypes
import gc
import sys

from rooms.clock import Clock

COLLECT_AFTER = (20_000, 50, 50)
"""Objects that are made before the garbage collector looks for cycles, and how often it looks at older ones. When ten
thousand clients come back, a look at twice as many holds the loop up for over 10 ms, and more looks at older ones would
do so for a tenth of a second."""
IDLE_SECONDS, LITTLE = 2.0, COLLECT_AFTER[0] // 10
"""For how long no more than so many objects must have been made before nothing is said to happen."""
YOUNG_LOOKS = 2
"""After more of them there is so much, as when ten thousand clients have just come, that one look would take a quarter
of a second. That is left to its time."""
FEW = 60_000
"""Blocks of memory in use, beside what is here at the beginning, of which a look at all objects takes ten milliseconds
(38,000 of clients' took 6.3). It also lets go of what Python keeps for the next tuple or frame, some thousands."""
FREED = 2_000
"""Blocks of memory (some 200 kB and more) that must have become free to be worth giving back: it takes milliseconds."""
M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 128 * 1024
"""Of mallopt(3), and in bytes: more than one read of a socket."""


class Keeper:
    """Has the garbage collector look rarely while something happens, and at what is young when nothing does. What is
    here at the beginning stays, so that it is never looked at; what a message needs goes without a look; a line that
    was cut leaves circles behind.

    When nothing happens and there is little, the collector looks at all of it, so that the process is what it was; and
    when much has become free, the C library gives back to the system what it can."""

    def __init__(self, clock: Clock) -> None:
        self._library = ctypes.CDLL(None)
        # A block of this size and more is the system's again when it is freed. The C library begins so, but takes the
        # first that is freed for a sign to keep them: after a thousand half messages the process would stay as it was.
        with contextlib.suppress(AttributeError):  # another C library has no such thing to be asked for
            self._library.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        self._clock = clock
        self._seen = _made()
        self._base = self._most_blocks = sys.getallocatedblocks()
        self._timer = clock.call_later(IDLE_SECONDS, self._look)

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        made, looks = now = _made()
        if looks == self._seen[1] and abs(made - self._seen[0]) < LITTLE:
            self._tidy()
            now = _made()
        self._seen = now
        self._most_blocks = max(self._most_blocks, sys.getallocatedblocks())
        self._timer = self._clock.call_later(IDLE_SECONDS, self._look)

    def _tidy(self) -> None:
        made, young, old = gc.get_count()
        blocks = sys.getallocatedblocks()
        fresh, freed = made >= LITTLE or young, blocks < self._most_blocks - FREED
        if blocks < self._base + FEW and (fresh or old or freed):
            gc.collect()
        elif young <= YOUNG_LOOKS and fresh:
            gc.collect(1)
        blocks = sys.getallocatedblocks()
        if blocks < self._most_blocks - FREED:
            self._most_blocks = blocks
            with contextlib.suppress(AttributeError):
                self._library.malloc_trim(0)


def _made() -> tuple[int, int]:
    """Objects made since the garbage collector's last look, and its looks until now."""
    return gc.get_count()[0], sum(each["collections"] for each in gc.get_stats())
