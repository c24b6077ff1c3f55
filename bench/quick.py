"""The capacity of Chatsite and of Node's Socket.IO in the same minute, and how many times the one is the other's."""

import sys
from contextlib import ExitStack

from bench.generator import Fault, Result, generating
from bench.machine import DISTURBED, Watch
from bench.search import QUICK, Capacity, NotFound, Step, capacity, in_turns, is_good
from bench.servers import TITLES, NotServed, serving
from bench.workloads import LIMIT_MS, W6


def main() -> int:
    """`bench/run --quick`. The last number of the last line is the ratio."""
    names = ("chatsite", "node")
    try:
        found, others = _find(names)
    except (Fault, NotFound, NotServed) as fault:
        print(f"FAILED: {fault}", file=sys.stderr)
        return 1
    if others > DISTURBED:
        print(f"Other programs took {others:.0%} of a core that was measured on: this is worth little.")
    print(last_line({name: per_second(each.result) for name, each in found.items()}))
    return 0


def _find(names: tuple[str, ...]) -> tuple[dict[str, Capacity], float]:
    """The capacities, and how much of a core others took meanwhile."""
    with ExitStack() as stack:
        generators, pids = {}, []
        for name in names:
            server = stack.enter_context(serving(name))
            generators[name] = stack.enter_context(generating(server.address, W6))
            generators[name].join()
            pids += [server.pid, generators[name].pid]
        watch = Watch(*pids)
        turns = in_turns([(name, capacity(QUICK)) for name in names])
        name, step = next(turns)
        while True:
            result = generators[name].open(step.rate, step.warm, step.seconds, LIMIT_MS)
            print(described(name, step, result), flush=True)
            try:
                name, step = turns.send(result)
            except StopIteration as over:
                return over.value, watch.others()


def per_second(result: Result) -> float:
    """Deliveries a second."""
    return float(result["per_second"])


def described(name: str, step: Step, result: Result) -> str:
    """One step of a search, for whoever watches."""
    verdict = "good" if is_good(result) else "too much"
    p99 = result["latency_ms"]["p99"]
    return (
        f"{TITLES[name]:<40} {step.rate:>8.0f} messages/s, {result['per_second']:>9.0f} deliveries/s, "
        f"p99 {p99:>7.1f} ms, generator {result['generator_cpu']:>4.0%}: {verdict}"
    )


def last_line(deliveries: dict[str, float]) -> str:
    """The result, the ratio last."""
    ours, nodes = deliveries["chatsite"], deliveries["node"]
    return f"W6: Chatsite {ours:.0f} and Node {nodes:.0f} deliveries a second; Chatsite to Node {ours / nodes:.2f}"
