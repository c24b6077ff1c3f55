"""python -m bench: see bench/README.md."""

import sys

from bench import load

if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        sys.exit(load.main(sys.argv[2:]))
