"""A redis-server of the bench's own, and what it says of its work and its memory. Knows no room."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from bench.cores import GENERATOR_CORE, pinned
from bench.servers import NotServed

PATIENCE = 10.0
CONFIGURATION = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
"""Nothing is written to a disk, whose speed would be measured instead."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a server has done since it began. Bytes as it counts them: without TCP's and IP's own."""

    calls: int
    """Of scripts."""
    script_us: float
    bytes_in: int
    bytes_out: int
    memory: int


@dataclass(slots=True)
class Store:
    """A server that listens."""

    url: str
    version: str
    pid: int
    client: "Redis" = field(repr=False)

    def work(self) -> Work:
        stats: dict[str, Any] = self.client.info("all")
        script = stats.get("cmdstat_evalsha", {"calls": 0, "usec": 0})
        return Work(
            script["calls"],
            script["usec"],
            stats["total_net_input_bytes"],
            stats["total_net_output_bytes"],
            stats["used_memory"],
        )

    def subscribers(self) -> list[int]:
        """Of each channel that anybody listens to, in no order."""
        channels = self.client.pubsub_channels()
        return [int(number) for _, number in self.client.pubsub_numsub(*channels)]

    def weight(self) -> int:
        """What all keys weigh, each by MEMORY USAGE with every element of it."""
        keys = list(self.client.scan_iter(count=1000))
        return sum(int(self.client.memory_usage(key, samples=0) or 0) for key in keys)


@contextmanager
def storing() -> Iterator[Store]:
    """A fresh server beside the generator, so that a node has its core for itself."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotServed("redis-server is missing; expected Debian's package of that name")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pinned(GENERATOR_CORE):
        process = subprocess.Popen([program, "--port", str(port), *CONFIGURATION], stdout=subprocess.DEVNULL)
    client = Redis(port=port)
    try:
        yield Store(f"redis://127.0.0.1:{port}/0", _version(client), process.pid, client)
    finally:
        client.close()
        process.terminate()
        process.wait()


def _version(client: "Redis") -> str:
    """Waits until it answers. Raises NotServed."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return str(client.info("server")["redis_version"])
        except NoConnection as error:
            if time.monotonic() > ends:
                raise NotServed(f"redis-server: {error}") from error
            time.sleep(0.02)
