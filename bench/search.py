"""Finds the highest rate that is still good, by asking; starts nothing, measures nothing, and knows no clock."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from bench.generator import Result
from bench.workloads import LIMIT_MS


@dataclass(frozen=True, slots=True)
class Step:
    """What to measure next: messages a second, and how long, of which the first part is not counted."""

    rate: float
    warm: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How thorough a search is. Times in seconds: (warm-up, measured)."""

    first: float
    growth: float
    precision: float
    ramp: tuple[float, float]
    bisection: tuple[float, float]
    confirmation: tuple[float, float]


THOROUGH = Pace(500, 2, 1.04, (0.5, 1), (1, 2.5), (1.5, 8))
QUICK = Pace(1000, 2, 1.08, (0.25, 0.6), (0.3, 1), (0.5, 2.5))

LOWEST, HIGHEST = 1.0, 1e6
"""Rates between which every server's capacity lies."""


class NotFound(Exception):
    """There is no capacity; as on a machine that does something else meanwhile."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The highest rate that held in the confirmation, which is `result`."""

    rate: float
    result: Result


Search = Generator[Step, Result, Capacity]


def is_good(result: Result) -> bool:
    """Whether a server keeps up: 99 of 100 deliveries in time, and nothing left over that does not come."""
    return not result["gave_up"] and bool(result["drained"]) and float(result["latency_ms"]["p99"]) < LIMIT_MS


def capacity(pace: Pace) -> Search:
    """Yields steps and is sent their results. A geometric ramp, then bisection, then a longer run of what was found;
    where that does not hold, lower rates are tried as long, each time by a longer stride."""
    good, bad = yield from _ramp(pace)
    while bad / good > pace.precision:
        middle = (good * bad) ** 0.5
        if is_good((yield Step(middle, *pace.bisection))):
            good = middle
        else:
            bad = middle
    rate, stride = good, pace.precision
    while True:
        result = yield Step(rate, *pace.confirmation)
        if is_good(result):
            return Capacity(rate, result)
        rate, stride = _lower(rate, stride), min(stride**2, pace.growth)


def _ramp(pace: Pace) -> Generator[Step, Result, tuple[float, float]]:
    """A good rate and a bad one, near to each other; a first rate that is too high leads downwards."""
    rate = pace.first
    if not is_good((yield Step(rate, *pace.ramp))):
        while True:
            rate = _lower(rate, pace.growth)
            if is_good((yield Step(rate, *pace.ramp))):
                return rate, rate * pace.growth
    while rate < HIGHEST:
        rate *= pace.growth
        if not is_good((yield Step(rate, *pace.ramp))):
            return rate / pace.growth, rate
    raise NotFound("no rate is too high")


def _lower(rate: float, stride: float) -> float:
    if rate / stride < LOWEST:
        raise NotFound("not even one message a second is always delivered in time: is the machine idle?")
    return rate / stride


def in_turns(searches: Sequence[tuple[str, Search]]) -> Generator[tuple[str, Step], Result, dict[str, Capacity]]:
    """Several searches, a step each in turn, so that what happens to the machine meanwhile happens to all."""
    found: dict[str, Capacity] = {}
    due = {name: (search, next(search)) for name, search in searches}
    while due:
        for name, (search, step) in list(due.items()):
            result = yield name, step
            try:
                due[name] = search, search.send(result)
            except StopIteration as over:
                found[name] = over.value
                del due[name]
    return found
