"""What one message, one join, one lease and one room cost: each constant of the capacity model by its name, out of the
results of bench.nodes. Measures nothing and assumes nothing.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench import weights
from bench.figures import Spread, spread
from bench.measures import Figures
from bench.runs import Run
from bench.shared import LARGE, LAYOUTS, MEMORY, title
from bench.workloads import W6

Found = Mapping[tuple[str, str], Figures]
"""One repeat's figures, by workload and by what was measured."""
CALM, BUSY, LARGE_ROOMS, IDLE = "messages", "messages, busy", "large rooms", "idle rooms"
ROOMS, CAPACITY = "rooms in Redis", "capacity"
"""What was measured, as results name it. What costs time is taken from the busy ones, since a core that is well used
does more at once, as those of a site shall; what is waited for, from the calm ones."""
OVER_REDIS = tuple(layout for layout in LAYOUTS if layout != MEMORY)


@dataclass(frozen=True, slots=True)
class Constant:
    """`of`: its value in one repeat. `meaning`: with its unit."""

    name: str
    meaning: str
    of: Callable[[Found], float]


def line(values: Mapping[int, float]) -> tuple[float, float]:
    """What of these is there anyway, and what each node adds: least squares, and nothing costs less than nothing."""
    slope = max(0.0, statistics.linear_regression(list(values), list(values.values())).slope)
    return max(0.0, statistics.fmean(values.values()) - slope * statistics.fmean(values)), slope


def _said(found: Found, layout: int, workload: str = BUSY) -> Figures:
    return found[workload, title(layout)]


def _node_us(found: Found, layout: int, workload: str = BUSY) -> float:
    said = _said(found, layout, workload)
    return sum(said["node_seconds"]) * 1e6 / float(said["sent"])


def _each(found: Found, key: str, scale: float = 1.0) -> dict[int, float]:
    """Of a message, by how many nodes its room is on."""
    return {nodes: _said(found, nodes)[key] * scale / _said(found, nodes)["sent"] for nodes in OVER_REDIS}


def _nodes(found: Found) -> tuple[float, float]:
    return line({nodes: _node_us(found, nodes) for nodes in OVER_REDIS})


def _of_a_delivery(found: Found) -> float:
    """A room of a hundred has ninety deliveries more of each message than a room of ten."""
    more = _node_us(found, MEMORY, LARGE_ROOMS) - _node_us(found, MEMORY)
    return max(0.0, more / (LARGE.members - W6.members))


def _of_a_join(found: Found, key: str) -> float:
    joined = _said(found, 1)["join"]
    value = sum(joined[key]) if isinstance(joined[key], list) else joined[key]
    return float(value) / W6.clients


def _of_a_renewal(found: Found, key: str) -> float:
    """Of one of a node's leases, beyond what the same rooms cost a node that has none."""
    idle, anyway = found[IDLE, title(1)], found[IDLE, title(MEMORY)]

    def total(figures: Figures) -> float:
        return float(sum(figures[key]) if isinstance(figures[key], list) else figures[key])

    return max(0.0, total(idle) - total(anyway)) / float(idle["calls"])


def _room(content: str, key: str) -> Callable[[Found], float]:
    return lambda found: float(found[ROOMS, content][key])


def _extra_ms(layout: int, part: str) -> Callable[[Found], float]:
    return lambda found: float(
        _said(found, layout, CALM)["latency_ms"][part] - _said(found, MEMORY, CALM)["latency_ms"][part]
    )


def _bytes(found: Found) -> tuple[float, float]:
    return line(_each(found, "bytes_out"))


CONSTANTS = (
    Constant("memory_us", "CPU µs of a node for a message to ten, without Redis", lambda f: _node_us(f, MEMORY)),
    Constant("delivery_us", "CPU µs of a node for each delivery more", _of_a_delivery),
    Constant(
        "message_us", "CPU µs of all nodes for a message to ten over Redis, apart from event_us", lambda f: _nodes(f)[0]
    ),
    Constant("event_us", "CPU µs of each node that hears of a message on the room's channel", lambda f: _nodes(f)[1]),
    Constant(
        "command_us",
        "of message_us and event_us what Redis adds on the author's node",
        lambda f: sum(_nodes(f)) - _node_us(f, MEMORY),
    ),
    Constant(
        "redis_us",
        "CPU µs of Redis for a message, apart from redis_event_us",
        lambda f: line(_each(f, "redis_seconds", 1e6))[0],
    ),
    Constant(
        "redis_event_us",
        "CPU µs of Redis for each node that is told of a message",
        lambda f: line(_each(f, "redis_seconds", 1e6))[1],
    ),
    Constant(
        "script_us", "of redis_us, what Redis itself says of the script", lambda f: _each(f, "script_seconds", 1e6)[1]
    ),
    Constant("message_in", "bytes to Redis for a message", lambda f: _each(f, "bytes_in")[1]),
    Constant("message_out", "bytes from Redis for a message, apart from event_out", lambda f: _bytes(f)[0]),
    Constant("event_out", "bytes from Redis to each node that is told of a message", lambda f: _bytes(f)[1]),
    *(
        Constant(
            f"extra_{part}_{nodes}_ms",
            f"ms that {nodes} node{'s' * (nodes > 1)} over Redis add to the {part} of latency",
            _extra_ms(nodes, part),
        )
        for nodes in OVER_REDIS
        for part in ("p50", "p99")
    ),
    Constant("renew_us", "CPU µs of Redis for a lease renewed", lambda f: _of_a_renewal(f, "redis_seconds") * 1e6),
    Constant(
        "renew_script_us",
        "of renew_us, what Redis itself says of the script",
        lambda f: _of_a_renewal(f, "script_seconds") * 1e6,
    ),
    Constant("renew_node_us", "CPU µs of a node for it", lambda f: _of_a_renewal(f, "node_seconds") * 1e6),
    Constant("renew_in", "bytes to Redis for it", lambda f: _of_a_renewal(f, "bytes_in")),
    Constant("renew_out", "bytes from Redis for it", lambda f: _of_a_renewal(f, "bytes_out")),
    Constant(
        "join_us",
        "CPU µs of a node for connecting and joining (empty logs, rooms that fill up to ten)",
        lambda f: _of_a_join(f, "node_seconds") * 1e6,
    ),
    Constant("redis_join_us", "CPU µs of Redis for it", lambda f: _of_a_join(f, "redis_seconds") * 1e6),
    Constant(
        "join_script_us",
        "µs of the script for joining a room of ten with a full log",
        _room(weights.USUAL, "join_script_us"),
    ),
    Constant("join_in", "bytes to Redis for it", _room(weights.USUAL, "join_bytes_in")),
    Constant("join_out", "bytes from Redis for it", _room(weights.USUAL, "join_bytes_out")),
    Constant("room_empty", "bytes in Redis of a room of ten, nothing said", _room(weights.EMPTY, "by_keys")),
    Constant("room_usual", "with 35 messages of class 512, a text of up to 256 bytes", _room(weights.USUAL, "by_keys")),
    Constant("room_long", "with 35 messages of class 4,096", _room(weights.LONG, "by_keys")),
    Constant(
        "room_digests",
        "with 1,024 messages of class 512 said, of which 35 and all digests are kept",
        _room(weights.MANY, "by_keys"),
    ),
    Constant(
        "room_overhead",
        "bytes of the server's own for a room with one subscriber, beside the third of these",
        lambda f: max(0.0, _room(weights.USUAL, "by_server")(f) - _room(weights.USUAL, "by_keys")(f)),
    ),
    Constant(
        "node_room_kb",
        "kB of a node for a connection and the room it is in",
        lambda f: float(f[IDLE, title(1)]["kb_per_room"]),
    ),
)


def constants(runs: Sequence[Run]) -> dict[str, Spread]:
    """By name: the median and the range of all repeats. Raises KeyError where a repeat is not complete."""
    repeats: dict[int, dict[tuple[str, str], Figures]] = {}
    for run in runs:
        repeats.setdefault(run.repeat, {})[run.workload, run.server] = run.figures
    return {each.name: spread([each.of(found) for found in repeats.values()]) for each in CONSTANTS}
