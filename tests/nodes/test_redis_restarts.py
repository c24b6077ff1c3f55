"""Redis dies and comes back, with what it had or without."""

import asyncio
import time

import pytest

from tests.nodes.scene import FEW, Row, gathering, record
from tests.nodes.site import LEASE, site
from tests.nodes.store import KEPT, stores

pytestmark = pytest.mark.timeout(60)


async def _restarted(*, kept: bool, away: float) -> Row:
    async with stores(1, *(KEPT if kept else ())) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        scene.forgiven = 0 if kept else FEW
        await redis.kill()
        killed = time.monotonic()
        await scene.until(lambda: all(talker.refused["unavailable"] for talker in scene.talkers))
        await asyncio.sleep(max(0.0, killed + away - time.monotonic()))  # is the fault itself
        assert all(talker.lives == 1 and talker.inside for talker in scene.talkers), scene.told()
        await redis.start()
        recovered = await scene.recovers()
        await scene.settles()
        if kept:
            assert all(talker.lives == 1 for talker in scene.talkers), scene.told()
        scene.nobody_noticed()
        what = "with its data" if kept else "without its data"
        return scene.judge(
            f"Redis is killed and comes back {what} after {away:.0f} s", recovered, epochs=1 if kept else 2
        )


def test_with_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_restarted(kept=True, away=0)))


def test_with_its_data_after_a_lease(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_restarted(kept=True, away=LEASE + 1)))


def test_without_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_restarted(kept=False, away=0)))


def test_without_its_data_after_a_lease(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_restarted(kept=False, away=LEASE + 1)))
