"""How much each may do in a while."""

from hypothesis import given
from hypothesis import strategies as st

from rooms.limits import Allowance, Meters, Quotas, Rate, Shared, TokenBucket, Traffic
from tests.properties import quick

AMPLE = Rate(1e9, 1e9)


def test_so_many_at_once_then_so_many_a_second() -> None:
    bucket = TokenBucket(Rate(per_second=2, burst=3), now=100)
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.4)
    assert bucket.take(100.5)
    assert not bucket.take(100.5)
    assert [bucket.take(101.5) for _ in range(3)] == [True, True, False]


def test_waiting_long_saves_no_more_than_a_burst() -> None:
    bucket = TokenBucket(Rate(per_second=2, burst=3), now=0)
    assert [bucket.take(1_000_000) for _ in range(4)] == [True, True, True, False]


def test_asking_in_vain_costs_nothing() -> None:
    bucket = TokenBucket(Rate(per_second=1, burst=1), now=0)
    assert bucket.take(0)
    assert not any(bucket.take(tenth / 10) for tenth in range(1, 10))
    assert bucket.take(1.01)


@quick
@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.1, 100), st.integers(1, 50))
def test_no_schedule_gets_more_than_the_rate(waits: list[float], per_second: float, burst: int) -> None:
    bucket, now, taken = TokenBucket(Rate(per_second, burst), 0), 0.0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
    assert taken <= burst + now * per_second + 1e-6


def allowance(events: Rate = AMPLE, size: Rate = AMPLE, now: float = 0) -> Allowance:
    return Allowance(Traffic(events, size), now)


def test_an_allowance_counts_events_and_their_bytes() -> None:
    few = allowance(events=Rate(2, 3), now=100)
    assert [few.take(100, 0) for _ in range(4)] == [True, True, True, False]
    assert few.take(100.5, 0)
    short = allowance(size=Rate(10, 100), now=100)
    assert [short.take(100, size) for size in (60, 41, 40, 1)] == [True, False, True, False]
    assert short.take(100.1, 1)
    assert not short.full(100.2)
    assert short.full(200)


def test_an_event_that_is_too_large_takes_nothing_of_the_number() -> None:
    it = allowance(Rate(0.1, 1), Rate(1, 10))
    assert not it.take(0, 11)
    assert it.take(0, 10)


@quick
@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 300)), max_size=60),
    st.builds(Rate, st.floats(0.1, 100), st.integers(1, 50)),
    st.builds(Rate, st.floats(1, 1000), st.integers(100, 1000)),
)
def test_an_allowance_is_a_bucket_of_tokens_for_each(steps: list[tuple[float, int]], events: Rate, size: Rate) -> None:
    it, now, bought, carried = allowance(events, size), 0.0, 0, 0
    spare_events, spare_bytes = float(events.burst), float(size.burst)
    for wait, weight in steps:
        now += wait
        spare_events = min(events.burst, spare_events + wait * events.per_second)
        spare_bytes = min(size.burst, spare_bytes + wait * size.per_second)
        taken = it.take(now, weight)
        if min(abs(spare_events - 1), abs(spare_bytes - weight)) > 1e-6:  # rounding decides nothing
            assert taken == (spare_events >= 1 and spare_bytes >= weight)
        if taken:
            spare_events, spare_bytes = spare_events - 1, spare_bytes - weight
            bought, carried = bought + 1, carried + weight
    assert bought <= events.burst + now * events.per_second + 1e-6
    assert carried <= size.burst + now * size.per_second + 1e-6


# -- shared by many


def test_who_has_used_nothing_up_is_forgotten_and_who_has_is_not() -> None:
    buckets = Shared[int, TokenBucket](lambda now: TokenBucket(Rate(1, 2), now))
    for number in range(10_000):
        assert buckets.of(number, number / 100).take(number / 100)
    assert len(buckets) < 300
    assert buckets.of(9_999, 99.99).take(99.99)
    assert not buckets.of(9_999, 99.99).take(99.99)


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=200))
def test_being_forgotten_gives_nobody_more(steps: list[tuple[int, int]]) -> None:
    rate, now = Rate(0.5, 3), 0  # halves are exact: no rounding decides
    forgetful, alone = Shared[int, TokenBucket](lambda at: TokenBucket(rate, at)), dict[int, TokenBucket]()
    for wait, key in steps:
        now += wait
        assert forgetful.of(key, now).take(now) == alone.setdefault(key, TokenBucket(rate, now)).take(now)


QUOTAS = Quotas(
    socket=Traffic(AMPLE, AMPLE),
    address=Traffic(Rate(1, 4), AMPLE),
    room=Traffic(Rate(1, 2), Rate(1, 100)),
    address_joins=Rate(1, 2),
    room_joins=Rate(1, 1),
    attempts=3,
    refusals=AMPLE,
)


def test_whoever_asks_pays_and_the_room_only_for_what_it_gets() -> None:
    meters = Meters(QUOTAS)
    assert [meters.event(allowance(), b"here", b"room", 0, 1) for _ in range(3)] == [True, True, False]
    assert meters.event(allowance(), b"here", b"other", 0, 1), "another room has its own"
    assert not meters.event(allowance(), b"here", b"third", 0, 1), "the address has paid for what was refused, too"
    assert meters.event(allowance(), b"there", b"third", 0, 100)
    assert not meters.event(allowance(), b"there", b"third", 0, 1), "bytes count"
    assert not meters.event(allowance(Rate(1, 0.5)), b"elsewhere", b"fourth", 0, 1)
    assert [meters.event(allowance(), b"elsewhere", b"fourth", 0, 1) for _ in range(3)] == [True, True, False]


def test_who_is_in_no_room_uses_none_up() -> None:
    meters = Meters(QUOTAS)
    assert [meters.event(allowance(), bytes([number]), b"", 0, 1) for number in range(9)] == [True] * 9


def test_joins_are_counted_where_they_come_from_and_where_they_go() -> None:
    meters = Meters(QUOTAS)
    assert [meters.attempt(b"here", 0) for _ in range(3)] == [True, True, False]
    assert meters.attempt(b"there", 0)
    assert [meters.join(b"room", 0) for _ in range(2)] == [True, False]
    assert meters.join(b"other", 0)
    assert meters.join(b"room", 1)
