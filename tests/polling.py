"""A client of the polling transport that can say anything, also what no client may: one TCP connection a request."""

import asyncio
import json
from collections.abc import Mapping

from tests.websocket import SECONDS, Answer

POLLING = "EIO=4&transport=polling"


class Request:
    """A request that is under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def begin(
        cls,
        port: int,
        query: str,
        body: bytes | None = None,
        *,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        path: str = "/socket.io/",
    ) -> "Request":
        """GET, or POST with a body. `headers` replace those of a proper request; an empty one is left out."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        usual = {"Host": f"127.0.0.1:{port}", "Connection": "close"}
        if body is not None:
            usual |= {"Content-Type": "text/plain;charset=UTF-8", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in {**usual, **(headers or {})}.items() if value)
        method = method or ("GET" if body is None else "POST")
        writer.write(f"{method} {path}?{query} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b""))
        return cls(reader, writer)

    async def answer(self) -> Answer:
        """What the server answers; status 0 where it cuts the line without a word."""
        try:
            got = await asyncio.wait_for(self._reader.read(), SECONDS)
        except ConnectionResetError:
            got = b"HTTP/1.1 0 reset"
        finally:
            self.writer.close()
        head, _, body = got.partition(b"\r\n\r\n")
        return Answer(head or b"HTTP/1.1 0 closed", body)

    def cut(self) -> None:
        """Gone without a word."""
        self.writer.transport.abort()


class Poller:
    """One session by polling. `handshake`: what the server said first."""

    def __init__(self, port: int, path: str = "/socket.io/") -> None:
        self.port = port
        self.path = path
        self.handshake: dict[str, object] = {}

    @classmethod
    async def open(cls, port: int, path: str = "/socket.io/") -> "Poller":
        client = cls(port, path)
        answer = await (await Request.begin(port, POLLING, path=path)).answer()
        assert answer.status == 200, answer.body
        assert answer.body[:1] == b"0"
        client.handshake = json.loads(answer.body[1:])
        return client

    @property
    def sid(self) -> str:
        return str(self.handshake["sid"])

    @property
    def query(self) -> str:
        return f"{POLLING}&sid={self.sid}"

    async def begin(self, body: bytes | None = None, **headers: str) -> Request:
        """A GET, or a POST of this body; `_` in the names of headers stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await Request.begin(self.port, self.query, body, headers=named, path=self.path)

    async def get(self) -> Answer:
        return await (await self.begin()).answer()

    async def post(self, body: str | bytes, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else body.encode()
        return await (await self.begin(raw, **headers)).answer()

    async def poll(self) -> list[str]:
        """The packets of one GET."""
        answer = await self.get()
        assert answer.status == 200, answer.body
        return answer.body.decode().split("\x1e")

    async def say(self, *packets: str) -> None:
        """Packets in one POST that is as it should be."""
        answer = await self.post("\x1e".join(packets))
        assert (answer.status, answer.body) == (200, b"ok")
