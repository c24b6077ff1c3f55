"""Every state that must be seen is seen, says what it means, and can be left again."""

import asyncio

from playwright.async_api import Route, WebSocketRoute, expect

from tests.client import talking
from tests.e2e.conftest import Enter, Serving
from tests.e2e.pages import CUT_LINE, FIREFOX_CUT, Complaints, Guest, Visits
from tests.proxy import Line
from tests.serving import Served


async def test_while_the_key_is_made(visits: Visits, server: Served) -> None:
    let_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await let_go.wait()
        await route.continue_()

    page = await visits.page()
    await page.route("**/site.json", hold)
    guest = await Guest.arrive(page, server.url, "room-deriving", "Guest")
    await guest.reaches("deriving")
    await expect(guest.state).to_contain_text("Making the room’s key")
    await expect(page.locator("#progress")).to_be_visible()
    await guest.text.fill("too early")
    await expect(guest.send).to_be_disabled()
    let_go.set()
    await guest.reaches("connected")
    await expect(page.locator("#progress")).to_be_hidden()
    await expect(guest.send).to_be_enabled()


async def test_a_key_that_cannot_be_made(visits: Visits, server: Served, complaints: Complaints) -> None:
    complaints.expect("503")
    page = await visits.page()
    await page.route("**/site.json", lambda route: route.fulfill(status=503))
    guest = await Guest.arrive(page, server.url, "room-no-key", "Guest")
    await guest.reaches("stopped")
    await expect(guest.detail).to_contain_text("key could not be made")
    await page.locator("#reconnect").click()
    await page.wait_for_url(f"{server.url}/")
    await expect(page.locator("#room")).to_have_value("room-no-key")


async def test_while_it_connects_and_when_nobody_answers(
    visits: Visits, server: Served, complaints: Complaints
) -> None:
    complaints.expect(CUT_LINE)
    async with Line(server.port) as line:
        line.stall(b"/socket.io/")
        guest = await Guest.arrive(await visits.page(), line.url, "room-connecting", "Guest")
        await guest.reaches("connecting")
        await expect(guest.state).to_contain_text("Connecting")
        await line.cut()
        await guest.reaches("offline")
        await expect(guest.detail).to_have_text("The server does not answer. This page goes on trying.")
        await line.mend()
        await guest.reaches("connected")
        await expect(guest.detail).to_be_empty()


async def test_back_again_is_said_for_a_while(
    enter: Enter, visits: Visits, server: Served, complaints: Complaints
) -> None:
    complaints.expect(CUT_LINE)
    async with Line(server.port) as line:
        page = await visits.page()
        await page.clock.install()
        guest = await enter("room-resynced", "Guest", url=line.url, page=page)
        await line.cut()
        await guest.reaches("offline")
        await line.mend()
        await guest.comes_back("resynced")
        await expect(guest.state).to_contain_text("Connected again")
        await page.clock.fast_forward(7_000)
        await guest.reaches("connected")


async def test_a_full_room(enter: Enter, visits: Visits, serving: Serving) -> None:
    small = serving(max_room_members=1)
    first = await enter("room-full", "First", url=small.url)
    second = await Guest.arrive(await visits.page(), small.url, "room-full", "Second")
    await second.reaches("stopped")
    await expect(second.detail).to_contain_text("The room is full")
    await expect(second.send).to_be_disabled()
    await first.see_people("First")
    await first.leave()
    await second.comes_back("connected")
    await second.see_people("Second")


async def test_a_full_server(enter: Enter, visits: Visits, serving: Serving) -> None:
    small = serving(max_rooms=1, empty_room_ttl=0)
    first = await enter("room-first", "First", url=small.url)
    second = await Guest.arrive(await visits.page(), small.url, "room-second", "Second")
    await second.reaches("stopped")
    await expect(second.detail).to_contain_text("The server is full")
    await first.leave()
    await second.comes_back("connected")


async def test_a_server_that_takes_no_more_connections(
    enter: Enter, visits: Visits, complaints: Complaints, serving: Serving
) -> None:
    complaints.expect("503", FIREFOX_CUT)
    small = serving(max_connections=1)
    first = await enter("room-busy", "First", url=small.url)
    second = await Guest.arrive(await visits.page(), small.url, "room-busy", "Second")
    await second.reaches("offline")
    await first.leave()
    await second.comes_back("connected")


async def test_who_writes_too_fast_is_told_and_loses_nothing(enter: Enter, serving: Serving) -> None:
    said = [f"hasty {number}" for number in range(5)]
    slow = serving(events_per_connection="2, 2")
    async with talking(slow.url, "room-hasty", "Steve") as (steve,):
        guest = await enter("room-hasty", "Guest", url=slow.url)
        for text in said:
            await guest.write(text)
        await expect(guest.detail).to_contain_text("faster than the server takes")
        await expect(guest.message(said[-1])).to_have_attribute("data-status", "sent")
        await guest.see_texts(*said)
        await steve.hears("get_message", len(said))
        assert steve.texts == said
        await expect(guest.detail).to_be_empty()


async def test_a_connection_that_the_server_ended(visits: Visits, server: Served) -> None:
    """Somebody on the way has changed one letter of what was sealed: the server hears a stranger and hangs up."""
    meddled: list[str] = []

    def meddle(page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if isinstance(message, str) and "send_message" in message and not meddled:
                meddled.append(message)
                at = message.index("send_message") + 40
                message = message[:at] + ("A" if message[at] != "A" else "B") + message[at + 1 :]
            server_side.send(message)

        page_side.on_message(pass_on)

    async with talking(server.url, "room-ended", "Steve") as (steve,):
        page = await visits.page()
        await page.route_web_socket("**/socket.io/**", meddle)
        guest = await Guest.enter(page, server.url, "room-ended", "Guest")
        await guest.write("tell nobody")
        await guest.reaches("stopped")
        await expect(guest.detail).to_have_text("The server has ended this connection.")
        await expect(guest.message("tell nobody")).to_have_attribute("data-status", "pending")
        await expect(guest.send).to_be_disabled()
        await steve.hears("user_left")
        assert steve.texts == []
        await guest.comes_back()
        await expect(guest.message("tell nobody")).to_have_attribute("data-status", "sent")
        await steve.hears("get_message")
        assert steve.texts == ["tell nobody"]
        assert meddled


async def test_messages_vanish_when_the_server_says_that_they_do(visits: Visits, serving: Serving) -> None:
    fleeting = serving(message_ttl=600)
    async with talking(fleeting.url, "room-fleeting", "Steve") as (steve,):
        page = await visits.page()
        await page.clock.install()
        guest = await Guest.enter(page, fleeting.url, "room-fleeting", "Guest")
        await guest.see_notice("The server lets messages vanish from here after 10 minutes.", "quiet")
        await steve.say("theirs")
        await guest.say("mine")
        await guest.see_texts("theirs", "mine")
        await page.clock.fast_forward(605_000)
        await expect(guest.messages).to_have_count(0)
