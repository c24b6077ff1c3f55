"""Starts chatsite.py as an operator would, as a process of its own on a free port, and stops it by its id; knows
nothing of what it serves."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

HOUSE = Path(__file__).resolve().parent.parent
STOP_SECONDS = 15
"""The server gives its connections five seconds to say goodbye."""


class NotServed(Exception):
    """The server ended instead of serving. `status` and `stderr` are what it left."""

    def __init__(self, status: int, stderr: str) -> None:
        super().__init__(f"exit status {status}: {stderr}")
        self.status = status
        self.stderr = stderr


@dataclass(slots=True)
class Served:
    """A running server. `announced`: what it printed when it was ready. `stdout`, `stderr`: all of it, after `stop`."""

    url: str
    port: int
    announced: str
    process: "subprocess.Popen[str]"
    _errors: IO[str] = field(repr=False)
    stdout: str = ""
    stderr: str = ""

    @property
    def ws_url(self) -> str:
        """Where its WebSocket is, without the query."""
        return self.url.replace("http", "ws", 1) + "/socket.io/"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and waits for the end; answers the exit status. Once only, later calls answer the same."""
        assert self.process.stdout is not None
        if self.process.stdout.closed:
            return self.process.returncode
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            rest, _ = self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            rest, _ = self.process.communicate()
        self._errors.seek(0)
        self.stdout, self.stderr = self.announced + rest, self._errors.read()
        return self.process.returncode


@contextmanager
def kept_port() -> Iterator[int]:
    """A port that is given to nobody who asks for any, also while nobody listens at it: a server that stops and starts
    again, and a line that is mended, find it free, however many others the machine serves meanwhile."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


@contextmanager
def serve(
    *,
    ip: str = "127.0.0.1",
    port: int = 0,
    state: Path | None = None,
    house: Path = HOUSE,
    **settings: str | float | tuple[float, float],
) -> Iterator[Served]:
    """A server with these settings (by their names in settings.py) over the committed configuration.

    `state`: its state directory, else one of its own that goes when it stops. `house`: where its code lies. Raises
    NotServed. `url` is `http://127.0.0.1:PORT`, without a slash at the end; https where `ip` is no loopback address.
    """
    with ExitStack() as stack:
        directory = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chatsite-test-")))
        # A file and not a pipe, so that a server that complains much is not held up by a test that does not read.
        errors = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(house / "chatsite.py"), f"--ip={ip}", f"--port={port}"],
            env=_environment({"state_directory": directory, **settings}),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        served = Served("", 0, "", process, errors)
        stack.callback(served.stop)
        _await(served)
        yield served


def _environment(settings: dict[str, object]) -> dict[str, str]:
    """This process's environment without its own CHATSITE_ variables, and the settings."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("CHATSITE_")}
    return inherited | {f"CHATSITE_{key.upper()}": _text(value) for key, value in settings.items()}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _await(served: Served) -> None:
    """Reads what the server announces, up to the line about how to stop it, which is the last."""
    assert served.process.stdout is not None
    for line in served.process.stdout:
        served.announced += line
        if "://" in line:
            served.url = line.split()[-1].rstrip("/")
            served.port = urlsplit(served.url).port or 0
        if line.startswith("Stop it"):
            return
    status = served.stop()
    raise NotServed(status, served.stderr)
