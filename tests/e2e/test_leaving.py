"""Whoever leaves, by whatever way, is gone for everybody, once, and no ghost stays."""

import asyncio
import os
import signal

import pytest
from playwright.async_api import Playwright, expect

from tests.client import Client, talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import Complaints, Guest, Visits, launch, processes_of
from tests.serving import Served

# Pages and browsers crash by Chromium's DevTools.
pytestmark = pytest.mark.chromium

SETTINGS = {"grace_time": 0.5}


async def nobody_else_is_here(steve: Client, watcher: Guest) -> None:
    """A newcomer is told the same by the server: nobody but those who are here."""
    await watcher.see_people("Watcher", "Steve")
    async with Client(steve.url) as late:
        await late.join(watcher.room, "Later")
        assert sorted(late.names().values()) == ["Later", "Steve", "Watcher"]
        await watcher.see_people("Watcher", "Steve", "Later")
    await watcher.see_people("Watcher", "Steve")


async def test_by_the_button_by_closing_the_tab_and_by_a_crash(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-leaving", "Steve") as (steve,):
        watcher, *others = await asyncio.gather(
            *(enter("room-leaving", name) for name in ("Watcher", "Button", "Closer", "Crasher"))
        )
        button, closer, crasher = others
        await watcher.see_people("Watcher", "Steve", "Button", "Closer", "Crasher")
        await button.leave()
        await watcher.see_people("Watcher", "Steve", "Closer", "Crasher")
        await closer.page.close()
        await watcher.see_people("Watcher", "Steve", "Crasher")
        await crasher.crash()
        await watcher.see_people("Watcher", "Steve")
        # A second word about the first two would have come before this one, which waited for the grace time.
        assert len(steve.all("user_left")) == 3
        for name in ("Button", "Closer", "Crasher"):
            await expect(watcher.notices.filter(has_text=f"{name} (").filter(has_text="left")).to_have_count(1)
        await nobody_else_is_here(steve, watcher)


async def test_by_a_crash_of_the_whole_browser(
    enter: Enter, server: Served, playwright: Playwright, complaints: Complaints
) -> None:
    async with talking(server.url, "room-power", "Steve") as (steve,):
        watcher = await enter("room-power", "Watcher")
        doomed = await launch(playwright)
        victim = await Guest.enter(await Visits(doomed, complaints).page(), server.url, "room-power", "Victim")
        await watcher.see_people("Watcher", "Steve", "Victim")
        session = await doomed.new_browser_cdp_session()
        processes = await processes_of(session)
        gone = asyncio.Event()
        doomed.once("disconnected", lambda _: gone.set())
        for process in processes:
            os.kill(process, signal.SIGKILL)
        await gone.wait()
        await watcher.see_people("Watcher", "Steve")
        assert len(steve.all("user_left")) == 1
        assert victim.page.is_closed()
        await nobody_else_is_here(steve, watcher)


async def test_whoever_goes_elsewhere_has_left(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-elsewhere", "Steve") as (steve,):
        guest = await enter("room-elsewhere", "Guest")
        await guest.page.goto("about:blank")
        await steve.hears("user_left")
        assert len(steve.all("user_left")) == 1
