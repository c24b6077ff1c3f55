"""The long run, by hand: `python -m tests.fuzz --minutes=10 [--seed=N] [--target=NAME]`; status 1 with findings."""

import argparse
import secrets
import sys

from tests.fuzz import doors, envelopes, frames, members
from tests.fuzz.bounds import memory_watched
from tests.fuzz.decoders import DECODERS
from tests.fuzz.engine import findings, for_seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--target", help="only the targets whose names begin so", default="")
    chosen = parser.parse_args()
    house = doors.House()
    targets = [*DECODERS, frames.target(), *envelopes.targets(), doors.target(house), members.target()]
    targets = [target for target in targets if target.name.startswith(chosen.target)]
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes, {len(targets)} targets", flush=True)
    runs = []
    for target in targets:
        with memory_watched():
            runs.append(for_seconds(target, chosen.seed, 60 * chosen.minutes / len(targets)))
        run = runs[-1]
        print(
            f"{target.name:26} {run.inputs:9} inputs, {run.refused:9} refused, {len(run.findings)} findings", flush=True
        )
    house.close()
    found = list(findings(runs))
    print(f"{sum(run.inputs for run in runs)} inputs, {len(found)} findings")
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
