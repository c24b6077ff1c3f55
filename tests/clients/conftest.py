"""Knows how a test gets the official clients, each at home once for all tests that it takes part in; knows no test.

Tests that ask for `runner` are coroutines on one event loop of this folder, which the clients' homes live on, too.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients.official import Home
from tests.clients.pythons import AsyncioClient, PythonHome, ThreadsClient
from tests.clients.scripts import ChromiumHome, NodeHome

HOMES: dict[str, Callable[[], Home]] = {
    "node-4.0": lambda: NodeHome("socket.io-client-4.0"),
    "node-4.4": lambda: NodeHome("socket.io-client-4.4"),
    "node-4.7": lambda: NodeHome("socket.io-client-4.7"),
    "node-newest": NodeHome,
    "chromium-newest": ChromiumHome,
    "asyncio": lambda: PythonHome("asyncio", AsyncioClient),
    "threads": lambda: PythonHome("threads", ThreadsClient),
}


def at_home(*names: str) -> pytest.MarkDecorator:
    """The fixture `home` for these only."""
    return pytest.mark.parametrize("home", [HOMES[name] for name in names], ids=names, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    runner: Any = pyfuncitem.funcargs.get("runner")
    if runner is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    runner.run(pyfuncitem.obj(**{name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}))
    return True


@pytest.fixture(scope="package")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="package", params=HOMES.values(), ids=list(HOMES))
def home(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Home]:
    """Where clients of one kind and version live."""
    home: Home = request.param()
    runner.run(home.start())
    yield home
    runner.run(home.stop())
