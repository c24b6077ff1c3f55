"""What helps somebody who writes: commands, completion, names that are called, a draft that stays; and what others see
of it."""

from playwright.async_api import expect

from tests.client import talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import Guest, Login, Visits
from tests.serving import Served

SETTINGS = {"events_per_connection": "10, 1000"}


async def test_others_see_who_is_typing_until_it_is_said_or_given_up(alice: Guest, bobby: Guest) -> None:
    typing = bobby.page.locator("#typing")
    await alice.text.press_sequentially("hel")
    await expect(typing).to_have_text("Alice is typing…")
    await expect(alice.page.locator("#typing")).to_be_empty()
    await alice.text.press("Enter")
    await bobby.hears("hel")
    await expect(typing).to_be_empty()

    await alice.text.press_sequentially("no")
    await expect(typing).to_have_text("Alice is typing…")
    await alice.text.fill("")
    await expect(typing).to_be_empty()


async def test_who_does_not_want_it_types_unseen(alice: Guest, bobby: Guest) -> None:
    await alice.page.locator("#settings-toggle").click()
    box = alice.page.locator("#option-typing")
    await box.uncheck()
    await alice.page.keyboard.press("Escape")
    await alice.text.press_sequentially("unseen")
    await alice.text.press("Enter")
    # Whatever of it had been told would have come before.
    await bobby.hears("unseen")
    heard = await bobby.page.evaluate("() => document.querySelector('#typing').textContent")
    assert heard == ""
    await alice.page.locator("#settings-toggle").click()
    await box.check()
    await alice.page.keyboard.press("Escape")


async def test_another_name_is_taken_by_a_command(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-nick", "Steve") as (steve,):
        guest = await enter("room-nick", "Guest")
        await guest.write("/nick Gw")
        await expect(guest.page.locator("#say-seen")).to_have_text("At least 3 characters.")
        await expect(guest.text).to_have_value("/nick Gw")
        await guest.write("/nick Gwen")
        await expect(guest.text).to_have_value("")
        await expect(guest.page.locator("#my-name")).to_have_text("Gwen")
        await guest.see_people("Gwen", "Steve")
        await guest.say("now as another")
        await expect(guest.message("now as another").locator(".name")).to_have_text("Gwen")
        await steve.hears("get_message")
        assert steve.all("user_changed") != []
        await guest.page.locator("#leave").click()
        await guest.page.wait_for_url("**/")


async def test_what_somebody_does_is_told_in_one_line(alice: Guest, bobby: Guest) -> None:
    await alice.write("/me waves")
    line = bobby.message("waves")
    await expect(line).to_have_attribute("data-me", "")
    await expect(line.locator(".text")).to_have_text(f"Alice {await alice.tag()} waves")
    await expect(line.locator(".by")).to_have_count(0)


async def test_commands_are_shown_refused_and_escaped(alice: Guest) -> None:
    await alice.write("/help")
    await alice.see_notice("/nick NAME: take another username", "told")
    await alice.write("/dance now")
    await expect(alice.page.locator("#say-seen")).to_have_text(
        "There is no command /dance. /help shows those that there are."
    )
    await alice.text.fill("")
    await alice.write("//dance")
    await alice.hears("/dance")
    await alice.write("/clear")
    await expect(alice.messages).to_have_count(0)
    await expect(alice.notices).to_have_count(0)
    await alice.say("a new leaf")
    await alice.see_texts("a new leaf")


async def test_completion_by_keyboard_and_by_pointer(alice: Guest, bobby: Guest) -> None:
    choices = alice.page.locator("#completion [role=option]")
    chosen = alice.page.locator("#completion [aria-selected=true]")
    await alice.text.press_sequentially("/")
    await expect(choices).to_have_count(4)
    await expect(chosen).to_contain_text("/nick")
    await alice.text.press("ArrowDown")
    await expect(chosen).to_contain_text("/me")
    assert await alice.text.get_attribute("aria-activedescendant") == await chosen.get_attribute("id")
    await alice.text.press("ArrowUp")
    await alice.text.press("ArrowUp")
    await expect(chosen).to_contain_text("/help")
    await alice.text.press("Tab")
    await expect(alice.text).to_have_value("/help")
    await expect(choices).to_have_count(0)
    await alice.text.fill("")

    await alice.text.press_sequentially("hello @b")
    await expect(choices).to_have_count(1)
    await alice.text.press("Escape")
    await expect(choices).to_have_count(0)
    await alice.text.press_sequentially("o")
    await choices.first.click()
    await expect(alice.text).to_have_value("hello @Bobby ")
    await expect(alice.text).to_be_focused()
    await alice.text.press_sequentially("there")
    await alice.text.press("Enter")
    line = bobby.message("hello @Bobby there")
    await expect(line).to_have_attribute("data-called", "")
    await expect(line.locator(".mention")).to_have_text("@Bobby")
    await expect(alice.message("hello @Bobby there")).not_to_have_attribute("data-called", "")


async def test_a_draft_is_there_after_a_reload_and_gone_when_it_was_said(enter: Enter) -> None:
    guest = await enter("room-half", "Guest")
    await guest.text.fill("half a thought")
    guest.page.on("dialog", lambda dialog: dialog.accept())
    await guest.page.reload()
    await guest.page.wait_for_url("**/")
    await guest.page.locator("#enter").click()
    await guest.page.wait_for_url("**/room")
    await guest.reaches("connected")
    await expect(guest.text).to_have_value("half a thought")
    await guest.text.press("Enter")
    await guest.hears("half a thought")
    assert await guest.page.evaluate("() => sessionStorage.getItem('chatsite.draft')") == ""
    await guest.text.fill("for this room only")
    await guest.page.reload()
    await guest.page.wait_for_url("**/")
    await guest.page.locator("#room").fill("room-other-half")
    await guest.page.locator("#enter").click()
    await guest.page.wait_for_url("**/room")
    await guest.reaches("connected")
    await expect(guest.text).to_have_value("")


async def test_who_is_muted_is_neither_seen_nor_seen_typing(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-mute", "Steve", "Maria") as (steve, maria):
        guest = await enter("room-mute", "Guest")
        await steve.say("first")
        await guest.hears("first")
        card = guest.people.filter(has_text="Steve")
        await card.locator("summary").click()
        await card.get_by_role("button", name="Mute").click()
        await expect(card.locator(".note", has_text="muted")).to_be_visible()
        await expect(guest.message("first")).to_be_hidden()
        await steve.say("second")
        await maria.say("third")
        await guest.hears("third")
        await expect(guest.message("second")).to_be_hidden()
        await card.get_by_role("button", name="Hear again").click()
        for text in ("first", "second", "third"):
            await expect(guest.message(text)).to_be_visible()


async def test_an_invite_leads_into_the_room(visits: Visits, server: Served) -> None:
    page = await visits.page(permissions=["clipboard-read", "clipboard-write"])
    guest = await Guest.enter(page, server.url, "room-with a/view?", "Guest")
    await expect(page.locator("#invite-link")).to_be_hidden()
    await page.locator("#invite-toggle").click()
    link = f"{server.url}/#room=room-with-a%2Fview%3F"
    await expect(page.locator("#invite-link")).to_have_text(link)
    await page.locator("#invite-copy").click()
    assert await page.evaluate("() => navigator.clipboard.readText()") == link
    await page.locator("#copy-room").click()
    assert await page.evaluate("() => navigator.clipboard.readText()") == "room-with-a/view?"
    await page.keyboard.press("Escape")
    await expect(page.locator("#invite-link")).to_be_hidden()
    login = await Login.open(await visits.page(), link)
    await expect(login.room).to_have_value("room-with-a/view?")
    await expect(login.username).to_be_focused()
    await login.username.fill("Friend")
    await login.username.press("Enter")
    await guest.see_people("Friend", "Guest")


async def test_emoji_are_found_and_put_in_by_the_keyboard(alice: Guest) -> None:
    await alice.text.fill("fine ")
    await alice.page.locator("#emoji-toggle").click()
    search = alice.page.locator("#emoji-search")
    await expect(search).to_be_focused()
    await search.fill("rocket")
    await expect(alice.page.locator("#emoji-count")).to_have_text("1 of 1 shown")
    await search.press("Enter")
    await expect(alice.text).to_have_value("fine 🚀")
    await expect(alice.text).to_be_focused()
    await alice.page.locator("#emoji-toggle").click()
    await search.fill("thumbs")
    await search.press("ArrowDown")
    await alice.page.keyboard.press("ArrowRight")
    await alice.page.keyboard.press("Enter")
    await expect(alice.text).to_have_value("fine 🚀👎")
    await alice.page.locator("#emoji-toggle").click()
    await search.fill("no such thing")
    await expect(alice.page.locator("#emoji-count")).to_have_text("None is called so.")
    await search.press("Escape")
    await expect(search).to_be_hidden()
    await alice.text.fill("")
