"""One function for each thing that is measured: starts a server and a generator, answers figures. Compares nothing."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.generator import Fault, Generator, Result, Shape, generating
from bench.machine import Watch, kernel_kb, rss_kb
from bench.search import THOROUGH, Search, capacity
from bench.servers import Running, serving
from bench.workloads import CLOSED, LIMIT_MS, STORM, W6

Figures = dict[str, Any]

WINDOW = 32
"""Clients that are joining at the same time, where no storm is meant."""
SETTLED_SECONDS = 2.0
"""How long a server may take to put away what joining needed, before its memory is looked at."""
NAMED_SLABS = 6


@contextmanager
def scene(name: str, shape: Shape, *, probe: bool = False) -> Iterator[tuple[Running, Generator]]:
    """A fresh server, and a fresh generator whose clients have not connected."""
    with serving(name) as server, generating(server.address, shape, probe=probe) as generator:
        yield server, generator


@contextmanager
def joined(name: str, shape: Shape, *, probe: bool = False) -> Iterator[tuple[Generator, Watch]]:
    """The same with everybody in their rooms, watched from then on."""
    with scene(name, shape, probe=probe) as (server, generator):
        generator.join(WINDOW)
        yield generator, Watch(server.pid, generator.pid)


def closed_loop(name: str, workload: str, seconds: float) -> Figures:
    """W1, W2 or W3."""
    chosen = CLOSED[workload]
    with joined(name, chosen.shape) as (generator, watch):
        return {**generator.closed(chosen.in_flight, 1, seconds), "cores": watch.shares()}


def highest_rate(name: str) -> Figures:
    """W6: the capacity; `rate` in messages a second, the rest from the confirmation."""
    with joined(name, W6) as (generator, watch):
        return {**drive(generator, capacity(THOROUGH)), "cores": watch.shares()}


def drive(generator: Generator, search: Search) -> Result:
    """Measures what a search asks for, until it has found."""
    step = next(search)
    while True:
        result = generator.open(step.rate, step.warm, step.seconds, LIMIT_MS)
        try:
            step = search.send(result)
        except StopIteration as found:
            return {**found.value.result, "rate": found.value.rate}


def latency_at(name: str, rate: float, seconds: float) -> Figures:
    """W6 at a given rate."""
    with joined(name, W6, probe=True) as (generator, watch):
        return {**generator.open(rate, 2, seconds), "cores": watch.shares()}


def idle(name: str, shape: Shape) -> Figures:
    """W4: what a connection costs that does nothing, in the server's memory and in the kernel's for both its ends."""
    with scene(name, shape) as (server, generator):
        before, kernel_before = rss_kb(server.pid), kernel_kb()
        generator.join(WINDOW)
        generator.hold(SETTLED_SECONDS)
        after, kernel_after = rss_kb(server.pid), kernel_kb()
    grown = {key: kernel_after[key] - kernel_before.get(key, 0) for key in kernel_after}
    largest = sorted(grown, key=lambda key: -grown[key])[:NAMED_SLABS]
    return {
        "connections": shape.clients,
        "base_mb": before / 1024,
        "kb_per_connection": (after - before) / shape.clients,
        "kernel_kb_per_connection": sum(grown.values()) / shape.clients,
        "kernel_kb_by_name": {key: round(grown[key] / shape.clients, 2) for key in largest},
    }


def join_rate(name: str) -> Figures:
    """How many connect and join in a second, and how long everybody else waits for the loop meanwhile."""
    with scene(name, STORM, probe=True) as (server, generator):
        watch = Watch(server.pid, generator.pid)
        return {**generator.join(WINDOW), "cores": watch.shares()}


def coming_back(name: str, spread_ms: float) -> Figures:
    """Everybody joined, the server is started anew, and everybody comes back: all at the same moment, or as clients do
    that chance spreads. `seconds`: from when it listens again until the last has joined."""
    with (
        tempfile.TemporaryDirectory(prefix="chatsite-bench-") as state,
        serving(name, state=Path(state)) as first,
        generating(first.address, STORM, probe=True) as generator,
    ):
        generator.join(WINDOW)
        generator.begin_to_lose()
        first.stop()
        generator.finish_losing()
        began = time.monotonic()
        with serving(name, state=Path(state), port=first.port) as second:
            start_seconds = round(time.monotonic() - began, 3)
            if second.address != first.address:
                raise Fault("the site has changed with its restart")
            watch = Watch(second.pid, generator.pid)
            result = {**generator.join(0, spread_ms), "start_seconds": start_seconds, "cores": watch.shares()}
            generator.begin_to_lose()
        generator.finish_losing()
        return result
