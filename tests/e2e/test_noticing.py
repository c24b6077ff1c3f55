"""Who looks elsewhere is told that something was said, and not what."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import Playwright, expect

from tests.client import talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import Complaints, Visits
from tests.e2e.tabs import Tabs, browsing
from tests.serving import Served

# Counts what a page would have shown outside of itself, and shows it nowhere.
NOTED = """
window.noted = [];
window.Notification = class extends EventTarget {
  static requestPermission = async () => 'ALLOWED';
  constructor(title, options) { super(); window.noted.push([title, options.body]); }
};
window.rung = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { window.rung++; return start.apply(this, at); };
"""
AWAY = """
Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
"""


@pytest.fixture(scope="module")
def tabs(runner: asyncio.Runner, playwright: Playwright, all_complaints: Complaints) -> Iterator[Tabs]:
    manager = browsing(playwright, all_complaints)
    yield runner.run(manager.__aenter__())
    runner.run(manager.__aexit__(None, None, None))


async def test_a_tab_behind_another_counts_in_its_title_and_icon(tabs: Tabs, server: Served) -> None:
    icon = "document.querySelector('link[rel=icon]').href.split('/').pop()"
    async with talking(server.url, "room-count", "Steve") as (steve,), tabs.open() as tab:
        await steve.say("before")
        await tab.enter(server.url, "room-count", "Guest")
        await tab.hears("before")
        async with tabs.open():
            await tab.hides()
            assert await tab.evaluate("document.title") == "Room – Chatsite"
            await steve.say("one")
            await steve.say("two")
            await tab.hears("two")
            assert await tab.evaluate("document.title") == "(2) Room – Chatsite"
            assert await tab.evaluate(icon) == "icon-unread.svg"
        await tab.to_front()
        await tab.until("document.title === 'Room – Chatsite'")
        assert await tab.evaluate(icon) == "icon.svg"


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "forbidden"])
async def test_sound_and_notification_when_wanted_without_contents(
    visits: Visits, enter: Enter, server: Served, allowed: bool
) -> None:
    page = await visits.page()
    await page.add_init_script(NOTED.replace("ALLOWED", "granted" if allowed else "denied"))
    guest = await enter("room-bell", "Guest", page=page)
    async with talking(server.url, "room-bell", "Steve") as (steve,):
        await page.evaluate(AWAY)
        await steve.say("nobody asked for a bell")
        await guest.hears("nobody asked")
        assert await page.evaluate("() => [window.rung, window.noted.length]") == [0, 0]
        await page.locator("#settings-toggle").click()
        await page.locator("#option-sound").check()
        await page.locator("#option-desktop").click()
        if not allowed:
            await expect(page.locator("#say-seen")).to_have_text(
                "The browser does not allow notifications for this site."
            )
            await expect(page.locator("#option-desktop")).not_to_be_checked()
        assert await page.evaluate("() => window.rung") == 1  # so that one knows what to listen for
        await page.evaluate("() => { Date.now = ((now, late) => () => now() + late)(Date.now.bind(Date), 5000); }")
        await steve.say("the bell is for this")
        await guest.hears("the bell is for this")
        await page.wait_for_function("() => window.rung === 2")  # a moment after the words are there
        noted = await page.evaluate("() => window.noted")
        assert noted == ([["Room – Chatsite", "Something was said."]] if allowed else [])
        await page.locator("#option-quiet").check()
        await page.evaluate("() => { Date.now = ((now, late) => () => now() + late)(Date.now.bind(Date), 5000); }")
        await steve.say("quiet now")
        await guest.hears("quiet now")
        assert await page.evaluate("() => [window.rung, window.noted.length]") == [2, int(allowed)]
        assert await page.title() != "Room – Chatsite"
