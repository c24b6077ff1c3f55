"""What a site of a given size needs in nodes, Redis servers, memory and network, on paper: assumptions, and formulas
over the constants of bench.constants. Measures nothing and writes no tables.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.workloads import W6

RENEWALS = 3
"""Of a lease in its time, rooms.redis_broker."""
FULL = 0.5
"""The share of its core that a node or a Redis may be busy for on average: twice as much comes in an evening's peak."""
NODE_CONNECTIONS = 20_000
"""Of one node at most: so many come back at once when it dies."""
SHARD_GB = 16
"""Of one Redis server at most: what it takes long to copy to a new replica."""
COPIES = 2
"""A master and a replica."""
DELIVERY_BYTES, TYPING_BYTES = 880, 540
"""On the wire to one member, headers of TCP and IP included: of a message of class 512, of a typing notice."""
MEGABIT, GB = 125_000, 1e9


@dataclass(frozen=True, slots=True)
class Site:
    """`per_minute`: messages of one member. `typing`: notices for each message, which are counted as messages.
    `minutes`: that a member stays. `routed`: all members of a room are on one node, else on any. `room`: the constant
    that a room weighs in Redis."""

    name: str
    connections: int = 1_000_000
    rooms: int = 100_000
    per_minute: float = 1.0
    typing: float = 2.0
    minutes: float = 60.0
    routed: bool = False
    lease: float = 15.0
    room: str = "room_usual"

    @property
    def members(self) -> float:
        return self.connections / self.rooms

    def nodes_of_a_room(self, nodes: int) -> float:
        """How many of all nodes a room has members on, on average, where chance says on which."""
        return 1.0 if self.routed else nodes * (1 - (1 - 1 / nodes) ** self.members)


@dataclass(frozen=True, slots=True)
class Needs:
    """A second's events and cores by their causes; bytes a second."""

    messages: float
    events: float
    joins: float
    renewals: float
    spread: float
    nodes: int
    node_cores: Mapping[str, float]
    shards: int
    redis_cores: Mapping[str, float]
    memory: float
    to_redis: float
    from_redis: float
    to_clients: float
    node_back: float
    """Seconds until all members of a node that died are in again on the others."""
    all_back: float


def needs(site: Site, constants: Mapping[str, float]) -> Needs:
    """A room is on more nodes where there are more of them, which then take more: as often as it takes to agree."""
    nodes = math.ceil(site.connections / NODE_CONNECTIONS)
    while (found := _needs(site, constants, nodes)).nodes > nodes:
        nodes = found.nodes
    return found


def _needs(site: Site, c: Mapping[str, float], nodes: int) -> Needs:
    spread = site.nodes_of_a_room(nodes)
    messages = site.connections * site.per_minute / 60
    events = messages * (1 + site.typing)
    joins = site.connections / (site.minutes * 60)  # as many leave
    renewals = site.rooms * spread * RENEWALS / site.lease
    told = (events + 2 * joins) * spread
    node_us = {
        "said, and delivered to members": events * (c["message_us"] + c["delivery_us"] * (site.members - W6.members)),
        "heard from Redis": told * c["event_us"],
        "leases": renewals * c["renew_node_us"],
        "joins": joins * c["join_us"],
    }
    redis_us = {
        "messages": (events + joins) * c["redis_us"],
        "told to nodes": told * c["redis_event_us"],
        "leases": renewals * c["renew_us"],
        "joins": joins * max(c["redis_join_us"], c["join_script_us"]),
    }
    memory = site.rooms * (c[site.room] + c["room_overhead"] * spread)
    by_cpu, by_memory = sum(redis_us.values()) / 1e6 / FULL, memory / GB / SHARD_GB
    return Needs(
        messages=messages,
        events=events,
        joins=joins,
        renewals=renewals,
        spread=spread,
        nodes=max(nodes, math.ceil(sum(node_us.values()) / 1e6 / FULL)),
        node_cores={cause: us / 1e6 for cause, us in node_us.items()},
        shards=math.ceil(max(by_cpu, by_memory)),
        redis_cores={cause: us / 1e6 for cause, us in redis_us.items()},
        memory=memory * COPIES,
        to_redis=events * c["message_in"] + joins * (c["join_in"] + c["message_in"]) + renewals * c["renew_in"],
        from_redis=events * c["message_out"]
        + told * c["event_out"]
        + joins * (c["join_out"] + c["message_out"])
        + renewals * c["renew_out"],
        to_clients=messages * site.members * (DELIVERY_BYTES + site.typing * TYPING_BYTES),
        node_back=site.connections / nodes * c["join_us"] / 1e6 / ((nodes - 1) * (1 - FULL) or 1),
        all_back=site.connections * c["join_us"] / 1e6 / nodes,
    )
