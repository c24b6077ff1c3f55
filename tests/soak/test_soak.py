"""A short soak with every run; a longer one with tests/run --long; `python -m tests.soak --minutes=600` for a night."""

import pytest

from tests.soak.soak import Report, soak

LAG_SECONDS = 0.05
MOST_MORE = 5_000_000
"""Bytes that a short run may grow by once it has settled: caches fill on, and allocators take memory in steps of a
megabyte. Only a long run shows a slope."""
BYTES_A_MINUTE = 100_000


def judge(report: Report) -> None:
    assert report.messages > 50, report
    assert report.faults > 20, report
    assert report.visits > 20, report
    assert report.more_files < 5, report
    assert report.lag_p99 <= LAG_SECONDS, report


@pytest.mark.first
@pytest.mark.timeout(180)
def test_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    report = soak(35, 5)
    with capsys.disabled():
        print(f"\n{report}", end="")  # noqa: T201 - what was measured is worth keeping
    judge(report)
    assert report.looks[-1].memory - report.settled[0].memory < MOST_MORE, report


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    report = soak(600, 6)
    with capsys.disabled():
        print(f"\n{report}", end="")  # noqa: T201
    judge(report)
    assert report.slope < BYTES_A_MINUTE, report
