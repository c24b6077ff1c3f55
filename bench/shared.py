"""One function for each thing that is measured of nodes that share rooms over Redis, and what it took of whom. Compares
nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from bench.generator import Fault, Generator, Result, Shape, generating
from bench.machine import Watch, cpu_seconds, rss_kb
from bench.measures import Figures, drive
from bench.search import QUICK, capacity
from bench.servers import Running, serving
from bench.store import Store, Work, storing
from bench.workloads import W6

LARGE = Shape(10, 100)
"""As many deliveries as of W6 from a tenth of its messages: what of them is the message's, and what each delivery's."""
MEMORY = 0
"""One node that needs no Redis, where others say over how many nodes the rooms are spread."""
LAYOUTS = (MEMORY, 1, 2, 4)
LONGEST_LEASE, SHORT_LEASE = 600, 3
"""In seconds; the first keeps leases out of what is measured, the second makes many of them."""
WINDOW = 32
WARM_SECONDS = 1.0


@dataclass(slots=True)
class Scene:
    """A site, and its clients, which have not connected."""

    nodes: list[Running]
    store: Store | None
    generator: Generator

    def work(self) -> Work:
        return self.store.work() if self.store else Work(0, 0, 0, 0, 0)


class Meter:
    """What everybody has used since now."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._pids = [node.pid for node in scene.nodes] + ([scene.store.pid] if scene.store else [])
        self._watch = Watch(*self._pids, scene.generator.pid)
        self._work = scene.work()
        self._used = [cpu_seconds(pid) for pid in self._pids]

    def figures(self) -> Figures:
        """CPU in seconds; `others` is what other programs took of a core."""
        used = [now - before for now, before in zip(map(cpu_seconds, self._pids), self._used, strict=True)]
        work, before = self._scene.work(), self._work
        many = len(self._scene.nodes)
        return {
            "node_seconds": used[:many],
            "redis_seconds": sum(used[many:]),
            "script_seconds": (work.script_us - before.script_us) / 1e6,
            "calls": work.calls - before.calls,
            "bytes_in": work.bytes_in - before.bytes_in,
            "bytes_out": work.bytes_out - before.bytes_out,
            "cores": {"others": self._watch.others()},
        }


@contextmanager
def scene(layout: int, shape: Shape, *, lease: float = LONGEST_LEASE, size: int = 0) -> Iterator[Scene]:
    """So many nodes on one core, Redis and the generator on the other."""
    with ExitStack() as stack:
        store = stack.enter_context(storing()) if layout else None
        settings = {"BROKER": store.url, "LEASE_TIME": str(lease)} if store else {}
        nodes = [stack.enter_context(serving("chatsite", settings=settings)) for _ in range(max(layout, 1))]
        if len({node.address.site for node in nodes}) != 1:
            raise Fault("the nodes are not of one site")
        address = replace(nodes[0].address, ports=tuple(node.port for node in nodes[1:]))
        yield Scene(nodes, store, stack.enter_context(generating(address, shape, size=size)))


def measured(scene: Scene, ask: Callable[[], Result]) -> Figures:
    """What the generator answers, and what it took of all."""
    meter = Meter(scene)
    result = ask()
    return {**result, **meter.figures()}


def messages(layout: int, rate: float, seconds: float, shape: Shape = W6) -> Figures:
    """As W6 at this rate, in rooms whose members are on all nodes: `join`, and the rest of what was said then."""
    with scene(layout, shape) as site:
        joined = measured(site, lambda: site.generator.join(WINDOW))
        said = measured(site, lambda: site.generator.open(rate, WARM_SECONDS, seconds))
    if said["deliveries"] != said["sent"] * shape.members:
        raise Fault(f"{said['sent'] * shape.members - said['deliveries']} deliveries are missing")
    return {**said, "join": joined}


def highest_rate(layout: int) -> Figures:
    """As measures.highest_rate, of nodes that share one core: what they lose by being several, not what they gain."""
    with scene(layout, W6) as site:
        site.generator.join(WINDOW)
        return measured(site, lambda: drive(site.generator, capacity(QUICK)))


def idle_rooms(layout: int, rooms: int, seconds: float) -> Figures:
    """One member in each room and nobody speaks: what a node says to keep its leases, and what it does anyway."""
    with scene(layout, Shape(rooms, 1), lease=SHORT_LEASE) as site:
        before = rss_kb(site.nodes[0].pid)
        site.generator.join(WINDOW)
        weighed = (rss_kb(site.nodes[0].pid) - before) / rooms
        site.generator.hold(SHORT_LEASE)  # until every lease has been renewed once
        return {"rooms": rooms, "kb_per_room": weighed, **measured(site, lambda: site.generator.hold(seconds))}


def title(layout: int) -> str:
    """Of a layout, as results name it."""
    return "memory" if layout == MEMORY else f"{layout} over Redis"
