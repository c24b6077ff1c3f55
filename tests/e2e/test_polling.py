"""Where WebSockets are refused, or never answered, the page gets in all the same, by polling; nobody on the page is
bothered with it, and all that holds for a line holds for this one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests.client import talking
from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import CUT_LINE, REFUSED, Complaints, Guest, Visits
from tests.proxy import Line
from tests.serving import Served

SETTINGS = {"log_size": 4}
UPGRADE = b"Upgrade: websocket"
SLOW_MS, TIMEOUT_MS = 5_000, 8_000

# All that the page has said about itself, also what it took back.
REMEMBER = """() => {
  const places = "#state-text, #state-detail, #say-seen, #say-status, #say-alert";
  window.told = new Set();
  const look = () => document.querySelectorAll(places).forEach(({ textContent }) => window.told.add(textContent));
  new MutationObserver(look).observe(document, { characterData: true, childList: true, subtree: true });
}"""
USUAL = {
    "",
    "Starting…",
    "Making the room’s key from its name. Slow on purpose: so is every guess.",
    "Connecting…",
    "Connected, encrypted end to end.",
}


@asynccontextmanager
async def refusing(port: int) -> AsyncIterator[Line]:
    """A line over which no WebSocket comes about."""
    async with Line(port, refuses_websocket=True) as line:
        yield line
        assert line.refused > 0, "no page has tried"


async def test_two_talk_where_no_websocket_is_let_through(
    visits: Visits, server: Served, complaints: Complaints
) -> None:
    complaints.expect(REFUSED)
    async with refusing(server.port) as line, talking(server.url, "room-refused", "Steve") as (steve,):
        pages = [await visits.page() for _ in range(2)]
        for page in pages:
            await page.add_init_script(f"({REMEMBER})()")
        alice, bobby = await asyncio.gather(
            *(
                Guest.enter(page, line.url, "room-refused", name)
                for page, name in zip(pages, ("Alice", "Bobby"), strict=True)
            )
        )
        await alice.say("Hello Bobby")
        await bobby.hears("Hello Bobby")
        await bobby.say("Hello Alice")
        for number in range(5):
            await alice.write(f"quick {number}")
        await steve.hears("get_message", 7)
        await steve.say("over a WebSocket of mine")
        said = ["Hello Bobby", "Hello Alice", *(f"quick {number}" for number in range(5)), "over a WebSocket of mine"]
        assert steve.texts == said
        for guest in (alice, bobby):
            await guest.see_texts(*said)
            await guest.see_people("Alice", "Bobby", "Steve")
            assert set(await guest.page.evaluate("() => Array.from(window.told)")) == USUAL
            await expect(guest.page.locator(".notice:not([data-kind=quiet])")).to_have_count(0)
        await bobby.leave()
        await alice.see_people("Alice", "Steve")
        await alice.leave()
        await steve.hears("user_left", 2)
        assert steve.comings_and_goings == ["new_user", "new_user", "user_left", "user_left"]


# Playwright does not hear of WebSockets over WebDriver BiDi.
@pytest.mark.chromium
async def test_a_websocket_that_is_not_answered_for_long(
    visits: Visits, server: Served, complaints: Complaints
) -> None:
    """The line takes it, and nothing comes of it: whoever waits is told so after a while, and gets in by polling. As
    soon as a WebSocket gets through, the page goes over to it, and nobody notices."""
    complaints.expect("WebSocket is closed before")
    async with Line(server.port) as line, talking(server.url, "room-later", "Steve") as (steve,):
        line.stall(UPGRADE)
        page = await visits.page()
        await page.clock.install()
        guest = await Guest.arrive(page, line.url, "room-later", "Guest")
        await guest.reaches("connecting")
        await guest.write("as soon as it goes")
        await expect(guest.detail).to_be_empty()
        await page.clock.fast_forward(SLOW_MS)
        await expect(guest.detail).to_have_text("This takes longer than usual.")
        await guest.reaches("connecting")
        async with page.expect_websocket(lambda websocket: "sid=" in websocket.url) as expected:
            await page.clock.fast_forward(TIMEOUT_MS - SLOW_MS)
        probe = await expected.value
        await guest.reaches("connected")
        await expect(guest.detail).to_be_empty()
        await expect(guest.message("as soon as it goes")).to_have_attribute("data-status", "sent")
        async with probe.expect_event("framesent", lambda said: said == "5"):
            line.flow()
            await guest.write("while it changes over")
        async with probe.expect_event("framesent", lambda said: "send_message" in said):
            await guest.say("and after")
        await steve.say("well heard")
        said = ["as soon as it goes", "while it changes over", "and after", "well heard"]
        await guest.see_texts(*said)
        assert steve.texts == said
        assert steve.comings_and_goings == ["new_user"]


async def test_a_gap_is_counted(enter: Enter, server: Served, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-gap", "Steve") as (steve,), refusing(server.port) as line:
        guest = await enter("room-gap", "Guest", url=line.url)
        await steve.say("seen")
        await guest.hears("seen")
        await line.cut()
        await guest.reaches("offline")
        await guest.write("mine")
        for number in range(7):
            await steve.say(f"message {number}")
        await line.mend()
        await guest.comes_back()
        await guest.see_texts("seen", "message 3", "message 4", "message 5", "message 6", "mine")
        await guest.see_notice("3 messages were missed", "warn")
        await expect(guest.notices).to_have_count(1)
        await steve.hears("get_message", 9)
        assert steve.texts.count("mine") == 1
        # No longer than the grace time, so nobody has noticed.
        assert steve.comings_and_goings == ["new_user"]


async def test_a_longer_break_is_a_leaving_and_a_coming(enter: Enter, complaints: Complaints, serving: Serving) -> None:
    complaints.expect(CUT_LINE)
    # A line that breaks between two polls is only missed by the next pong.
    hasty = serving(grace_time=0.2, ping_interval=1, ping_timeout=3)
    async with talking(hasty.url, "room-long", "Steve") as (steve,), refusing(hasty.port) as line:
        guest = await enter("room-long", "Guest", url=line.url)
        await line.cut()
        await guest.reaches("offline")
        await guest.write("wait for me")
        await steve.hears("user_left")
        await line.mend()
        await guest.comes_back()
        await steve.hears("get_message")
        await guest.say("here I am again")
        await steve.hears("get_message", 2)
        assert steve.texts == ["wait for me", "here I am again"]
        assert steve.comings_and_goings == ["new_user", "user_left", "new_user"]
