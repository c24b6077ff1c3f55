"""The whole comparison: every server through every workload, in turns, several times. Draws no conclusions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench import measures
from bench.generator import Fault
from bench.measures import Figures
from bench.search import NotFound
from bench.servers import NotServed
from bench.workloads import CLOSED, W4, W4_LARGE

LATENCY, REFERENCE, CEILING = "latency", "node", "ceiling"
OFFICIAL_SPREAD_MS = 1000.0
"""Socket.IO's own clients come back after 0.5 to 1.5 s: chance spreads them over a second."""

Measure = Callable[[str, float], Figures]


def _closed(workload: str) -> Measure:
    return lambda server, seconds: measures.closed_loop(server, workload, seconds)


MEASURES: dict[str, Measure] = {
    **{workload: _closed(workload) for workload in CLOSED},
    "W6": lambda server, seconds: measures.highest_rate(server),
    "W4": lambda server, seconds: measures.idle(server, W4),
    "W4-large": lambda server, seconds: measures.idle(server, W4_LARGE),
    "join": lambda server, seconds: measures.join_rate(server),
    "return": lambda server, seconds: measures.coming_back(server, 0),
    "return-spread": lambda server, seconds: measures.coming_back(server, OFFICIAL_SPREAD_MS),
}
WORKLOADS = (*MEASURES, LATENCY)
OF_THE_CEILING = (*CLOSED, "W6")


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement."""

    repeat: int
    workload: str
    server: str
    figures: Figures


class Faulty(Exception):
    """A measurement went wrong: none of the figures counts."""


def everything(servers: Sequence[str], workloads: Sequence[str], repeats: int, seconds: float) -> Iterator[Run]:
    """Every workload with one server after the other, and all of that again. Raises Faulty."""
    runs: list[Run] = []
    for repeat in range(1, repeats + 1):
        for workload in workloads:
            for server in servers:
                if not applies(workload, server):
                    continue
                try:
                    figures = _figures(workload, server, seconds, [run for run in runs if run.repeat == repeat])
                except (Fault, NotFound, NotServed) as error:
                    raise Faulty(f"{workload} of {server}, repeat {repeat}: {error}") from error
                runs.append(Run(repeat, workload, server, figures))
                yield runs[-1]


def applies(workload: str, server: str) -> bool:
    """Whether there is anything to learn from this measurement."""
    if server == CEILING:
        return workload in OF_THE_CEILING
    return workload != LATENCY or server != REFERENCE  # which is measured beside each of the others


def _figures(workload: str, server: str, seconds: float, before: Sequence[Run]) -> Figures:
    if workload != LATENCY:
        return MEASURES[workload](server, seconds)
    capacities = {run.server: float(run.figures["rate"]) for run in before if run.workload == "W6"}
    rate = capacities[server] / 2
    figures = {"rate": rate, "own": measures.latency_at(server, rate, seconds)}
    if REFERENCE in capacities:
        # At the same rate if it gets there; where it does not, at what is as easy for it, which is to be said.
        reached = rate <= capacities[REFERENCE]
        nodes = rate if reached else capacities[REFERENCE] / 2
        figures |= {"node_rate": nodes, "node_reaches": reached}
        figures["node"] = measures.latency_at(REFERENCE, nodes, seconds)
    return figures
