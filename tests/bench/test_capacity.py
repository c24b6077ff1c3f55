"""The capacity model: its arithmetic, and that docs/scaling.md says what docs/scaling.json comes to."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench import model
from bench.capacity import ROUTED, SPREAD, main, read, renewed, tables
from bench.constants import CONSTANTS, constants, line
from bench.model import Site, needs

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "scaling.md").read_text("utf-8")
FACTS, RUNS = read(DOCS / "scaling.json")
NAMES = {each.name for each in CONSTANTS}


def only(**values: float) -> Mapping[str, float]:
    assert values.keys() <= NAMES
    return {name: values.get(name, 0.0) for name in NAMES}


# -- the page


def test_the_page_shows_what_was_measured() -> None:
    assert renewed(PAGE, FACTS, RUNS) == PAGE, "run: python -m bench.capacity docs/scaling.json --into docs/scaling.md"
    assert re.findall(r"<!-- table: (\w+) -->", PAGE) == list(tables(FACTS, RUNS))


def test_a_figure_that_was_written_by_hand_is_noticed() -> None:
    nodes = next(row for row in PAGE.splitlines() if row.startswith("| nodes |"))
    assert renewed(PAGE.replace(nodes, nodes.replace("| nodes |", "| nodes | 1 ")), FACTS, RUNS) == PAGE


def test_every_name_in_the_page_is_one_of_the_model() -> None:
    known = NAMES | set(vars(model)) | set(Site.__dataclass_fields__)
    text = PAGE.split("## What was measured")[1]
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z]+)*)`", text))
    settings = {"lease_time", "log_size", "message_ttl"}
    assert named - settings <= known
    assert len(named & NAMES) > 8


def test_the_assumptions_are_those_of_the_model() -> None:
    for assumed in (
        f"| `connections`, `rooms` | {SPREAD.connections:,} in {SPREAD.rooms:,} |",
        f"| `per_minute` | {SPREAD.per_minute:g} message a minute",
        f"| `typing` | {SPREAD.typing:g} notices",
        f"| `minutes` | {SPREAD.minutes:g} that",
        f"{model.DELIVERY_BYTES} bytes on the wire to a member (`DELIVERY_BYTES`), a notice {model.TYPING_BYTES} ",
        f"| `NODE_CONNECTIONS` | {model.NODE_CONNECTIONS:,} on a node",
        f"| `SHARD_GB`, `COPIES` | {model.SHARD_GB} GB",
    ):
        assert assumed in PAGE
    assert model.FULL == 0.5, "the page says half busy"


def test_nothing_was_lost_and_all_constants_were_found() -> None:
    assert all(run.figures["sent"] * 10 == run.figures["deliveries"] for run in RUNS if run.workload == "messages")
    found = constants(RUNS)
    assert found.keys() == NAMES
    assert all(each.low >= 0 for name, each in found.items() if not name.startswith(("extra_", "command_")))


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: needs -->\nold\n<!-- end -->\nafter\n")
    assert main([str(DOCS / "scaling.json"), f"--into={page}"]) == 0
    table = tables(FACTS, RUNS)["needs"]
    assert page.read_text() == f"before\n<!-- table: needs -->\n{table}\n<!-- end -->\nafter\n"
    assert table in capsys.readouterr().out


# -- the model


def test_what_each_node_adds_is_told_from_what_is_there_anyway() -> None:
    assert line({1: 110, 2: 120, 4: 140}) == pytest.approx((100, 10))
    assert line({1: 30, 2: 20, 4: 10})[1] == 0  # chance: nothing costs less than nothing


def test_a_room_is_on_as_many_nodes_as_its_members_happen_to_meet() -> None:
    assert SPREAD.nodes_of_a_room(1) == 1
    assert SPREAD.nodes_of_a_room(2) == pytest.approx(2 - 2 * 0.5**10)
    assert SPREAD.nodes_of_a_room(10**6) == pytest.approx(10, rel=1e-4)
    assert ROUTED.nodes_of_a_room(50) == 1


def test_idle_rooms_cost_leases_alone() -> None:
    idle = replace(ROUTED, per_minute=0)
    found = needs(idle, only(renew_us=25, renew_in=800))
    assert found.renewals == 100_000 * 3 / 15
    assert sum(found.redis_cores.values()) == pytest.approx(0.5)
    assert found.shards == 1
    assert found.to_redis == 20_000 * 800
    assert needs(replace(idle, lease=60), only(renew_us=25)).redis_cores["leases"] == pytest.approx(0.125)


def test_rooms_that_are_spread_need_more_nodes_and_those_more_again() -> None:
    heavy = only(message_us=300, event_us=100)
    spread, routed = needs(SPREAD, heavy), needs(ROUTED, heavy)
    assert routed.nodes == 50  # of 20,000 each
    assert sum(spread.node_cores.values()) <= spread.nodes * model.FULL
    assert spread.nodes > 2 * routed.nodes
    assert spread.spread == pytest.approx(SPREAD.nodes_of_a_room(spread.nodes))


def test_a_larger_room_costs_each_delivery_more() -> None:
    large = needs(Site("large", rooms=10_000, routed=True), only(delivery_us=2)).node_cores
    assert large["said, and delivered to members"] == pytest.approx(50_000 * 90 * 2 / 1e6)


def test_memory_is_that_of_all_rooms_twice() -> None:
    assert needs(ROUTED, only(room_usual=40_000, room_overhead=1000)).memory == 2 * 100_000 * 41_000
    assert needs(replace(ROUTED, room="room_long"), only(room_long=500_000)).shards == 4
