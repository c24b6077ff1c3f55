"""The generator is let in by the real server and speaks its protocol, over http and https, and after a restart."""

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import load
from bench.building import build
from bench.generator import Address, Fault, Generator, Shape, generating, site_of
from bench.limits import UNLIMITED
from bench.servers import serving
from state import CERTIFICATE_FILE, own_certificate
from tests.serving import Served, serve

SHAPE = Shape(2, 3)
unlimited = functools.partial(serve, **UNLIMITED)


@pytest.fixture(params=["http", "https"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    own_certificate(tmp_path, "127.0.0.1")
    pem = str(tmp_path / CERTIFICATE_FILE)
    secure = functools.partial(unlimited, tls_certificate=pem, tls_key=pem)
    with (secure if request.param == "https" else unlimited)() as site:
        assert site.url.startswith(f"{request.param}://")
        yield site


def talk(generator: Generator) -> None:
    open_loop, closed_loop = generator.open(300, 0, 0.3), generator.closed(2, 0, 0.2)
    for result in (open_loop, closed_loop):
        assert result["deliveries"] == result["sent"] * SHAPE.members > 0


def test_everybody_is_let_in_and_everything_sealed_comes_back(served: Served) -> None:
    with generating(Address(served.url, site_of(served.url)), SHAPE, probe=True) as generator:
        joined = generator.join(2)
        assert joined["clients"] == joined["attempts"] == joined["waited_ms"]["count"] == SHAPE.clients
        assert joined["failures"] == 0
        talk(generator)
        assert generator.hold(0.05)["lag_ms"]["count"] > 0


@pytest.mark.parametrize("size", [256, 65_536])
def test_messages_of_other_classes_come_back_too(size: int) -> None:
    with unlimited() as site:
        address = Address(site.url, site_of(site.url))
        with generating(address, SHAPE, size=size) as generator:
            generator.join()
            talk(generator)


def test_a_line_that_is_cut_is_a_fault() -> None:
    with serve() as site, generating(Address(site.url, site_of(site.url)), SHAPE) as generator:
        generator.join()
        site.stop()
        with pytest.raises(Fault, match="closed"):
            generator.hold(5)


def test_everybody_comes_back_after_a_restart(tmp_path: Path, port: int) -> None:
    with unlimited(state=tmp_path, port=port) as before:
        address = Address(before.url, site_of(before.url))
        with generating(address, SHAPE, probe=True, patience=2) as generator:
            generator.join()
            generator.begin_to_lose()
            before.stop()
            generator.finish_losing()
            with unlimited(state=tmp_path, port=port):
                assert generator.join(0, 20)["clients"] == SHAPE.clients
                talk(generator)
                generator.begin_to_lose()
            generator.finish_losing()


def test_a_server_that_runs_already_can_be_kept_under_load(capsys: pytest.CaptureFixture[str]) -> None:
    with unlimited(max_connections=1100) as site:
        assert load.main([f"--url={site.url}", "--workload=W3", "--seconds=0.1", "--warm=0"]) == 0
    joined, measured = capsys.readouterr().out.splitlines()
    assert joined.startswith("1000 joined, ")
    assert "deliveries a second" in measured


def test_a_message_that_the_limiter_refuses_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with serve(events_per_connection="1, 1") as site:
        assert load.main([f"--url={site.url}", "--workload=W1", "--seconds=0.1", "--warm=0"]) == 1
    assert re.search(r"FAILED: .*refused: .*rate-limited", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["tornado", "tornado-tuned", "ceiling"])
def test_a_peer_relays_honestly(name: str) -> None:
    with serving(name) as server, generating(server.address, SHAPE, probe=True) as generator:
        generator.join()
        talk(generator)


def test_the_percentiles_are_those_of_the_sorted_values() -> None:
    values = [*range(1_000, 1_000_000, 997), *(5_000_000 + 7 * n for n in range(40)), 90_000_000_000]
    given = "\n".join(map(str, reversed(values)))
    done = subprocess.run([build("generator"), "--figures"], input=given, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)["latency_ms"]
    assert figures["count"] == len(values)
    assert figures["max"] == max(values) / 1e6
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        exact = sorted(values)[-(-len(values) * round(share * 100) // 100) - 1] / 1e6
        assert exact <= figures[name] <= exact * 1.017 + 0.001
