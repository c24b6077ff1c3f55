"""On a phone the site is installed like an app: its shell stays in the browser, nothing that was said does; who is
offline is told so, and who was away is told of a new version."""

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Serving
from tests.e2e.pages import CUT_LINE, Complaints, Guest, Login, Visits
from tests.programs import ROOT
from tests.serving import Served

# What a service worker does, only Chromium's DevTools tell.
pytestmark = pytest.mark.chromium

NEWS_MS = 60_000
"""After so long at most a page that came back has asked which version the site has."""
KEPT = """async () => {
  await navigator.serviceWorker.ready;
  const kept = {};
  for (const name of await caches.keys()) {
    kept[name] = (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname);
  }
  return kept;
}"""
KEPT_BESIDE = """async () => {
  const registration = await navigator.serviceWorker.ready;
  while (!registration.waiting) await new Promise((resolve) => setTimeout(resolve, 50));
  return (await caches.keys()).length;
}"""
KEPT_WITHOUT = """async (old) => {
  while (await caches.has(old)) await new Promise((resolve) => setTimeout(resolve, 50));
  return (await caches.keys()).length;
}"""
CONTROLLED = "() => navigator.serviceWorker.controller?.state === 'activated'"


async def visit(visits: Visits, url: str) -> Page:
    """A page whose shell has come to stay."""
    page = await visits.page(service_workers="allow")
    await page.goto(url)
    await page.evaluate("() => navigator.serviceWorker.ready")
    await page.reload()
    await page.wait_for_function(CONTROLLED)
    return page


@pytest.fixture
def other_house(tmp_path: Path) -> Path:
    """The same site in its next version."""
    house = tmp_path / "house"
    shutil.copytree(ROOT, house, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "bench", "docs"))
    with (house / "static" / "css" / "site.css").open("a") as style:
        style.write("\n:root { --next: 1 }\n")
    return house


async def test_the_shell_stays_and_nothing_else_does(visits: Visits, server: Served) -> None:
    page = await visit(visits, server.url)
    async with page.expect_response("**/js/login.js") as answered:
        await page.reload()
    assert (await answered.value).from_service_worker
    guest = await Guest.enter(page, server.url, "room-shell", "Guest")
    await guest.say("nobody keeps this")
    await page.locator("#emoji-toggle").click()
    await expect(page.locator("#emoji button").first).to_be_visible()
    ((name, paths),) = (await page.evaluate(KEPT)).items()
    build = name.removeprefix("chatsite-")
    assert {path for path in paths if not path.startswith(f"/static/{build}/")} == {"/offline"}
    own = {f"/static/{build}/{path.relative_to(ROOT / 'static').as_posix()}" for path in (ROOT / "static/js").iterdir()}
    assert own - set(paths) == {f"/static/{build}/js/shell-worker.js"}
    assert f"/static/{build}/vendor/emoji.js" in paths, "what was wanted once stays, too"
    assert f"/static/{build}/vendor/zxcvbn-core.js" not in paths, "and what never was does not come"


async def test_who_is_offline_is_told_so_and_comes_back_by_a_button(
    visits: Visits, serving: Serving, complaints: Complaints, tmp_path: Path, port: int
) -> None:
    complaints.expect(CUT_LINE)
    first = serving(state=tmp_path, port=port)
    page = await visit(visits, first.url)
    first.stop()
    await page.goto(f"{first.url}/room")
    await expect(page.locator("h1")).to_have_text("No connection")
    await expect(page.locator("body")).to_have_css("font-size", "16px")
    assert await page.evaluate("() => document.styleSheets.length") == 1
    serving(state=tmp_path, port=port)
    await page.get_by_role("link", name="Try again").click()
    await expect(Login(page).room).to_be_visible()


async def test_who_was_away_is_told_of_a_new_version_and_gets_it(
    visits: Visits, serving: Serving, complaints: Complaints, tmp_path: Path, port: int, other_house: Path
) -> None:
    complaints.expect(CUT_LINE)
    first = serving(state=tmp_path, port=port)
    page = await visit(visits, first.url)
    (old,) = await page.evaluate(KEPT)
    await page.clock.install()
    guest = await Guest.enter(page, first.url, "room-next", "Guest")
    first.stop()
    await guest.reaches("offline")
    second = serving(state=tmp_path, port=port, house=other_house)
    await guest.comes_back()
    await page.clock.fast_forward(NEWS_MS)
    await expect(page.locator("#update")).to_contain_text("This site has a new version.")
    # The new one comes while the page is still the old one, and waits until nobody has that open.
    assert await page.evaluate(KEPT_BESIDE) == 2
    await guest.text.fill("half written")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.locator("#update button").click()
    await guest.reaches("connected")
    await expect(guest.text).to_have_value("half written")
    await expect(page.locator("#update")).to_be_empty()
    assert await page.evaluate("() => getComputedStyle(document.documentElement).getPropertyValue('--next')") == "1"
    await guest.text.fill("")
    await page.goto("about:blank")
    await page.goto(second.url)
    assert await page.evaluate(KEPT_WITHOUT, old) == 1


async def test_the_browser_finds_nothing_that_keeps_it_from_being_installed(visits: Visits, server: Served) -> None:
    page = await visit(visits, server.url)
    session = await page.context.new_cdp_session(page)
    manifest = await session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].endswith("/site.webmanifest")
    found = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # Of the tests' browser, not of the site: whatever it is given is gone with it.
    assert [error["errorId"] for error in found] == ["in-incognito"]
