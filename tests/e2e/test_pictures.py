"""Every view in every size: nothing sticks out sideways, and there is a picture for people to look at.

PICTURES=FOLDER keeps the pictures there; README_PICTURE=docs/room.png makes the README's.
"""

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.client import talking
from tests.e2e.pages import DESKTOP, Complaints, Guest, Login, Visits
from tests.serving import Served

# The style with which Playwright makes animations stand still is an inline one: Firefox's policy refuses it.
pytestmark = pytest.mark.chromium

SETTINGS = {"events_per_connection": "10, 1000"}
SIZES: dict[str, ViewportSize] = {
    "desktop": DESKTOP,
    "390": {"width": 390, "height": 844},
    "320": {"width": 320, "height": 568},
}
ROOM = "velvet-otter-lantern-maple-orbit-canyon-tulip"


class Album:
    """Pictures, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def add(self, page: Page, view: str, size: str) -> None:
        """Takes the picture; refuses a page that can be scrolled sideways."""
        width, room = await page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width <= room, f"{view} is {width} pixels wide on a screen of {room}"
        await page.screenshot(path=self.folder / f"{view}-{size}.png", animations="disabled")


@pytest.fixture
def album(tmp_path: Path) -> Album:
    folder = Path(os.environ.get("PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return Album(folder)


async def converse(guest: Guest, url: str, size: str, album: Album) -> None:
    """A nice conversation in which everything occurs that the room has to show."""
    async with talking(url, guest.room, "Steve", "Marguerite") as (steve, marguerite):
        await marguerite.say("Did everybody find the way in?")
        await steve.say("Yes, the seven words were enough 😀")
        await steve.say("I compared the room’s fingerprint with Marguerite over the phone: it is the same.")
        await guest.say("Mine too. So what the server sees is what runs by over there, and no more?")
        await marguerite.say("Just that, and when we write. Steve, where do we meet?")
        await steve.say("At the old mill, like last year: https://maps.example.org/old-mill?way=from+the+station")
        await steve.say("Bring <warm> things & tea")
        await guest.say("Splendid.\nI’ll bring the lantern, and whoever wants can come along from the station at six.")
        await guest.see_people(guest.name, "Steve", "Marguerite")
        await guest.hears("lantern")
        await show(guest, size, album)


async def show(guest: Guest, size: str, album: Album) -> None:
    page = guest.page
    await album.add(page, "room", size)
    if size == "desktop" and "README_PICTURE" in os.environ:
        await page.screenshot(path=os.environ["README_PICTURE"], animations="disabled")
    await guest.allow(links=False, characters=False)
    await album.add(page, "filters", size)
    await guest.allow(links=True, characters=True)
    await page.locator("#shield").click()
    await page.locator("#show-key").click()
    await expect(page.locator("#room-key")).to_be_visible()
    await page.locator("#room-key").scroll_into_view_if_needed()
    await album.add(page, "shield-key", size)
    await page.locator("#shield-panel .panel-body").evaluate("body => body.scrollTo(0, 0)")
    await album.add(page, "shield", size)
    await page.keyboard.press("Escape")
    if size != "desktop":
        await page.locator("#people-toggle").click()
    await guest.people.first.locator("summary").click()
    await album.add(page, "people", size)
    await page.keyboard.press("Escape")


@pytest.mark.parametrize("size", SIZES)
async def test_every_view_fits(visits: Visits, server: Served, album: Album, size: str) -> None:
    page = await visits.page(viewport=SIZES[size])
    login = await Login.open(page, server.url)
    await album.add(page, "login", size)
    await login.type_names("123", "Al")
    await expect(login.strength).to_contain_text("Very weak")
    await login.username.blur()
    await album.add(page, "login-weak", size)
    await page.locator("#generate").click()
    await expect(login.strength).to_contain_text("Strong")
    await album.add(page, "login-strong", size)
    guest = await Guest.enter(page, server.url, f"{ROOM}-{size}", "Johanna")
    await album.add(page, "empty", size)
    await converse(guest, server.url, size, album)
    # What fits nowhere does not push anything off the screen.
    await guest.say("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3)
    await album.add(page, "long", size)


async def test_the_small_pages_fit(visits: Visits, server: Served, complaints: Complaints, album: Album) -> None:
    complaints.expect("404")
    for size, viewport in SIZES.items():
        page = await visits.page(viewport=viewport)
        await page.goto(f"{server.url}/nothing-here")
        await album.add(page, "error", size)
        unscripted = await visits.page(viewport=viewport, java_script_enabled=False)
        await Login.open(unscripted, server.url)
        await unscripted.screenshot(path=album.folder / f"noscript-{size}.png")
