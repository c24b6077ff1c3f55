"""Starts the echo server as a process of its own, and stops it by its id."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.serving import HOUSE, NotServed, Served


@contextmanager
def echoing(port: int = 0, **times: float) -> Iterator[Served]:
    """An echo server that pings often and has patience, unless `times` (ping_interval, ...) say otherwise.

    Raises NotServed. It must have nothing to say about its clients.
    """
    chosen = {"ping_interval": 0.3, "ping_timeout": 5, "connect_timeout": 20, **times}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.echo", f"--port={port}", *options],
            cwd=HOUSE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        served = Served("", 0, "", process, errors)
        try:
            assert process.stdout is not None
            served.announced = process.stdout.readline()
            if "://" not in served.announced:
                raise NotServed(served.stop(), served.stderr)
            served.url = served.announced.split()[-1]
            served.port = urlsplit(served.url).port or 0
            yield served
            assert served.stop() == 0
            assert served.stderr == "", served.stderr
        finally:
            served.stop()
