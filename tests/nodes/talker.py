"""One who talks all the time, as a tab of ours does: a message at a time, the same bytes again until they come back in
the feed, and after a broken line in by another door, asking for what was missed. Keeps what it sees; judges nothing."""

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import socketio

from tests.client import Object, now
from tests.nodes.life import ANSWER_SECONDS, ENTER_SECONDS, Gone, Life
from tests.reference import Json, Room, Signer, b64, seal_content, unb64
from tests.reference_join import Since

FEED_SECONDS = 3.0
"""What the page waits for a message to come back, made shorter."""
AGAIN_SECONDS = (0.2, 0.4)
PAUSE_SECONDS = (0.0, 0.05)


class Bell:
    """Rung whenever anything has happened."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it has become true in time."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._rung.wait()
        except TimeoutError:
            return condition()
        return True


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it came: `epoch` is the room's, `at` seconds of the monotonic clock."""

    epoch: str
    id: int
    digest: str
    at: float


@dataclass(slots=True)
class Said:
    """A message of one's own. `acked`: when the server said that it has it."""

    data: bytes
    digest: str
    began: float
    acked: float | None = None


class Talker:
    """`door`: where to connect. `first`: and the first time. `since`: when it first got in. `staying`: it has
    not left. `lives`: how often it got in."""

    def __init__(self, name: str, room: Room, site: bytes, door: Callable[[], str], first: str, bell: Bell) -> None:
        self.name, self.room, self.signer = name, room, Signer.generate()
        self.said: list[Said] = []
        self.seen: list[Seen] = []
        self.first_seen: dict[str, float] = {}
        self.roster: set[str] = set()
        self.comings: list[tuple[str, str]] = []
        self.refused: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.lives = 0
        self.staying = True
        self.answer_seconds = ANSWER_SECONDS
        self.url = ""
        self.since = 0.0
        self.site, self.door = site, door
        self._first, self._bell = first, bell
        self._chance = random.Random(name)  # noqa: S311 - the same again
        self._life: Life | None = None
        self._epoch, self._last = "", 0
        self._skipped: list[tuple[str, int, int]] = []
        self._seq, self._prev = 0, ""
        self._tasks: list[asyncio.Task[None]] = []
        self._quiet = False

    @property
    def member(self) -> str:
        return self.signer.member

    @property
    def inside(self) -> bool:
        return self._life is not None and not self._life.gone.is_set()

    @property
    def epochs(self) -> list[str]:
        """All that it has been in, in order."""
        return list(dict.fromkeys(each.epoch for each in self.seen))

    def start(self, *, silent: bool = False) -> None:
        """Comes, and talks."""
        self._quiet = silent
        self._tasks = [asyncio.ensure_future(self._live()), asyncio.ensure_future(self._talk())]

    def talk(self) -> None:
        """After a rest."""
        assert self._tasks[1].done()
        self._quiet = False
        self._tasks[1] = asyncio.ensure_future(self._talk())

    def hang_up(self) -> None:
        """Its line breaks."""
        if self._life is not None:
            self._life.hang_up()

    async def rest(self, seconds: float) -> None:
        """Says nothing more; what was said gets through. Raises TimeoutError."""
        self._quiet = True
        async with asyncio.timeout(seconds):
            await self._tasks[1]

    async def leave(self) -> None:
        """Says goodbye."""
        self.staying = False
        life = self._life
        await self._end_talk()
        if life is not None:
            await life.asks("leave-room")
        await self.close()

    async def stay_away(self) -> None:
        """Says nothing any more, and does not come back when its line breaks."""
        self.staying = False
        await self._end_talk()

    async def close(self) -> None:
        self.staying = False
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _end_talk(self) -> None:
        self._tasks[1].cancel()
        await asyncio.gather(self._tasks[1], return_exceptions=True)

    # in and out

    async def _live(self) -> None:
        url = self._first
        while True:
            await self._one_life(url)
            self._life = None
            self._bell.ring()
            if not self.staying:
                return
            await asyncio.sleep(self._chance.uniform(*AGAIN_SECONDS))
            url = self.door()

    async def _one_life(self, url: str) -> None:
        life = Life(url, self.signer, self.hear)
        since = Since(unb64(self._epoch), self._last) if self._epoch else None
        try:
            async with asyncio.timeout(ENTER_SECONDS):
                answer = await life.enter(self.room, self.name, self.site, since)
            if "error" in answer:
                self._turned_away(str(answer["error"]))
                return
            self.lives += 1
            self.since = self.since or time.monotonic()
            self._life, self.url = life, url
            self._bell.ring()
            await life.gone.wait()
            if life.ended:
                self.complaints.append("put out")  # a tab of ours would not come back
        except (Gone, TimeoutError, OSError, socketio.exceptions.SocketIOError):
            pass
        finally:
            life.hang_up()
            await life._http.close()

    def _turned_away(self, error: str) -> None:
        self.refused[f"join: {error}"] += 1
        if error not in {"unavailable", "rate-limited"}:
            self.complaints.append(error)

    # what it says

    async def _talk(self) -> None:
        while not self._quiet:
            said = self._seal()
            self.said.append(said)
            while not self._through(said):
                await self._bell.until(lambda: self.inside, 3600)
                life = self._life
                if life is not None:
                    await self._send(life, said)
            await asyncio.sleep(self._chance.uniform(*PAUSE_SECONDS))

    def _seal(self) -> Said:
        head: dict[str, Json] = {"at": now(), "seq": self._seq + 1, "prev": self._prev, "seen": None}
        text = f"{self.name} {self._seq + 1}"
        sealed = seal_content(self.room, self.signer, "message", {"name": self.name, "text": text, **head})
        self._seq, self._prev = self._seq + 1, sealed.payload_digest
        return Said(sealed.data, sealed.digest, time.monotonic())

    async def _send(self, life: Life, said: Said) -> None:
        """Once more. Returns when there is something to be done about it."""
        try:
            answer = await life.asks("send_message", said.data, self.answer_seconds)
        except Gone:
            life.hang_up()
            return
        if "id" in answer:
            said.acked = time.monotonic()
            self._skips(said, cast(int, answer["id"]))
            self._bell.ring()
        elif answer["error"] in {"unavailable", "rate-limited"}:
            self.refused[str(answer["error"])] += 1
            self._bell.ring()
            await asyncio.sleep(self._chance.uniform(*AGAIN_SECONDS))
            return
        elif answer["error"] not in {"not-in-room", "bad-envelope"}:
            self.complaints.append(str(answer["error"]))
        else:
            self.refused[str(answer["error"])] += 1
        if not await self._bell.until(lambda: self._through(said) or life.gone.is_set(), FEED_SECONDS):
            self.refused["stalled"] += 1
            life.hang_up()

    def _through(self, said: Said) -> bool:
        return said.digest in self.first_seen

    def _skips(self, said: Said, number: int) -> None:
        """It lies where the feed was interrupted and will not come by again."""
        for epoch, above, below in self._skipped:
            if epoch == self._epoch and above < number < below:
                self.first_seen.setdefault(said.digest, time.monotonic())

    # what it hears

    def hear(self, event: str, said: Object) -> None:
        match event:
            case "connected":
                self._enter(said)
            case "get_message":
                self._see(said)
            case "new_user" | "user_left":
                self._notice(event, str(said["member"]))
        self._bell.ring()

    def _notice(self, event: str, member: str) -> None:
        """Each comes once and goes once."""
        if (event == "new_user") is (member in self.roster):
            self.complaints.append(f"{event} of {member} once too often")
        self.roster ^= {member}
        self.comings.append((event, member))

    def _enter(self, said: Object) -> None:
        epoch, first = str(said["epoch"]), cast(int, said["first"])
        if epoch == self._epoch and first > self._last + 1:
            self._skipped.append((epoch, self._last, first))
        if epoch != self._epoch:
            self._epoch, self._last = epoch, 0
        self.roster = {str(user["member"]) for user in cast("list[Object]", said["users"])}
        for each in cast("list[Object]", said["log"]):
            self._see(each)
        self._last = cast(int, said["last"])

    def _see(self, entry: Object) -> None:
        number, data = cast(int, entry["id"]), unb64(str(entry["message"]))
        digest, at = b64(hashlib.sha256(data).digest()), time.monotonic()
        self.seen.append(Seen(self._epoch, number, digest, at))
        self.first_seen.setdefault(digest, at)
        self._last = number
