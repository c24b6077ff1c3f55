"""Knows how to turn the runtime packages' lower bounds into constraints; the tests' own packages stay as pinned."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = project["dependencies"] + project["optional-dependencies"]["redis"]
    lowest = dict(bound.split(">=") for bound in bounds)
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    for name, version in (pinned | lowest).items():
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
