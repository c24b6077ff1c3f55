"""A tab that nobody looks at stays in the room; one that was put to sleep until the server gave it up comes back by
itself, and what waited goes out once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from playwright.async_api import Playwright

from tests.client import talking
from tests.e2e.conftest import Serving
from tests.e2e.pages import CUT_LINE, REFUSED, Complaints
from tests.e2e.tabs import Tab, Tabs, browsing
from tests.proxy import Line

# Tabs freeze and processes are found by Chromium's DevTools.
pytestmark = pytest.mark.chromium

Sleep = Callable[[Tabs, Tab], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def tabs(runner: asyncio.Runner, playwright: Playwright, all_complaints: Complaints) -> Iterator[Tabs]:
    manager = browsing(playwright, all_complaints)
    yield runner.run(manager.__aenter__())
    runner.run(manager.__aexit__(None, None, None))


@pytest.mark.parametrize("polls", [False, True], ids=["by-websocket", "by-polling"])
async def test_a_tab_behind_another_stays_and_hears(
    tabs: Tabs,
    serving: Serving,
    complaints: Complaints,
    polls: bool,
) -> None:
    """Its timers run once a minute: whoever relied on them would be given up long before."""
    complaints.expect(*[REFUSED] * polls)
    lively = serving(ping_interval=0.3, ping_timeout=10, grace_time=0.1)
    async with (
        talking(lively.url, "room-behind", "Steve") as (steve,),
        Line(lively.port, refuses_websocket=polls) as line,
        tabs.open() as tab,
    ):
        await tab.enter(line.url, "room-behind", "Guest")
        async with tabs.open():
            await tab.hides()
            await tab.answers(8)
            await steve.say("are you there?")
            await tab.hears("are you there?")
            await tab.write("behind another")
            await steve.hears("get_message", 2)
            await tab.answers(2)
            assert await tab.evaluate("document.hidden")
        assert steve.comings_and_goings == ["new_user"]
        await tab.to_front()
        await tab.reaches("connected")
        assert await tab.texts() == steve.texts == ["are you there?", "behind another"]
        assert await tab.notices() == []
        assert (line.refused > 0) is polls


@asynccontextmanager
async def frozen(tabs: Tabs, tab: Tab) -> AsyncIterator[None]:
    """As phones do to tabs that are not in front."""
    async with tabs.open():
        await tab.hides()
        await tab.lives("frozen")
        yield
        # Awake, it would have noticed by now that the server has ended the connection.
        await tab.reaches("connected")
        await tab.lives("active")
        await tab.to_front()


@asynccontextmanager
async def lid_closed(tabs: Tabs, tab: Tab) -> AsyncIterator[None]:
    assert not await tab.evaluate("document.hidden")
    async with tabs.asleep():
        yield


@pytest.mark.parametrize("sleeps", [frozen, lid_closed])
async def test_who_slept_until_the_server_gave_up_comes_back_by_itself(
    tabs: Tabs, serving: Serving, complaints: Complaints, sleeps: Sleep
) -> None:
    complaints.expect(CUT_LINE)
    lively = serving(ping_interval=0.5, ping_timeout=3, grace_time=0.3)
    async with talking(lively.url, "room-asleep", "Steve") as (steve,), Line(lively.port) as line, tabs.open() as tab:
        await tab.enter(line.url, "room-asleep", "Guest")
        line.drop("up")
        await tab.write("good night")
        async with sleeps(tabs, tab):
            await steve.hears("user_left")
            await steve.say("nobody there")
            line.flow()
        await steve.hears("get_message", 2)
        await tab.reaches("resynced", "connected")
        await tab.hears("nobody there")
        await tab.until("!document.querySelector('[data-status=pending]')")
        await tab.write("good morning")
        await steve.hears("get_message", 3)
        await tab.hears("good morning")
        assert await tab.texts() == steve.texts == ["nobody there", "good night", "good morning"]
        assert steve.comings_and_goings == ["new_user", "user_left", "new_user"]
        assert await tab.notices() == []
