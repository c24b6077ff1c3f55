"""Runs a server for a while under churn and faults, watches it from outside, and says what it saw. Judges nothing but
what people have lost, which ends the run.

Tabs (the page's own modules) talk behind lines that are cut, stalled and made deaf; others come into rooms, say
something and leave, or crash. What the server holds is read from /proc, what it does from its metrics.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench.limits import UNLIMITED
from tests.client import Client
from tests.outbox.scene import Scene, meeting
from tests.reference import Room
from tests.serving import Served, kept_port, serve

SCENES, VISITORS, ROOMS = 2, 4, 20
MOVING = 0.03
"""How likely a visitor is to find a room given up and another in its place: each lives for half a minute or so, since
a room remembers what was sent for ten minutes, and memory would be flat only after those."""
SITTING = 60
"""Messages until the tabs of a scene are looked at and replaced."""
PAUSE_SECONDS = 0.2
"""Between two visits of one visitor: a room remembers what was sent for ten minutes, so that a rush of messages would
make it grow for as long."""
LOOK_SECONDS = 1.0
SETTLED = 0.4
"""The part of a run after which memory and descriptors are watched: until then caches fill."""
LAG = "chatsite_loop_lag_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Look:
    """The server at one moment: seconds since the beginning, bytes, descriptors."""

    at: float
    memory: int
    files: int


@dataclass
class Report:
    """`looks`: all, oldest first. `lag`: how often the loop was late by at most so many seconds."""

    messages: int = 0
    faults: int = 0
    visits: int = 0
    looks: list[Look] = field(default_factory=list)
    lag: dict[float, float] = field(default_factory=dict)

    @property
    def settled(self) -> list[Look]:
        return [look for look in self.looks if look.at >= SETTLED * self.looks[-1].at]

    @property
    def slope(self) -> float:
        """Bytes a minute by which the settled server grows: the line of the least squares."""
        looks = self.settled
        mean_at = sum(look.at for look in looks) / len(looks)
        mean = sum(look.memory for look in looks) / len(looks)
        spread = sum((look.at - mean_at) ** 2 for look in looks)
        return 60 * sum((look.at - mean_at) * (look.memory - mean) for look in looks) / spread

    @property
    def more_files(self) -> float:
        """By how many descriptors the last third of the settled time has more than the first, on average."""
        looks = self.settled
        third = len(looks) // 3
        first, last = looks[:third], looks[-third:]
        return sum(look.files for look in last) / third - sum(look.files for look in first) / third

    @property
    def lag_p99(self) -> float:
        """An upper bound of it, in seconds: the bucket that it is in."""
        total = max(self.lag.values())
        return min(bound for bound, count in self.lag.items() if count >= 0.99 * total)

    def __str__(self) -> str:
        first, last = self.settled[0], self.looks[-1]
        return (
            f"{last.at:.0f} s: {self.messages} messages, {self.faults} faults, {self.visits} visits, nothing lost or "
            f"doubled; memory {first.memory / 1e6:.1f} -> {last.memory / 1e6:.1f} MB, {self.slope / 1e3:+.0f} kB a "
            f"minute; descriptors {first.files} -> {last.files} ({self.more_files:+.1f}); loop lag p99 at most "
            f"{1e3 * self.lag_p99:.0f} ms"
        )


class Soak:
    """One run. `chance` decides about everything that is left to it."""

    def __init__(self, served: Served, metrics: int, seconds: float, chance: random.Random) -> None:
        self.report = Report()
        self._served = served
        self._metrics = metrics
        self._chance = chance
        self._began = time.monotonic()
        self._ends = self._began + seconds
        self._rooms = [Room.from_secret(os.urandom(32)) for _ in range(ROOMS)]

    async def run(self) -> Report:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SCENES):
                tasks.create_task(self._scenes())
            for _ in range(VISITORS):
                tasks.create_task(self._visits())
            tasks.create_task(self._looks())
        self.report.lag = await self._lag()
        return self.report

    @property
    def _over(self) -> bool:
        return time.monotonic() >= self._ends

    async def _scenes(self) -> None:
        while not self._over:
            async with meeting(self._served, transports=["websocket"]) as scene:
                while len(scene.said) < SITTING and not self._over:
                    await self._say(scene)
                    await self._fault(scene)
                    await scene.arrives()
                if scene.said:  # who has only just come in when time is up may not have seen yet who else is there
                    scene.once_and_in_order()

    async def _say(self, scene: Scene) -> None:
        number = self._chance.randint(1, 3)
        await scene.say(*(f"message {len(scene.said) + each}" for each in range(number)))
        self.report.messages += number

    async def _fault(self, scene: Scene) -> None:
        """Something happens to the writer's line, or nothing."""
        line, pause = scene.line, self._chance.uniform(0, 0.2)
        match self._chance.randrange(5):
            case 0:
                await line.cut()
                await asyncio.sleep(pause)
                await line.mend()
            case 1:
                line.cut_after(self._chance.choice(["up", "down"]), self._chance.randrange(3_000))
            case 2:
                line.stall()
                await asyncio.sleep(pause)
                line.flow()
            case 3:
                line.deafen()
                await asyncio.sleep(pause)
                line.flow()
            case _:
                await asyncio.sleep(pause)
                return
        self.report.faults += 1

    async def _visits(self) -> None:
        while not self._over:
            async with Client(self._served.url) as visitor:
                await visitor.join(self._a_room(), "Visitor")
                for number in range(self._chance.randrange(4)):
                    assert "id" in await visitor.say(f"sentence {number}")
                if self._chance.random() < 0.3:
                    visitor.crash()
                elif self._chance.random() < 0.5:
                    await visitor.leave()
            self.report.visits += 1
            await asyncio.sleep(self._chance.uniform(0, 2 * PAUSE_SECONDS))

    def _a_room(self) -> Room:
        number = self._chance.randrange(ROOMS)
        if self._chance.random() < MOVING:
            self._rooms[number] = Room.from_secret(os.urandom(32))
        return self._rooms[number]

    async def _looks(self) -> None:
        while not self._over:
            self.report.looks.append(self._look())
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> Look:
        process = Path(f"/proc/{self._served.process.pid}")
        pages = int((process / "statm").read_text().split()[1])
        files = len(list((process / "fd").iterdir()))
        return Look(time.monotonic() - self._began, pages * os.sysconf("SC_PAGE_SIZE"), files)

    async def _lag(self) -> dict[float, float]:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self._metrics}/metrics") as answer:
            return dict(_buckets(await answer.text()))


def _buckets(text: str) -> Iterator[tuple[float, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == LAG:
                yield float(sample.labels["le"]), sample.value


def soak(seconds: float, seed: int) -> Report:
    """Raises whatever a tab or a visitor met that they must not."""
    settings = {**UNLIMITED, "empty_room_ttl": 5, "log_size": 50}
    with kept_port() as metrics, serve(metrics_port=metrics, **settings) as served:
        report = asyncio.run(Soak(served, metrics, seconds, random.Random(seed)).run())  # noqa: S311 - the same again
        assert served.stop() == 0
    assert served.stderr == ""
    return report
