"""Ten minutes, alone (tests/run sees to that): beside other tests that take minutes the loop would be late because of
them."""

import pytest

from tests.soak.judge import judge
from tests.soak.soak import soak

BYTES_A_MINUTE = 100_000


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    report = soak(600, 6)
    with capsys.disabled():
        print(f"\n{report}", end="")  # noqa: T201 - what was measured is worth keeping
    judge(report)
    assert report.slope < BYTES_A_MINUTE, report
