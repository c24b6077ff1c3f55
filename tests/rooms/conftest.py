"""Knows how a test that is a coroutine is run, and which brokers have to keep the contract."""

import asyncio
import inspect
from collections.abc import Callable

import pytest

from rooms.broker import Broker, Limits, MemoryBroker
from tests.fakes import FakeClock

BrokerMaker = Callable[[Limits, FakeClock], Broker]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine to its end, in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}))
    return True


@pytest.fixture(name="make_broker", params=[MemoryBroker])
def _make_broker(request: pytest.FixtureRequest) -> BrokerMaker:
    """Every broker there is: the same suite holds all of them to the contract."""
    maker: BrokerMaker = request.param
    return maker
