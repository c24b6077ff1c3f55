"""What is written while the server cannot be reached waits, reads as waiting, and arrives once and in order, also at a
server that has forgotten everything, or at another one."""

import asyncio
from pathlib import Path

from playwright.async_api import expect

from tests.client import Client, talking
from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import CUT_LINE, Complaints, Guest
from tests.proxy import Line

FIVE = [f"{number} of five" for number in ("one", "two", "three", "four", "five")]


async def write_five(guest: Guest) -> None:
    for text in FIVE:
        await guest.write(text)
        await expect(guest.message(text)).to_have_attribute("data-status", "pending")
        await expect(guest.message(text).locator(".fate")).to_have_text("○ waiting")


async def see_what_was_lost(*guests: Guest) -> None:
    """The server's memory, and nothing else; nobody is accused of it."""
    for guest in guests:
        await guest.see_notice("The server has lost this room’s history", "warn")
        await expect(guest.page.locator(".notice:not([data-kind=quiet])")).to_have_count(1)
        await expect(guest.page.locator("[data-status]:not([data-status=sent])")).to_have_count(0)
        await guest.see_people("Guest", "Other", "Steve")


async def test_five_messages_written_offline_arrive_at_a_restarted_server(
    enter: Enter, serving: Serving, complaints: Complaints, tmp_path: Path, port: int
) -> None:
    complaints.expect(CUT_LINE)
    first = serving(state=tmp_path, port=port)
    guest, other = await asyncio.gather(
        enter("room-five", "Guest", url=first.url), enter("room-five", "Other", url=first.url)
    )
    await guest.say("before")
    await other.say("and")
    await guest.hears("and")
    await guest.page.context.set_offline(True)
    await guest.reaches("offline")
    await write_five(guest)
    assert await asyncio.to_thread(first.stop) == 0
    await other.reaches("offline")
    again = serving(state=tmp_path, port=port)
    async with talking(again.url, "room-five", "Steve") as (steve,):
        await other.comes_back()
        await other.say("after")
        await guest.page.context.set_offline(False)
        await expect(guest.message(FIVE[-1])).to_have_attribute("data-status", "sent")
        await steve.hears("get_message", 6)
        for each in (guest, other):
            await each.see_texts("before", "and", "after", *FIVE)
        await steve.say("heard")
        for each in (guest, other):
            await each.see_texts("before", "and", "after", *FIVE, "heard")
        assert steve.texts == ["after", *FIVE, "heard"]
        await see_what_was_lost(guest, other)
        # Whoever comes now is told the same.
        async with Client(again.url) as late:
            await late.join("room-five", "Late")
            assert late.texts == steve.texts


async def test_another_node_takes_over(enter: Enter, serving: Serving, complaints: Complaints, tmp_path: Path) -> None:
    """Another process of the same site, with keys of its own, on the same address. The first one had taken a message
    of which its author has not heard: it goes to the second, too, and whoever has it already sees it once."""
    complaints.expect(CUT_LINE)
    nodes = [serving(state=tmp_path) for _ in range(2)]
    async with (
        Line(nodes[0].port) as line,
        Line(nodes[0].port) as others_line,
        talking(nodes[1].url, "room-nodes", "Steve") as (steve,),
    ):
        guest, other = await asyncio.gather(
            enter("room-nodes", "Guest", url=line.url), enter("room-nodes", "Other", url=others_line.url)
        )
        await guest.say("before")
        line.deafen()
        await guest.write("between")
        await other.hears("between")
        await expect(guest.message("between").locator(".fate")).to_have_text("… sending")
        for each in (line, others_line):
            await each.cut()
            each.target = nodes[1].port
        await guest.reaches("offline")
        await expect(guest.message("between").locator(".fate")).to_have_text("○ waiting")
        await write_five(guest)
        for each in (others_line, line):
            await each.mend()
        for person in (other, guest):
            await person.comes_back()
        await steve.hears("get_message", 6)
        await other.say("after")
        for person in (guest, other):
            await person.see_texts("before", "between", *FIVE, "after")
        assert steve.texts == ["between", *FIVE, "after"]
        await see_what_was_lost(guest, other)
