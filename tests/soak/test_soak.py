"""A short soak with every run, ten minutes with tests/run --long (test_long.py), and a night with
`python -m tests.soak --minutes=600`."""

import pytest

from tests.soak.judge import judge
from tests.soak.soak import soak

MOST_MORE = 5_000_000
"""Bytes that a short run may grow by once it has settled: caches fill on, and allocators take memory in steps of a
megabyte. Only a long run shows a slope."""


@pytest.mark.first
@pytest.mark.timeout(180)
def test_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    report = soak(35, 5)
    with capsys.disabled():
        print(f"\n{report}", end="")  # noqa: T201 - what was measured is worth keeping
    judge(report)
    assert report.looks[-1].memory - report.settled[0].memory < MOST_MORE, report
