"""What can be done with a message that has been said: answered, reacted to, edited, deleted; by mouse, by keyboard and
by finger, and what everybody then sees."""

import pytest
from playwright.async_api import Locator, expect

from tests.client import talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import CUT_LINE, Complaints, Guest, Visits
from tests.serving import Served

SETTINGS = {"events_per_connection": "10, 1000"}


async def act(guest: Guest, text: str, choice: str) -> None:
    """By mouse."""
    await guest.point_at(guest.message(text))
    await guest.page.locator(f"#acts [data-choice={choice}]").first.click()


def signs(line: Locator) -> Locator:
    return line.locator(".signs button")


async def test_an_answer_quotes_and_leads_to_what_it_answers(alice: Guest, bobby: Guest) -> None:
    await alice.say("a question")
    await bobby.hears("a question")
    await act(bobby, "a question", "reply")
    await expect(bobby.page.locator("#context-text")).to_have_text("Answering Alice: a question")
    await expect(bobby.text).to_be_focused()
    await bobby.text.press("Escape")
    await expect(bobby.page.locator("#context")).to_be_hidden()
    await act(bobby, "a question", "reply")
    await bobby.say("an answer")
    await expect(bobby.page.locator("#context")).to_be_hidden()
    for guest in (alice, bobby):
        quote = guest.message("an answer").locator(".quote")
        await expect(quote).to_have_text("answers Alice a question")
    for number in range(30):
        await alice.say(f"filling {number}")
    await alice.message("an answer").scroll_into_view_if_needed()
    await alice.message("an answer").locator(".quote button").click()
    await expect(alice.message("a question")).to_be_in_viewport()


async def test_signs_are_set_and_taken_away_by_each_for_themselves(alice: Guest, bobby: Guest) -> None:
    await alice.say("good news")
    await bobby.hears("good news")
    await act(bobby, "good news", "react")
    for guest in (alice, bobby):
        await expect(signs(guest.message("good news"))).to_have_text(["👍 1"])
        await expect(signs(guest.message("good news"))).to_have_attribute("aria-label", "👍 1: Bobby")
    await signs(alice.message("good news")).click()
    for guest in (alice, bobby):
        await expect(signs(guest.message("good news"))).to_have_text(["👍 2"])
        await expect(signs(guest.message("good news"))).to_have_attribute("aria-pressed", "true")
    await signs(bobby.message("good news")).click()
    await expect(signs(alice.message("good news"))).to_have_text(["👍 1"])
    await expect(signs(bobby.message("good news"))).to_have_attribute("aria-pressed", "false")
    await act(alice, "good news", "react")
    for guest in (alice, bobby):
        await expect(signs(guest.message("good news"))).to_have_count(0)


async def test_one_edits_and_deletes_what_is_ones_own(alice: Guest, bobby: Guest) -> None:
    await alice.say("a mistaek")
    await bobby.hears("a mistaek")
    await bobby.point_at(bobby.message("a mistaek"))
    await expect(bobby.page.locator("#acts [data-choice=reply]")).to_be_visible()
    for choice in ("edit", "erase"):
        await expect(bobby.page.locator(f"#acts [data-choice={choice}]")).to_be_hidden()

    await alice.text.fill("half a thought")
    await act(alice, "a mistaek", "edit")
    await expect(alice.text).to_have_value("a mistaek")
    await alice.text.fill("a mistake")
    await alice.text.press("Enter")
    for guest in (alice, bobby):
        await expect(guest.message("a mistake").locator(".text")).to_have_text("a mistake (edited)")
    await expect(alice.text).to_have_value("half a thought")
    await alice.text.fill("")

    await act(alice, "a mistake", "erase")
    await expect(alice.page.locator("#acts [data-choice=erase]")).to_have_attribute("aria-label", "Really delete?")
    await alice.page.locator("#acts [data-choice=erase]").click()
    for guest in (alice, bobby):
        await expect(guest.messages.last.locator(".text")).to_have_text("deleted")
    await alice.point_at(alice.messages.last)
    await expect(alice.page.locator("#acts")).to_be_hidden()


async def test_the_last_one_is_edited_by_the_arrow_key(alice: Guest, bobby: Guest) -> None:
    await alice.say("the last one")
    await alice.text.press("ArrowUp")
    await expect(alice.text).to_have_value("the last one")
    await alice.text.press("Escape")
    await expect(alice.text).to_have_value("")
    await alice.text.press("ArrowUp")
    await alice.text.fill("the very last one")
    await alice.text.press("Enter")
    await bobby.hears("the very last one (edited)")


async def test_who_comes_later_sees_what_became_of_it(alice: Guest, enter: Enter) -> None:
    await alice.say("first words")
    await act(alice, "first words", "react")
    await expect(signs(alice.message("first words"))).to_have_count(1)
    await act(alice, "first words", "edit")
    await alice.text.fill("other words")
    await alice.text.press("Enter")
    await alice.hears("other words (edited)")
    await alice.say("gone soon")
    await act(alice, "gone soon", "erase")
    await alice.page.locator("#acts [data-choice=erase]").click()
    await expect(alice.messages.last.locator(".text")).to_have_text("deleted")
    late = await enter(alice.room, "Late")
    await expect(late.message("other words").locator(".text")).to_have_text("other words (edited)")
    await expect(signs(late.message("other words"))).to_have_text(["👍 1"])
    assert "gone soon" not in " ".join(await late.texts())


async def test_all_of_it_by_the_keyboard_alone(alice: Guest, bobby: Guest) -> None:
    press = alice.page.keyboard.press
    await bobby.say("by the keyboard")
    await alice.hears("by the keyboard")
    await alice.page.locator("#stream").focus()
    await press("ArrowUp")
    await expect(alice.message("by the keyboard")).to_be_focused()
    await press("ArrowUp")
    await press("ArrowDown")
    await expect(alice.message("by the keyboard")).to_be_focused()
    await press("Enter")
    row = alice.page.locator("#acts")
    await expect(row.locator("button").first).to_be_focused()
    await press("ArrowRight")
    await press("Enter")
    await expect(signs(alice.message("by the keyboard"))).to_have_text(["❤️ 1"])
    await expect(alice.message("by the keyboard")).to_be_focused()
    await press("Enter")
    await press("Escape")
    await expect(row).to_be_hidden()
    await expect(alice.message("by the keyboard")).to_be_focused()
    await press("Escape")
    await expect(alice.page.locator("#stream")).to_be_focused()


# Firefox imitates no touch.
@pytest.mark.chromium
async def test_by_a_finger(visits: Visits, server: Served) -> None:
    context = await visits.context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    guest = await Guest.enter(await context.new_page(), server.url, "room-finger", "Guest")
    await guest.say("touch me")
    await guest.message("touch me").locator(".text").tap()
    row = guest.page.locator("#acts")
    await expect(row).to_be_visible()
    await row.locator("[data-choice=react]").first.tap()
    await expect(signs(guest.message("touch me"))).to_have_text(["👍 1"])
    await expect(row).to_be_hidden()
    box = await guest.page.evaluate("() => document.documentElement.scrollWidth")
    assert box <= 390


async def test_changes_made_without_a_line_wait_for_it(enter: Enter, server: Served, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-waiting", "Steve") as (steve,):
        guest = await enter("room-waiting", "Guest")
        await guest.say("before")
        await guest.page.context.set_offline(True)
        await guest.reaches("offline")
        await act(guest, "before", "edit")
        await guest.text.fill("after")
        await guest.text.press("Enter")
        await expect(guest.message("before").locator(".fate")).to_contain_text("waiting")
        await guest.page.context.set_offline(False)
        await guest.hears("after (edited)")
        await expect(guest.message("after").locator(".fate")).to_contain_text("sent")
        await steve.hears("get_message", 2)
        assert steve.messages[-1].payload["edit"] == 1


async def test_any_emoji_can_be_a_sign(alice: Guest, bobby: Guest) -> None:
    await alice.say("any sign")
    await act(alice, "any sign", "more")
    search = alice.page.locator("#emoji-search")
    await search.fill("keycap")
    await expect(alice.page.locator("#emoji-count")).to_have_text("None is called so.")
    await search.fill("flag norway")
    await search.press("Enter")
    await expect(signs(bobby.message("any sign"))).to_have_text(["🇳🇴 1"])


async def test_messages_vanish_when_somebody_wants_them_to(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-vanish", "Steve") as (steve,):
        guest = await enter("room-vanish", "Guest")
        await guest.say("soon gone")
        await steve.act(fade=2)
        assert await steve.request("set_timer", (2).to_bytes(4, "big")) == {}
        await guest.see_notice("Steve", "told")
        await expect(guest.notices).to_contain_text("has set messages to vanish from here after 2 seconds.")
        await expect(guest.message("soon gone")).to_have_count(0)
        late = await enter("room-vanish", "Late")
        assert await late.texts() == []

        await guest.page.locator("#settings-toggle").click()
        await guest.page.locator("#timer").select_option("3600")
        await expect(guest.notices.last).to_contain_text("has set messages to vanish from here after 1 hour.")
        await expect(late.page.locator("#timer")).to_have_value("3600")
        await guest.page.keyboard.press("Escape")
        later = await enter("room-vanish", "Later")
        await expect(later.page.locator("#timer")).to_have_value("3600")
