"""Knows the two pages as a person sees them, by the ids that they promise; knows no test, and nothing of what stands
behind the pages."""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict, Unpack
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Playwright,
    Request,
    ViewportSize,
    WebError,
    WebSocket,
    expect,
)

from tests.firefox import stand_in
from tests.programs import chromium

LOCAL_HOSTS = {"127.0.0.1", "localhost", "chat.test"}
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Who speaks is a tone, and there is nobody to ask whether it may be heard.
    "--use-fake-device-for-media-stream",
    # A name for the tests' own server; every other host is out of reach, whatever a page may ask for.
    "--host-resolver-rules=MAP chat.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# A machine that is busy with other tests is no failure of this one.
PATIENCE_MS = 20_000
DESKTOP: ViewportSize = {"width": 1280, "height": 800}

# A violation in a page where the console says nothing of it (a report-only policy, say) is told all the same.
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
  console.error(`violation of ${violatedDirective}: ${blockedURI} at ${sourceFile}:${lineNumber}`));
"""

# What browsers themselves say where a test cuts the line.
FIREFOX_CUT = r"can.t establish a connection to the server at wss?://|connection to wss?://\S+ was interrupted"
CUT_LINE = rf"WebSocket connection to .* failed|net::ERR_|WebSocket is closed before|{FIREFOX_CUT}"
# And where one lets no WebSocket through.
REFUSED = (
    r"WebSocket connection to 'ws://[^']*' failed: Error during WebSocket handshake: Unexpected response code: 403|"
    rf"{FIREFOX_CUT}"
)


FIREFOX: dict[str, str | float | bool] = {
    # Who speaks is a tone, and there is nobody to ask whether it may be heard.
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "network.dns.localDomains": "chat.test",
}


async def launch(playwright: Playwright) -> Browser:
    expect.set_options(timeout=PATIENCE_MS)
    return await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)


async def launch_firefox(playwright: Playwright, folder: Path) -> Browser:
    """`folder`: for the program that is started, as long as the browser is there."""
    expect.set_options(timeout=PATIENCE_MS)
    return await playwright.firefox.launch(
        channel="moz-firefox", executable_path=stand_in(folder), firefox_user_prefs=FIREFOX
    )


async def processes_of(session: CDPSession) -> list[int]:
    """The processes of the browser that this is a session of, without those that it names and that have ended: their
    numbers may be other programs' by now, and 0 would mean all of ours."""
    said = await session.send("SystemInfo.getProcessInfo")
    return [process["id"] for process in said["processInfo"] if _is_a_browsers(process["id"])]


def _is_a_browsers(process: int) -> bool:
    try:
        return b"chromium" in Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


HARMLESS = (
    # Chromium's word for a page that gives a connection up while it is being made, which pages may do at any time.
    "WebSocket is closed before the connection is established",
    # And for one that says goodbye over a line whose end it has not been told of yet.
    "WebSocket is already in CLOSING or CLOSED state",
    # Playwright's own, of contexts that were not given the shell.
    "Service Worker registration blocked by Playwright",
    # Firefox's word for a script that is no longer wanted, since the page is left: this is the hash of nothing.
    r"The computed hash is .OLBgp1GsljhM2TJ\+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l\+9Ua0vFImLlb.",
)


@dataclass
class Complaints:
    """What pages complained of during one test. `expected`: patterns of what this test brings about on purpose."""

    heard: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def expect(self, *patterns: str) -> None:
        self.expected.extend(patterns)

    @property
    def unexpected(self) -> list[str]:
        allowed = (*HARMLESS, *self.expected)
        return [line for line in self.heard if not any(re.search(pattern, line) for pattern in allowed)]

    def attend(self, context: BrowserContext) -> None:
        """From now on every error, warning, violation and request to another host in this context is heard."""
        self._contexts.append(context)
        context.on("close", self._closed)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("page", lambda page: page.on("websocket", self._websocket))

    async def settle(self) -> None:
        """Returns when everything that pages have said up to now has been heard."""
        for page in [page for context in self._contexts for page in context.pages]:
            await _quietly(page.evaluate("() => 0"))

    def _closed(self, context: BrowserContext) -> None:
        self._contexts.remove(context)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.heard.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _error(self, error: WebError) -> None:
        self.heard.append(f"uncaught: {error.error.message}\n{error.error.stack or ''}")

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _websocket(self, websocket: WebSocket) -> None:
        self._address(websocket.url)

    def _address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"blob", "data"} and parts.hostname not in LOCAL_HOSTS:
            self.heard.append(f"request to another host: {url}")


class Options(TypedDict, total=False):
    """Of a context; as Playwright names them."""

    viewport: ViewportSize
    java_script_enabled: bool
    reduced_motion: Literal["reduce", "no-preference"]
    permissions: Sequence[str]
    locale: str
    has_touch: bool
    is_mobile: bool
    service_workers: Literal["allow", "block"]
    forced_colors: Literal["active", "none"]


class Visits:
    """The browser contexts of one test, or of one module: each is a person with a browser of their own."""

    def __init__(self, browser: Browser, complaints: Complaints) -> None:
        self._browser = browser
        self._complaints = complaints
        self._contexts: list[BrowserContext] = []

    async def context(self, **options: Unpack[Options]) -> BrowserContext:
        """Certificates are believed: those of the tests are self-made."""
        options.setdefault("viewport", DESKTOP)
        options.setdefault("locale", "en-GB")
        # A test that does not ask for the shell pays no time for it.
        options.setdefault("service_workers", "block")
        context = await self._browser.new_context(ignore_https_errors=True, **options)
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        self._complaints.attend(context)
        await context.add_init_script(TELL_VIOLATIONS)
        return context

    async def page(self, **options: Unpack[Options]) -> Page:
        return await (await self.context(**options)).new_page()

    async def close(self) -> None:
        await self._complaints.settle()
        for context in self._contexts:
            await _quietly(context.close())
        self._contexts.clear()


async def _quietly(step: Awaitable[object]) -> None:
    """For pages and contexts that a test may have closed or crashed itself."""
    with suppress(Error):
        await step


class Login:
    """The login page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.room = page.locator("#room")
        self.username = page.locator("#username")
        self.enter = page.locator("#enter")
        self.notice = page.locator("#notice")
        self.room_hint = page.locator("#room-hint")
        self.username_hint = page.locator("#username-hint")
        self.strength = page.locator("#strength")

    @classmethod
    async def open(cls, page: Page, url: str) -> "Login":
        """`url`: of the site, without a slash at the end, with an invite's fragment or not."""
        await page.goto(url if set("#?") & set(url) else f"{url}/")
        return cls(page)

    async def go_to_room(self) -> None:
        """Into the box; where it is empty, that puts "room-" in, and the cursor behind it a frame later."""
        await self.room.click()
        await expect(self.room).not_to_have_value("")
        await self.page.evaluate("() => new Promise(requestAnimationFrame)")

    async def type_names(self, room: str, username: str) -> None:
        await self.go_to_room()
        await self.room.fill(room)
        await self.username.fill(username)


class Guest:
    """Somebody on the room page."""

    def __init__(self, page: Page, room: str, name: str) -> None:
        self.page = page
        self.room = room
        self.name = name
        self.state = page.locator("#state")
        self.detail = page.locator("#state-detail")
        self.messages = page.locator("#messages li.message")
        self.notices = page.locator("#notices li.notice")
        self.people = page.locator("#people li.person")
        self.wire = page.locator("#wire li")
        self.text = page.locator("#text")
        self.send = page.locator("#send")
        self.links = page.locator("#option-links")
        self.characters = page.locator("#option-characters")
        self.shield = page.locator("#shield-panel")

    @classmethod
    async def arrive(cls, page: Page, url: str, room: str, name: str) -> "Guest":
        """Through the login page to the room's, in whatever state that then is."""
        login = await Login.open(page, url)
        await login.type_names(room, name)
        await login.enter.click()
        await page.wait_for_url(re.compile(r"/room(\?.*)?$"))
        return cls(page, room, name)

    @classmethod
    async def enter(cls, page: Page, url: str, room: str, name: str) -> "Guest":
        """Through the login page into the room."""
        guest = await cls.arrive(page, url, room, name)
        await guest.reaches("connected")
        return guest

    async def reaches(self, *states: str) -> None:
        """Waits for one of these states."""
        await expect(self.state).to_have_attribute("data-state", re.compile(rf"^({'|'.join(states)})$"))

    async def comes_back(self, *states: str) -> None:
        """By the button, unless the page itself is quicker, to one of these states."""
        with suppress(Error):
            await self.page.locator("#reconnect").click(timeout=1_000)
        await self.reaches(*(states or ("resynced", "connected")))

    async def write(self, text: str) -> None:
        """Writes and presses Enter; the message may wait."""
        await self.text.fill(text)
        await self.text.press("Enter")

    async def say(self, text: str) -> None:
        """Writes, and waits until the message has come back from the room."""
        await self.write(text)
        await expect(self.message(text)).to_have_attribute("data-status", "sent")

    async def hears(self, text: str) -> None:
        await expect(self.message(text)).to_be_visible()

    async def point_at(self, message: Locator) -> None:
        """With a mouse that comes from elsewhere."""
        await self.page.mouse.move(0, 0)
        await message.hover()

    def message(self, text: str) -> Locator:
        """The last message whose text holds this."""
        return self.messages.filter(has=self.page.locator(".text", has_text=text)).last

    async def texts(self) -> list[str]:
        """What stands there now, in the order of the screen; what is far from view is not drawn and counts, too."""
        return await self.page.locator("#messages li.message .text").all_text_contents()

    async def see_texts(self, *texts: str) -> None:
        """Waits until exactly these messages are there, in this order."""
        await expect(self.page.locator("#messages li.message .text")).to_have_text(list(texts))

    async def last_texts(self, number: int) -> list[str]:
        """What the last messages say now, every character of it."""
        return (await self.texts())[-number:]

    async def see_last_texts(self, *texts: str) -> None:
        """Waits until the last messages are these, in this order."""
        every = "//*[@id='messages']//div[@class='text']"
        lines = self.page.locator(f"xpath=({every})[position() > last() - {len(texts)}]")
        await expect(lines).to_have_text(list(texts))

    async def see_people(self, *names: str) -> None:
        """Waits until exactly these people are listed, in any order."""
        await expect(self.people).to_have_count(len(names))
        for name in set(names):
            await expect(self.people.filter(has=self.page.locator(".name", has_text=exactly(name)))).to_have_count(
                names.count(name)
            )

    async def see_notice(self, text: str | re.Pattern[str], kind: str | None = None) -> None:
        notice = self.notices.filter(has_text=text)
        await expect(notice).to_have_count(1)
        if kind is not None:
            await expect(notice).to_have_attribute("data-kind", kind)

    async def tag(self) -> str:
        return await self.page.locator("#my-tag").inner_text()

    async def ciphertexts(self) -> list[str]:
        """What the server sees, as far as the page shows it."""
        return await self.wire.all_inner_texts()

    async def allow(self, *, links: bool | None = None, characters: bool | None = None) -> None:
        for box, wanted in ((self.links, links), (self.characters, characters)):
            if wanted is not None:
                await box.set_checked(wanted)

    async def crash(self) -> None:
        """The process that shows the page dies, as when memory runs out."""
        session = await self.page.context.new_cdp_session(self.page)
        async with self.page.expect_event("crash"):
            dying = asyncio.ensure_future(session.send("Page.crash"))  # is never answered
        dying.cancel()

    async def leave(self) -> None:
        await self.page.locator("#leave").click()
        await self.page.wait_for_url(re.compile(r"//[^/]+/$"))


def exactly(text: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*{re.escape(text)}\s*$")
