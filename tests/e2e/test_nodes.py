"""People on two nodes of one site: they meet as on one, and when a node or Redis fails they notice no more than they
must."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.e2e.conftest import Serving
from tests.e2e.pages import CUT_LINE, Complaints, Guest, Visits
from tests.proxy import Line
from tests.redis_server import redis_server
from tests.serving import Served

AWAY = "The server cannot reach its rooms at the moment."


@asynccontextmanager
async def a_line_to_redis() -> AsyncIterator[Line]:
    with redis_server() as url:
        async with Line(urlsplit(url).port or 0) as line:
            yield line


async def node(serving: Serving, redis: Line) -> Served:
    """Beside the loop, on which the line to Redis lives."""
    return await asyncio.to_thread(serving, broker=f"redis://127.0.0.1:{redis.port}/0")


async def test_they_meet_as_on_one_and_while_redis_is_away_nothing_is_lost(
    serving: Serving, visits: Visits, complaints: Complaints
) -> None:
    complaints.expect(CUT_LINE)
    async with a_line_to_redis() as line:
        one, two = [await node(serving, line) for _ in range(2)]
        alice = await Guest.enter(await visits.page(), one.url, "room-away", "Alice")
        bobby = await Guest.enter(await visits.page(), two.url, "room-away", "Bobby")
        await alice.see_people("Alice", "Bobby")
        said = [f"from {name} {number}" for number in range(2) for name in ("Alice", "Bobby")]
        for number in range(2):
            for guest in (alice, bobby):
                await guest.say(f"from {guest.name} {number}")
        for guest in (alice, bobby):
            await guest.see_texts(*said)
        await line.cut()
        await alice.write("to whom?")
        await expect(alice.message("to whom?")).to_have_attribute("data-status", "pending")
        await expect(alice.detail).to_have_text(AWAY)
        carla = await Guest.arrive(await visits.page(), two.url, "room-away", "Carla")
        await carla.reaches("offline")
        await expect(carla.detail).to_have_text(AWAY)
        for guest in (alice, bobby):
            await guest.see_texts(*said, *(["to whom?"] if guest is alice else []))
            await guest.reaches("connected")
        await line.mend()
        await expect(alice.message("to whom?")).to_have_attribute("data-status", "sent")
        await expect(alice.detail).to_have_text("")
        await carla.reaches("connected")
        await bobby.hears("to whom?")
        for guest in (alice, bobby, carla):
            await guest.see_people("Alice", "Bobby", "Carla")
            await guest.see_texts(*said, "to whom?")


async def test_who_was_on_a_node_that_died_comes_back_by_another(
    serving: Serving, visits: Visits, complaints: Complaints
) -> None:
    complaints.expect(CUT_LINE)
    async with a_line_to_redis() as redis:
        one, two = [await node(serving, redis) for _ in range(2)]
        async with Line(one.port) as way:
            alice = await Guest.enter(await visits.page(), way.url, "room-moved", "Alice")
            bobby = await Guest.enter(await visits.page(), two.url, "room-moved", "Bobby")
            await alice.say("here")
            way.target = two.port  # as a proxy does that finds nobody there
            await asyncio.to_thread(one.stop, signal.SIGKILL)
            await alice.write("and there")
            await alice.comes_back()
            await bobby.hears("and there")
            await alice.see_texts("here", "and there")
            await expect(bobby.notices.filter(has_text="left")).to_have_count(0)
            await bobby.see_people("Alice", "Bobby")
            await visits.close()
