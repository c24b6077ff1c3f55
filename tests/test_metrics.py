"""What Prometheus is shown: the numbers of what has happened, and nothing of who did it."""

import asyncio
import json
import os
import socket
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from metrics import LOOK_SECONDS, LagWatch
from rooms.tally import SECONDS, Tally, Times
from tests.client import Client
from tests.fakes import FakeClock
from tests.polling import Poller
from tests.programs import ROOT
from tests.reference import Room
from tests.serving import NotServed, Served, kept_port, serve

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def shown() -> Iterator[tuple[Served, int]]:
    """A server, and the port where it shows its metrics."""
    with kept_port() as port, serve(metrics_port=port, events_per_connection="0.001, 3") as served:
        yield served, port
        assert served.stop() == 0
    assert served.stderr == ""


def asked(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def samples(port: int) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(asked(port))
        for sample in family.samples
    }


def test_the_numbers_are_those_of_what_happened(shown: tuple[Served, int]) -> None:
    served, port = shown

    async def scene() -> tuple[Samples, Samples]:
        room = Room.from_secret(os.urandom(32))
        before = samples(port)
        async with Client(served.url) as one, Client(served.url) as two:
            await one.join(room, "One")
            await two.join(room, "Two")
            for number in range(3):
                await one.say(f"message {number}")
            assert await one.say("too many") == {"error": "rate-limited"}
            await two.hears("get_message", 3)
            await Poller.open(served.port)
            return before, samples(port)

    before, after = asyncio.run(scene())

    def grown(name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return after[key] - before.get(key, 0)

    assert grown("chatsite_messages_total") == 3
    # Each of the three messages to both, and that Two has come to One.
    assert grown("chatsite_deliveries_total") == 2 * 3 + 1
    assert grown("chatsite_refused_total", reason="rate-limited") == 1
    assert grown("chatsite_connections", transport="websocket") == 2
    assert grown("chatsite_connections", transport="polling") == 1
    assert (grown("chatsite_rooms"), grown("chatsite_members")) == (1, 2)
    assert grown("chatsite_log_bytes") > 3 * 500
    assert grown("chatsite_received_bytes_total") > 3 * 500
    assert grown("chatsite_sent_bytes_total") > 2 * 3 * 500
    assert grown("chatsite_join_seconds_count") == 2
    assert grown("chatsite_publish_seconds_count") == 3
    assert grown("chatsite_turn_seconds_count") >= 8
    assert after["chatsite_outbox_bytes_max", ()] >= 0
    assert after["process_open_fds", ()] > 0


def test_numbers_only(shown: tuple[Served, int]) -> None:
    labels = {
        (name, value)
        for family in text_string_to_metric_families(asked(shown[1]))
        if family.name.startswith("chatsite_")
        for sample in family.samples
        for name, value in sample.labels.items()
    }
    assert {name for name, _ in labels} <= {"transport", "reason", "le"}
    assert {value for name, value in labels if name == "transport"} <= {"websocket", "polling"}


def test_nobody_outside_can_ask(shown: tuple[Served, int]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", shown[1]))  # the port is free everywhere but on the one address
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{shown[0].url}/metrics")  # noqa: S310 - our own


def test_without_a_port_there_are_none_and_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = rf"metrics_port = {port}: in use on 127\.0\.0\.1; expected a free port"
        with pytest.raises(NotServed, match=said), serve(metrics_port=port):
            pass


def test_the_dashboard_asks_for_what_there_is(shown: tuple[Served, int]) -> None:
    dashboard = json.loads((ROOT / "config" / "grafana.json").read_text("utf-8"))
    names = {name for name, _ in samples(shown[1])}
    asked_for = {
        word
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for word in target["expr"].replace("(", " ").replace("[", " ").replace(")", " ").replace("{", " ").split()
        if word.startswith(("chatsite_", "process_"))
    }
    assert len(asked_for) >= 12
    assert asked_for - names == set()


# -- how times are kept


def test_times_are_sorted_into_buckets() -> None:
    times = Times()
    for seconds in (0, 0.001, 0.0011, 2.5, 3):
        times.note(seconds)
    assert times.counts == [2, 1, *[0] * (len(SECONDS) - 3), 1, 1]
    assert (times.longest, round(times.total, 6)) == (3, 5.5021)


def test_the_loop_is_late_by_as_much_as_its_timer() -> None:
    tally, clock = Tally(), FakeClock()
    watch = LagWatch(tally, clock)
    for _ in range(3):
        clock.advance(LOOK_SECONDS)
    assert (tally.lag.longest, sum(tally.lag.counts)) == (0, 3)
    clock._now += LOOK_SECONDS + 0.4  # nothing turned for so long
    clock.advance(0)
    assert tally.lag.longest == pytest.approx(0.4)
    watch.close()
    assert clock.pending == 0
