"""Shows what a site is doing to Prometheus, on a port of its own that nobody outside can reach; counts nothing itself.

No name of a room, a person or an address is a label: there are numbers only.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import tornado.web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rooms.clock import Cancellable, Clock
from rooms.tally import SECONDS, Tally, Times

LOOK_SECONDS = 0.25
"""How often the loop is asked whether it is late."""


@dataclass(frozen=True, slots=True)
class Present:
    """How many there are now. `connections`: by transport. `broker_up`: whether rooms can be reached."""

    connections: dict[str, int]
    rooms: int
    members: int
    log_bytes: int
    broker_up: bool


class SiteCollector(Collector):
    """What the tally says, and what is there at the moment of asking."""

    def __init__(self, tally: Tally, present: Callable[[], Present]) -> None:
        self._tally = tally
        self._present = present

    def collect(self) -> Iterable[Metric]:
        tally, present = self._tally, self._present()
        connections = GaugeMetricFamily("chatsite_connections", "Connections now", labels=["transport"])
        for transport, number in present.connections.items():
            connections.add_metric([transport], number)
        refused = CounterMetricFamily("chatsite_refused", "Requests refused, by reason", labels=["reason"])
        for reason, number in tally.refused.items():
            refused.add_metric([reason], number)
        return [
            connections,
            GaugeMetricFamily("chatsite_rooms", "Rooms now, counted by one node each", present.rooms),
            GaugeMetricFamily("chatsite_members", "People of this node in rooms now", present.members),
            GaugeMetricFamily("chatsite_log_bytes", "Bytes that rooms keep in this process now", present.log_bytes),
            GaugeMetricFamily("chatsite_broker_up", "Whether the rooms can be reached", present.broker_up),
            GaugeMetricFamily("chatsite_outbox_bytes_max", "Most bytes that ever waited for a client", tally.outbox),
            GaugeMetricFamily("chatsite_memory_blocks", "Small blocks of memory in use now", sys.getallocatedblocks()),
            CounterMetricFamily("chatsite_messages", "Messages taken", tally.messages),
            CounterMetricFamily("chatsite_chunks", "Chunks of files passed on", tally.chunks),
            CounterMetricFamily("chatsite_deliveries", "Events told to members of rooms", tally.deliveries),
            CounterMetricFamily("chatsite_received_bytes", "Bytes from clients", tally.received),
            CounterMetricFamily("chatsite_sent_bytes", "Bytes to clients", tally.sent),
            CounterMetricFamily("chatsite_slow_consumers", "Clients closed since they read too slowly", tally.slow),
            refused,
            _histogram("chatsite_turn_seconds", "From what came over WebSockets to what follows", tally.turns),
            _histogram("chatsite_publish_seconds", "From a message to its number in the room", tally.published),
            _histogram("chatsite_join_seconds", "From the request to join to its answer", tally.joins),
            _histogram("chatsite_loop_lag_seconds", "What the event loop was late by", tally.lag),
            GaugeMetricFamily("chatsite_loop_lag_seconds_max", "The most it was ever late by", tally.lag.longest),
        ]


def _histogram(name: str, what: str, times: Times) -> Metric:
    buckets, below = [], 0
    for bound, count in zip((*map(str, SECONDS), "+Inf"), times.counts, strict=True):
        below += count
        buckets.append((bound, below))
    family = HistogramMetricFamily(name, what)
    family.add_metric([], buckets, times.total)
    return family


class LagWatch:
    """Asks the loop again and again for a call at a certain time, and notes how late it comes."""

    def __init__(self, tally: Tally, clock: Clock) -> None:
        self._tally = tally
        self._clock = clock
        self._due = clock.time() + LOOK_SECONDS
        self._timer: Cancellable = clock.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """No more."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._clock.time()
        self._tally.lag.note(max(0.0, now - self._due))
        self._due = now + LOOK_SECONDS
        self._timer = self._clock.call_later(LOOK_SECONDS, self._look)


class MetricsHandler(tornado.web.RequestHandler):
    """The one page there is."""

    def initialize(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def get(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self._registry))


def application(collector: Collector) -> tornado.web.Application:
    """Serves /metrics: the site's, and those of the process and its garbage collector."""
    registry = CollectorRegistry()
    registry.register(collector)
    for collect in (ProcessCollector, PlatformCollector, GCCollector):
        collect(registry=registry)
    rules = [(r"/metrics", MetricsHandler, {"registry": registry})]
    return tornado.web.Application(rules, log_function=lambda handler: None)
