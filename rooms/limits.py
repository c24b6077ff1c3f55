"""How much one client may send in a while; arithmetic only, time is an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_second` on."""

    per_second: float
    burst: int


class TokenBucket:
    """A full bucket at first; each take costs one."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether there was one to take."""
        tokens = self._tokens + (now - self._at) * self._rate.per_second
        if tokens > self._rate.burst:  # noqa: PLR1730 - for every event; `min` takes three times as long
            tokens = self._rate.burst
        enough = tokens >= 1
        self._tokens, self._at = tokens - enough, now
        return enough
