"""What one running site consists of, put together from the settings; serves nothing by itself.

With chatsite.py the only file that constructs the parts of the house.
"""

import asyncio
import contextlib
import functools
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tornado.web

from envelope import ServerKey
from handlers import routes
from handlers.address import Addresses
from handlers.assets import Assets
from handlers.base import NotFoundHandler
from handlers.client import Client
from handlers.connections import Connections
from handlers.gate import Gate
from handlers.languages import read_languages
from handlers.line import Lines
from handlers.pages import PageFacts
from metrics import Present
from protocol.session import Timing
from protocol.socketio import DEFAULT_NAMESPACE
from rooms.broker import Broker, Limits, MemoryBroker
from rooms.chat import ChatNamespace
from rooms.guest import Policy
from rooms.hub import Hub
from rooms.join import Door
from rooms.limits import Flow, Quotas, Rate, Traffic
from rooms.model import MAX_TEXT
from rooms.shares import Common, Shares
from rooms.tally import Tally
from settings import Settings

HOUSE = Path(__file__).resolve().parent

RSA_THREADS = 1
"""An RSA operation does not hold the interpreter's lock, what is around it does. One thread is enough for the nine
hundred clients a second that a core can seat; of two, one could be kept from running by the other while it holds the
lock that the loop waits for."""
RSA_NICENESS = 10
"""Where both want the same core, messages come before joins."""
RETURNS_A_SECOND = 500
"""Clients that are let go in a second when the site stops: those who come back find a server that can let them in."""
CLOSE_SECONDS = 5.0
"""How long connections may take to say goodbye."""


def _step_back() -> None:
    """This thread gives way to the loop's, where the system knows niceness of threads (Linux) and allows it (as a
    service it does not: config/chatsite.service). A thread that failed here would open no join."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), RSA_NICENESS)


@dataclass(frozen=True, slots=True)
class Rules:
    """The part of the settings that may change while the site is open, as its parts want it."""

    limits: Limits
    policy: Policy
    timing: Timing
    connections: int
    connections_each: int
    requests_each: Rate
    drain_time: float

    @classmethod
    def of(cls, chosen: Settings) -> "Rules":
        """All other settings make no difference."""
        return cls(
            _limits(chosen),
            _policy(chosen),
            _timing(chosen),
            chosen.max_connections,
            chosen.connections_per_address,
            Rate(*chosen.requests_per_address),
            chosen.drain_time,
        )


class NoBroker(Exception):
    """One line: why there can be no rooms with these settings."""


class BrokerAway(NoBroker):
    """One line: why the rooms cannot be reached now; later they may be."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What several nodes stand on: rooms, limits, the salt of their site, and a key to tell addresses apart by."""

    broker: Broker
    common: Common
    salt: bytes
    address_key: bytes


async def shared_ground(chosen: Settings, salt: bytes | None, loop: asyncio.AbstractEventLoop) -> Ground:
    """`salt`: what this node has been using, if it has. Raises NoBroker."""
    try:
        # Only where it is wanted: the library comes with the extra "redis".
        from rooms.redis_broker import RedisBroker  # noqa: PLC0415
        from rooms.redis_link import Away  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise NoBroker("broker: the client for Redis is not installed; run: pip install -e '.[redis]'") from error
    try:
        broker = RedisBroker(chosen.broker, _limits(chosen), loop, chosen.lease_time)
    except ValueError as error:
        raise NoBroker(f"broker: {error}; expected an address such as redis://127.0.0.1:6379/0") from error
    try:
        await broker.open()
        return Ground(broker, broker.site, *await broker.site.agree(salt))
    except Away as error:
        await broker.close()
        raise BrokerAway(f"broker: Redis cannot be asked ({error}); expected one that runs") from error


class Site:
    """All the parts of one running site."""

    def __init__(
        self,
        chosen: Settings,
        assets: Assets,
        salt: bytes,
        loop: asyncio.AbstractEventLoop,
        *,
        vouched: bool,
        ground: Ground | None = None,
    ) -> None:
        """`vouched`: a certificate that browsers take as it is stands for this site, if it is asked by https. `ground`:
        what several nodes share; without it rooms are in memory."""
        self._loop = loop
        self._common = ground.common if ground else None
        self._shares: Shares | None = None
        self._pool = ThreadPoolExecutor(RSA_THREADS, "join", _step_back)
        self.tally = Tally()
        self._lines = Lines(loop, self.tally)
        self._rules = rules = Rules.of(chosen)
        self.broker: Broker = ground.broker if ground else MemoryBroker(rules.limits, loop)
        self.chat = ChatNamespace(
            Door(ServerKey(), salt),
            self.broker,
            Hub(self._lines.soon, self.tally),
            rules.policy,
            loop,
            functools.partial(loop.run_in_executor, self._pool),
            self.tally,
        )
        namespaces = {DEFAULT_NAMESPACE: self.chat}
        self.connections = Connections(
            lambda connection: Client(connection, namespaces, self._rules.timing.max_payload),
            rules.timing,
            loop,
            rules.connections,
            rules.connections_each,
            self.tally,
        )
        self.addresses = Addresses(
            chosen.proxies if chosen.behind_proxy else (), ground.address_key if ground else None
        )
        facts = PageFacts(
            filter_punctuation=chosen.filter_punctuation,
            filter_links=chosen.filter_links,
            label_filtered=chosen.label_filtered,
            label_link=chosen.label_link,
            max_text=MAX_TEXT,
            max_file=chosen.max_file,
        )
        application = tornado.web.Application(
            routes(assets, facts, salt, self.connections, self._lines, chosen.allowed_origins, self.addresses),
            default_handler_class=NotFoundHandler,
            template_path=str(HOUSE / "templates"),
            assets=assets,
            languages=read_languages(HOUSE / "locale"),
            strict=self.addresses.by_https if vouched else None,
            compress_response=True,  # nothing that is served is secret, so its compressed size tells nothing
            log_function=lambda handler: None,  # an access log is user data
        )
        self.gate = Gate(application, self.addresses, rules.requests_each, loop.time, self.tally)

    def present(self) -> Present:
        """How many there are now."""
        rooms, members = self.broker.count()
        return Present(self.connections.count(), rooms, members, self.broker.log_bytes, self.broker.up)

    async def start(self) -> None:
        """The rooms are open."""
        await self.chat.start()
        if self._common is not None:
            self._shares = Shares(
                self._common,
                lambda: self.chat.meters,
                self.connections,
                lambda: self.connections.at_most_each,
                self._loop,
            )

    def obey(self, rules: Rules) -> None:
        """Other limits and times."""
        self._rules = rules
        self.broker.obey(rules.limits)
        self.chat.obey(rules.policy)
        self.connections.obey(rules.timing, rules.connections, rules.connections_each)
        self.gate.obey(rules.requests_each)

    async def close(self) -> None:
        """Lets everybody go and leaves nothing behind."""
        self.chat.refuse_all()
        drained = asyncio.Event()
        self.connections.drain(min(self._rules.drain_time, len(self.connections) / RETURNS_A_SECOND), drained.set)
        await drained.wait()
        self._lines.settle()  # what was said and answered until now is told first
        self.connections.close()
        await self._lines.close(CLOSE_SECONDS)
        if self._shares is not None:
            await self._shares.close()
        await self.chat.close()
        await self.broker.close()
        # Joins that wait there belong to nobody any more and end at once; cancelled, each would look like a bug.
        await asyncio.to_thread(self._pool.shutdown)


def _limits(chosen: Settings) -> Limits:
    return Limits(
        chosen.log_size,
        chosen.message_ttl,
        chosen.empty_room_ttl,
        chosen.max_room_members,
        chosen.max_rooms,
        chosen.room_log_bytes,
        chosen.log_bytes,
    )


def _timing(chosen: Settings) -> Timing:
    return Timing(
        ping_interval=chosen.ping_interval,
        ping_timeout=chosen.ping_timeout,
        connect_timeout=chosen.connect_timeout,
        max_payload=chosen.max_payload,
        outbox_bytes=chosen.outbox_bytes,
    )


def _policy(chosen: Settings) -> Policy:
    return Policy(chosen.grace_time, chosen.message_ttl, chosen.join_timeout, _quotas(chosen), _flow(chosen))


def _flow(chosen: Settings) -> Flow:
    return Flow(chosen.max_file, *chosen.file_rate)


def _quotas(chosen: Settings) -> Quotas:
    """The rates of the chat."""

    def traffic(events: tuple[float, float], size: tuple[float, float]) -> Traffic:
        return Traffic(Rate(*events), Rate(*size))

    return Quotas(
        socket=traffic(chosen.events_per_connection, chosen.bytes_per_connection),
        address=traffic(chosen.events_per_address, chosen.bytes_per_address),
        room=traffic(chosen.events_per_room, chosen.bytes_per_room),
        address_joins=Rate(*chosen.joins_per_address),
        room_joins=Rate(*chosen.joins_per_room),
        attempts=chosen.joins_per_connection,
        refusals=Rate(*chosen.refusals_per_connection),
    )
