"""On a phone: the keyboard covers nothing that is needed, a pull does not load the page anew, and at 400 % or in the
system's own colours everything can still be used."""

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.client import talking
from tests.e2e.conftest import Serving
from tests.e2e.pages import Guest, Visits
from tests.serving import Served

PHONE: ViewportSize = {"width": 390, "height": 844}
ABOVE_KEYBOARD = 480
ZOOMED: ViewportSize = {"width": 320, "height": 256}
"""A window of 1280 by 1024 at 400 %. Source: WCAG 2.2, 1.4.10."""
PANELS = ("settings", "invite", "emoji")

# Headless browsers have no keyboard to lay over a page: this is what the page is told by those that do.
COVERED = f"""
const seen = Object.assign(new EventTarget(), {{ scale: 1, offsetTop: 0, height: innerHeight }});
Object.defineProperty(window, "visualViewport", {{ value: seen }});
globalThis.cover = () => {{
  seen.height = {ABOVE_KEYBOARD};
  seen.dispatchEvent(new Event("resize"));
}};
"""


async def bottom_of(page: Page, selector: str) -> float:
    bottom: float = await page.locator(selector).evaluate("element => element.getBoundingClientRect().bottom")
    return bottom


async def sideways(page: Page) -> int:
    """By how many pixels the page can be scrolled sideways."""
    more: int = await page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return more


@pytest.mark.parametrize("resizes", [True, False], ids=["resizes", "covers"])
async def test_the_keyboard_covers_neither_what_is_written_nor_what_was_said(
    visits: Visits, server: Served, resizes: bool
) -> None:
    page = await visits.page(viewport=PHONE)
    await page.add_init_script(COVERED if not resizes else "")
    guest = await Guest.enter(page, server.url, f"room-keyboard-{resizes}", "Guest")
    async with talking(server.url, guest.room, "Steve") as (steve,):
        for number in range(30):
            await steve.say(f"line {number}")
        await expect(guest.message("line 29")).to_be_in_viewport()
        await guest.text.focus()
        if resizes:
            await page.set_viewport_size({"width": PHONE["width"], "height": ABOVE_KEYBOARD})
        else:
            await page.evaluate("() => cover()")
        for selector in ("#text", "#messages li.message:last-child"):
            while await bottom_of(page, selector) > ABOVE_KEYBOARD:
                await page.evaluate("() => new Promise(requestAnimationFrame)")
        await guest.say("written above it")
        assert await bottom_of(page, "#text") <= ABOVE_KEYBOARD


async def test_a_pull_at_the_top_does_not_load_the_room_anew(visits: Visits, server: Served) -> None:
    guest = await Guest.enter(await visits.page(viewport=PHONE), server.url, "room-pull", "Guest")
    for selector in ("html", "#stream"):
        behaviour = await guest.page.locator(selector).evaluate("box => getComputedStyle(box).overscrollBehaviorY")
        assert behaviour in {"none", "contain"}, selector


async def test_at_four_hundred_percent_all_of_it_is_within_reach(visits: Visits, serving: Serving) -> None:
    served = serving()
    page = await visits.page(viewport=ZOOMED)
    guest = await Guest.enter(page, served.url, "room-zoomed", "Guest")
    async with talking(served.url, guest.room, "Steve") as (steve,):
        await steve.say("a-word-that-is-longer-than-the-window-is-wide-and-cannot-be-broken-anywhere-but-must-be")
        await guest.say("read with a magnifying glass")
        await expect(guest.message("magnifying")).to_be_in_viewport()
        assert await sideways(page) == 0
        for panel in PANELS:
            await page.locator(f"#{panel}-toggle").click()
            if panel == "emoji":
                await expect(page.locator("#emoji-count")).not_to_be_empty()
            last = page.locator(f"#{panel} :is(button, select, input)").last
            await last.scroll_into_view_if_needed()
            await expect(last).to_be_in_viewport()
            assert await sideways(page) == 0
            await page.keyboard.press("Escape")
        await page.locator("#shield").click()
        await page.locator("#show-key").scroll_into_view_if_needed()
        await expect(page.locator("#show-key")).to_be_in_viewport()
        assert await sideways(page) == 0
        await page.keyboard.press("Escape")
        await page.locator("#people-toggle").click()
        await expect(guest.people.first).to_be_in_viewport()


# The system's colours are Chromium's to imitate.
@pytest.mark.chromium
async def test_in_the_systems_colours_states_are_still_told_apart(visits: Visits, server: Served) -> None:
    """Backgrounds are gone then: whatever said something by them alone says nothing."""
    page = await visits.page(forced_colors="active")
    guest = await Guest.enter(page, server.url, "room-forced", "Guest")
    await guest.say("mine")
    await guest.point_at(guest.message("mine"))
    await page.locator("#acts [data-choice=react]").first.click()
    await expect(page.locator(".signs [aria-pressed=true]")).to_have_css("outline-style", "solid")
    await guest.text.fill("/")
    offers = page.locator("#completion li")
    await expect(offers.first).to_have_css("outline-style", "solid")
    await expect(offers.last).to_have_css("outline-style", "none")
