"""`python -m bench`: what whoever measures may choose, and where the results go. Measures nothing itself."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import quick
from bench.chart import chart
from bench.cores import have_two
from bench.machine import facts
from bench.report import markdown
from bench.runs import LATENCY, WORKLOADS, Faulty, Run, everything
from bench.servers import TITLES

RESULTS = Path(__file__).parent / "results"
USUAL = tuple(name for name in WORKLOADS if name != "W4-large")


def main(arguments: Sequence[str]) -> int:
    """Answers the exit status: 1 when a message was lost, or nothing could be measured."""
    chosen = _parse(arguments)
    if chosen.read:
        return _show([Run(**run) for run in json.loads(chosen.read.read_text())["runs"]], chosen.svg)
    if not have_two():
        print("One core only: the server and the generator share it, and the figures say little.", file=sys.stderr)
    if chosen.quick:
        return quick.main()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    path = chosen.json or RESULTS / time.strftime("%Y-%m-%d-%H%M.json")
    known, runs = facts(), list[Run]()
    try:
        for run in everything(chosen.servers, chosen.workloads, chosen.repeats, chosen.seconds):
            runs.append(run)
            _write(path, known, runs)  # each time: an hour may end early
            print(f"{run.repeat}/{chosen.repeats} {run.workload:<13} {TITLES[run.server]}", file=sys.stderr, flush=True)
    except Faulty as fault:
        print(f"FAILED: {fault}", file=sys.stderr)
        return 1
    return _show(runs, chosen.svg)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="W6 of Chatsite and of Node alone, in under 50 s")
    parser.add_argument("--servers", type=_some_of(TITLES), default=list(TITLES), help=", ".join(TITLES))
    parser.add_argument("--workloads", type=_some_of(WORKLOADS), default=list(USUAL), help=", ".join(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=3, help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=5, help="of a measurement (default %(default)s)")
    parser.add_argument("--json", type=Path, help="where all results go (default bench/results/)")
    parser.add_argument("--svg", type=Path, help="where a chart goes")
    parser.add_argument("--read", type=Path, metavar="JSON", help="measure nothing, show these results again")
    chosen = parser.parse_args(arguments)
    if LATENCY in chosen.workloads and "W6" not in chosen.workloads:
        parser.error(f"{LATENCY} is measured at half of the capacity, so it needs W6 among the workloads")
    return chosen


def _some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """A list with commas, in the order of what is known."""

    def parsed(text: str) -> list[str]:
        asked = text.split(",")
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name}: expected some of {', '.join(known)}")
        return [name for name in known if name in asked]

    return parsed


def _write(path: Path, known: dict[str, Any], runs: Sequence[Run]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": known, "runs": [asdict(run) for run in runs]}, indent=1) + "\n")


def _show(runs: Sequence[Run], svg: Path | None) -> int:
    if svg:
        svg.write_text(chart(runs))
    print(markdown(runs))
    return 0
