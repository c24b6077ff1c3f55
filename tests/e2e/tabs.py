"""Knows tabs as a browser of its own treats them: hidden, slowed down and put to sleep where another is in front, which
Playwright never lets happen to its own pages. Knows the room page by its ids; knows no test."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal, Self

from playwright.async_api import Browser, CDPSession, Playwright

from tests.e2e.pages import ARGUMENTS, PATIENCE_MS, Complaints, processes_of
from tests.programs import chromium

# Playwright's arguments that make hidden pages as quick as others.
WAKEFUL = (
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
# What browsers do to a page that has been hidden for minutes, from the first second on: timers once a minute.
HURRY = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1"

ADMITTED = """([["chatsite.enter", "1"], ["chatsite.room", ROOM], ["chatsite.name", NAME]]
  .forEach(([key, value]) => sessionStorage.setItem(key, value)))"""
PONG = "3"
UNTIL = """new Promise((resolve) => {
  const look = () => (CONDITION) && (observer.disconnect(), resolve());
  const observer = new MutationObserver(look);
  observer.observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
  look();
})"""
LINES = "Array.from(document.querySelectorAll('#messages li.message .text'), ({ textContent }) => textContent)"


class Tab:
    """One tab. `pongs`: how often its page has answered the server's pings, by WebSocket or by polling."""

    def __init__(self, browser: CDPSession, target: str, session: str, complaints: Complaints) -> None:
        self.pongs = 0
        self._browser, self._target, self._session = browser, target, session
        self._complaints = complaints
        self._news = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        browser.on("Target.receivedMessageFromTarget", self._hear)

    @classmethod
    async def open(cls, browser: CDPSession, complaints: Complaints) -> Self:
        target = (await browser.send("Target.createTarget", {"url": "about:blank"}))["targetId"]
        session = (await browser.send("Target.attachToTarget", {"targetId": target}))["sessionId"]
        tab = cls(browser, target, session, complaints)
        for domain in ("Log", "Network", "Page", "Runtime"):
            await tab.send(f"{domain}.enable")
        return tab

    async def send(self, method: str, **params: object) -> Any:  # noqa: ANN401 -- whatever the protocol answers
        """Of Chromium's DevTools protocol. Raises what it refuses."""
        number = len(self._answers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = json.dumps({"id": number, "method": method, "params": params})
        await self._browser.send("Target.sendMessageToTarget", {"sessionId": self._session, "message": message})
        said = await asyncio.wait_for(answer, PATIENCE_MS / 1000)
        assert "error" not in said, (method, said)
        return said["result"]

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401 -- whatever the page answers
        said = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, (expression, said)
        return said["result"].get("value")

    async def until(self, condition: str) -> None:
        """Waits for what is true of the document, or becomes so."""
        await self.evaluate(UNTIL.replace("CONDITION", condition))

    async def enter(self, url: str, room: str, name: str) -> None:
        """Into the room as from the login page."""
        await self.send("Page.navigate", url=f"{url}/site.json")
        await self.evaluate(ADMITTED.replace("ROOM", json.dumps(room)).replace("NAME", json.dumps(name)))
        await self.send("Page.navigate", url=f"{url}/room")
        await self.reaches("connected")

    async def reaches(self, *states: str) -> None:
        await self.until(f"{json.dumps(states)}.includes(document.querySelector('#state')?.dataset.state)")

    async def write(self, text: str) -> None:
        """Writes and sends, without a look at what becomes of it."""
        await self.evaluate(f"void (document.querySelector('#text').value = {json.dumps(text)})")
        await self.evaluate("void document.querySelector('#text').dispatchEvent(new Event('input'))")
        await self.evaluate("document.querySelector('#send').click()")

    async def hears(self, text: str) -> None:
        await self.until(f"{LINES}.includes({json.dumps(text)})")

    async def texts(self) -> list[str]:
        return list(await self.evaluate(LINES))

    async def notices(self) -> list[str]:
        """The notices that are more than a joining or a leaving."""
        loud = "#notices li:not([data-kind=quiet])"
        return list(await self.evaluate(f"Array.from(document.querySelectorAll('{loud}'), (line) => line.textContent)"))

    async def close(self) -> None:
        await self._browser.send("Target.closeTarget", {"targetId": self._target})

    async def to_front(self) -> None:
        """What was in front is hidden from now on."""
        await self._browser.send("Target.activateTarget", {"targetId": self._target})
        await self.until("!document.hidden")

    async def hides(self) -> None:
        """Waits until another tab is in front."""
        await self.evaluate(
            "new Promise((resolve) => document.hidden ? resolve()"
            " : document.addEventListener('visibilitychange', () => resolve(), { once: true }))"
        )

    async def lives(self, state: Literal["frozen", "active"]) -> None:
        """Frozen: no timer runs and nothing is heard, as in a tab that a phone has put away."""
        await self.send("Page.setWebLifecycleState", state=state)

    async def answers(self, times: int) -> None:
        """Waits until the page has answered the server's pings so many times from now on."""
        wanted = self.pongs + times
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while self.pongs < wanted:
                self._news.clear()
                await self._news.wait()

    def _hear(self, event: dict[str, Any]) -> None:
        if event["sessionId"] != self._session:
            return
        said = json.loads(event["message"])
        if "id" in said:
            self._answers[said["id"]].set_result(said)
            return
        method, params = said["method"], said["params"]
        if PONG in (params.get("response", {}).get("payloadData"), params.get("request", {}).get("postData")):
            self.pongs += 1
            self._news.set()
        elif method == "Runtime.exceptionThrown":
            self._complaints.heard.append(f"uncaught: {params}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self._complaints.heard.append(f"{params['entry']['level']}: {params['entry']['text']} {params}")


class Tabs:
    """A browser whose tabs are as they would be on somebody's desk."""

    def __init__(self, browser: Browser, session: CDPSession, complaints: Complaints) -> None:
        self._browser, self._session, self._complaints = browser, session, complaints

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tab]:
        """One more, in front."""
        tab = await Tab.open(self._session, self._complaints)
        try:
            yield tab
        finally:
            await tab.close()

    @asynccontextmanager
    async def asleep(self) -> AsyncIterator[None]:
        """The lid of the laptop is closed: not one process of this browser runs."""
        processes = await processes_of(self._session)
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(processes, signal.SIGCONT)


def _signal(processes: Iterable[int], number: int) -> None:
    for process in processes:
        os.kill(process, number)


@asynccontextmanager
async def browsing(playwright: Playwright, complaints: Complaints) -> AsyncIterator[Tabs]:
    browser = await playwright.chromium.launch(
        executable_path=chromium(), args=[*ARGUMENTS, HURRY], ignore_default_args=WAKEFUL
    )
    try:
        yield Tabs(browser, await browser.new_browser_cdp_session(), complaints)
    finally:
        await browser.close()
