"""Knows how a test that is a coroutine is run, and which brokers have to keep the contract."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rooms.broker import Broker, Limits, MemoryBroker
from rooms.redis_broker import RedisBroker
from tests.fakes import FakeClock
from tests.redis_server import redis_server

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
        made: Any = pyfuncitem.funcargs.get("made", [])
        for broker in made:
            await broker.close()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def made() -> list[Broker]:
    """Every broker of a test, which are closed after it."""
    return []


@pytest.fixture(name="make_broker", params=["memory", "redis"])
def _make_broker(request: pytest.FixtureRequest, made: list[Broker]) -> BrokerMaker:
    """Every broker there is: the same suite holds all of them to the contract."""

    def memory(limits: Limits, clock: FakeClock) -> Broker:
        return MemoryBroker(limits, clock)

    def in_redis(limits: Limits, clock: FakeClock) -> Broker:
        import redis  # noqa: PLC0415

        url = request.getfixturevalue("redis_url")
        redis.Redis.from_url(url).flushall()
        broker = RedisBroker(url, limits, clock, now=clock.time)
        made.append(broker)
        return broker

    return memory if request.param == "memory" else in_redis
