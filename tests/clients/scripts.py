"""The official client in JavaScript: several versions in Node, the newest in Chromium, all driven by driver.mjs."""

import asyncio
import base64
import json
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import cast

import tornado.web
from playwright.async_api import Page, async_playwright
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from protocol import Json
from tests.clients.official import SECONDS, Ears, Wish
from tests.e2e.pages import launch
from tests.node import node_command
from tests.programs import NODE_MODULES

FOLDER = Path(__file__).parent
NEWEST = "socket.io-client"
PAGE = """<!DOCTYPE html><script type="module">
import { io } from "./socket.io.esm.min.js";
import { drive } from "./driver.mjs";

globalThis.obey = drive(io, (...heard) => globalThis.hear(heard));
</script>"""


class ScriptClient:
    """One connection; tests.clients.official.Official."""

    def __init__(self, say: Callable[[str, list[Json]], Awaitable[None]]) -> None:
        self.ears = Ears()
        self._say = say
        self._numbers = count()
        self._answers: dict[int, asyncio.Future[Json]] = {}

    def hear(self, namespace: str, event: str, *args: Json) -> None:
        if (namespace, event) == ("", "answer"):
            number, answer = args
            self._answers.pop(number).set_result(answer)
        else:
            self.ears.hear(namespace, event, *args)

    async def open(self, wish: Wish) -> None:
        options = {} if wish.transports is None else {"transports": list(wish.transports)}
        await self._say("open", [wish.url, list(wish.namespaces), wish.auth, options])

    async def emit(self, event: str, *args: Json, namespace: str = "/") -> None:
        await self._say("emit", [namespace, event, list(args)])

    async def flood(self, event: str, total: int, pause: float) -> None:
        await self._say("flood", ["/", event, total, pause * 1000])

    async def call(self, event: str, *args: Json, namespace: str = "/", seconds: float = SECONDS) -> list[Json]:
        answer: list[Json] | None = await self._ask("call", namespace, seconds * 1000, event, list(args))
        if answer is None:
            raise TimeoutError
        return answer

    async def transport(self) -> str:
        (name,) = await self._ask("transport")
        return str(name)

    async def leave(self) -> None:
        await self._say("leave", [])

    async def close(self) -> None:
        await self.leave()

    async def _ask(self, command: str, *args: Json) -> Json:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._say(command, [number, *args])
        async with asyncio.timeout(SECONDS + 1):
            return await answer


class ScriptHome(ABC):
    """A JavaScript engine with many connections; tests.clients.official.Home."""

    upgrades_later = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers = count()
        self._clients: dict[int, ScriptClient] = {}

    def client(self) -> ScriptClient:
        number = next(self._numbers)

        async def say(command: str, args: list[Json]) -> None:
            await self._tell([number, command, *(_pack(arg) for arg in args)])

        self._clients[number] = ScriptClient(say)
        return self._clients[number]

    def hear(self, message: Json) -> None:
        number, namespace, event, *args = _unpack(message)
        self._clients[number].hear(namespace, event, *args)

    @abstractmethod
    async def _tell(self, message: list[Json]) -> None:
        """Hands it to the driver."""


class NodeHome(ScriptHome):
    """A Node with one version of the client, by the name under which tests/node/package.json knows it."""

    def __init__(self, package: str = NEWEST) -> None:
        version = json.loads((NODE_MODULES / package / "package.json").read_text("utf-8"))["version"]
        super().__init__(f"node-{version}")
        self._package = package
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *node_command(), "--no-warnings", str(FOLDER / "node.mjs"), self._package, stdin=PIPE, stdout=PIPE
        )
        self._listening = asyncio.create_task(self._listen(self._process))

    async def _listen(self, process: Process) -> None:
        async for line in cast(asyncio.StreamReader, process.stdout):
            self.hear(json.loads(line))

    async def _tell(self, message: list[Json]) -> None:
        listening = cast("asyncio.Task[None]", self._listening)
        if listening.done():
            await listening
            raise AssertionError("this Node has ended")
        cast(asyncio.StreamWriter, cast(Process, self._process).stdin).write(json.dumps(message).encode() + b"\n")

    async def stop(self) -> None:
        """It ends by itself when the input does, unless a client has left something behind."""
        if self._process is not None and self._listening is not None:
            cast(asyncio.StreamWriter, self._process.stdin).close()
            async with asyncio.timeout(SECONDS):
                await self._listening
                assert await self._process.wait() == 0


class ChromiumHome(ScriptHome):
    """A page in Chromium with the client's own bundle, from another origin than the server's."""

    def __init__(self) -> None:
        super().__init__("chromium")
        self._stack = AsyncExitStack()
        self._page: Page | None = None

    async def start(self) -> None:
        playwright = await self._stack.enter_async_context(async_playwright())
        browser = await launch(playwright)
        self._stack.push_async_callback(browser.close)
        self._page = await browser.new_page()
        await self._page.expose_function("hear", self.hear)
        await self._page.goto(self._serve() + "/page.html")
        await self._page.wait_for_function("() => 'obey' in globalThis")

    def _serve(self) -> str:
        """The page's own server, and where it is."""
        server = HTTPServer(
            tornado.web.Application(
                [
                    (r"/(driver\.mjs)", tornado.web.StaticFileHandler, {"path": FOLDER}),
                    (r"/(.*\.js)", tornado.web.StaticFileHandler, {"path": NODE_MODULES / NEWEST / "dist"}),
                    (r"/page\.html", _PageHandler),
                ],
                log_function=lambda _: None,
            )
        )
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        self._stack.push_async_callback(server.close_all_connections)
        self._stack.callback(server.stop)
        return f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    async def _tell(self, message: list[Json]) -> None:
        await cast(Page, self._page).evaluate("message => obey(message)", message)

    async def stop(self) -> None:
        await self._stack.aclose()


class _PageHandler(tornado.web.RequestHandler):
    def get(self) -> None:
        self.finish(PAGE)


def _pack(value: Json) -> Json:
    """As driver.mjs unpacks it."""
    match value:
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case list():
            return [_pack(inner) for inner in value]
        case dict():
            return {key: _pack(inner) for key, inner in value.items()}
        case _:
            return value


def _unpack(value: Json) -> Json:
    match value:
        case {"$bytes": text}:
            return base64.b64decode(text)
        case list():
            return [_unpack(inner) for inner in value]
        case dict():
            return {key: _unpack(inner) for key, inner in value.items()}
        case _:
            return value
