"""The box in which a message is written, and the conversation above it."""

from playwright.async_api import expect

from tests.client import talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import CUT_LINE, Complaints, Guest
from tests.serving import Served

SETTINGS = {"events_per_connection": "10, 1000"}
LONGEST = 10_000


async def test_a_long_message_is_counted_and_too_long_a_one_refused(alice: Guest, server: Served) -> None:
    counter = alice.page.locator("#counter")
    async with talking(server.url, alice.room, "Steve") as (steve,):
        await alice.text.fill("x" * 9_000)
        await expect(counter).to_be_hidden()
        # In code points, as everybody counts who reads them: a face is one.
        await alice.text.fill("🙂" * 9_600)
        await expect(counter).to_have_text("400 left")
        await alice.text.fill("🙂" * (LONGEST + 1))
        await expect(counter).to_have_text("1 too many")
        await expect(alice.text).to_have_attribute("aria-invalid", "true")
        await expect(alice.send).to_be_disabled()
        await alice.text.press("Enter")
        await expect(alice.text).to_have_value("🙂" * (LONGEST + 1))
        await alice.text.press("Backspace")
        await expect(counter).to_have_text("0 left")
        await alice.text.press("Enter")
        await expect(alice.text).to_have_value("")
        await expect(counter).to_be_hidden()
        await steve.hears("get_message")
        assert steve.texts == ["🙂" * LONGEST]


async def test_nothing_is_no_message(alice: Guest) -> None:
    before = await alice.messages.count()
    await alice.text.fill(" \n\t ")
    await expect(alice.send).to_be_disabled()
    await alice.text.press("Enter")
    await alice.text.fill("")
    await alice.say("something")
    await expect(alice.messages).to_have_count(before + 1)


async def test_the_button_sends_too_and_the_box_is_ready_for_the_next(alice: Guest) -> None:
    await alice.text.fill("by the button")
    await alice.send.click()
    await alice.hears("by the button")
    await expect(alice.text).to_be_focused()
    await expect(alice.text).to_have_value("")
    await expect(alice.send).to_be_disabled()


async def test_a_draft_is_not_lost_without_a_question(enter: Enter) -> None:
    guest = await enter("room-draft", "Guest")
    await guest.text.click()
    await guest.page.keyboard.type("half a thought")
    async with guest.page.expect_event("dialog") as asking:
        await guest.page.close(run_before_unload=True)
    dialog = await asking.value
    assert dialog.type == "beforeunload"
    await dialog.dismiss()
    await guest.text.fill("")
    async with guest.page.expect_event("close"):
        await guest.page.close(run_before_unload=True)


async def test_what_is_not_sent_yet_is_not_lost_without_a_question(enter: Enter, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    guest = await enter("room-unsent", "Guest")
    await guest.page.context.set_offline(True)
    await guest.reaches("offline")
    await guest.text.click()
    await guest.page.keyboard.type("still here")
    await guest.page.keyboard.press("Enter")
    async with guest.page.expect_event("dialog") as asking:
        await guest.page.close(run_before_unload=True)
    await (await asking.value).dismiss()
    await guest.page.context.set_offline(False)
    await expect(guest.message("still here")).to_have_attribute("data-status", "sent")
    async with guest.page.expect_event("close"):
        await guest.page.close(run_before_unload=True)


async def test_the_text_stays_where_the_reader_is(alice: Guest, server: Served) -> None:
    stream, jump = alice.page.locator("#stream"), alice.page.locator("#jump")
    async with talking(server.url, alice.room, "Steve") as (steve,):
        for number in range(40):
            await steve.say(f"line {number}")
        await alice.hears("line 39")
        await expect(alice.message("line 39")).to_be_in_viewport()
        await expect(jump).to_be_hidden()

        top = await stream.evaluate(
            "stream => { stream.scrollTo({ top: 200, behavior: 'instant' }); return stream.scrollTop; }"
        )
        await expect(alice.message("line 39")).not_to_be_in_viewport()
        await expect(jump).to_have_text("↓ Newest")
        await steve.say("a new one")
        await steve.say("another")
        await expect(jump).to_have_text("↓ 2 new")
        assert await stream.evaluate("stream => stream.scrollTop") == top

        await jump.click()
        await expect(alice.message("another")).to_be_in_viewport()
        await expect(jump).to_be_hidden()
        await steve.say("one more")
        await expect(alice.message("one more")).to_be_in_viewport()

        await stream.focus()
        await alice.page.keyboard.press("Home")
        await expect(stream).to_have_js_property("scrollTop", 0)
        await expect(jump).to_be_visible()
        await alice.say("whoever speaks wants to see it")
        await expect(alice.message("whoever speaks")).to_be_in_viewport()


async def test_messages_of_one_breath_are_grouped_under_one_name(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve", "Steve") as (one, two):
        await one.say("grouped 1")
        await one.say("grouped 2")
        await alice.hears("grouped 2")
        await two.say("grouped 3")
        await alice.hears("grouped 3")
        lines = alice.messages.filter(has_text="grouped")
        await expect(lines.nth(1)).to_have_attribute("data-grouped", "")  # it is laid out with the next picture
        for line, grouped in zip(await lines.all(), (False, True, False), strict=True):
            box = await line.locator(".by").bounding_box()
            # For screen readers every message has its name.
            assert box is not None
            assert (box["width"] <= 1) == grouped
        await expect(alice.page.locator("#messages li.day")).to_have_count(1)
