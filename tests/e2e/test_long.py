"""A long conversation: nothing holds the page up, the reader stays where they are, and the order is everybody's."""

import asyncio
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from bench.limits import UNLIMITED
from tests.client import Client, talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import Guest, Visits
from tests.serving import Served

# Its devices are slow by Chromium's DevTools, and still by emulation.
pytestmark = pytest.mark.chromium

SETTINGS = {**UNLIMITED, "log_size": 1000}
MANY = 320

# How the page does while the worker derives the key: frames drawn, and the longest that anything held it up.
WATCH = """
const watched = globalThis.watched = { asked: 0, answered: 0, frames: 0, longest: 0 };
new PerformanceObserver((list) => {
  if (!watched.asked || watched.answered) return;
  watched.longest = Math.max(watched.longest, ...list.getEntries().map(({ duration }) => duration));
}).observe({ type: "longtask" });
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (...question) {
  watched.asked = performance.now();
  requestAnimationFrame(function next() {
    if (!watched.answered) requestAnimationFrame(next);
    watched.frames++;
  });
  this.addEventListener("message", () => watched.answered = performance.now());
  return postMessage.apply(this, question);
};
"""


async def test_the_page_lives_while_the_key_is_made(visits: Visits, server: Served) -> None:
    page = await visits.page()
    await page.add_init_script(WATCH)
    await Guest.enter(page, server.url, "room-lives", "Guest")
    watched = await page.evaluate("watched")
    derived = watched["answered"] - watched["asked"]
    # Made by the page itself it would be one task as long as the derivation, and no frame.
    assert watched["longest"] < derived / 2
    assert watched["frames"] >= 5


async def test_progress_moves_unless_somebody_wants_nothing_to_move(visits: Visits, server: Served) -> None:
    let_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await let_go.wait()
        await route.continue_()

    motions: tuple[tuple[Literal["no-preference", "reduce"], int], ...] = (("no-preference", 1), ("reduce", 0))
    for motion, moving in motions:
        let_go.clear()
        page = await visits.page(reduced_motion=motion)
        await page.route("**/site.json", hold)
        guest = await Guest.arrive(page, server.url, "room-progress", "Guest")
        await guest.reaches("deriving")
        progress = page.get_by_role("progressbar", name="Making the room’s key")
        await expect(progress).to_be_in_viewport()
        assert await progress.evaluate("bar => bar.getAnimations().length") == moving
        let_go.set()
        await guest.reaches("connected")
        await expect(progress).to_be_hidden()


async def chatter(speaker: Client, first: int, number: int) -> list[str]:
    texts = [f"line {first + at:03}" for at in range(number)]
    for text in texts:
        await speaker.say(text)
    return texts


async def at_end(page: Page) -> None:
    await page.wait_for_function(
        """() => {
          const { scrollHeight, scrollTop, clientHeight } = document.querySelector("#stream");
          return scrollHeight - scrollTop - clientHeight < 2;
        }"""
    )


async def place_of(guest: Guest, text: str) -> float:
    box = await guest.message(text).bounding_box()
    assert box is not None
    return box["y"]


async def test_a_long_log_is_read_from_its_end_to_its_beginning_and_back(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-long-log", "Steve", "Maria") as (steve, maria):
        said = [*await chatter(steve, 0, MANY // 2), *await chatter(maria, MANY // 2, MANY // 2)]
        guest = await enter("room-long-log", "Guest")
        await guest.see_last_texts(said[-1])
        assert await guest.texts() == said
        await at_end(guest.page)
        await expect(guest.message(said[-1])).to_be_in_viewport()
        stream, jump = guest.page.locator("#stream"), guest.page.locator("#jump")
        await stream.focus()
        await guest.page.keyboard.press("Home")
        await expect(stream).to_have_js_property("scrollTop", 0)
        await expect(guest.messages.first).to_be_in_viewport()
        # Blocks that are drawn now for the first time have other sizes than they were taken to have.
        place = await place_of(guest, said[3])
        said += await chatter(steve, MANY, 3)
        await expect(jump).to_have_text("↓ 3 new")
        assert await place_of(guest, said[3]) == place
        await jump.click()
        await at_end(guest.page)
        await expect(guest.message(said[-1])).to_be_in_viewport()
        await expect(jump).to_be_hidden()
        assert await guest.texts() == said


# Whether each message came into a log that is read out.
NOTE_WHAT_IS_READ_OUT = """
const readOut = globalThis.readOut = new Map();
addEventListener("DOMContentLoaded", () => {
  const log = document.querySelector("#messages");
  if (log) new MutationObserver((records) => {
    for (const { addedNodes } of records) for (const node of addedNodes)
      if (node.matches?.(".message")) readOut.set(node.querySelector(".text").textContent, log.ariaLive !== "off");
  }).observe(log, { childList: true, subtree: true });
});
"""


async def test_history_is_not_read_out_however_long_and_news_are(visits: Visits, server: Served) -> None:
    async with talking(server.url, "room-long-quiet", "Steve") as (steve,):
        said = await chatter(steve, 0, MANY)
        page = await visits.page()
        await page.add_init_script(NOTE_WHAT_IS_READ_OUT)
        session = await page.context.new_cdp_session(page)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": 8})
        guest = await Guest.enter(page, server.url, "room-long-quiet", "Guest")
        await guest.see_last_texts(said[-1])
        await expect(page.locator("#messages")).not_to_have_attribute("aria-live", "off")
        await steve.say("news")
        await guest.hears("news")
        assert await page.evaluate("[...readOut]") == [*([text, False] for text in said), ["news", True]]


async def test_a_filter_reaches_every_message_of_a_long_conversation(enter: Enter, server: Served) -> None:
    async with talking(server.url, "room-long-filter", "Steve") as (steve,):
        for number in range(MANY):
            await steve.say(f"{number} < {number + 1}")
        guest = await enter("room-long-filter", "Guest")
        labels = guest.page.locator("#messages .label")
        await guest.allow(characters=False)
        await expect(labels).to_have_count(MANY)
        assert not any("<" in text for text in await guest.texts())
        # Switched to and fro while it is at work: what was asked for last counts.
        await guest.page.evaluate(
            "() => { for (let times = 0; times < 5; times++) document.querySelector('#option-characters').click(); }"
        )
        await expect(labels).to_have_count(0)
        assert await guest.texts() == [f"{number} < {number + 1}" for number in range(MANY)]


NOTE_WHAT_IS_PUT_IN = """() => {
  globalThis.put = [];
  new MutationObserver((records) => {
    for (const { addedNodes } of records) for (const node of addedNodes)
      if (node.matches?.(".message")) put.push(node.querySelector(".text").textContent);
  }).observe(document.querySelector("#messages"), { childList: true, subtree: true });
}"""

# From top to bottom, messages and notices as they are seen.
SEEN = """() => {
  const top = (line) => line.getBoundingClientRect().top;
  const lines = [...document.querySelectorAll("#stream :is(.message, .notice)")];
  const text = (line) => (line.querySelector(".text") ?? line).textContent.replace(/ \\(.*\\)/, "");
  return lines.sort((one, other) => top(one) - top(other)).map(text);
}"""


class Held:
    """What a page sends into the room waits here until it is let go."""

    def __init__(self) -> None:
        self._held: list[Callable[[], None]] | None = []

    def route(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            # In order, or the server would take what comes next for forged.
            said = str(message).startswith("42") and "join-room" not in str(message)
            if self._held is None or not said:
                server_side.send(message)
            else:
                self._held.append(lambda: server_side.send(message))

        page_side.on_message(pass_on)

    def let_go(self) -> None:
        held, self._held = self._held or [], None
        for send in held:
            send()


async def test_what_waits_stays_last_and_is_put_in_once(visits: Visits, server: Served) -> None:
    """Messages and notices of others go above what is unsent; what was unsent is sent where it stands."""
    held = Held()
    async with talking(server.url, "room-waits", "Steve") as (steve,):
        await steve.say("before")
        page = await visits.page()
        await page.route_web_socket("**/socket.io/**", held.route)
        guest = await Guest.enter(page, server.url, "room-waits", "Guest")
        await guest.see_texts("before")
        await guest.write("mine 1")
        await guest.write("mine 2")
        await guest.see_texts("before", "mine 1", "mine 2")
        await page.evaluate(NOTE_WHAT_IS_PUT_IN)
        await steve.say("between")
        await guest.see_texts("before", "between", "mine 1", "mine 2")
        assert await page.evaluate("put") == ["between"]
        async with talking(server.url, "room-waits", "Maria") as (maria,):
            await guest.see_notice("Maria")
            assert await page.evaluate(SEEN) == ["before", "between", "Maria joined", "mine 1", "mine 2"]
            await maria.say("after")
            await guest.see_texts("before", "between", "after", "mine 1", "mine 2")
            await page.evaluate("put.length = 0")
            held.let_go()
            await expect(guest.message("mine 2")).to_have_attribute("data-status", "sent")
            await maria.say("at the end")
            await guest.hears("at the end")
            said = ["before", "between", "Maria joined", "after", "mine 1", "mine 2", "at the end"]
            assert await page.evaluate(SEEN) == said
        assert await page.evaluate("put") == ["at the end"]
