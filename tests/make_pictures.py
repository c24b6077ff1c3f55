"""Knows how the pictures that the project contains are made: the icons, and the film of the README; checks nothing.

python -m tests.make_pictures writes static/img/*.png and docs/demo.webp. The README's still picture is made by
tests/e2e/test_pictures.py.
"""

import asyncio
import io
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.e2e.pages import Complaints, Guest, Login, Visits, launch
from tests.programs import ROOT
from tests.serving import serve

IMAGES = ROOT / "static" / "img"
FILM = ROOT / "docs" / "demo.webp"
DRAWING = (IMAGES / "icon.svg").read_text("utf-8")
SAFE = 0.8
"""Of a maskable icon's width: systems cut off what is outside of the circle. Source: Web Application Manifest, "Icon
masks and safe zone"."""

ROOM = "velvet-otter-lantern-maple-orbit-canyon-tulip"
LEFT: ViewportSize = {"width": 760, "height": 560}
RIGHT: ViewportSize = {"width": 360, "height": 560}
GAP = 12
AROUND = (38, 42, 40)
SHORT_MS, LONG_MS = 120, 1_600


async def make_icons(browser: Browser) -> None:
    sizes = {"icon-192.png": (192, 1.0, ""), "icon-512.png": (512, 1.0, ""), "icon-maskable.png": (512, SAFE, "#000")}
    for name, (pixels, part, ground) in sizes.items():
        page = await browser.new_page(viewport={"width": pixels, "height": pixels})
        await page.set_content(
            f"<style>body {{ margin: 0; display: grid; place-items: center; height: 100vh; background: {ground} }}"
            f"svg {{ width: {pixels * part}px }}</style>{DRAWING}"
        )
        await page.screenshot(path=IMAGES / name, omit_background=True)
        await page.close()


class Film:
    """Two screens side by side, picture by picture."""

    def __init__(self, left: Page, right: Page) -> None:
        self._pages = (left, right)
        self._pictures: list[Image.Image] = []
        self._times: list[int] = []

    async def take(self, milliseconds: int) -> None:
        width = LEFT["width"] + GAP + RIGHT["width"]
        picture = Image.new("RGB", (width, LEFT["height"]), AROUND)
        for page, at in zip(self._pages, (0, LEFT["width"] + GAP), strict=True):
            shot = Image.open(io.BytesIO(await page.screenshot(caret="initial")))
            picture.paste(shot.convert("RGB"), (at, 0))
        self._pictures.append(picture)
        self._times.append(milliseconds)

    async def type(self, guest: Guest, text: str) -> None:
        """A few letters at a time."""
        await guest.text.focus()
        for start in range(0, len(text), 5):
            await guest.text.press_sequentially(text[start : start + 5])
            await self.take(SHORT_MS)

    def save(self, path: Path) -> None:
        first, *rest = self._pictures
        first.save(path, save_all=True, append_images=rest, duration=self._times, loop=0, quality=70, method=6)


async def make_film(browser: Browser, url: str) -> None:
    visits = Visits(browser, Complaints())
    left = await visits.page(viewport=LEFT)
    right = await visits.page(viewport=RIGHT, has_touch=True, is_mobile=True)
    film = Film(left, right)
    await Login.open(right, f"{url}/#room={ROOM}")
    await enter(film, left, url, "Marguerite")
    marguerite = Guest(left, ROOM, "Marguerite")
    steve = Guest(right, ROOM, "Steve")
    await right.locator("#username").fill("Steve")
    await film.take(LONG_MS // 2)
    await right.locator("#enter").click()
    await film.take(LONG_MS // 2)
    await steve.reaches("connected")
    await marguerite.see_people("Marguerite", "Steve")
    await film.take(LONG_MS)
    for guest, text in (
        (steve, "Found the way in 😀"),
        (marguerite, "Good! The server sees **only** what runs by up there."),
        (steve, "Where do we meet?"),
        (marguerite, "At the old mill, at six."),
    ):
        await film.type(guest, text)
        await guest.text.press("Enter")
        for each in (marguerite, steve):
            await each.hears(text.replace("**", ""))
        await film.take(LONG_MS)
    await steve.message("old mill").tap()
    await film.take(LONG_MS // 2)
    await right.locator('#acts [data-choice="react"]').first.tap()
    await marguerite.message("old mill").locator("text=👍").wait_for()
    await film.take(2 * LONG_MS)
    film.save(FILM)
    await visits.close()


async def enter(film: Film, page: Page, url: str, name: str) -> None:
    login = await Login.open(page, url)
    await film.take(LONG_MS // 2)
    await login.go_to_room()
    await login.room.fill("")
    for start in range(0, len(ROOM), 6):
        await login.room.press_sequentially(ROOM[start : start + 6])
        await film.take(SHORT_MS)
    await login.username.fill(name)
    await page.locator("#strength:not(:empty)").wait_for()
    await film.take(LONG_MS)
    await login.enter.click()
    await Guest(page, ROOM, name).reaches("connected")
    await film.take(LONG_MS // 2)


async def main(url: str) -> None:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        await make_icons(browser)
        await make_film(browser, url)
        await browser.close()


if __name__ == "__main__":
    with serve() as served:
        asyncio.run(main(served.url))
