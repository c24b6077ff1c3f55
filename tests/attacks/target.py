"""A server under attack, as an attacker sees it: lines to it, from addresses of its own (127.66.x.y) as somebody else
would come from, and counts of what became of them. Knows no attack."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.websocket import QUERY, Answer, RawWebSocket, Refusal, request

SOURCE = "127.66.0.1"
POLLING = "/socket.io/?EIO=4&transport=polling"
ENDLESS = 1 << 40
"""Bytes that somebody says are to come."""
GONE = (OSError, EOFError, AssertionError, Refusal)
"""What an attacker whose line was ended meets."""


@dataclass
class Target:
    """`did`: counts, by what."""

    port: int
    did: Counter[str] = field(default_factory=Counter)
    sources: "itertools.count[int]" = field(default_factory=lambda: itertools.count(256))

    def another_source(self) -> str:
        """An address that has not been here before."""
        number = next(self.sources)
        return f"127.66.{number // 256 % 256}.{number % 256}"

    @asynccontextmanager
    async def line(self, source: str = SOURCE) -> AsyncIterator[RawWebSocket]:
        """A WebSocket; noted where it is refused, or ends."""
        try:
            line = await RawWebSocket.open(self.port, QUERY, source=source)
        except Refusal as refused:
            self.did[f"status {refused.answer.status}"] += 1
            await asyncio.sleep(0.05)
            raise
        async with line:
            self.did["lines"] += 1
            yield line

    @asynccontextmanager
    async def tcp(self, source: str = SOURCE) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self.did["lines"] += 1
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def asked(self, text: str) -> Answer:
        """What is answered to a request, the last on its line, from an address that has not been here before."""
        wire = text.replace("\n", "\nHost: 127.0.0.1\nConnection: close\n", 1)
        answer = await request(self.port, wire, source=self.another_source())
        self.did[f"status {answer.status}"] += 1
        return answer

    async def flood(self, line: RawWebSocket, wire: bytes, frames: int) -> None:
        """As fast as the line takes it, until it ends. Reads nothing."""
        while not line.writer.is_closing():
            line.raw(wire)
            await line.writer.drain()
            self.did["frames"] += frames

    async def ended(self, line: RawWebSocket) -> None:
        """Reads on to the end, which is noted."""
        code = await line.end()
        self.did[f"closed {code}"] += 1


Attack = Callable[[Target], Awaitable[None]]


async def for_ever(target: Target, attempt: Attack) -> None:
    """Again and again, whatever becomes of it."""
    while True:
        with suppress(*GONE):
            await attempt(target)
        await asyncio.sleep(0.01)


def many(number: int, attempt: Attack) -> Attack:
    """So many at the same time."""

    async def attack(target: Target) -> None:
        await asyncio.gather(*(for_ever(target, attempt) for _ in range(number)))

    return attack
