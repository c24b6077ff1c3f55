"""Nodes die, freeze and are replaced while people talk."""

import asyncio
import time

import pytest

from tests.nodes.scene import Row, gathering, record
from tests.nodes.site import LEASE, site
from tests.nodes.store import stores

pytestmark = pytest.mark.timeout(60)

SLACK = 1.0
"""Seconds that a busy machine may add to a lease."""


async def _killed(*, quiet: bool) -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        leavers = [talker for talker in scene.on(2) if quiet or talker is scene.on(2)[0]]
        for leaver in leavers:
            await leaver.stay_away()
        if quiet:
            await scene.settles()
        began = time.monotonic()
        await nodes.nodes[2].kill()
        recovered = 0.0 if quiet else await scene.recovers(began)
        steady = [talker for talker in scene.staying if talker.lives == 1]
        gone = {leaver.member for leaver in leavers}
        await scene.until(lambda: not any(gone & talker.roster for talker in scene.staying))
        elapsed = time.monotonic() - began
        assert elapsed < LEASE + SLACK, scene.told()
        await scene.settles()
        assert len(steady) == 4
        scene.nobody_noticed(*leavers)
        what = "a node is killed, and nobody says anything" if quiet else "a node is killed"
        return scene.judge(f"{what}: gone after {elapsed:.1f} s", recovered or elapsed)


async def _frozen() -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        leaver, comer = scene.on(1)
        await leaver.stay_away()
        nodes.nodes[1].freeze()
        await scene.until(lambda: all(leaver.member not in talker.roster for talker in scene.staying if talker is not comer))
        frozen = time.monotonic()
        await asyncio.sleep(LEASE)
        nodes.nodes[1].wake()
        woken = time.monotonic()
        recovered = await scene.recovers(woken)
        assert woken - frozen < 2 * LEASE
        await scene.settles()
        assert all(talker.lives == 1 for talker in scene.staying if talker is not comer)
        assert [event for event, member in scene.mates(comer)[0].comings if member == leaver.member] in ([], ["user_left"])
        return scene.judge("a node freezes past its lease and wakes", recovered)


async def _replaced() -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        began = time.monotonic()
        for node in nodes.nodes:
            await node.stop()
            await node.start()
            await scene.recovers()
        recovered = await scene.recovers(began)
        await scene.settles()
        assert all(talker.comings == [] for talker in scene.talkers), scene.told()
        return scene.judge("nodes are replaced, one after the other", recovered)


def test_a_node_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_killed(quiet=False)))


def test_a_node_is_killed_where_nobody_says_anything(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_killed(quiet=True)))


def test_a_node_freezes(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_frozen()))


def test_nodes_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_replaced()))
