"""The line breaks, or the server goes away, and comes back: nobody notices what need not be noticed, and nothing is
lost, doubled or out of order."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import expect

from tests.client import talking
from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import CUT_LINE, Complaints, Visits
from tests.proxy import Line
from tests.serving import Served

SETTINGS = {"log_size": 4}
# For as long a page believes in a line that says nothing, once somebody looks at it.
LOOK_MS = 5_000


async def test_a_short_break_is_noticed_by_nobody_else(enter: Enter, server: Served, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-break", "Steve") as (steve,), Line(server.port) as line:
        guest = await enter("room-break", "Guest", url=line.url)
        await guest.say("before")
        await line.cut()
        await guest.reaches("offline")
        await steve.say("meanwhile")
        for text in ("first", "second"):
            await guest.write(text)
            await expect(guest.message(text)).to_have_attribute("data-status", "pending")
        await line.mend()
        await guest.comes_back()
        await guest.see_texts("before", "meanwhile", "first", "second")
        await expect(guest.message("second")).to_have_attribute("data-status", "sent")
        await steve.hears("get_message", 4)
        assert steve.texts == ["before", "meanwhile", "first", "second"]
        await expect(guest.notices).to_have_count(0)
        # Whatever was said of the guest's going came before the guest's messages.
        assert steve.comings_and_goings == ["new_user"]


async def test_the_page_comes_back_by_itself(enter: Enter, server: Served, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-itself", "Steve") as (steve,), Line(server.port) as line:
        guest = await enter("room-itself", "Guest", url=line.url)
        await line.cut()
        await guest.reaches("offline")
        await guest.write("I wait")
        await line.mend()
        await steve.hears("get_message")
        await expect(guest.message("I wait")).to_have_attribute("data-status", "sent")


async def test_what_was_on_its_way_when_the_line_broke_arrives_once(
    enter: Enter, server: Served, complaints: Complaints
) -> None:
    """The server has it, and its word that it has it was lost."""
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-once", "Steve") as (steve,), Line(server.port) as line:
        guest = await enter("room-once", "Guest", url=line.url)
        line.deafen()
        await guest.write("once")
        await steve.hears("get_message")
        await expect(guest.message("once")).to_have_attribute("data-status", "pending")
        await line.cut()
        await guest.reaches("offline")
        await line.mend()
        await guest.comes_back()
        await guest.say("twice")
        await steve.hears("get_message", 2)
        assert steve.texts == ["once", "twice"]
        await guest.see_texts("once", "twice")
        await expect(guest.notices).to_have_count(0)


async def test_what_the_server_no_longer_had_is_counted(enter: Enter, server: Served, complaints: Complaints) -> None:
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-missed", "Steve") as (steve,), Line(server.port) as line:
        guest = await enter("room-missed", "Guest", url=line.url)
        await steve.say("seen")
        await guest.hears("seen")
        await line.cut()
        await guest.reaches("offline")
        for number in range(7):
            await steve.say(f"message {number}")
        await line.mend()
        await guest.comes_back()
        await guest.see_texts("seen", "message 3", "message 4", "message 5", "message 6")
        await guest.see_notice("3 messages were missed", "warn")
        await expect(guest.notices).to_have_count(1)
        await steve.say("after")
        await guest.hears("after")
        await expect(guest.notices).to_have_count(1)


async def test_a_longer_break_is_a_leaving_and_a_coming(enter: Enter, complaints: Complaints, serving: Serving) -> None:
    complaints.expect(CUT_LINE)
    hasty = serving(grace_time=0.2)
    async with talking(hasty.url, "room-long", "Steve") as (steve,), Line(hasty.port) as line:
        guest = await enter("room-long", "Guest", url=line.url)
        await line.cut()
        await guest.reaches("offline")
        await steve.hears("user_left")
        await line.mend()
        await guest.comes_back()
        await steve.hears("new_user", 2)
        await guest.say("here I am again")
        await steve.hears("get_message")
        assert len(steve.all("user_left")) == 1


async def test_a_line_that_says_nothing_is_given_up(enter: Enter, complaints: Complaints, serving: Serving) -> None:
    complaints.expect(CUT_LINE)
    lively = serving(ping_interval=1, ping_timeout=3)
    async with talking(lively.url, "room-silent", "Steve") as (steve,), Line(lively.port) as line:
        guest = await enter("room-silent", "Guest", url=line.url)
        line.stall()
        await guest.write("into the void")
        await guest.reaches("offline")
        line.flow()
        await guest.comes_back()
        await steve.hears("get_message")
        await expect(guest.message("into the void")).to_have_attribute("data-status", "sent")
        assert steve.texts == ["into the void"]


async def test_a_line_that_died_while_nobody_looked_is_found_out_at_the_first_look(
    enter: Enter, visits: Visits, server: Served
) -> None:
    """As after a sleep, or in another network: nothing comes any more, and nobody has said that it is over. The
    server's own pings, which it would be noticed by in the end, are three quarters of a minute apart."""
    async with talking(server.url, "room-dead", "Steve") as (steve,), Line(server.port) as line:
        page = await visits.page()
        await page.clock.install()
        guest = await enter("room-dead", "Guest", url=line.url, page=page)
        (key,) = [key for said in line.up for key in re.findall(rb"Sec-WebSocket-Key: \S+", said)]
        line.stall(key)
        await steve.say("anybody there?")
        await guest.write("good morning")
        await page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        await page.clock.fast_forward(LOOK_MS)
        await guest.see_texts("anybody there?", "good morning")
        await expect(guest.message("good morning")).to_have_attribute("data-status", "sent")
        await steve.hears("get_message", 2)
        assert steve.texts == ["anybody there?", "good morning"]
        assert steve.comings_and_goings == ["new_user"]


async def test_a_restarted_server_has_lost_the_history_and_the_talk_goes_on(
    enter: Enter, serving: Serving, complaints: Complaints, tmp_path: Path, port: int
) -> None:
    complaints.expect(CUT_LINE)
    first = serving(state=tmp_path, port=port)
    guest, other = await asyncio.gather(
        enter("room-restart", "Guest", url=first.url), enter("room-restart", "Other", url=first.url)
    )
    await guest.say("before")
    await other.hears("before")
    assert await asyncio.to_thread(first.stop) == 0
    for each in (guest, other):
        await each.reaches("offline")
    await guest.write("meanwhile")
    serving(state=tmp_path, port=port)
    for each in (guest, other):
        await each.comes_back()
    await expect(guest.message("meanwhile")).to_have_attribute("data-status", "sent")
    await other.say("after")
    for each in (guest, other):
        await each.see_texts("before", "meanwhile", "after")
        await each.see_notice("The server has lost this room’s history", "warn")
        await each.see_people("Guest", "Other")
        await expect(each.notices.filter(has_text="missing")).to_have_count(0)
        await expect(each.page.locator(".notice[data-kind=alarm]")).to_have_count(0)


async def test_a_site_that_was_set_up_anew_says_so(
    enter: Enter, serving: Serving, complaints: Complaints, port: int
) -> None:
    complaints.expect(CUT_LINE)
    first = serving(port=port)
    guest = await enter("room-anew", "Guest", url=first.url)
    await asyncio.to_thread(first.stop)
    await guest.reaches("offline")
    serving(port=port)
    await guest.comes_back("stopped")
    await expect(guest.detail).to_contain_text("set up anew")
    await expect(guest.send).to_be_disabled()


async def test_a_device_without_a_network_comes_back_with_it(
    enter: Enter, server: Served, complaints: Complaints
) -> None:
    complaints.expect(CUT_LINE)
    async with talking(server.url, "room-plane", "Steve") as (steve,):
        guest = await enter("room-plane", "Guest")
        await guest.page.context.set_offline(True)
        await guest.reaches("offline")
        await guest.write("from the plane")
        await expect(guest.message("from the plane")).to_have_attribute("data-status", "pending")
        await guest.page.context.set_offline(False)
        await expect(guest.message("from the plane")).to_have_attribute("data-status", "sent")
        assert steve.comings_and_goings == ["new_user"]
