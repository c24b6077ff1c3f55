"""`python -m bench.nodes`: what rooms cost that several nodes share over Redis, beside one node with its own memory, in
one run on one machine; what whoever measures may choose. What the figures mean is said by bench.constants.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench import shared, weights
from bench.capacity import renewed, tables
from bench.constants import BUSY, CALM, CAPACITY, IDLE, LARGE_ROOMS, ROOMS
from bench.cores import have_two
from bench.generator import Fault
from bench.machine import facts
from bench.measures import Figures
from bench.runs import Run
from bench.search import NotFound
from bench.servers import NotServed
from bench.shared import LARGE, LAYOUTS, MEMORY, title
from bench.store import storing
from bench.workloads import W6

WEIGHED = 200
"""Rooms of each content."""


def main(arguments: Sequence[str]) -> int:
    """Answers the exit status: 1 when a message was lost, or nothing could be measured."""
    chosen = _parse(arguments)
    if not have_two():
        print("One core only: nodes, Redis and the generator share it, and the figures say little.", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    asked = {"seconds": chosen.seconds, "rate": chosen.rate, "busy": chosen.busy}
    known, runs = {**facts(), "redis_server": _version(), **asked}, list[Run]()
    try:
        for repeat in range(1, chosen.runs + 1):
            for workload, name, measure in _plan(chosen):
                runs.append(Run(repeat, workload, name, measure()))
                print(f"{repeat}/{chosen.runs} {workload:<14} {name}", file=sys.stderr, flush=True)
                if chosen.out:
                    _write(chosen.out, known, runs)  # each time: much may happen in so long a time
    except (Fault, NotFound, NotServed) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    if chosen.into:
        chosen.into.write_text(renewed(chosen.into.read_text(), known, runs))
    print("\n\n".join(tables(known, runs).values()))
    return 0


def _plan(chosen: argparse.Namespace) -> Iterator[tuple[str, str, Callable[[], Figures]]]:
    """One repeat: workload, what it is measured of, and how. In turns, so that what happens to the machine happens to
    all."""

    for workload, rate in ((CALM, chosen.rate), (BUSY, chosen.busy)):
        for layout in LAYOUTS:
            yield workload, title(layout), partial(shared.messages, layout, rate, chosen.seconds)
    rate = chosen.busy * W6.members / LARGE.members
    yield LARGE_ROOMS, title(MEMORY), partial(shared.messages, MEMORY, rate, chosen.seconds, LARGE)
    for layout in (MEMORY, 1):
        yield IDLE, title(layout), partial(shared.idle_rooms, layout, chosen.rooms, chosen.seconds)
    for content in weights.CONTENTS:
        yield ROOMS, content, partial(weights.weighed, content, min(chosen.rooms, WEIGHED))
    if chosen.capacity:
        for layout in LAYOUTS:
            yield CAPACITY, title(layout), partial(shared.highest_rate, layout)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of a measurement (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of everything, in turns (default %(default)s)")
    parser.add_argument(
        "--rate", type=float, default=400, help="messages a second where all are calm (default %(default)s)"
    )
    parser.add_argument("--busy", type=float, default=1200, help="where a core is well used (default %(default)s)")
    parser.add_argument("--rooms", type=int, default=2000, help="that are idle (default %(default)s)")
    parser.add_argument("--capacity", action="store_true", help="look for each one's highest rate, too")
    parser.add_argument("--out", type=Path, metavar="JSON", help="where all results go")
    parser.add_argument("--into", type=Path, metavar="MD", help="a page whose tables are to be made of them")
    return parser.parse_args(arguments)


def _version() -> str:
    with storing() as store:
        return store.version


def _write(path: Path, known: dict[str, Any], runs: Sequence[Run]) -> None:
    path.write_text(json.dumps({"facts": known, "runs": [asdict(run) for run in runs]}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
