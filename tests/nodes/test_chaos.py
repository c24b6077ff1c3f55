"""One fault after the other, and several at once, as chance has it; what must hold then is what holds of each alone."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.nodes.scene import Row, Scene, gathering, record
from tests.nodes.site import LEASE, Node, site
from tests.nodes.store import KEPT, Store, stores
from tests.proxy import WAYS

LONGEST = 1.5 * LEASE


class Chaos:
    """`chance` decides about everything. `longest`: seconds that the slowest recovery took."""

    def __init__(self, scene: Scene, redis: Store, chance: random.Random) -> None:
        self.longest = 0.0
        self.happened: list[str] = []
        self._scene = scene
        self._redis = redis
        self._chance = chance
        self._faults: list[Callable[[Node, float], Awaitable[None]]] = [
            self._kill,
            self._stop,
            self._freeze,
            self._cut,
            self._stall,
            self._deafen,
            self._cut_after,
            self._hang_up,
            self._restart,
        ]

    async def run(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            nodes = self._chance.sample(self._scene.site.nodes, self._chance.choice((1, 1, 2)))
            faults = self._chance.sample(self._faults, len(nodes))
            await asyncio.gather(*(self._befall(*each) for each in zip(nodes, faults, strict=True)))
            self.longest = max(self.longest, await self._scene.recovers())

    async def _befall(self, node: Node, fault: Callable[[Node, float], Awaitable[None]]) -> None:
        pause = self._chance.choice((0, self._chance.uniform(0, LONGEST)))
        self.happened.append(f"{fault.__name__} {self._scene.site.nodes.index(node)} {pause:.2f}")
        await fault(node, pause)

    async def _kill(self, node: Node, pause: float) -> None:
        await node.kill()
        await asyncio.sleep(pause)
        await node.start()

    async def _stop(self, node: Node, pause: float) -> None:
        await node.stop()
        await asyncio.sleep(pause)
        await node.start()

    async def _freeze(self, node: Node, pause: float) -> None:
        node.freeze()
        await asyncio.sleep(pause)
        node.wake()

    async def _cut(self, node: Node, pause: float) -> None:
        await node.cut()
        await asyncio.sleep(pause)
        await node.mend()

    async def _stall(self, node: Node, pause: float) -> None:
        node.lines[0].stall()
        await asyncio.sleep(pause)
        node.lines[0].flow()

    async def _deafen(self, node: Node, pause: float) -> None:
        node.lines[0].deafen()
        await asyncio.sleep(pause)
        node.lines[0].flow()

    async def _cut_after(self, node: Node, pause: float) -> None:
        node.lines[0].cut_after(self._chance.choice(WAYS), self._chance.randrange(200_000))
        await asyncio.sleep(pause / 4)

    async def _hang_up(self, node: Node, pause: float) -> None:
        """The lines of clients break."""
        for talker in self._scene.staying:
            if talker.url == node.url:
                talker.hang_up()
        await asyncio.sleep(pause / 4)

    async def _restart(self, node: Node, pause: float) -> None:
        """Redis, with its data."""
        await self._redis.kill()
        await asyncio.sleep(pause / 2)
        await self._redis.start()


async def _chaos(seconds: float, seed: int) -> Row:
    async with stores(1, *KEPT) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        chaos = Chaos(scene, redis, random.Random(seed))  # noqa: S311 - the same again
        try:
            await chaos.run(seconds)
            await scene.settles()
            return scene.judge(f"{len(chaos.happened)} faults", chaos.longest)
        except AssertionError as error:
            error.add_note("\n".join(chaos.happened))
            raise


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_faults(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_chaos(600, 5)))
