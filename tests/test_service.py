"""The systemd unit: systemd itself finds nothing wrong with it, and little that it exposes."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.programs import ROOT

UNIT = ROOT / "config" / "chatsite.service"
MOST_EXPOSURE = 1.5


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the checkout where it is, so that its programs are there."""
    (tmp_path / "python").symlink_to("/usr/bin/env")
    text = UNIT.read_text().replace("/opt/chatsite/.venv/bin/python", str(tmp_path / "python"))
    path = tmp_path / "chatsite.service"
    path.write_text(text.replace("/opt/chatsite", str(ROOT)))
    return path


def test_systemd_understands_every_line(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_exposes_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={round(10 * MOST_EXPOSURE)}", str(unit))
    exposure = re.search(r"Overall exposure level for chatsite.service: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    assert float(exposure[1]) <= MOST_EXPOSURE, done.stdout
    assert done.returncode == 0


def test_it_waits_longer_than_the_server_takes() -> None:
    """drain_time, and five seconds for goodbyes, by WebSocket and by HTTP."""
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(seconds) >= 5 + 5 + 5
