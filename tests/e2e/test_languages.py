"""Pages in other languages: chosen by the browser, changed by the reader, from right to left where one reads so."""

from playwright.async_api import expect

from tests.client import talking
from tests.e2e.pages import Complaints, Guest, Login, Visits
from tests.serving import Served


async def test_the_browsers_language_counts_until_another_is_chosen(visits: Visits, server: Served) -> None:
    page = await visits.page(locale="de-AT")
    await page.goto(server.url)
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await expect(page.locator("html")).to_have_attribute("dir", "ltr")
    login = Login(page)
    await login.type_names("room-1", "ab")
    await expect(login.username_hint).to_have_text("Mindestens 3 Zeichen.")
    await page.locator("#language").select_option("he")
    await page.wait_for_url("**/?lang=he")
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    await page.locator(".foot a").click()
    await page.wait_for_url("**/help?lang=he")
    await expect(page.locator("html")).to_have_attribute("lang", "he")


async def test_a_room_speaks_it_too_and_counts_in_it(visits: Visits, server: Served) -> None:
    page = await visits.page(locale="pl-PL")
    guest = await Guest.enter(page, f"{server.url}/?lang=ar", "room-language", "Guest")
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    await expect(page.locator("#state")).to_have_attribute("data-state", "connected")
    async with talking(server.url, "room-language", "Steve") as (steve,):
        await steve.say("hello")
        await guest.hears("hello")
        for text in await page.locator(".notice, #state-text, #people-title").all_text_contents():
            assert any("\u0600" <= char <= "\u06ff" for char in text), text
    await page.locator("#leave").click()
    await page.wait_for_url("**/?lang=ar")


async def test_where_the_words_do_not_come_the_page_speaks_english_and_works(
    visits: Visits, server: Served, complaints: Complaints
) -> None:
    complaints.expect("503")
    page = await visits.page(locale="de-DE")
    await page.route("**/words/*.json", lambda route: route.fulfill(status=503, body="gone"))
    guest = await Guest.enter(page, server.url, "room-wordless", "Guest")
    await expect(page.locator("#state-text")).to_have_text("Connected, encrypted end to end.")
    await guest.say("it works")
