"""A redis-server process that tests kill and start again, on the same port and folder; knows not what it holds."""

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from tests.serving import kept_port

PATIENCE = 10.0
KEPT = ("--appendonly", "yes", "--appendfsync", "always")
"""So that whatever has been answered outlives the process."""
CLUSTER = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-require-full-coverage", "no")
SLOTS = 16_384


class Store:
    """`arguments`: more of its configuration, as on its command line. It keeps what is said only with KEPT."""

    def __init__(self, port: int, folder: Path, *arguments: str) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is missing: run tests/run, or install it"
        self.port = port
        own = (
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(folder),
            "--save",
            "",
            "--repl-diskless-sync-delay",
        )
        self._command = [program, *own, "0", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        await asyncio.to_thread(self._start)

    async def kill(self) -> None:
        """Without any goodbye."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def ask(self, *words: str | int) -> Any:  # noqa: ANN401 - as Redis answers
        return await asyncio.to_thread(self._ask, *words)

    def _start(self) -> None:
        assert self._process is None
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process = process
        ends = time.monotonic() + PATIENCE
        while not self._answers():
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return bool(self._ask("PING"))
        except redis.ConnectionError:  # or BusyLoadingError, which is one
            return False

    def _ask(self, *words: str | int) -> Any:  # noqa: ANN401
        with redis.Redis(port=self.port, socket_timeout=PATIENCE) as client:
            return client.execute_command(*words)


@asynccontextmanager
async def stores(number: int, *arguments: str) -> AsyncIterator[list[Store]]:
    """So many servers that know nothing of each other, each with a folder of its own; none is left."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(number):
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="chatsite-redis-")))
            store = Store(stack.enter_context(kept_port()), folder, *arguments)
            stack.push_async_callback(store.kill)
            await store.start()
            made.append(store)
        yield made


@asynccontextmanager
async def cluster() -> AsyncIterator[list[Store]]:
    """Three masters that share all slots, and have no replicas."""
    async with AsyncExitStack() as stack:
        masters, buses = [], []
        for _ in range(3):
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="chatsite-redis-")))
            port, bus = stack.enter_context(kept_port()), stack.enter_context(kept_port())
            masters.append(Store(port, folder, *KEPT, *CLUSTER, "--cluster-port", str(bus)))
            buses.append(bus)
            stack.push_async_callback(masters[-1].kill)
            await masters[-1].start()
        share = SLOTS // len(masters)
        for number, master in enumerate(masters):
            last = SLOTS if number == len(masters) - 1 else (number + 1) * share
            await master.ask("CLUSTER", "ADDSLOTSRANGE", number * share, last - 1)
            await master.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for master, bus in zip(masters[1:], buses[1:], strict=True):
            await masters[0].ask("CLUSTER", "MEET", "127.0.0.1", master.port, bus)
        async with asyncio.timeout(PATIENCE):
            for master in masters:
                while not await _knows_all(master):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.05)
        yield masters


async def _knows_all(master: Store) -> bool:
    info = await master.ask("CLUSTER", "INFO")
    said = (
        info
        if isinstance(info, dict)
        else dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    )
    return bool(said["cluster_state"] == "ok" and said["cluster_slots_assigned"] == str(SLOTS))
