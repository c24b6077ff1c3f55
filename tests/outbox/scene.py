"""Knows who meets in these tests: a writer behind a line that breaks, a reader, a witness in Python; and what all of
them must have seen in the end. Knows no case."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from protocol import Json
from tests.client import Client
from tests.outbox.tab import Secret, Tab
from tests.proxy import Line
from tests.serving import Served


@dataclass
class Scene:
    """`said`: all that the writer has written, oldest first."""

    line: Line
    secret: Secret
    writer: Tab
    reader: Tab
    witness: Client
    said: list[str] = field(default_factory=list)

    async def say(self, *texts: str) -> None:
        """The writer writes; returns when the messages stand on its screen."""
        for text in texts:
            self.said.append(text)
            self.writer.say(text)
        await self.writer.until(lambda: self.writer.states().keys() >= set(texts))

    async def arrives(self) -> None:
        """Waits until everything has arrived everywhere, and the line is at rest."""
        await self.writer.rests()
        await self.reader.until(lambda: self.reader.states().keys() >= set(self.said))
        await self.witness.hears("get_message", len(self.said))

    def once_and_in_order(self) -> None:
        """All have seen what was said, once, in order; and of the line's breaking nobody has noticed anything."""
        assert self.writer.texts == self.reader.texts == self.witness.texts == self.said
        assert self.writer.notices == []
        assert self.reader.notices == []
        assert self.writer.people == self.reader.people == ["Reader", "Witness", "Writer"]
        assert [name for name, _ in self.witness.events if name in {"user_left", "new_user"}] == ["new_user"] * 2


@asynccontextmanager
async def meeting(
    served: Served, line: Line | None = None, *, readers_by_line: bool = False, joined: bool = True, **options: Json
) -> AsyncIterator[Scene]:
    """Three in a new room. `options`: of the writer's library. `readers_by_line`: the reader is behind it, too.

    `joined`: the writer has joined, or else is about to.
    """
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(line or Line(served.port))
        witness = await stack.enter_async_context(Client(served.url))
        secret = Secret(os.urandom(32), witness.site)
        await witness.join(secret.room, "Witness")
        reader = await stack.enter_async_context(Tab.at(line.url if readers_by_line else served.url, secret, "Reader"))
        writer = await stack.enter_async_context(Tab.at(line.url, secret, "Writer", joined=joined, **options))
        if joined:
            await reader.until(lambda: len(reader.notices) == 1)
            reader.forget_notices()
        yield Scene(line, secret, writer, reader, witness)
