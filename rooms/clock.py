"""The clock that this room reads, as a contract: tests hold one in their hand, the server passes its loop's."""

from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    """A call that has been put off."""

    def cancel(self) -> None:
        """It will not happen."""


class Clock(Protocol):
    """Seconds of a monotonic clock, and calls at a later time of it. An asyncio loop is one."""

    def time(self) -> float:
        """Now."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Cancellable:
        """Calls back after `delay` seconds, unless cancelled."""
