"""Starts real redis-servers on free ports for tests: alone, with a password, over TLS, as a replica, or as a sentinel;
nothing of theirs stays on the disk. Knows no test."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import redis

import state
from tests.serving import kept_port

PATIENCE = 10.0
QUIET = (
    *("--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
    *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
)
LOCALHOST = "127.0.0.1"
MASTER_NAME = "main"


class RedisServer:
    """A process that can end and be started again where it was. `url`: as an operator would write it."""

    def __init__(self, port: int, folder: Path, url: str, *arguments: str) -> None:
        self.port = port
        self.folder = folder
        self.url = url
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is missing: run tests/run, or install it"
        command = [program, *self._arguments, "--dir", str(self.folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It says nothing and takes what comes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def ask(self, *words: str | int | bytes) -> Any:  # noqa: ANN401 - whatever redis-py makes of the answer
        with redis.Redis.from_url(self.url, db=0) as client:
            return client.execute_command(*words)

    def flush(self) -> None:
        """Everything is forgotten."""
        self.ask("FLUSHALL")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "redis-server has ended"
        try:
            return bool(self.ask("PING"))
        except (redis.ConnectionError, redis.ResponseError):
            return False


def until(holds: Callable[[], object]) -> None:
    """Waits for what another process does."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


@contextmanager
def redis_server(*arguments: str) -> Iterator[str]:
    """The URL of one. `arguments`: more of its configuration, as on its command line."""
    with started(*arguments) as server:
        yield server.url


@contextmanager
def started(*arguments: str, user: str = "", password: str = "", tls: bool = False) -> Iterator[RedisServer]:
    """One server. `user`: one by an access list, who has the password then, and everybody else has none. `tls`: it is
    spoken to by TLS alone, with a certificate of its own that the URL names."""
    with kept_port() as port, tempfile.TemporaryDirectory(prefix="chatsite-redis-") as name:
        folder = Path(name)
        query: dict[str, str] = {}
        kind: tuple[str, ...] = ("--port", str(port))
        if tls:
            pem = folder / "own.pem"
            pem.write_text(state._make(LOCALHOST))
            certified = ("--tls-cert-file", str(pem), "--tls-key-file", str(pem), "--tls-ca-cert-file", str(pem))
            kind = ("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", *certified)
            query["ssl_ca_certs"] = str(pem)
        if user:
            lists = folder / "users.acl"
            lists.write_text(f"user default off\nuser {user} on >{password} ~chatsite:* &chatsite:* +@all\n")
            kind += ("--aclfile", str(lists))
        elif password:
            kind += ("--requirepass", password)
        own = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
        url = f"redis{'s' * tls}://{own}{LOCALHOST}:{port}/0{'?' * bool(query)}{urlencode(query)}"
        server = RedisServer(port, folder, url, *kind, *QUIET, *arguments)
        try:
            server.start()
            yield server
        finally:
            server.end()


@contextmanager
def replica_of(master: RedisServer) -> Iterator[RedisServer]:
    """One that has all that the master has."""
    with started("--replicaof", LOCALHOST, str(master.port), "--repl-timeout", "2") as replica:
        until(lambda: follows(replica, master))
        yield replica


def follows(replica: RedisServer, master: RedisServer) -> bool:
    told = replica.ask("ROLE")
    return bool(told[0] == b"slave" and told[2] == master.port and told[3] == b"connected")


@contextmanager
def sentinel_of(master: RedisServer, replicas: int = 1) -> Iterator[RedisServer]:
    """One that alone decides whether the master is down, and knows so many replicas of it. The URL is that of the
    master."""
    with kept_port() as port, tempfile.TemporaryDirectory(prefix="chatsite-sentinel-") as name:
        config = Path(name) / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind {LOCALHOST}\n"
            f"sentinel monitor {MASTER_NAME} {LOCALHOST} {master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} 500\n"
            f"sentinel failover-timeout {MASTER_NAME} 3000\n"
        )
        url = f"redis://{LOCALHOST}:{port}/{MASTER_NAME}"
        sentinel = RedisServer(port, Path(name), url, str(config), "--sentinel")
        try:
            sentinel.start()
            until(lambda: _good_replicas(sentinel) == replicas)
            yield sentinel
        finally:
            sentinel.end()


def _good_replicas(sentinel: RedisServer) -> int:
    """How many could be masters."""
    with redis.Redis.from_url(sentinel.url, db=0) as client:
        told = client.sentinel_slaves(MASTER_NAME)
    return sum(each["flags"] == "slave" and each["master-link-status"] == "ok" for each in told)
