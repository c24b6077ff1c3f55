"""What the runs come to: medians, ranges and ratios, as Markdown. Measures nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.figures import Spread, rounded, spread, times, written
from bench.machine import DISTURBED
from bench.measures import Figures
from bench.runs import LATENCY, REFERENCE, Run
from bench.servers import TITLES


@dataclass(frozen=True, slots=True)
class Column:
    """What a column shows of one workload's figures. `compared`: with the ratio to the reference."""

    title: str
    workload: str
    value: Callable[[Figures], float]
    compared: bool = False


THROUGHPUT = (
    Column("W1, deliveries/s", "W1", lambda figures: figures["per_second"], compared=True),
    Column("W2, deliveries/s", "W2", lambda figures: figures["per_second"], compared=True),
    Column("W3, deliveries/s", "W3", lambda figures: figures["per_second"], compared=True),
    Column("W6, deliveries/s", "W6", lambda figures: figures["per_second"], compared=True),
    Column("W6, messages in/s", "W6", lambda figures: figures["rate"]),
)
MEMORY = (
    Column("kB per idle connection", "W4", lambda figures: figures["kb_per_connection"]),
    Column("kernel, both ends", "W4", lambda figures: figures["kernel_kb_per_connection"]),
    Column("kB at 19,800", "W4-large", lambda figures: figures["kb_per_connection"]),
    Column("kernel at 19,800", "W4-large", lambda figures: figures["kernel_kb_per_connection"]),
)
JOINS = (
    Column("connect + join per s", "join", lambda figures: figures["per_second"], compared=True),
    Column("lag p99, ms", "join", lambda figures: figures["lag_ms"]["p99"]),
)
RETURNS = {
    "return": "10,000 clients come back after a restart, all at the same moment",
    "return-spread": "10,000 clients come back after a restart, spread by chance over a second",
}


def _of_a_return(workload: str) -> tuple[Column, ...]:
    return (
        Column("last one in, s", workload, lambda figures: figures["seconds"]),
        Column("waited p50, s", workload, lambda figures: figures["waited_ms"]["p50"] / 1000),
        Column("p99, s", workload, lambda figures: figures["waited_ms"]["p99"] / 1000),
        Column("lag p99, ms", workload, lambda figures: figures["lag_ms"]["p99"]),
        Column("max, ms", workload, lambda figures: figures["lag_ms"]["max"]),
        Column("attempts that failed", workload, lambda figures: figures["failures"]),
        Column("start, s", workload, lambda figures: figures["start_seconds"]),
    )


def spreads(runs: Iterable[Run], column: Column) -> dict[str, Spread]:
    """By server."""
    values: dict[str, list[float]] = {}
    for run in runs:
        if run.workload == column.workload:
            values.setdefault(run.server, []).append(column.value(run.figures))
    return {server: spread(found) for server, found in values.items()}


def markdown(runs: Sequence[Run]) -> str:
    """All tables, and what makes the figures doubtful."""
    parts = [
        _table("Deliveries", runs, THROUGHPUT),
        _latencies(runs),
        _table("Memory", runs, MEMORY),
        *_kernel(runs),
        _table("Connect and join", runs, JOINS),
        *(_table(title, runs, _of_a_return(workload)) for workload, title in RETURNS.items()),
        *_doubts(runs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(title: str, runs: Sequence[Run], columns: Sequence[Column]) -> str:
    found = [(column, spreads(runs, column)) for column in columns]
    found = [(column, by_server) for column, by_server in found if by_server]
    if not found:
        return ""
    head: list[str] = ["server"]
    for column, _ in found:
        head += [column.title, "to Node"] if column.compared else [column.title]
    servers = [name for name in TITLES if any(name in by_server for _, by_server in found)]
    rows = [[TITLES[server], *(cell for each in found for cell in _cells(server, *each))] for server in servers]
    return f"**{title}**\n\n" + rows_of([head, *rows])


def _cells(server: str, column: Column, by_server: dict[str, Spread]) -> list[str]:
    own, reference = by_server.get(server), by_server.get(REFERENCE)
    cell = written(own) if own else ""
    if not column.compared:
        return [cell]
    return [cell, times(own.median, reference.median) if own and reference else ""]


def rows_of(rows: Sequence[Sequence[str]]) -> str:
    """The first is the head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _latencies(runs: Sequence[Run]) -> str:
    rows: list[list[str]] = [
        ["server", "messages in/s", "p50, ms", "p99, ms", "Node: messages in/s", "p50, ms", "p99, ms"]
    ]
    for server in TITLES:
        figures = [run.figures for run in runs if run.workload == LATENCY and run.server == server]
        if figures:
            rows.append([TITLES[server], *_latency_cells(figures)])
    if len(rows) == 1:
        return ""
    return "**Latency at half of one's own W6 capacity, and Node's at the same rate**\n\n" + rows_of(rows)


def _latency_cells(figures: Sequence[Figures]) -> list[str]:
    def cells(who: str, rate: str) -> list[str]:
        values = [each[who]["latency_ms"] for each in figures]
        rates = spread([each[rate] for each in figures])
        return [written(rates), *(written(spread([value[part] for value in values])) for part in ("p50", "p99"))]

    own = cells("own", "rate")
    if not all("node" in each for each in figures):
        return [*own, "", "", ""]
    nodes = cells("node", "node_rate")
    if not all(each["node_reaches"] for each in figures):
        nodes[0] += ": half of Node's own capacity, which does not reach the rate"
    return [*own, *nodes]


def _kernel(runs: Sequence[Run]) -> list[str]:
    """What the kernel's share is made of, as Chatsite's first run has it; it is alike for all."""
    for run in runs:
        if run.workload.startswith("W4") and run.server == "chatsite":
            named = ", ".join(f"{name} {kb:.2f}" for name, kb in run.figures["kernel_kb_by_name"].items())
            return [f"Of the kernel's kB per connection, which are those of the client's end, too: {named}."]
    return []


def _doubts(runs: Sequence[Run]) -> list[str]:
    found = []
    busy = [run for run in runs if _cores(run).get("others", 0) > DISTURBED]
    if busy:
        worst = max(_cores(run)["others"] for run in busy)
        found.append(
            f"Other programs took more than {DISTURBED:.0%} of a core that was measured on in {len(busy)} of "
            f"{len(runs)} runs, and up to {worst:.0%}: these figures are worth little."
        )
    full = [run for run in runs if _cores(run).get("generator", 0) > 0.9]
    found += [
        f"The generator had its core full in {run.workload} of {TITLES[run.server]}: "
        f"{rounded(run.figures['per_second'])} a second is its own limit."
        for run in full
        if "per_second" in run.figures
    ]
    return found


def _cores(run: Run) -> dict[str, float]:
    cores: dict[str, float] = run.figures.get("cores", run.figures.get("own", {}).get("cores", {}))
    return cores
