"""Redis is out of reach, for one node or for all, while people talk."""

import asyncio
import time

import pytest

from tests.nodes.scene import Row, gathering, record
from tests.nodes.site import LEASE, Node, site
from tests.nodes.store import stores

pytestmark = pytest.mark.timeout(60)

AWAY = LEASE + 1
"""Seconds: longer than a node is believed in without a word of it."""


async def _break(node: Node, *, silent: bool) -> None:
    if silent:
        for line in node.lines:
            line.stall()
    else:
        await node.cut()


async def _mend(node: Node, *, silent: bool) -> None:
    if silent:
        for line in node.lines:
            line.flow()
    else:
        await node.mend()


async def _one(*, silent: bool) -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        apart = scene.on(0)
        others = [talker for talker in scene.staying if talker not in apart]
        for talker in apart:
            talker.answer_seconds = 10
        await _break(nodes.nodes[0], silent=silent)
        began = time.monotonic()
        await scene.until(lambda: all(talker.refused["unavailable"] for talker in apart))
        gone = {talker.member for talker in apart}
        await scene.until(lambda: not any(gone & talker.roster for talker in others))
        await scene.recovers(among=others)
        await asyncio.sleep(max(0.0, began + AWAY - time.monotonic()))  # is the fault itself
        assert all(talker.lives == 1 and talker.inside for talker in scene.talkers), scene.told()
        await _mend(nodes.nodes[0], silent=silent)
        recovered = await scene.recovers()
        await scene.settles()
        assert all(talker.lives == 1 for talker in others), scene.told()
        for talker in others:
            mates = [other.member for other in apart if other.room is talker.room]
            expected = [(event, member) for member in mates for event in ("user_left", "new_user")]
            assert sorted(talker.comings) == sorted(expected), scene.told()
        how = "does not hear from Redis" if silent else "is refused by Redis"
        return scene.judge(f"one node {how} for {AWAY:.0f} s", recovered)


async def _all(*, silent: bool) -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        for talker in scene.talkers:
            talker.answer_seconds = 10
        for node in nodes.nodes:
            await _break(node, silent=silent)
        began = time.monotonic()
        await scene.until(lambda: all(talker.refused["unavailable"] for talker in scene.talkers))
        await asyncio.sleep(max(0.0, began + AWAY - time.monotonic()))  # is the fault itself
        assert all(talker.lives == 1 and talker.inside for talker in scene.talkers), scene.told()
        for node in nodes.nodes:
            await _mend(node, silent=silent)
        recovered = await scene.recovers()
        await scene.settles()
        assert all(talker.lives == 1 for talker in scene.talkers), scene.told()
        scene.nobody_noticed()
        how = "is silent" if silent else "refuses"
        return scene.judge(f"Redis {how} for all nodes for {AWAY:.0f} s", recovered)


def test_one_node_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_one(silent=False)))


def test_one_node_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_one(silent=True)))


def test_all_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_all(silent=False)))


def test_all_hear_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_all(silent=True)))
