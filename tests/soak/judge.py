"""What must hold after a soak of any length."""

from tests.soak.soak import Report

LAG_SECONDS = 0.05


def judge(report: Report) -> None:
    """Raises AssertionError."""
    assert report.messages > 50, report
    assert report.faults > 20, report
    assert report.visits > 20, report
    assert report.more_files < 5, report
    assert report.lag_p99 <= LAG_SECONDS, report
