"""People talk, in a real browser: over http on the same machine and over https with the self-made certificate."""

import asyncio

from playwright.async_api import expect

from tests.client import talking
from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import Guest, Visits
from tests.serving import Served

LOG_SIZE = 35


async def two_people_talk(visits: Visits, url: str) -> None:
    alice, bobby = await asyncio.gather(
        Guest.enter(await visits.page(), url, "room-talk", "Alice"),
        Guest.enter(await visits.page(), url, "room-talk", "Bobby"),
    )
    await alice.see_people("Alice", "Bobby")
    await bobby.see_people("Alice", "Bobby")
    await alice.say("Hello Bobby")
    await bobby.hears("Hello Bobby")
    await bobby.say("Hello Alice")
    for guest in (alice, bobby):
        await guest.see_texts("Hello Bobby", "Hello Alice")
        await expect(guest.message("Hello Bobby").locator(".name")).to_have_text("Alice")
        await expect(guest.message("Hello Alice").locator(".tag")).to_have_text(await bobby.tag())


async def test_over_http_on_this_machine(visits: Visits, server: Served) -> None:
    await two_people_talk(visits, server.url)


async def test_over_https_with_the_self_made_certificate(visits: Visits, serving: Serving) -> None:
    secure = serving(ip="0.0.0.0")  # noqa: S104 -- no loopback address: this is what makes it serve https
    assert secure.url.startswith("https://")
    await two_people_talk(visits, f"https://chat.test:{secure.port}")


async def test_the_late_joiner_reads_thirty_five_messages_and_not_the_one_before(enter: Enter, server: Served) -> None:
    said = [f"message {number}" for number in range(LOG_SIZE + 1)]
    async with talking(server.url, "room-history", "Steve") as (steve,):
        for text in said:
            await steve.say(text)
        late = await enter("room-history", "Late")
        await late.see_texts(*said[1:])
        # What the server kept and what comes now are one conversation.
        await steve.say("welcome")
        await late.see_texts(*said[1:], "welcome")
        await expect(late.notices).to_have_count(0)


async def twins(enter: Enter, room: str) -> tuple[Guest, Guest]:
    one, two = await asyncio.gather(enter(room, "Steve"), enter(room, "Steve"))
    return one, two


async def hue(guest: Guest) -> str:
    shown: str = await guest.page.locator("#my-name").evaluate("name => name.style.getPropertyValue('--hue')")
    return shown


async def test_two_people_of_one_name_differ_by_tag_and_by_ciphertext(enter: Enter) -> None:
    one, two = await twins(enter, "room-twins")
    if await hue(one) == await hue(two):  # one of 360 for each: it happens, and not twice
        one, two = await twins(enter, "room-other-twins")
    tags = await one.tag(), await two.tag()
    assert tags[0] != tags[1]
    for guest in (one, two):
        await guest.see_people("Steve", "Steve")
        listed = await guest.page.locator("#people li.person .tag").all_inner_texts()
        assert sorted(listed) == sorted(tags)
    await one.say("the same words")
    await two.hears("the same words")
    await two.say("the same words")
    await expect(one.messages).to_have_count(2)
    await expect(one.wire).to_have_count(2)
    ciphertexts = await one.ciphertexts()
    assert len(set(ciphertexts)) == 2
    colours = await one.page.locator("#messages li.message").evaluate_all(
        "lines => lines.map(line => line.style.getPropertyValue('--hue'))"
    )
    assert len(set(colours)) == 2


async def test_who_has_another_room_name_sees_nothing(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-inside", "Steve") as (steve,):
        await steve.say("not for you")
        eve = await enter("room-outside", "Eve")
        await steve.say("nor this")
        # Hers comes by in the feed after whatever of theirs would have.
        await eve.say("anybody here?")
        await eve.see_people("Eve")
        await eve.see_texts("anybody here?")
        await expect(eve.wire).to_have_count(1)
        await expect(eve.notices).to_have_count(0)
        await steve.say("last")
        assert steve.texts == ["not for you", "nor this", "last"]


async def test_a_message_keeps_its_lines_and_never_becomes_markup(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve") as (steve,):
        await alice.text.click()
        await alice.page.keyboard.type("first")
        await alice.page.keyboard.press("Shift+Enter")
        await alice.page.keyboard.type("<img src=x onerror=alert(1)>")
        await alice.page.keyboard.press("Enter")
        await alice.hears("first")
        await steve.hears("get_message")
        assert steve.texts == ["first\n<img src=x onerror=alert(1)>"]
        text = alice.message("first").locator(".text")
        assert await text.inner_text() == "first\n<img src=x onerror=alert(1)>"
        await expect(text.locator("img")).to_have_count(0)


async def test_a_strange_text_arrives_as_it_was_written(alice: Guest, server: Served) -> None:
    strange = "שלום 👩🏽‍🚀 \u202eright to left\u202c é 漢字 a\u200bb \U0001f1e9\U0001f1ea"
    async with talking(server.url, alice.room, "Zoë") as (zoe,):
        await alice.say(strange)
        await zoe.hears("get_message")
        assert zoe.texts[-1] == strange
        await zoe.say(strange + "!")
        await expect(alice.messages.filter(has_text="漢字")).to_have_count(2)
        assert await alice.messages.last.locator(".text").text_content() == strange + "!"


async def test_what_is_written_in_one_breath_stays_in_order(alice: Guest, server: Served) -> None:
    said = [f"quick {number}" for number in range(10)]
    async with talking(server.url, alice.room, "Steve") as (steve,):
        for text in said:
            await alice.write(text)
        await steve.hears("get_message", 10)
        assert steve.texts[-10:] == said
        await expect(alice.message("quick 9")).to_have_attribute("data-status", "sent")
        assert (await alice.texts())[-10:] == said


async def test_the_twelve_latest_ciphertexts_run_by(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve") as (steve,):
        for number in range(13):
            await steve.say(f"runs by {number}")
        await alice.hears("runs by 12")
        await expect(alice.wire).to_have_count(12)
        ciphertexts = await alice.ciphertexts()
        assert len(set(ciphertexts)) == 12
        assert not any("runs by" in text for text in ciphertexts)
