"""`python -m bench.browser`: the room page in a real Chromium: coming in, a backlog, scrolling, writing, filters; also
with a slow processor. Compares it with another checkout if there is one.

    python -m bench.browser [--against FOLDER] [--rounds N] [--json FILE]

A table goes to stdout, progress to stderr.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from bench.crowd import Crowd
from bench.limits import UNLIMITED, in_environment
from bench.visit import LOG, visiting

HOUSE = Path(__file__).resolve().parent.parent
THROTTLES = (1, 4)
FEW, ALL = 35, 10_000

SETTINGS = {
    "LOG_SIZE": LOG,
    **in_environment(UNLIMITED),
    "OUTBOX_BYTES": 1_000_000_000,  # a page that is held up is no slow consumer to this server
}
CHROMIUM = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@asynccontextmanager
async def serving(house: Path) -> AsyncIterator[str]:
    """The server of a checkout; its address."""
    with tempfile.TemporaryDirectory() as state:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("CHATSITE_")}
        settings = {f"CHATSITE_{key}": str(value) for key, value in SETTINGS.items()}
        program = (sys.executable, str(house / "chatsite.py"), "--port=0")
        environment = {**clean, **settings, "CHATSITE_STATE_DIRECTORY": state}
        process = await asyncio.create_subprocess_exec(*program, env=environment, stdout=PIPE, stderr=DEVNULL)
        try:
            line = b""
            while process.stdout and b"://" not in line:
                line = await process.stdout.readline()
                if not line:
                    raise ChildProcessError(f"{house} does not start")
            yield line.decode().split()[-1].rstrip("/")
        finally:
            process.terminate()
            await process.wait()


async def measure(browser: Browser, url: str, throttle: int) -> dict[str, float]:
    """One person's visits to a small room, and to a large one that becomes larger."""
    async with Crowd(url, "room-few") as crowd, visiting(browser, crowd) as few:
        await crowd.say(FEW)
        await few.come_in(throttle)
        await few.look_around(FEW)
    async with Crowd(url, "room-many") as crowd, visiting(browser, crowd) as many:
        await crowd.say(LOG)
        await many.come_in(throttle)
        await many.look_around(LOG)
        await many.work_off(ALL - LOG)
        await many.look_around(ALL)
        await many.weigh()
    return few.results | many.results


async def run(houses: list[Path], rounds: int) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        for number in range(rounds):
            for throttle in THROTTLES:
                for house in houses:
                    sys.stderr.write(f"round {number + 1}, {house.name}, {throttle}x\n")
                    async with serving(house) as url:
                        results = await measure(browser, url, throttle)
                    runs.append({"house": house.name, "throttle": throttle, "results": results})
        await browser.close()
    return runs


def table(runs: list[dict[str, Any]]) -> str:
    """Medians, a column for each checkout and throttle."""
    columns = dict.fromkeys((run["house"], run["throttle"]) for run in runs)
    heads = " | ".join(f"{house}, {throttle}x" for house, throttle in columns)
    lines = [f"| milliseconds, if nothing else is said | {heads} |", f"| --- |{' ---: |' * len(columns)}"]
    for name in dict.fromkeys(name for run in runs for name in run["results"]):
        medians = (
            statistics.median(run["results"][name] for run in runs if (run["house"], run["throttle"]) == column)
            for column in columns
        )
        lines.append(f"| {name} | {' | '.join(f'{value:,.1f}' for value in medians)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.browser", description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="another checkout, measured in turns with this one"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single value goes")
    asked = parser.parse_args()
    runs = asyncio.run(run([*([asked.against.resolve()] if asked.against else []), HOUSE], asked.rounds))
    if asked.json:
        asked.json.write_text(json.dumps(runs, indent=1) + "\n", "utf-8")
    sys.stdout.write(table(runs))


if __name__ == "__main__":
    main()
