"""Knows a tab that runs in Node without a page, what stands before its reader's eyes, and how to freeze it; knows no
test, and nothing of what the tab says to the server."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol import Json
from tests.node import node_command
from tests.reference import Room, b64

SECONDS = 20.0
"""How long what is bound to come is waited for: a machine with two cores and much to do is no failure."""
SCRIPT = Path(__file__).with_name("tab.mjs")
HASTY: dict[str, Json] = {
    "timeout": 2_000,
    "reconnectionDelay": 10,
    "reconnectionDelayMax": 50,
    "randomizationFactor": 0,
}
"""Options for the library with which a tab comes back sooner than people need it."""


@dataclass(slots=True)
class Message:
    """One message as a reader sees it. `status`: pending, sent or failed."""

    text: str
    name: str
    own: bool
    status: str
    marks: list[str]


class Tab:
    """One tab. `statuses`: all so far, each with its reason. `transports`: all that carried it so far. `errors`: why
    attempts to connect failed. `asked`: requests; `answers`: theirs, None for one that the line took with it."""

    def __init__(self, process: Process) -> None:
        self.statuses: list[tuple[str, str | None]] = []
        self.transports: list[str] = []
        self.asked = 0
        self.answers: list[dict[str, Json] | None] = []
        self.errors: list[str] = []
        self.people: list[str] = []
        self.slow = False
        self._messages: dict[str, Message] = {}
        self._notices: dict[str, tuple[str, str]] = {}
        self._process = process
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    @asynccontextmanager
    async def at(
        cls, url: str, room: "Secret", name: str, *, joined: bool = True, **line: Json
    ) -> AsyncIterator["Tab"]:
        """A tab that connects there and has joined, or is about to. `line`: options of socket.io-client over HASTY."""
        asked = {"url": url, "secret": b64(room.secret), "site": b64(room.site), "name": name, "line": HASTY | line}
        process = await asyncio.create_subprocess_exec(
            *node_command(), "--no-warnings", str(SCRIPT), json.dumps(asked), stdin=PIPE, stdout=PIPE
        )
        tab = cls(process)
        try:
            if joined:
                await tab.joins()
            yield tab
        finally:
            tab.thaw()
            await tab._end()

    # what it sees

    @property
    def texts(self) -> list[str]:
        """Of all messages in the order of the screen, which has unsent ones last."""
        ordered = sorted(self._messages.values(), key=lambda message: message.status != "sent")
        return [message.text for message in ordered]

    @property
    def notices(self) -> list[tuple[str, str]]:
        """Those that stand there now, each with its kind."""
        return list(self._notices.values())

    @property
    def status(self) -> str:
        return self.statuses[-1][0]

    def states(self) -> dict[str, str]:
        """The status of each message, by its text."""
        return {message.text: message.status for message in self._messages.values()}

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits until something holds of what the tab has told. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def joins(self, times: int = 1) -> None:
        """Waits until it is in the room, for the so many-th time."""
        await self.until(lambda: [status for status, _ in self.statuses].count("joined") >= times)

    async def reaches(self, status: str) -> None:
        await self.until(lambda: bool(self.statuses) and self.status == status)

    async def rests(self) -> None:
        """Waits until it is in the room, all that it wrote is sent, and nothing is asked that has no answer."""
        await self.until(
            lambda: (
                self.status == "joined" and {*self.states().values()} <= {"sent"} and self.asked == len(self.answers)
            )
        )

    async def sees(self, *texts: str) -> None:
        """Waits until so many messages are there and sent; they are these, in this order."""
        await self.until(lambda: list(self.states().values()).count("sent") >= len(texts))
        assert self.texts == list(texts)

    async def sees_people(self, *names: str) -> None:
        """Waits until exactly these are listed, in the order of the alphabet."""
        await self.until(lambda: self.people == list(names))

    def forget_notices(self) -> None:
        self._notices.clear()

    # what somebody does

    def say(self, text: str) -> None:
        self._tell("say", text)

    def retry(self, text: str) -> None:
        self._tell("retry", next(id_ for id_, message in self._messages.items() if message.text == text))

    def wake(self) -> None:
        self._tell("wake")

    def restart(self) -> None:
        self._tell("restart")

    def leave(self) -> None:
        self._tell("leave")

    def freeze(self) -> None:
        """The machine sleeps: nothing of it runs until `thaw`."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def _tell(self, *command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(SECONDS):
            await self._listening
            assert await self._process.wait() == 0

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for said in self._process.stdout:
            word, *about = json.loads(said)
            getattr(self, f"_heard_{word}")(*about)
            self._news.set()

    def _heard_line(self, id_: str, message: dict[str, Any]) -> None:
        assert id_ not in self._messages
        self._messages[id_] = Message(**message)

    def _heard_change(self, id_: str, change: dict[str, Any]) -> None:
        message = self._messages[id_]
        if change.get("status") == "sent":
            # What has come back in the feed takes its place there: one order for all.
            self._messages[id_] = self._messages.pop(id_)
        for key in change.keys() & {"status", "text", "name", "marks"}:
            setattr(message, key, change[key])

    def _heard_remove(self, id_: str) -> None:
        del self._messages[id_]

    def _heard_notice(self, id_: str, sentence: str, kind: str) -> None:
        self._notices[id_] = (sentence, kind)

    def _heard_unnotice(self, id_: str) -> None:
        self._notices.pop(id_, None)

    def _heard_people(self, names: list[str]) -> None:
        self.people = names

    def _heard_status(self, status: str, why: str | None) -> None:
        self.statuses.append((status, why))

    def _heard_asked(self) -> None:
        self.asked += 1

    def _heard_answered(self, answer: dict[str, Json] | None) -> None:
        self.answers.append(answer)

    def _heard_connect_error(self, message: str) -> None:
        self.errors.append(message)

    def _heard_slowed(self, why: str) -> None:
        self.slow = bool(why)

    def _heard_transport(self, name: str) -> None:
        self.transports.append(name)


@dataclass(frozen=True, slots=True)
class Secret:
    """A room without a name, whose secret costs no derivation, and the salt of the site that it is on."""

    secret: bytes
    site: bytes

    @property
    def room(self) -> Room:
        return Room.from_secret(self.secret)
