"""`python -m bench.capacity JSON [--into MD]`: the tables of docs/scaling.md, out of what bench.nodes has measured; so
that no figure is copied by hand. Measures nothing.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.constants import BUSY, CALM, CAPACITY, CONSTANTS, constants
from bench.figures import Spread, rounded, spread, written
from bench.machine import DISTURBED
from bench.measures import Figures
from bench.model import GB, MEGABIT, Needs, Site, needs
from bench.report import rows_of
from bench.runs import Run
from bench.shared import LAYOUTS, title
from bench.workloads import LIMIT_MS, W6

SPREAD = Site("spread by chance")
ROUTED = replace(SPREAD, name="routed by room", routed=True)
QUIET = "lease of 60 s"
OTHERS = (
    SPREAD,
    ROUTED,
    replace(SPREAD, name=f"spread, {QUIET}", lease=60),
    replace(SPREAD, name="spread, nobody speaks", per_minute=0),
    replace(SPREAD, name="spread, ten times as busy", per_minute=10),
    replace(ROUTED, name="routed, ten times as busy", per_minute=10),
    replace(SPREAD, name="spread, 10,000 rooms of 100", rooms=10_000),
    replace(ROUTED, name="routed, 10,000 rooms of 100", rooms=10_000),
    replace(SPREAD, name="spread, logs of class 4,096", room="room_long"),
    replace(SPREAD, name="spread, all digests", room="room_digests"),
    replace(SPREAD, name="spread, members stay 5 minutes", minutes=5),
    replace(SPREAD, name="spread, a tenth of it all", connections=100_000, rooms=10_000),
)
"""What the answer hangs on: each differs from the first by what its name says."""

Row = tuple[str, str, Callable[[Needs], float], str]
NEEDS: tuple[Row, ...] = (
    ("messages/s", "connections · per_minute / 60", lambda n: n.messages, ""),
    ("events/s", "messages · (1 + typing)", lambda n: n.events, ""),
    ("joins/s", "connections / (60 · minutes)", lambda n: n.joins, ""),
    ("nodes that a room is on", "N · (1 - (1 - 1/N)^members), or 1", lambda n: n.spread, ""),
    ("renewals/s", "rooms · nodes of a room · 3 / lease_time", lambda n: n.renewals, ""),
    ("cores busy for nodes", "the sum of the next table", lambda n: sum(n.node_cores.values()), ""),
    ("nodes", "cores busy / FULL, at least connections / NODE_CONNECTIONS", lambda n: n.nodes, ""),
    ("cores busy for Redis", "the sum of the next table", lambda n: sum(n.redis_cores.values()), ""),
    ("Redis masters (shards)", "cores busy / FULL, at least memory / SHARD_GB", lambda n: n.shards, ""),
    (
        "memory of Redis, with replicas",
        "COPIES · rooms · (room_usual + nodes of a room · room_overhead)",
        lambda n: n.memory / GB,
        " GB",
    ),
    (
        "nodes to Redis",
        "events · message_in + renewals · renew_in + joins · (join_in + message_in)",
        lambda n: n.to_redis / MEGABIT,
        " Mbit/s",
    ),
    (
        "Redis to nodes",
        "events · message_out + told · event_out + renewals · renew_out + joins · (join_out + message_out)",
        lambda n: n.from_redis / MEGABIT,
        " Mbit/s",
    ),
    (
        "nodes to people",
        "messages · members · (DELIVERY_BYTES + typing · TYPING_BYTES)",
        lambda n: n.to_clients / MEGABIT,
        " Mbit/s",
    ),
    (
        "a node dies: its people are back after",
        "connections / N · join_us / ((N - 1) · (1 - FULL))",
        lambda n: n.node_back,
        " s",
    ),
    ("all come back at once, after", "connections · join_us / N", lambda n: n.all_back, " s"),
)


def main(arguments: Sequence[str]) -> int:
    """Prints the tables, and writes them into a page where they belong."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("json", type=Path, help="what bench.nodes has written")
    parser.add_argument("--into", type=Path, metavar="MD", help="a page whose tables are to be made anew")
    chosen = parser.parse_args(arguments)
    known, runs = read(chosen.json)
    if chosen.into:
        chosen.into.write_text(renewed(chosen.into.read_text(), known, runs))
    print("\n\n".join(tables(known, runs).values()))
    return 0


def read(path: Path) -> tuple[dict[str, Any], list[Run]]:
    """The facts of the machine, and the runs."""
    said = json.loads(path.read_text())
    return said["facts"], [Run(**run) for run in said["runs"]]


def renewed(page: str, known: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """The page with every table in its place, between `<!-- table: NAME -->` and `<!-- end -->`."""
    for name, text in tables(known, runs).items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = place.sub(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)  # type: ignore[misc]
    return page


def tables(known: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, str]:
    """By name, as Markdown."""
    found = constants(runs)
    medians = {name: each.median for name, each in found.items()}
    return {
        "machine": _machine(known, runs),
        "layouts": _layouts(runs),
        "constants": _constants(found),
        "needs": _needs(medians),
        "causes": _causes(medians),
        "sensitivity": _sensitivity(medians),
    }


def _machine(known: Mapping[str, Any], runs: Sequence[Run]) -> str:
    said = (
        f"{known['processor']}, {known['cores']} cores, Python {known['python']}, Redis {known['redis_server']}; "
        f"{max(run.repeat for run in runs)} times {known['seconds']:g} s, {known['rate']:g} and "
        f"{known['busy']:g} messages a second; {known['commit']}, {known['when']}."
    )
    busy = [run.figures["cores"]["others"] for run in runs if "cores" in run.figures]
    if disturbed := [others for others in busy if others > DISTURBED]:
        said += (
            f" **Other programs took more than {DISTURBED:.0%} of a core in {len(disturbed)} of {len(busy)} runs, and "
            f"up to {max(disturbed):.0%}: these figures are worth little.**"
        )
    return said


def _node_us(figures: Figures) -> float:
    return float(sum(figures["node_seconds"]) * 1e6 / figures["deliveries"])


COLUMNS: tuple[tuple[str, Callable[[Figures], float]], ...] = (
    ("messages/s", lambda each: each["rate"]),
    ("deliveries/s", lambda each: each["per_second"]),
    ("p50, ms", lambda each: each["latency_ms"]["p50"]),
    ("p99, ms", lambda each: each["latency_ms"]["p99"]),
    ("CPU of all nodes, µs/delivery", _node_us),
    ("of each node", lambda each: _node_us(each) / len(each["node_seconds"])),
    ("CPU of Redis, µs/message", lambda each: each["redis_seconds"] * 1e6 / each["sent"]),
    ("lost", lambda each: each["sent"] * W6.members - each["deliveries"]),
)


def _layouts(runs: Sequence[Run]) -> str:
    lines = [["rooms of ten, members on all nodes", *(head for head, _ in COLUMNS)]]
    for workload in (CALM, BUSY):
        for layout in LAYOUTS:
            said = [run.figures for run in runs if run.workload == workload and run.server == title(layout)]
            cells = [written(spread([column(each) for each in said])) for _, column in COLUMNS]
            lines.append([_layout(layout), *cells])
    return rows_of(lines) + _highest(runs)


def _highest(runs: Sequence[Run]) -> str:
    """What was looked for only where it was asked for."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if run.workload == CAPACITY:
            found.setdefault(run.server, []).append(run.figures["per_second"])
    if not found:
        return ""
    said = "; ".join(f"{name}: {written(spread(values))}" for name, values in found.items())
    return (
        f"\n\nThe highest rate with p99 below {LIMIT_MS:g} ms, in deliveries a second, all nodes on one core: {said}."
    )


def _layout(layout: int) -> str:
    return "one node, memory" if layout == 0 else f"{layout} node{'s' * (layout > 1)} over Redis"


def _constants(found: Mapping[str, Spread]) -> str:
    return rows_of(
        [["constant", "what it is", ""], *([f"`{c.name}`", c.meaning, written(found[c.name])] for c in CONSTANTS)]
    )


def _needs(medians: Mapping[str, float]) -> str:
    found = [needs(site, medians) for site in (SPREAD, ROUTED)]
    lines = [[what, formula, *(rounded(value(each)) + unit for each in found)] for what, formula, value, unit in NEEDS]
    return rows_of([["", "formula", SPREAD.name, ROUTED.name], *lines])


def _causes(medians: Mapping[str, float]) -> str:
    found = [needs(site, medians) for site in (SPREAD, ROUTED)]
    lines = [["cores busy", SPREAD.name, ROUTED.name]]
    for who, cores in (("nodes", [n.node_cores for n in found]), ("Redis", [n.redis_cores for n in found])):
        causes = sorted(cores[0], key=cores[0].__getitem__, reverse=True)
        lines += [[f"{who}: {cause}", *(_part(each, cause) for each in cores)] for cause in causes]
    return f"{rows_of(lines)}\n\n{' '.join(map(_first, found))}"


def _first(found: Needs) -> str:
    """The bottleneck, in a sentence."""
    nodes = max(found.node_cores, key=found.node_cores.__getitem__)
    redis = max(found.redis_cores, key=found.redis_cores.__getitem__)
    where = SPREAD if found.spread > 1 else ROUTED
    return f'{where.name.capitalize()}, most of the nodes\' time is "{nodes}", and of Redis\'s "{redis}".'


def _part(cores: Mapping[str, float], cause: str) -> str:
    return f"{rounded(cores[cause])} ({cores[cause] / (sum(cores.values()) or 1):.0%})"


def _sensitivity(medians: Mapping[str, float]) -> str:
    lines = [
        [
            "a million people",
            "nodes",
            "Redis masters",
            "memory of Redis, GB",
            "Redis to nodes, Mbit/s",
            "most of Redis's time is",
        ]
    ]
    for site in OTHERS:
        found = needs(site, medians)
        cause = max(found.redis_cores, key=lambda cause: found.redis_cores[cause])
        cells = [rounded(each) for each in (found.nodes, found.shards, found.memory / GB, found.from_redis / MEGABIT)]
        lines.append([site.name, *cells, f"{cause}, {_part(found.redis_cores, cause).partition('(')[2][:-1]}"])
    return rows_of(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
