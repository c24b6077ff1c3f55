"""Keeps a server that runs already under a steady load, so that it can be watched; compares nothing."""

import argparse
import sys

from bench.generator import Address, Fault, Result, generating, site_of
from bench.workloads import CLOSED, W6


def main(arguments: list[str]) -> int:
    """`python -m bench load`."""
    parser = argparse.ArgumentParser(prog="python -m bench load", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:5000", help="of a Chatsite (default %(default)s)")
    parser.add_argument("--plain", action="store_true", help="it is a peer (bench/peers), not a Chatsite")
    parser.add_argument("--workload", choices=["W1", "W2", "W3", "W6"], default="W6", help="default W6")
    parser.add_argument("--rate", type=float, default=1000, help="messages a second of W6, each with ten deliveries")
    parser.add_argument("--seconds", type=float, default=10, help="default %(default)s")
    parser.add_argument("--warm", type=float, default=1, help="seconds before that (default %(default)s)")
    parser.add_argument("--size", type=int, default=0, help="class of the messages, of a peer's their characters")
    chosen = parser.parse_args(arguments)
    address = Address(chosen.url, "" if chosen.plain else site_of(chosen.url))
    closed = CLOSED.get(chosen.workload)
    shape = closed.shape if closed else W6
    try:
        with generating(address, shape, size=chosen.size, probe=True) as generator:
            _tell(generator.join())
            if closed:
                _tell(generator.closed(closed.in_flight, chosen.warm, chosen.seconds))
            else:
                _tell(generator.open(chosen.rate, chosen.warm, chosen.seconds))
    except Fault as fault:
        print(f"FAILED: {fault}", file=sys.stderr)
        return 1
    return 0


def _tell(result: Result) -> None:
    if result["phase"] == "join":
        print(f"{result['clients']} joined, {result['per_second']:.0f} a second", flush=True)
        return
    latency, lag = result["latency_ms"], result["lag_ms"]
    print(
        f"{result['per_second']:.0f} deliveries a second of {result['sent']} messages; "
        f"latency ms p50 {latency['p50']:.2f} p99 {latency['p99']:.2f} max {latency['max']:.2f}; "
        f"loop lag ms at most p50 {lag['p50']:.2f} p99 {lag['p99']:.2f} max {lag['max']:.2f}; "
        f"backlog {result['backlog']}, drained in {result['drain_seconds']:.2f} s; "
        f"generator's core {result['generator_cpu']:.0%} busy"
    )
