"""Which core runs what: servers the first, the generator the second, so that neither takes the other's time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_OURS = sorted(os.sched_getaffinity(0))
SERVER_CORE, GENERATOR_CORE = _OURS[0], _OURS[1 % len(_OURS)]


def have_two() -> bool:
    """Whether figures say anything about a server alone."""
    return len(_OURS) > 1


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started meanwhile runs on this core, from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
