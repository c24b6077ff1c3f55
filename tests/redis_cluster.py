"""Starts a Redis Cluster on free ports for tests, and moves its slots; knows no test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from redis.crc import key_slot

from tests.redis_server import LOCALHOST, RedisServer, started, until
from tests.serving import kept_port

SLOTS = 16_384
MASTERS = 3
NODE_TIMEOUT_MS = 1000


@dataclass
class RedisCluster:
    """`masters`: as they were at the start, with a third of the slots each; `replicas`: one of each, where there are
    any. `url`: of all masters."""

    masters: list[RedisServer]
    replicas: list[RedisServer]

    @property
    def url(self) -> str:
        return f"redis://{','.join(f'{LOCALHOST}:{master.port}' for master in self.masters)}"

    @property
    def servers(self) -> list[RedisServer]:
        return self.masters + self.replicas

    def flush(self) -> None:
        for master in self.masters:
            master.flush()

    def owner(self, key: str) -> int:
        """Which of the masters has a key's slot at the start."""
        return min(key_slot(key.encode()) * MASTERS // SLOTS, MASTERS - 1)

    def give(self, slot: int, to: RedisServer) -> None:
        """An empty slot changes hands; the one who gets it is told first, so that it is somebody's all the time."""
        name = to.ask("CLUSTER", "MYID").decode()
        for server in (to, *(each for each in self.masters if each is not to)):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", name)


@contextmanager
def redis_cluster(*arguments: str, replicas: bool = False) -> Iterator[RedisCluster]:
    """Three masters, and one replica for each. Rooms of a master that is away are away, and no others."""
    with ExitStack() as stack:
        cluster = RedisCluster([], [])
        buses = {}
        for number in range(MASTERS * (1 + replicas)):
            bus = stack.enter_context(kept_port())
            server = stack.enter_context(started(*_clustered(bus), *arguments))
            buses[server.port] = bus
            (cluster.masters if number < MASTERS else cluster.replicas).append(server)
        _divide(cluster)
        first, *others = cluster.servers
        for other in others:
            other.ask("CLUSTER", "MEET", LOCALHOST, first.port, buses[first.port])
        until(lambda: all(_knows(server, len(cluster.servers)) for server in cluster.servers))
        for master, replica in zip(cluster.masters, cluster.replicas, strict=False):
            replica.ask("CLUSTER", "REPLICATE", master.ask("CLUSTER", "MYID"))
        until(lambda: all(_well(server, replicas=replicas) for server in cluster.servers))
        yield cluster


def _clustered(bus: int) -> tuple[str, ...]:
    return (
        *("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-config-file", "nodes.conf"),
        *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-require-full-coverage", "no"),
        *("--cluster-allow-replica-migration", "no", "--cluster-replica-validity-factor", "0"),
    )


def _divide(cluster: RedisCluster) -> None:
    bounds = [-(-number * SLOTS // MASTERS) for number in range(MASTERS + 1)]
    for number, master in enumerate(cluster.masters):
        master.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        master.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)


def _knows(server: RedisServer, number: int) -> bool:
    return len(server.ask("CLUSTER", "NODES").splitlines()) == number


def _well(server: RedisServer, *, replicas: bool) -> bool:
    told = server.ask("CLUSTER", "SLOTS")
    complete = len(told) == MASTERS and all(len(each) == 3 + replicas for each in told)
    return complete and b"cluster_state:ok" in server.ask("CLUSTER", "INFO")
