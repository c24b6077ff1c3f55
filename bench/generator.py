"""Starts the load generator (generator.c) on a core of its own and tells it what to do; judges no figures."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from bench.building import build
from bench.cores import GENERATOR_CORE, pinned

Result = dict[str, Any]
"""One line of the generator: see generator.c."""

CLASS = 512
"""A message of 256 bytes is padded to this, docs/protocol.md, "Room ciphertexts"."""
TEXT = 256
"""Characters that the peers relay: the plain message, since nothing that makes ours larger is to slow them down."""
PATIENCE = 10.0
"""Seconds without any arrival after which what is missing is lost."""
QUIT_SECONDS = 30


class Fault(Exception):
    """A message was lost, doubled, out of order, in the wrong room or refused; or nothing could be measured at all."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Who sits where. `senders`: how many of a room's members send, 0 for all."""

    rooms: int
    members: int
    senders: int = 0

    @property
    def clients(self) -> int:
        return self.rooms * self.members


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and which language it speaks. `site`: Chatsite's salt in hexadecimal, "" for a peer. `ports`:
    of other nodes of the same site, over which the members of each room are spread."""

    url: str
    site: str = ""
    ports: tuple[int, ...] = ()

    def arguments(self) -> list[str]:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = [f"--host={parts.hostname}", f"--port={','.join(map(str, (port, *self.ports)))}"]
        found += ["--tls"] if parts.scheme == "https" else []
        return [*found, f"--site={self.site}"] if self.site else [*found, "--plain"]


def site_of(url: str) -> str:
    """The salt of a Chatsite, as the generator takes it."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{url}/site.json", timeout=10, context=trusting) as answer:
        salt: str = json.load(answer)["salt"]
    return base64.urlsafe_b64decode(salt + "==").hex()


class Generator:
    """A running generator. Every method is one of its commands and answers what it measured; raises Fault."""

    def __init__(self, process: "subprocess.Popen[str]", errors: IO[str]) -> None:
        self._process = process
        self._errors = errors
        self._told = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def join(self, window: int = 32, spread_ms: float = 0) -> Result:
        """Everybody connects and joins, so many at a time; all at once with a window of 0."""
        return self._ask(f"join {window} {spread_ms:f}")

    def closed(self, in_flight: int, warm: float, seconds: float) -> Result:
        """Every sender keeps so many messages on their way."""
        return self._ask(f"closed {in_flight} {warm:f} {seconds:f}")

    def open(self, rate: float, warm: float, seconds: float, limit_ms: float = 0) -> Result:
        """Messages at random times, so many a second, whatever becomes of them."""
        return self._ask(f"open {rate:f} {warm:f} {seconds:f} {limit_ms:f}")

    def hold(self, seconds: float) -> Result:
        """Nothing is sent."""
        return self._ask(f"hold {seconds:f}")

    def lose(self) -> Result:
        """Waits until the server, which is stopped meanwhile, has closed every line."""
        self.begin_to_lose()
        return self._answer()

    def begin_to_lose(self) -> None:
        """From now on a line that the server closes is no fault; `finish_losing` waits for the last."""
        self._tell("lose")

    def finish_losing(self) -> Result:
        return self._answer()

    def _ask(self, command: str) -> Result:
        self._tell(command)
        return self._answer()

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        try:
            # Past any buffer, in which it would wait for the end if the generator has gone.
            os.write(self._process.stdin.fileno(), f"{command}\n".encode())
        except BrokenPipeError:
            raise self._fault() from None

    def _answer(self) -> Result:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        result: Result = json.loads(line) if line else {}
        if not result or any(result["faults"].values()):
            raise self._fault()
        return result

    def _fault(self) -> Fault:
        status = self._process.wait(QUIT_SECONDS)
        self._errors.seek(0)
        self._told = True
        return Fault(self._errors.read().strip() or f"the generator ended with status {status}")

    def close(self) -> None:
        """Raises Fault for one that came to light at the end and that no command has raised."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(QUIT_SECONDS) != 0 and not self._told:
            raise self._fault()


@contextmanager
def generating(
    address: Address, shape: Shape, *, size: int = 0, probe: bool = False, patience: float = PATIENCE
) -> Iterator[Generator]:
    """A generator whose clients have not connected yet. `size`: of messages, in the address's language."""
    size = size or (CLASS if address.site else TEXT)
    command = [str(build("generator")), *address.arguments(), f"--size={size}", f"--patience={patience}"]
    command += [f"--rooms={shape.rooms}", f"--members={shape.members}", f"--senders={shape.senders}"]
    command += ["--probe"] if probe else []
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile("w+") as errors:
        with pinned(GENERATOR_CORE):
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        with process:
            try:
                generator = Generator(process, errors)
                yield generator
                generator.close()
            finally:
                if process.poll() is None:
                    process.kill()
