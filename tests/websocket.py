"""A WebSocket client that can say anything, also what no client may: raw requests, raw frames. Source: RFC 6455."""

import asyncio
import os
import struct
from types import TracebackType
from typing import Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
QUERY = "EIO=4&transport=websocket"
SECONDS = 20


class Refusal(Exception):
    """The server answered something else than 101."""

    def __init__(self, answer: "Answer") -> None:
        super().__init__(f"{answer.status}: {answer.body!r}")
        self.answer = answer


class Answer:
    """An HTTP answer: status, headers by lower-case name, body."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self.body = body


def frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    mask: bytes | None = None,
) -> bytes:
    """One frame as a client sends it; under any mask unless one of four bytes is given."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    mask_bit = masked << 7
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4) if mask is None else mask
    over = (key * (len(payload) // 4 + 1))[: len(payload)]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(over, "big")).to_bytes(len(payload), "big")


async def request(port: int, text: str, host: str = "127.0.0.1", source: str | None = None) -> Answer:
    """What a server answers to a raw request (lines end with a bare newline here), to the end of the connection.
    `source`: the address to come from."""
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(host, port, local_addr=local)
    writer.write(text.replace("\n", "\r\n").encode("latin-1"))
    try:
        answer = await asyncio.wait_for(reader.read(), SECONDS)
    finally:
        writer.transport.abort()
    head, _, body = answer.partition(b"\r\n\r\n")
    return Answer(head, body)


class RawWebSocket:
    """A WebSocket to a server on this machine. Open it with `async with await RawWebSocket.open(port)`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        self._reader = reader
        self.writer = writer
        self.answer = answer

    @classmethod
    async def open(
        cls,
        port: int,
        query: str = QUERY,
        headers: dict[str, str] | None = None,
        path: str = "/socket.io/",
        source: str | None = None,
    ) -> Self:
        """Raises Refusal. `headers` replace those of a proper request; an empty one is left out. `source`: the address
        to come from."""
        local = None if source is None else (source, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
        usual = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
        }
        lines = [f"{name}: {value}\r\n" for name, value in {**usual, **(headers or {})}.items() if value]
        writer.write(f"GET {path}?{query} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1"))
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        except BaseException:
            writer.transport.abort()
            raise
        answer = Answer(head.removesuffix(b"\r\n\r\n"), b"")
        if answer.status != 101:
            answer.body = await reader.readexactly(int(answer.headers.get("content-length", 0)))
            writer.close()
            await writer.wait_closed()
            raise Refusal(answer)
        return cls(reader, writer, answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()

    def send(self, *messages: str | bytes) -> None:
        """Each as one message."""
        self.raw(
            b"".join(
                frame(BINARY, message) if isinstance(message, bytes) else frame(TEXT, message.encode())
                for message in messages
            )
        )

    def raw(self, data: bytes) -> None:
        """Any bytes at all."""
        self.writer.write(data)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next frame's opcode and payload, or None at the end of the line."""
        try:
            return await asyncio.wait_for(self._receive(), SECONDS)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None

    async def _receive(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        assert first & 0x80, "a server that fragments"
        assert not first & 0x70, "a server that compresses"
        assert not second & 0x80, "a server that masks"
        size = second
        if size == 126:
            (size,) = struct.unpack(">H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
        return first & 0x0F, await self._reader.readexactly(size)

    async def text(self) -> str:
        """The next frame, which must be a text."""
        received = await self.receive()
        assert received is not None, "the line has ended"
        opcode, payload = received
        assert opcode == TEXT, received
        return payload.decode()

    async def end(self) -> int | None:
        """Skips messages up to the end: the code of the server's close frame, 0 if it had none, None without one."""
        while (received := await self.receive()) is not None:
            opcode, payload = received
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")
        return None
