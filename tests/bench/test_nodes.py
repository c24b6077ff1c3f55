"""The bench of nodes measures what it says, of real nodes and a real Redis; how much that is, is tested nowhere."""

import time

from bench import shared, weights
from bench.generator import Shape
from bench.shared import MEMORY, Meter, scene

SHAPE = Shape(3, 4)
ROOMS = 20
LEASE, PATIENCE = 1, 30.0


def test_members_of_each_room_are_on_all_nodes_and_everybody_has_worked() -> None:
    with scene(2, SHAPE) as site:
        assert site.store is not None
        joined = shared.measured(site, lambda: site.generator.join(4))
        assert site.store.subscribers().count(2) == SHAPE.rooms
        said = shared.measured(site, lambda: site.generator.open(300, 0, 0.5))
    assert joined["calls"] >= SHAPE.clients
    assert said["deliveries"] == said["sent"] * SHAPE.members > 0
    assert said["calls"] >= said["sent"]
    assert said["script_seconds"] > 0
    assert said["bytes_out"] > said["bytes_in"] > said["sent"] * 720
    assert len(said["node_seconds"]) == 2
    assert all(seconds > 0 for seconds in said["node_seconds"])


def test_one_node_alone_needs_no_redis() -> None:
    said = shared.messages(MEMORY, 300, 0.2, SHAPE)
    assert said["deliveries"] == said["sent"] * SHAPE.members > 0
    assert said["calls"] == said["redis_seconds"] == said["bytes_out"] == 0
    assert len(said["node_seconds"]) == 1


def test_leases_are_renewed_while_nobody_speaks() -> None:
    with scene(1, Shape(ROOMS, 1), lease=LEASE) as site:
        site.generator.join(4)
        meter, ends = Meter(site), time.monotonic() + PATIENCE
        while meter.figures()["calls"] < 2 * ROOMS:
            assert time.monotonic() < ends
            site.generator.hold(0.2)


def test_more_said_weighs_more_and_is_more_to_read_for_who_joins() -> None:
    empty, usual = weights.weighed(weights.EMPTY, 3), weights.weighed(weights.USUAL, 3)
    assert usual["by_keys"] > empty["by_keys"] + weights.ENTRIES * 720
    assert usual["join_bytes_out"] > empty["join_bytes_out"] + weights.ENTRIES * 720
    assert empty["by_keys"] > weights.MEMBERS * 720
    assert usual["join_script_us"] > 0
