"""The search for the capacity, played against servers that are one number."""

import functools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.generator import Result
from bench.search import QUICK, THOROUGH, Capacity, NotFound, Pace, Search, Step, capacity, in_turns, is_good
from tests.properties import quick

GOOD: Result = {"gave_up": False, "drained": True, "latency_ms": {"p99": 49.9}}


def result(*, good: bool) -> Result:
    return {**GOOD, "gave_up": not good}


def played(search: Search, highest: Callable[[Step], float]) -> list[Step]:
    """The steps, of which the last one's rate is what was found, in front of a server that keeps up with this rate."""
    steps = [next(search)]
    found: Capacity | None = None
    while found is None:
        try:
            steps.append(search.send(result(good=steps[-1].rate <= highest(steps[-1]))))
        except StopIteration as over:
            found = over.value
    assert found == Capacity(steps[-1].rate, GOOD)
    return steps


@quick
@given(st.floats(2, 500_000), st.sampled_from([QUICK, THOROUGH]))
def test_what_is_found_is_just_below_what_the_server_can(highest: float, pace: Pace) -> None:
    steps = played(capacity(pace), lambda _: highest)
    assert highest / pace.precision <= steps[-1].rate <= highest * 1.000001
    assert (steps[-1].warm, steps[-1].seconds) == pace.confirmation


def test_what_does_not_hold_for_long_is_not_the_capacity() -> None:
    # A thousand for a short while, but only five hundred for long.
    steps = played(capacity(THOROUGH), lambda step: 500 if step.seconds == THOROUGH.confirmation[1] else 1000)
    assert 250 < steps[-1].rate <= 500


@pytest.mark.parametrize(
    "bad",
    [{"gave_up": True}, {"drained": False}, {"latency_ms": {"p99": 50.0}}],
    ids=["gave up", "not drained", "too late"],
)
def test_good_is_in_time_and_nothing_left_over(bad: Result) -> None:
    assert is_good(GOOD)
    assert not is_good({**GOOD, **bad})


def test_a_server_that_can_do_nothing_is_no_result() -> None:
    with pytest.raises(NotFound, match="not even one"):
        played(capacity(QUICK), lambda _: 0)


def test_a_machine_on_which_nothing_holds_for_long_is_no_result() -> None:
    with pytest.raises(NotFound, match="is the machine idle"):
        played(capacity(QUICK), lambda step: 0 if step.seconds == QUICK.confirmation[1] else 1000)


def test_no_end_of_it_is_no_result() -> None:
    with pytest.raises(NotFound, match="no rate is too high"):
        played(capacity(QUICK), lambda _: math.inf)


def test_two_searches_take_turns() -> None:
    highest = {"a": 700.0, "b": 90_000.0}
    turns = in_turns([(name, capacity(QUICK)) for name in highest])
    order = [next(turns)]
    both: dict[str, Capacity] = {}
    while not both:
        name, step = order[-1]
        try:
            order.append(turns.send(result(good=step.rate <= highest[name])))
        except StopIteration as over:
            both = over.value
    assert [name for name, _ in order[:8]] == ["a", "b"] * 4
    for name, rate in highest.items():
        alone = played(capacity(QUICK), functools.partial(_constant, rate))
        assert [step for who, step in order if who == name] == alone
        assert both[name].rate == alone[-1].rate


def _constant(rate: float, _step: Step) -> float:
    return rate
