"""One visit to the room page in Chromium, and what the Performance API says of it. Knows the page by its ids and puts
nothing into it.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, CDPSession, Page

from bench.crowd import Crowd

LOG = 1_000
"""Messages that the server keeps: as many as a protocol's log may have."""
KEYS = 20
KEY_SECONDS = 0.1
"""Somebody who writes fast."""
PATIENCE = 60.0
"""Seconds. What a backlog has not become by then counts as it is."""

# In the page before anything of its own: when the worker was asked and answered, how many messages stand in the
# document, when they were painted, how far apart frames were and which tasks were long.
PROBE = """
const probe = globalThis.probe = { added: 0, wanted: new Map(), keys: [] };
let tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries())).observe({ type: "longtask" });
probe.painted = () => new Promise((resolve) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(performance.now());
  port2.postMessage(0);
}));
probe.shown = (count) => new Promise((resolve) => probe.wanted.set(count, resolve));
probe.first = probe.shown(1);
probe.all = probe.shown(Number(sessionStorage.getItem("bench")));
const count = (records) => {
  for (const { addedNodes } of records) for (const node of addedNodes)
    if (node instanceof Element) probe.added += node.matches(".message") ? 1 : node.querySelectorAll(".message").length;
  for (const [wanted, resolve] of probe.wanted)
    if (probe.added >= wanted && probe.wanted.delete(wanted)) probe.painted().then(resolve);
};
probe.record = () => {
  tasks = [];
  const frames = [];
  let recording = requestAnimationFrame(function next(now) {
    frames.push(now);
    recording = requestAnimationFrame(next);
  });
  probe.stop = async () => {
    cancelAnimationFrame(recording);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const gaps = frames.slice(1).map((at, index) => at - frames[index]);
    return { gaps, tasks: tasks.map(({ duration }) => duration) };
  };
};
addEventListener("keydown", ({ timeStamp }) => probe.painted().then((at) => probe.keys.push(at - timeStamp)), true);
document.addEventListener("DOMContentLoaded", () => {
  const messages = document.querySelector("#messages");
  if (messages) new MutationObserver(count).observe(messages, { childList: true, subtree: true });
});
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (...question) {
  probe.asked = performance.now();
  probe.record();
  this.addEventListener("message", () => {
    probe.derived = performance.now();
    probe.deriving = probe.stop();
    probe.record();
  });
  return postMessage.apply(this, question);
};
"""

COME_IN = """async () => {
  const [first, last] = [await probe.first, await probe.all];
  const coming = await probe.stop();
  const { asked, derived, deriving } = probe;
  return { derive: derived - asked, first: first - derived, all: last - derived, deriving: await deriving, coming };
}"""

# Up through what stands there, slowly and then as fast as a flick of a thumb, and back.
SCROLL = """async () => {
  const stream = document.querySelector("#stream");
  probe.record();
  for (const step of [-60, -1200, 1200, 60])
    for (let frame = 0; frame < 60; frame++) {
      stream.scrollBy({ top: step, behavior: "instant" });
      await new Promise(requestAnimationFrame);
    }
  return probe.stop();
}"""

# The page stands still while its dialog is open, without work for the processor.
BACKLOG = """async ({ number, patience }) => {
  const { added } = probe;
  alert();
  const began = performance.now();
  probe.keys = [];
  probe.record();
  await Promise.race([probe.shown(added + number), new Promise((resolve) => setTimeout(resolve, patience))]);
  const milliseconds = performance.now() - began;
  return { ...await probe.stop(), all: milliseconds, rate: (probe.added - added) / milliseconds * 1000 };
}"""

# From the click to the next picture, and until the last message is as it should be.
TOGGLE = """async (labels) => {
  const marked = () => document.querySelectorAll("#messages .label").length;
  probe.record();
  const began = performance.now();
  document.querySelector("#option-characters").click();
  const first = await probe.painted() - began;
  while (marked() !== labels) await probe.painted();
  const all = performance.now() - began;
  return { ...await probe.stop(), first, all };
}"""


class Visit:
    """One page in one room. `results`: milliseconds, unless the name says otherwise."""

    def __init__(self, page: Page, session: CDPSession, crowd: Crowd) -> None:
        self.page, self.session, self.crowd = page, session, crowd
        self.results: dict[str, float] = {}

    async def come_in(self, throttle: int) -> None:
        """From the login page's notes to the last message of the log."""
        log = min(self.crowd.said, LOG)
        notes = {"chatsite.enter": "1", "chatsite.room": self.crowd.room, "chatsite.name": "Reader", "bench": str(log)}
        await self.page.goto(f"{self.crowd.url}/site.json")
        await self.page.evaluate(
            "(notes) => Object.entries(notes).forEach((note) => sessionStorage.setItem(...note))", notes
        )
        await self.session.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        await self.page.goto(f"{self.crowd.url}/room", wait_until="commit")
        said = await self.page.evaluate(COME_IN)
        self.results |= {"derive": said["derive"], "derive: frame max": max(said["deriving"]["gaps"])}
        self.results |= {f"join, {log}: first": said["first"], f"join, {log}: all": said["all"]}
        self._note(f"join, {log}", said["coming"])

    async def look_around(self, in_view: int) -> None:
        """Scrolling, writing, and both ways of a filter."""
        before = await self._busy()
        said = await self.page.evaluate(SCROLL)
        self.results[f"scroll, {in_view}: busy per frame"] = (await self._busy() - before) / (len(said["gaps"]) + 1)
        self._note(f"scroll, {in_view}", said)
        await self.page.locator("#text").focus()
        await self.page.evaluate("() => { probe.keys = []; }")
        for _ in range(KEYS):
            await self.page.keyboard.type("a")
            await asyncio.sleep(KEY_SECONDS)
        await self._note_keys(f"write, {in_view}")
        await self.page.locator("#text").fill("")
        marked = self.crowd.marked(await self.page.locator("#messages .message").count())
        for name, labels in (("filter on", marked), ("filter off", 0)):
            said = await self.page.evaluate(TOGGLE, labels)
            self.results |= {f"{name}, {in_view}: first": said["first"], f"{name}, {in_view}: all": said["all"]}
            self.results[f"{name}, {in_view}: longest task"] = max(said["tasks"], default=0)

    async def work_off(self, number: int) -> None:
        """So many messages are said while the page stands still; then it shows them, and somebody writes meanwhile."""
        question = {"number": number, "patience": PATIENCE * 1000}
        before = await self._busy()
        async with self.page.expect_event("dialog") as opening:
            answer = asyncio.ensure_future(self.page.evaluate(BACKLOG, question))
        dialog = await opening.value
        await self.crowd.say(number)
        await dialog.accept()
        while not answer.done():
            await self.page.keyboard.type("a")
            await asyncio.wait([answer], timeout=KEY_SECONDS)
        said, name = await answer, f"backlog, {number}"
        self.results |= {f"{name}: all": said["all"], f"{name}: messages a second": said["rate"]}
        self.results[f"{name}: busy per message"] = (await self._busy() - before) / (said["rate"] * said["all"] / 1000)
        self._note(name, said)
        await self._note_keys(name)

    async def weigh(self) -> None:
        await self.session.send("HeapProfiler.collectGarbage")
        metrics = await self._metrics()
        self.results |= {"heap, MB": metrics["JSHeapUsedSize"] / 1e6, "nodes": metrics["Nodes"]}
        self.results["messages in view"] = await self.page.locator("#messages .message").count()

    async def _metrics(self) -> dict[str, float]:
        said = await self.session.send("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in said["metrics"]}

    async def _busy(self) -> float:
        """Of the page's main thread, in milliseconds of its own: what else the machine does is not in it."""
        return (await self._metrics())["TaskDuration"] * 1000

    async def _note_keys(self, name: str) -> None:
        keys = await self.page.evaluate("() => probe.keys")
        self.results |= {f"{name}: key p50": statistics.median(keys), f"{name}: key max": max(keys)}

    def _note(self, name: str, said: dict[str, list[float]]) -> None:
        gaps, tasks = sorted(said["gaps"]) or [0.0], said["tasks"]
        self.results[f"{name}: longest task"] = max(tasks, default=0)
        for share in (50, 95, 100):
            self.results[f"{name}: frame p{share}"] = gaps[(len(gaps) - 1) * share // 100]
        for limit in (25, 50):
            self.results[f"{name}: frames over {limit} ms, %"] = 100 * sum(gap > limit for gap in gaps) / len(gaps)


@asynccontextmanager
async def visiting(browser: Browser, crowd: Crowd) -> AsyncIterator[Visit]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(2 * PATIENCE * 1000)
    await context.add_init_script(PROBE)
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    await session.send("Performance.enable")
    yield Visit(page, session, crowd)
    await context.close()
