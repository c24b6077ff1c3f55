"""What this node has done since it started, as plain numbers that cost nothing to count; who shows them, it does not
know."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets that times are sorted into."""


class Times:
    """How often something took how long. `counts`: by the bounds in SECONDS, and above all of them."""

    __slots__ = ("counts", "longest", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0
        self.longest = 0.0

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)


@dataclass(slots=True, eq=False)
class Tally:
    """`received`, `sent`: bytes of clients' lines, without HTTP's heads; `refused`: requests by the code or the status
    that they were answered with; `chunks`: of files, to those who asked for them; `outbox`: the most bytes that ever
    waited for one client; `turns`: from a look at what has come over WebSockets to the last write of what follows;
    `joins`: from the request to the seat, or the refusal; `published`: from a message to its number, which the broker
    gives; `lag`: what the loop was late by."""

    messages: int = 0
    chunks: int = 0
    deliveries: int = 0
    received: int = 0
    sent: int = 0
    outbox: int = 0
    slow: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    turns: Times = field(default_factory=Times)
    joins: Times = field(default_factory=Times)
    published: Times = field(default_factory=Times)
    lag: Times = field(default_factory=Times)
