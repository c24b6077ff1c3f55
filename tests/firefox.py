"""Knows what stands between Playwright and Debian's Firefox: a command that this Firefox does not know yet, and that
the page that is typed in has to be in front; passes on everything else that the two say.

Source: WebDriver BiDi, https://w3c.github.io/webdriver-bidi/

`python -m tests.firefox` is what Playwright starts in place of Firefox, with Firefox's arguments.
"""

import asyncio
import json
import re
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketHandler, websocket_connect

from tests.programs import ROOT

LISTENING = re.compile(r"WebDriver BiDi listening on (ws://127\.0\.0\.1:\d+)")
UNKNOWN = "emulation.setMediaFeaturesOverride"
"""Sent for each new context, whether it is to emulate anything or not; a test that does emulate cannot run here."""
INPUT = "input.performActions"
"""Each page of a test is somebody's own machine, where it is in front when it is used."""
OWN_ID = 1 << 52
"""Of a command that Playwright has not sent; it counts from 0."""
MAX_BYTES = 1 << 30


def firefox() -> str:
    path = shutil.which("firefox-esr")
    assert path is not None, "Firefox is missing: run tests/run --firefox, or install firefox-esr"
    return path


def stand_in(folder: Path) -> Path:
    """A program that Playwright can start."""
    path = folder / "firefox"
    path.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m tests.firefox "$@"\n', "utf-8")
    path.chmod(0o700)
    return path


class Passing(WebSocketHandler):
    def initialize(self, browser: str) -> None:
        self._browser = browser
        self._line: WebSocketClientConnection | None = None
        self._front = ""
        self._asked: tuple[int, asyncio.Event] | None = None

    async def open(self, *args: str, **kwargs: str) -> None:
        self._line = await websocket_connect(f"{self._browser}{self.request.uri}", max_message_size=MAX_BYTES)
        self._back = asyncio.ensure_future(self._answer(self._line))

    async def _answer(self, line: WebSocketClientConnection) -> None:
        with suppress(WebSocketClosedError):
            while (message := await line.read_message()) is not None:
                answered = json.loads(message).get("id")
                if answered != OWN_ID:
                    await self.write_message(message)
                if self._asked is not None and answered == self._asked[0]:
                    self._asked[1].set()
        self.close()

    async def on_message(self, message: str | bytes) -> None:
        """The next one is read when this is done."""
        command = json.loads(message)
        if command["method"] == UNKNOWN:
            await self.write_message(json.dumps({"type": "success", "id": command["id"], "result": {}}))
            return
        assert self._line is not None
        if command["method"] != INPUT:
            await self._line.write_message(message)
            return
        page = command["params"]["context"]
        if page != self._front:
            self._front = page
            activate = {"id": OWN_ID, "method": "browsingContext.activate", "params": {"context": page}}
            await self._ask(self._line, OWN_ID, json.dumps(activate))
        await self._ask(self._line, command["id"], message)

    async def _ask(self, line: WebSocketClientConnection, number: int, message: str | bytes) -> None:
        """Returns when it is done, so that no other page comes to the front meanwhile."""
        done = asyncio.Event()
        self._asked = number, done
        await line.write_message(message)
        await done.wait()

    def on_close(self) -> None:
        if self._line is not None:
            self._line.close()


async def main(arguments: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(firefox(), *arguments, stderr=asyncio.subprocess.PIPE)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.terminate)
    assert process.stderr is not None
    async for line in process.stderr:
        text = line.decode()
        if found := LISTENING.search(text):
            sockets = bind_sockets(0, "127.0.0.1")
            application = Application([("/.*", Passing, {"browser": found[1]})], websocket_max_message_size=MAX_BYTES)
            HTTPServer(application).add_sockets(sockets)
            text = text.replace(found[1], f"ws://127.0.0.1:{sockets[0].getsockname()[1]}")
        sys.stderr.write(text)
        sys.stderr.flush()
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
