"""Two honest people who talk at a steady pace, and how long each sentence takes; knows no attack."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.client import Client
from tests.reference import Json, Room

EVERY = 0.025
"""Seconds between two sentences."""


class Listener(Client):
    """Notes when each message came."""

    def _hear(self, event: str, *args: Json) -> None:
        if event == "get_message":
            self.came.append(time.perf_counter())
        super()._hear(event, *args)

    async def connect(self) -> None:
        self.came: list[float] = []
        await super().connect()


class Talk:
    """`said`: how many sentences so far."""

    def __init__(self, speaker: Client, listener: Listener) -> None:
        self.speaker = speaker
        self.listener = listener
        self.said = 0

    async def goes_on(self, seconds: float) -> Sequence[float]:
        """For so long; answers how long each sentence took, from when it was due to when it was heard."""
        first, due, began = self.said, list[float](), time.perf_counter()
        while (next_due := began + EVERY * len(due)) < began + seconds:
            await asyncio.sleep(max(0.0, next_due - time.perf_counter()))
            due.append(next_due)
            self.said += 1
            assert await self.speaker.say(f"sentence {self.said}") == {"id": self.said}
        await self.listener.hears("get_message", self.said)
        return [came - wanted for wanted, came in zip(due, self.listener.came[first:], strict=True)]

    def nothing_lost(self) -> None:
        """All was heard, once, in order, by both, and nobody was put out."""
        assert self.listener.texts == [f"sentence {number}" for number in range(1, self.said + 1)]
        for client in (self.speaker, self.listener):
            assert client.all("disconnect") == []
            assert [name for name, _ in client.events if name == "user_left"] == []


def p99(values: Sequence[float]) -> float:
    """The smallest that no more than one in a hundred exceeds."""
    ordered = sorted(values)
    return ordered[len(ordered) - 1 - len(ordered) // 100]


@asynccontextmanager
async def talk(url: str, room: Room) -> AsyncIterator[Talk]:
    """In a room of their own."""
    async with Client(url) as speaker, Listener(url) as listener:
        await listener.join(room, "Listener")
        await speaker.join(room, "Speaker")
        yield Talk(speaker, listener)
