"""How much one client may send in a while."""

from hypothesis import given
from hypothesis import strategies as st

from rooms.limits import Rate, TokenBucket
from tests.properties import quick


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
