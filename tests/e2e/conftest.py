"""Knows how a test gets a browser, a server and people in a room; knows no test.

Tests are coroutines, all on one event loop of this folder: Playwright's objects, stand-in servers and clients in
Python live on it together. Fixtures that wait ask for `runner` and run their steps on it.
"""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Playwright, async_playwright

from tests.e2e.pages import Complaints, Guest, Visits, launch, launch_firefox
from tests.serving import Served, serve

Enter = Callable[..., Awaitable[Guest]]
Serving = Callable[..., Served]

BROWSER = "CHATSITE_TESTS_BROWSER"
"""The variable by which tests/run says which browser these tests are run in."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
    runner: Any = pyfuncitem.funcargs["runner"]
    runner.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="package")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="package")
def playwright(runner: asyncio.Runner) -> Iterator[Playwright]:
    manager = async_playwright()
    yield runner.run(manager.__aenter__())
    runner.run(manager.__aexit__())


@pytest.fixture(scope="package")
def browser(
    runner: asyncio.Runner, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """One browser for all: every person in it has a context of their own, which shares nothing with others."""
    if os.environ.get(BROWSER, "chromium") == "firefox":
        browser = runner.run(launch_firefox(playwright, tmp_path_factory.mktemp("firefox")))
    else:
        browser = runner.run(launch(playwright))
    yield browser
    runner.run(browser.close())


@pytest.fixture(scope="package")
def all_complaints() -> Complaints:
    return Complaints()


@pytest.fixture(autouse=True)
def complaints(runner: asyncio.Runner, all_complaints: Complaints) -> Iterator[Complaints]:
    """No test passes when a page complained of anything, or asked another host for anything.

    A test that brings complaints about says which: `complaints.expect("pattern")`.
    """
    yield all_complaints
    runner.run(all_complaints.settle())
    unexpected = all_complaints.unexpected
    all_complaints.heard.clear()
    all_complaints.expected.clear()
    assert unexpected == []


@pytest.fixture
def serving() -> Iterator[Serving]:
    """serving(**settings): a server of the test's own. It outlives the test's pages, which would miss it."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serve(**settings))


@pytest.fixture
def visits(
    runner: asyncio.Runner,
    browser: Browser,
    complaints: Complaints,
    serving: Serving,  # noqa: ARG001 -- asked for so that it ends later
) -> Iterator[Visits]:
    """Contexts that close after the test."""
    opened = Visits(browser, complaints)
    yield opened
    runner.run(opened.close())


@pytest.fixture(scope="module")
def module_visits(runner: asyncio.Runner, browser: Browser, all_complaints: Complaints) -> Iterator[Visits]:
    """Contexts that close after the module, for guests whom several tests share."""
    opened = Visits(browser, all_complaints)
    yield opened
    runner.run(opened.close())


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server for the module, with the module's SETTINGS, if it has any."""
    with serve(**getattr(request.module, "SETTINGS", {})) as served:
        yield served


@pytest.fixture
def enter(visits: Visits, server: Served) -> Enter:
    """enter(room, name, url=..., page=...) -> Guest, connected."""

    async def entered(room: str, name: str, *, url: str = server.url, page: Page | None = None) -> Guest:
        return await Guest.enter(page or await visits.page(), url, room, name)

    return entered


@pytest.fixture(scope="module")
def alice(runner: asyncio.Runner, module_visits: Visits, server: Served) -> Iterator[Guest]:
    """Somebody whom the module's tests share, in room-shared: to come in costs a second or more."""

    async def entered() -> Guest:
        return await Guest.enter(await module_visits.page(), server.url, "room-shared", "Alice")

    yield runner.run(entered())
    runner.run(module_visits.close())  # before the server goes, which the pages would miss


@pytest.fixture(scope="module")
def bobby(runner: asyncio.Runner, module_visits: Visits, server: Served, alice: Guest) -> Guest:
    """Somebody else, in the same room."""

    async def entered() -> Guest:
        bobby = await Guest.enter(await module_visits.page(), server.url, alice.room, "Bobby")
        await alice.see_people("Alice", "Bobby")
        return bobby

    return runner.run(entered())
