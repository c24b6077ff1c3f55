"""The application as chatsite.py builds it, with an echo for a chat and a handful of files for the browser."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tornado.web
from tornado.platform.asyncio import BaseAsyncIOLoop

from handlers import routes
from handlers.address import Addresses
from handlers.assets import Assets, read_assets
from handlers.base import NotFoundHandler
from handlers.client import Client
from handlers.connections import Connections
from handlers.languages import read_languages
from handlers.line import Lines
from handlers.pages import PageFacts
from protocol.session import Timing
from tests.fakes import Echo
from tests.programs import ROOT
from tests.websocket import RawWebSocket

MAX_PAYLOAD = 1000
SALT = bytes(range(16))
ALLOWED_ORIGIN = "https://chat.example"
FACTS = PageFacts(
    filter_punctuation="!?&\"'<>",
    filter_links=("://", 'w"w.'),
    label_filtered="<em>filtered</em><script>alert(1)</script>",
    label_link='<a href="https://x.example">a</a> <b onclick="x()">link</b>',
    max_text=10_000,
    max_file=1_000_000,
)
FILES = {
    "js/room.js": "export {};\n",
    "js/login.js": "export {};\n",
    "js/help.js": "export {};\n",
    "css/site.css": "body { color: #fff }\n",
    "css/room.css": "body { margin: 0 }\n",
    "img/icon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>\n",
    "js/shell-worker.js": "// keeps\n",
    "site.webmanifest": "{}\n",
    "vendor/emoji.js": "export default {};\n",
    "vendor/socket.io.esm.min.js": "export const io = 1;\n",
    "vendor/imports.json": '{"socket.io-client": "socket.io.esm.min.js"}',
}
SECRET = "the salt of the site"  # noqa: S105 - what a path must never lead to


async def until(holds: Callable[[], bool]) -> None:
    """Lets the server's loop, which is ours, turn until something holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - there is nothing in the server that would tell us
            await asyncio.sleep(0)


async def joined(port: int) -> RawWebSocket:
    """A WebSocket that has joined the namespace, with nothing unread."""
    client = await RawWebSocket.open(port)
    client.send("40")
    assert (await client.text())[0] == "0"
    assert (await client.text()).startswith("40{")
    assert await client.text() == '42["welcome"]'
    return client


@pytest.fixture(scope="session")
def static() -> Iterator[Path]:
    """A folder of files for the browser, with a secret beside it."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "static"
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        (root.parent / "secret.txt").write_text(SECRET, "utf-8")
        (root.parent / "static-secret.txt").write_text(SECRET, "utf-8")
        yield root


@pytest.fixture(scope="session")
def assets(static: Path) -> Assets:
    return read_assets(static)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def connections(io_loop: BaseAsyncIOLoop, echo: Echo) -> Connections:
    timing = Timing(max_payload=MAX_PAYLOAD, outbox_bytes=100_000)
    return Connections(
        lambda connection: Client(connection, {"/": echo}, MAX_PAYLOAD), timing, io_loop.asyncio_loop, at_most=3
    )


@pytest.fixture
def lines(io_loop: BaseAsyncIOLoop) -> Iterator[Lines]:
    lines = Lines(io_loop.asyncio_loop)
    yield lines
    io_loop.asyncio_loop.run_until_complete(lines.close(0))


@pytest.fixture
def addresses() -> Addresses:
    return Addresses(())


@pytest.fixture
def app(assets: Assets, connections: Connections, lines: Lines, addresses: Addresses) -> tornado.web.Application:
    return tornado.web.Application(
        routes(assets, FACTS, SALT, connections, lines, [ALLOWED_ORIGIN], addresses),
        default_handler_class=NotFoundHandler,
        template_path=str(ROOT / "templates"),
        languages=read_languages(ROOT / "locale"),
        assets=assets,
        log_function=lambda handler: None,
    )
