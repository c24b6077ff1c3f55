"""Knows how a test that is a coroutine is run, and which brokers have to keep the contract."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rooms.broker import Broker, Limits, MemoryBroker
from rooms.redis_broker import RedisBroker
from tests.fakes import FakeClock
from tests.redis_cluster import RedisCluster, redis_cluster
from tests.redis_server import RedisServer, started

BrokerMaker = Callable[[Limits, FakeClock], Broker]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine to its end, in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(_and_close(pyfuncitem, arguments))
    return True


async def _and_close(pyfuncitem: pytest.Function, arguments: dict[str, Any]) -> None:
    try:
        await pyfuncitem.obj(**arguments)
    finally:
        made: list[Broker] = pyfuncitem.funcargs.get("made", [])  # type: ignore[assignment]
        for broker in made:
            await broker.close()


@pytest.fixture(scope="session")
def plain_redis() -> Iterator[RedisServer]:
    with started() as server:
        yield server


@pytest.fixture(scope="session")
def tls_redis() -> Iterator[RedisServer]:
    with started(tls=True, password="a/b@c:d%e") as server:  # noqa: S106 - what a URL must escape
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as running:
        yield running


@pytest.fixture
def redis_url(plain_redis: RedisServer) -> str:
    return plain_redis.url


@pytest.fixture
def made() -> list[Broker]:
    """Every broker of a test, which are closed after it."""
    return []


SERVERS = {"redis": "plain_redis", "redis-tls": "tls_redis", "redis-cluster": "cluster"}


@pytest.fixture(name="make_broker", params=["memory", *SERVERS])
def _make_broker(request: pytest.FixtureRequest, made: list[Broker]) -> BrokerMaker:
    """Every broker there is: the same suite holds all of them to the contract."""

    def memory(limits: Limits, clock: FakeClock) -> Broker:
        return MemoryBroker(limits, clock)

    def in_redis(limits: Limits, clock: FakeClock) -> Broker:
        server: RedisServer | RedisCluster = request.getfixturevalue(SERVERS[request.param])
        server.flush()
        broker = RedisBroker(server.url, limits, clock, now=clock.time)
        made.append(broker)
        return broker

    return memory if request.param == "memory" else in_redis
