"""Everything that a mouse can do, the keyboard can do alone."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.client import talking
from tests.e2e.pages import Guest, Login, Visits
from tests.serving import Served

MOST_TABS = 25
"""More than there are stops on either page."""


async def tab_to(page: Page, target: Locator) -> None:
    """Until the target has the focus, and shows it."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await target.evaluate("target => target === document.activeElement"):
            assert await target.evaluate("target => target.matches(':focus-visible')")
            outline = await target.evaluate(
                "target => { const { outlineStyle, boxShadow } = getComputedStyle(target);"
                " return outlineStyle + boxShadow; }"
            )
            assert outline != "nonenone"
            return
    raise AssertionError(f"no way to {target} with the Tab key")


# In Firefox the Tab key leads out of the page, to the browser's own buttons, before it comes back.
@pytest.mark.chromium
async def test_from_login_to_leaving(visits: Visits, server: Served) -> None:
    async with talking(server.url, "room-keys", "Steve") as (steve,):
        page = await visits.page()
        press, login, guest = page.keyboard.press, await Login.open(page, server.url), Guest(page, "room-keys", "Guest")
        await expect(login.room).to_be_enabled()

        await tab_to(page, login.room)
        await expect(login.room).to_have_value("room-")
        await page.keyboard.type("keys")
        await tab_to(page, login.username)
        await page.keyboard.type("Guest")
        await tab_to(page, login.enter)
        await press("Enter")
        await page.wait_for_url("**/room")
        await guest.reaches("connected")

        await tab_to(page, guest.text)
        await page.keyboard.type("by hand: https://example.org/")
        await tab_to(page, guest.send)
        await press("Space")
        await steve.hears("get_message")
        await guest.see_texts("by hand: https://example.org/")

        await tab_to(page, guest.links)
        await press("Space")
        await guest.see_texts("a link was posted")
        await press("Space")
        await guest.see_texts("by hand: https://example.org/")

        shield = page.locator("#shield")
        await tab_to(page, shield)
        await press("Enter")
        await expect(guest.shield).to_be_visible()
        await tab_to(page, page.locator("#show-key"))
        await press("Enter")
        await expect(page.locator("#room-key")).to_be_visible()
        await press("Escape")
        await expect(guest.shield).to_be_hidden()
        await expect(shield).to_be_focused()

        await tab_to(page, page.locator("#stream"))
        await tab_to(page, guest.people.first.locator("summary"))
        await press("Enter")
        await expect(guest.people.first.locator(".print")).to_be_visible()

        await tab_to(page, page.locator("#leave"))
        await press("Enter")
        await page.wait_for_url(f"{server.url}/")
        await steve.hears("user_left")


async def test_the_drawer_of_people_on_a_phone(visits: Visits, server: Served) -> None:
    page = await visits.page(viewport={"width": 390, "height": 844})
    guest = await Guest.enter(page, server.url, "room-drawer", "Guest")
    toggle = page.locator("#people-toggle")
    await expect(guest.people.first).to_be_hidden()
    await tab_to(page, toggle)
    await page.keyboard.press("Enter")
    await expect(guest.people.first).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(guest.people.first).to_be_hidden()
    await expect(toggle).to_be_focused()
