"""The login page: names, invites, what is said beside the boxes, and the ways back to it."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.client import talking
from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import Complaints, Guest, Login, Visits
from tests.serving import Served

WORDS = 7


async def open_login(visits: Visits, server: Served) -> Login:
    return await Login.open(await visits.page(), server.url)


async def stored(page: Page) -> dict[str, str]:
    found: dict[str, str] = await page.evaluate("() => ({...sessionStorage})")
    return found


async def test_the_prefix_stands_in_an_empty_box_and_can_be_removed(visits: Visits, server: Served) -> None:
    login = await open_login(visits, server)
    await login.go_to_room()
    await expect(login.room).to_have_value("room-")
    await login.page.keyboard.type("two words")
    await expect(login.room).to_have_value("room-two-words")
    await login.room.fill("")
    await login.page.keyboard.type("anything")
    await expect(login.room).to_have_value("anything")
    await login.username.click()
    await login.room.click()
    await expect(login.room).to_have_value("anything")


async def test_the_prefix_alone_is_no_name(visits: Visits, server: Served) -> None:
    login = await open_login(visits, server)
    await login.username.fill("Steve")
    await login.room.click()
    await expect(login.room).to_have_value("room-")
    await expect(login.enter).to_be_disabled()
    await login.page.keyboard.press("Enter")
    await expect(login.room_hint).to_have_text("A room needs a name.")
    await expect(login.room).to_have_attribute("aria-invalid", "true")


async def test_enter_goes_in_and_says_what_is_missing(visits: Visits, server: Served) -> None:
    login = await open_login(visits, server)
    await login.type_names("room-key", "Al")
    await login.username.press("Enter")
    await expect(login.username_hint).to_have_text("At least 3 characters.")
    await expect(login.username).to_have_attribute("aria-invalid", "true")
    await expect(login.enter).to_be_disabled()
    assert login.page.url == f"{server.url}/"
    await login.username.press_sequentially("an")
    await expect(login.enter).to_be_enabled()
    await login.username.press("Enter")
    await login.page.wait_for_url("**/room")
    guest = Guest(login.page, "room-key", "Alan")
    await guest.reaches("connected")
    await guest.see_people("Alan")


async def test_a_name_that_could_pass_for_another_is_refused(visits: Visits, server: Served) -> None:
    login = await open_login(visits, server)
    await login.type_names("room-key", "Ste\u200bve")
    await login.username.blur()
    await expect(login.username_hint).to_contain_text("invisible")
    await expect(login.enter).to_be_disabled()
    await login.username.fill("x" * 33)
    await login.username.blur()
    await expect(login.username_hint).to_have_text("At most 32 characters.")


async def test_a_strong_name_is_made_and_judged(visits: Visits, server: Served) -> None:
    login = await open_login(visits, server)
    generate = login.page.locator("#generate")
    await generate.click()
    await expect(login.room).to_have_value(re.compile(rf"^([a-z]+-){{{WORDS - 1}}}[a-z]+$"))
    first = await login.room.input_value()
    await expect(login.strength).to_contain_text("Strong")
    await expect(login.strength).to_have_attribute("data-level", "4")
    await generate.click()
    await expect(login.room).not_to_have_value(first)


async def test_the_meter_says_in_words_how_long_a_name_stands(visits: Visits, server: Served) -> None:
    login = await open_login(visits, server)
    await login.type_names("123", "Steve")
    await expect(login.strength).to_contain_text("Very weak")
    await expect(login.enter).to_be_enabled()
    await login.room.fill("correct-horse-battery-staple-by-the-lake")
    await expect(login.strength).not_to_contain_text("eak")
    await login.room.fill("")
    await expect(login.strength).to_be_empty()


async def test_an_invite_fills_in_and_vanishes_from_the_address_bar(visits: Visits, server: Served) -> None:
    page = await visits.page()
    login = await Login.open(page, f"{server.url}/#room=caf%C3%A9%20%2B%20100%25")
    await expect(login.room).to_have_value("café-+-100%")
    await expect(login.username).to_be_focused()
    assert page.url == f"{server.url}/"
    # Opened in a tab that is there already.
    await page.evaluate("() => { location.hash = 'room=another'; }")
    await expect(login.room).to_have_value("another")
    await expect(page).to_have_url(f"{server.url}/")


async def test_an_invite_that_is_none_does_no_harm(visits: Visits, server: Served) -> None:
    login = await Login.open(await visits.page(), f"{server.url}/#room=%E0%A4%A")
    await expect(login.enter).to_be_visible()
    await expect(login.room).to_have_value("")
    await expect(login.page).to_have_url(f"{server.url}/")


async def test_an_invite_can_be_pasted_into_the_box(visits: Visits, server: Served) -> None:
    page = await visits.page(permissions=["clipboard-read", "clipboard-write"])
    login = await Login.open(page, server.url)
    await login.room.click()
    await expect(login.room).to_have_value("room-")
    await page.evaluate("() => navigator.clipboard.writeText('https://chat.example/#room=from%20afar')")
    await page.keyboard.press("Control+V")
    await expect(login.room).to_have_value("from-afar")


async def test_a_reload_is_one_tap_from_being_back(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-reload", "Steve") as (steve,):
        guest = await enter("room-reload", "Guest")
        await steve.say("before")
        await guest.hears("before")
        await guest.page.reload()
        await guest.page.wait_for_url(f"{server.url}/")
        login = Login(guest.page)
        await expect(login.room).to_have_value("room-reload")
        await expect(login.username).to_have_value("Guest")
        await expect(login.enter).to_be_focused()
        assert await stored(guest.page) == {"chatsite.room": "room-reload", "chatsite.name": "Guest"}
        await guest.page.keyboard.press("Enter")
        await guest.reaches("connected")
        await guest.see_texts("before")
        await guest.see_people("Steve", "Guest")
        await steve.hears("user_left")
        assert len(steve.all("new_user")) == 2


async def test_after_a_reload_another_username_can_be_chosen(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-rename", "Steve") as (steve,):
        guest = await enter("room-rename", "Guest")
        await guest.page.reload()
        await guest.page.wait_for_url(f"{server.url}/")
        login = Login(guest.page)
        await login.username.fill("Somebody else")
        await login.enter.click()
        await guest.reaches("connected")
        await guest.see_people("Steve", "Somebody-else")
        await guest.say("it is me")
        await steve.hears("get_message")
        assert steve.messages[-1].payload["name"] == "Somebody-else"


async def test_back_and_forth_through_the_history_of_the_tab(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-history", "Steve") as (steve,):
        guest = await enter("room-history", "Guest")
        await guest.page.evaluate("() => history.back()")
        login = Login(guest.page)
        await expect(login.room).to_have_value("room-history")
        await steve.hears("user_left")
        await guest.page.evaluate("() => history.forward()")
        await expect(login.enter).to_be_enabled()
        assert guest.page.url == f"{server.url}/"


async def test_the_room_page_alone_leads_to_login(visits: Visits, server: Served) -> None:
    page = await visits.page()
    await page.goto(f"{server.url}/room")
    await page.wait_for_url(f"{server.url}/")
    await expect(Login(page).room).to_have_value("")


async def test_leaving_forgets_the_names(enter: Enter) -> None:
    guest = await enter("room-forget", "Guest")
    assert await stored(guest.page) == {"chatsite.room": "room-forget", "chatsite.name": "Guest"}
    await guest.allow(links=False)
    assert set(await stored(guest.page)) == {"chatsite.room", "chatsite.name", "chatsite.links"}
    assert await guest.page.evaluate("() => localStorage.length + document.cookie.length") == 0
    await guest.leave()
    assert await stored(guest.page) == {}
    login = Login(guest.page)
    await expect(login.room).to_have_value("")
    await expect(login.username).to_have_value("")


async def test_no_title_holds_a_name(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-title", "Steve") as (steve,):
        guest = await enter("room-title", "Guest")
        await steve.say("hello")
        await guest.hears("hello")
        title = await guest.page.title()
        assert not [word for word in ("title", "Guest", "Steve", "hello") if word in title]


async def test_an_insecure_page_says_what_to_do(visits: Visits, complaints: Complaints, serving: Serving) -> None:
    # Chromium says of a header of ours that it counts on secure pages only.
    complaints.expect("Cross-Origin-Opener-Policy")
    behind = serving(behind_proxy=True)
    url = f"http://chat.test:{behind.port}"
    page = await visits.page()
    login = await Login.open(page, f"{url}/#room=invited")
    await expect(login.notice).to_contain_text("not secure")
    link = login.notice.locator("a")
    await expect(link).to_have_attribute("href", f"https://chat.test:{behind.port}/#room=invited")
    for box in (login.room, login.username, login.enter):
        await expect(box).to_be_disabled()
    await page.goto(f"{url}/room")
    await page.wait_for_url(f"{url}/")
    await expect(login.notice).to_contain_text("not secure")


# JavaScript cannot be switched off over WebDriver BiDi.
@pytest.mark.chromium
async def test_without_javascript_the_pages_say_why_they_need_it(visits: Visits, server: Served) -> None:
    page = await visits.page(java_script_enabled=False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    login = await Login.open(page, server.url)
    await expect(page.locator("noscript p")).to_contain_text("needs JavaScript")
    for box in (login.room, login.username, login.enter):
        await expect(box).to_be_disabled()
    await expect(page.locator("form, [action], :not(meta)[name]")).to_have_count(0)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.goto(f"{server.url}/room")
    await expect(page.locator("noscript p")).to_contain_text("without JavaScript")
    await expect(page.locator("form")).to_have_count(0)
    assert not [url for url in asked if "?" in url]
