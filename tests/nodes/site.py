"""Several chatsite.py processes that share a Redis, each over a line of its own, and what can befall them: they die,
freeze, come back, lose Redis. Knows no client."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.limits import UNLIMITED
from tests.proxy import Line
from tests.serving import NotServed, Served, kept_port, serve

NODES = 3
LEASE = 3.0
GRACE = 4.0
START_SECONDS = 20.0
SETTINGS: dict[str, Any] = {
    **UNLIMITED,
    "lease_time": LEASE,
    "grace_time": GRACE,
    "ping_interval": 2,
    "ping_timeout": 4,  # longer than a Redis is waited for: until then no pong is read
    "joins_per_connection": 1000,
    "log_size": 1000,
    "drain_time": 1,
}


@dataclass(eq=False)
class Node:
    """`lines`: to the Redis servers, in their order. `open`: whether a balancer would send anybody here. `complaints`:
    what its processes have written to their standard error, once they have ended."""

    port: int
    lines: list[Line]
    broker: str
    settings: dict[str, Any]
    open: bool = False
    complaints: str = ""
    statuses: list[int] = field(default_factory=list)
    _served: Served | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it is open; begun again, as a service is, where Redis is away. A node that comes again is
        another one for the others."""
        assert self._served is None
        async with asyncio.timeout(START_SECONDS):
            while self._served is None:
                served = serve(port=self.port, broker=self.broker, **self.settings)
                with suppress(NotServed):
                    self._served = await asyncio.to_thread(self._running.enter_context, served)
        self.open = True

    async def stop(self) -> None:
        """As an operator does, and waits for the end."""
        self.statuses.append(await self._end(signal.SIGTERM))

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        assert self._served is not None
        self.open = False
        os.kill(self._served.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        assert self._served is not None
        os.kill(self._served.process.pid, signal.SIGCONT)
        self.open = True

    async def cut(self) -> None:
        for line in self.lines:
            await line.cut()

    async def mend(self) -> None:
        for line in self.lines:
            await line.mend()

    async def close(self) -> None:
        if self._served is not None:
            await self.stop()

    async def _end(self, number: int) -> int:
        served, self._served = self._served, None
        assert served is not None
        self.open = False
        status = await asyncio.to_thread(served.stop, number)
        self.complaints += served.stderr
        self._running.close()
        return status


class Site:
    """All nodes of it, and the balancer before them."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes

    def door(self, chance: random.Random) -> str:
        """Where somebody who comes now is sent."""
        return chance.choice([node.url for node in self.nodes if node.open])

    def is_well(self) -> None:
        """Of nodes that have ended: whoever was asked to has done so well, and none has met a bug."""
        for node in self.nodes:
            assert set(node.statuses) <= {0}, node.complaints
            for word in ("Traceback", " ERROR ", " CRITICAL "):
                assert word not in node.complaints, node.complaints


@asynccontextmanager
async def site(*stores: int, direct: bool = False, **settings: float) -> AsyncIterator[Site]:
    """Nodes over the Redis servers at these ports. `direct`: without lines, for servers that name each other.
    `settings`: other than SETTINGS."""
    async with AsyncExitStack() as stack:
        nodes = []
        for _ in range(NODES):
            lines = [] if direct else [await stack.enter_async_context(Line(port)) for port in stores]
            hosts = ",".join(f"127.0.0.1:{port}" for port in ([line.port for line in lines] or stores))
            nodes.append(Node(stack.enter_context(kept_port()), lines, f"redis://{hosts}/0", SETTINGS | settings))
            stack.push_async_callback(nodes[-1].close)
        await asyncio.gather(*(node.start() for node in nodes))
        made = Site(nodes)
        yield made
        await asyncio.gather(*(node.close() for node in nodes))
        made.is_well()
