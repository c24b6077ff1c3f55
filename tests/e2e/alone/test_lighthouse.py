"""What Lighthouse says of the page that everybody sees first, on a slow phone that it imitates."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.pages import ARGUMENTS
from tests.programs import NODE, NODE_MODULES, chromium
from tests.serving import Served

# Lighthouse speaks to Chromium.
pytestmark = pytest.mark.chromium

LEAST = {"accessibility": 100, "best-practices": 100, "performance": 95}
TRIES = 3
"""Its own advice: where a run disappoints, the middle one of several counts."""


def scores(url: str, report: Path) -> dict[str, float]:
    flags = " ".join(["--headless=new", *(argument for argument in ARGUMENTS if " " not in argument)])
    command = [str(NODE), str(NODE_MODULES / "lighthouse/cli/index.js"), f"{url}/", f"--output-path={report}"]
    done = subprocess.run(
        [*command, "--output=json", "--quiet", f"--only-categories={','.join(LEAST)}", f"--chrome-flags={flags}"],
        env=os.environ | {"CHROME_PATH": chromium()},
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    categories = json.loads(report.read_bytes())["categories"]
    return {name: round(100 * categories[name]["score"]) for name in LEAST}


async def test_the_login_page_is_quick_and_in_order(server: Served, tmp_path: Path) -> None:
    runs: list[dict[str, float]] = []
    while len(runs) < TRIES:
        runs.append(await asyncio.to_thread(scores, server.url, tmp_path / "report.json"))
        if all(runs[0][name] >= least for name, least in LEAST.items()):
            return
    for name, least in LEAST.items():
        assert sorted(run[name] for run in runs)[TRIES // 2] >= least, runs
