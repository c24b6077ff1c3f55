"""Clients of WebSockets alone, by others and unmodified: Tornado's, the package `websockets`, Chromium's."""

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Self

import websockets
from playwright.async_api import JSHandle, async_playwright
from tornado.websocket import WebSocketClientConnection, websocket_connect
from websockets.asyncio.client import ClientConnection, connect

from protocol import Frame
from tests.clients.official import SECONDS
from tests.e2e.pages import launch

NO_CODE, NO_CLOSE = 1005, 1006
"""What a client has seen at the end where the server gave no code, and where it did not say that it closes."""

DIAL = """url => {
  const line = new WebSocket(url);
  line.binaryType = "arraybuffer";
  const heard = [];
  let wake = () => {};
  const hear = what => { heard.push(what); wake(); };
  line.onmessage = ({ data }) => hear(data);
  line.onclose = ({ code, wasClean }) => hear({ code: wasClean ? code : 1006 });
  const base64 = data => new Promise(resolve => {
    const reader = new FileReader();
    reader.onload = () => resolve({ bytes: reader.result.split(",")[1] ?? "" });
    reader.readAsDataURL(new Blob([data]));
  });
  const next = async () => {
    while (!heard.length) await new Promise(resolve => { wake = resolve; });
    const what = heard.shift();
    return what instanceof ArrayBuffer ? base64(what) : what;
  };
  const send = what => line.send(
    typeof what === "string" ? what : Uint8Array.from(atob(what.bytes), letter => letter.charCodeAt(0))
  );
  return new Promise((resolve, reject) => {
    line.onopen = () => resolve({ line, next, send });
    line.onerror = () => reject(new Error("refused"));
  });
}"""


class Caller(ABC):
    """One line. `async with` leaves nothing behind."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    @abstractmethod
    async def send(self, *messages: Frame) -> None:
        """Each as one message."""

    @abstractmethod
    async def receive(self) -> Frame:
        """The next message."""

    @abstractmethod
    async def close(self, code: int) -> None:
        """Begins to close, with a code."""

    @abstractmethod
    async def closed(self) -> int:
        """Waits for the end, which must be next, and answers the code that it has seen."""

    @abstractmethod
    async def extensions(self) -> str:
        """Those that were agreed on."""

    @abstractmethod
    async def hang_up(self) -> None:
        """Whatever its state is."""


class TornadoCaller(Caller):
    """tornado.websocket.websocket_connect. `pongs`: what was in those that came."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.protocol = connection.protocol
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()

        def on_pong(data: bytes) -> None:
            self.pongs.put_nowait(data)

        connection.on_pong = on_pong  # type: ignore[method-assign]

    @classmethod
    async def dial(cls, url: str) -> Self:
        return cls(await websocket_connect(url, compression_options={}))

    async def send(self, *messages: Frame) -> None:
        for message in messages:
            await self.connection.write_message(message, binary=isinstance(message, bytes))

    async def receive(self) -> Frame:
        message = await asyncio.wait_for(self._read(), SECONDS)
        assert message is not None, "the line has ended"
        return message

    async def _read(self) -> Frame | None:
        return await self.connection.read_message()

    async def close(self, code: int) -> None:
        self.connection.close(code)

    async def closed(self) -> int:
        assert await asyncio.wait_for(self._read(), SECONDS) is None
        if self.protocol is None or not self.protocol.client_terminated:  # it means the other side
            return NO_CLOSE
        return self.connection.close_code or NO_CODE

    async def extensions(self) -> str:
        assert self.connection.headers is not None
        return str(self.connection.headers.get("Sec-WebSocket-Extensions", ""))

    async def hang_up(self) -> None:
        if self.protocol is not None and self.protocol.stream is not None:
            self.protocol.stream.close()
        self.connection.close()


class WebsocketsCaller(Caller):
    """websockets.asyncio.client. Its own pings are left to the test."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    @classmethod
    async def dial(cls, url: str) -> Self:
        return cls(await connect(url, ping_interval=None, proxy=None, max_size=None, close_timeout=SECONDS))

    async def send(self, *messages: Frame) -> None:
        for message in messages:
            await self.connection.send(message)

    async def send_fragments(self, pieces: Iterable[Frame] | AsyncIterable[Frame]) -> None:
        """One message; all must be of one kind."""
        await self.connection.send(pieces)

    async def receive(self) -> Frame:
        message: Frame = await asyncio.wait_for(self.connection.recv(), SECONDS)
        return message

    async def close(self, code: int) -> None:
        await self.connection.close(code)

    async def closed(self) -> int:
        try:
            message = await asyncio.wait_for(self.connection.recv(), SECONDS)
        except websockets.ConnectionClosed:
            code = self.connection.close_code
            assert code is not None
            return code
        raise AssertionError(f"not the end, but {message!r}")

    async def extensions(self) -> str:
        assert self.connection.response is not None
        return str(self.connection.response.headers.get("Sec-WebSocket-Extensions", ""))

    async def hang_up(self) -> None:
        self.connection.transport.abort()
        await self.connection.wait_closed()


class ChromiumCaller(Caller):
    """A page's WebSocket."""

    def __init__(self, line: JSHandle) -> None:
        self._line = line

    async def send(self, *messages: Frame) -> None:
        packed = [
            message if isinstance(message, str) else {"bytes": base64.b64encode(message).decode()}
            for message in messages
        ]
        await self._line.evaluate("({ send }, messages) => messages.forEach(send)", packed)

    async def receive(self) -> Frame:
        match await self._next():
            case str() as text:
                return text
            case {"bytes": str() as data}:
                return base64.b64decode(data)
            case other:
                raise AssertionError(f"no message, but {other}")

    async def _next(self) -> object:
        heard: object = await asyncio.wait_for(self._line.evaluate("({ next }) => next()"), SECONDS)
        return heard

    async def close(self, code: int) -> None:
        await self._line.evaluate("({ line }, code) => line.close(code)", code)

    async def closed(self) -> int:
        match await self._next():
            case {"code": int() as code}:
                return code
            case other:
                raise AssertionError(f"not the end, but {other}")

    async def extensions(self) -> str:
        return str(await self._line.evaluate("({ line }) => line.extensions"))

    async def hang_up(self) -> None:
        await self._line.evaluate("({ line }) => line.close()")
        await self._line.dispose()


Dial = Callable[[str], Awaitable[Caller]]
"""Opens a line to an address."""


@asynccontextmanager
async def chromium(page_url: str) -> AsyncIterator[Dial]:
    """`page_url`: of the page that the callers are in."""
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        page = await browser.new_page()
        await page.goto(page_url)

        async def dial(url: str) -> ChromiumCaller:
            return ChromiumCaller(await page.evaluate_handle(DIAL, url))

        yield dial
        await browser.close()
