"""Nothing that axe-core finds fault with, on any page, in any state, in any colours, on any width."""

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.client import talking
from tests.e2e.pages import DESKTOP, Complaints, Guest, Login, Visits
from tests.e2e.test_files import file, png
from tests.programs import ROOT
from tests.serving import Served

SETTINGS = {"events_per_connection": "10, 1000"}
AXE = (ROOT / "tests/node/node_modules/axe-core/axe.min.js").read_text("utf-8")
FAULTS = """() => axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id} (${help}): ${target}`)))"""
STILL = """() => Promise.all(document.getAnimations()
  .filter(({ effect }) => Number.isFinite(effect.getComputedTiming().endTime))
  .map(({ finished }) => finished.catch(() => null)))"""
PHONE: ViewportSize = {"width": 390, "height": 844}
THEMES = ["dark", "light", "contrast"]


async def faults(page: Page) -> list[str]:
    """At every level, also of what is only recommended."""
    # What is still moving has colours of its own.
    await page.evaluate(STILL)
    await page.evaluate(AXE)
    found: list[str] = await page.evaluate(FAULTS)
    return found


async def dressed(visits: Visits, theme: str, size: ViewportSize) -> Page:
    page = await visits.page(viewport=size, reduced_motion="reduce")
    # Pages without an origin have no storage.
    await page.add_init_script(f"if (origin !== 'null') sessionStorage.setItem('chatsite.theme', '{theme}')")
    return page


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", THEMES)
async def test_login(visits: Visits, server: Served, complaints: Complaints, theme: str, size: ViewportSize) -> None:
    complaints.expect(r"404")
    page = await dressed(visits, theme, size)
    login = await Login.open(page, server.url)
    await expect(login.room).to_be_enabled()
    assert await faults(page) == []
    await login.type_names("room-1", "a")
    await expect(login.strength).not_to_be_empty()
    await expect(login.username_hint).to_have_text("At least 3 characters.")
    assert await faults(page) == []
    await page.goto(f"{server.url}/help")
    assert await faults(page) == []
    for path in ("/nowhere", "/offline"):
        await page.goto(f"{server.url}{path}")
        assert await faults(page) == []


async def test_from_right_to_left(visits: Visits, server: Served) -> None:
    page = await visits.page(viewport=PHONE, locale="ar")
    login = await Login.open(page, server.url)
    await login.type_names("room-1", "a")
    await expect(login.strength).not_to_be_empty()
    assert await faults(page) == []
    await page.goto(f"{server.url}/help")
    assert await faults(page) == []
    guest = await Guest.enter(page, server.url, "room-axe-arabic", "Guest")
    await guest.say("hello")
    assert await faults(page) == []


# A content process of Firefox 153 dies (signal 11) when the key is made while axe has looked at so much.
@pytest.mark.chromium
@pytest.mark.parametrize(
    ("theme", "size"),
    [*((theme, PHONE) for theme in THEMES), ("dark", DESKTOP)],
    ids=["dark-phone", "light-phone", "contrast-phone", "desktop"],
)
async def test_room(visits: Visits, server: Served, theme: str, size: ViewportSize) -> None:
    page = await dressed(visits, theme, size)
    guest = await Guest.enter(page, server.url, "room-axe", "Guest")
    async with talking(server.url, "room-axe", "Steve") as (steve,):
        assert await faults(page) == []
        await steve.say("hello @Guest: https://example.org/ **bold** `code`")
        await steve.say(
            "> a quote\n```\ncode that is longer than the page is wide, as code sometimes is\n```\nand more"
        )
        await guest.say("a message")
        await guest.write("/help")
        await guest.write("/me waves")
        await guest.hears("waves")
        line = guest.message("a message")
        await guest.point_at(line)
        await page.locator("#acts [data-choice=react]").first.click()
        await expect(line.locator(".signs button")).to_have_count(1)
        await guest.point_at(line)
        await page.locator("#acts [data-choice=reply]").click()
        await guest.say("an answer")
        await guest.point_at(guest.message("an answer"))
        await page.locator("#acts [data-choice=erase]").click()
        assert await faults(page) == []
        await page.mouse.move(0, 0)
        await guest.allow(links=False, characters=False)
        assert await faults(page) == []
        await page.locator("#file").set_input_files(
            [file("photo.png", png(40, 30), "image/png"), file("a.webm", b"?", "audio/webm")]
        )
        await expect(page.locator(".file img")).to_be_visible()
        await expect(page.locator(".file audio")).to_be_visible()
        assert await faults(page) == []
        await guest.text.press_sequentially("@S")
        await expect(page.locator("#completion li")).to_have_count(1)
        assert await faults(page) == []
        await guest.text.fill("x" * 10_001)
        assert await faults(page) == []
        await guest.text.fill("")
        for panel in ("invite", "settings", "emoji"):
            await page.locator(f"#{panel}-toggle").click()
            await expect(page.locator(f"#{panel}")).to_be_visible()
            assert await faults(page) == []
            await page.keyboard.press("Escape")
        await page.locator("#shield").click()
        await page.locator("#show-key").click()
        await expect(page.locator("#room-key")).to_be_visible()
        assert await faults(page) == []
        await page.keyboard.press("Escape")
        if size is PHONE:
            await page.locator("#people-toggle").click()
        await guest.people.first.locator("summary").click()
        assert await faults(page) == []
