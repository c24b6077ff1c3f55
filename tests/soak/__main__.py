"""`python -m tests.soak --minutes=60 [--seed=N]`: says at the end what was seen."""

import argparse
import random

from tests.soak.soak import soak


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.soak", allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes", flush=True)
    print(soak(60 * chosen.minutes, chosen.seed))


if __name__ == "__main__":
    main()
