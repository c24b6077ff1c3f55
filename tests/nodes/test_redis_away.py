"""Redis is out of reach, for one node or for all, while people talk."""

import asyncio
import time
from collections.abc import Sequence
from enum import Enum

import pytest

from tests.nodes.scene import Row, gathering, record
from tests.nodes.site import LEASE, Node, site
from tests.nodes.store import stores

pytestmark = pytest.mark.timeout(60)

AWAY = LEASE + 1
"""Seconds: longer than a node is believed in without a word of it."""


class How(Enum):
    CUT = "refuses"
    STALLED = "is silent"
    DEAF = "hears and does not answer"


async def _break(nodes: Sequence[Node], how: How) -> None:
    for line in (line for node in nodes for line in node.lines):
        match how:
            case How.CUT:
                await line.cut()
            case How.STALLED:
                line.stall()
            case How.DEAF:
                line.deafen()


async def _mend(nodes: Sequence[Node], how: How) -> None:
    for line in (line for node in nodes for line in node.lines):
        if how is How.CUT:
            await line.mend()
        else:
            line.flow()


async def _one(how: How) -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        apart = scene.on(0)
        others = [talker for talker in scene.staying if talker not in apart]
        for talker in apart:
            talker.answer_seconds = 10
        await _break(nodes.nodes[:1], how)
        began = time.monotonic()
        await scene.until(lambda: all(talker.refused["unavailable"] for talker in apart))
        gone = {talker.member for talker in apart}
        await scene.until(lambda: not any(gone & talker.roster for talker in others))
        await scene.recovers(among=others)
        await asyncio.sleep(max(0.0, began + AWAY - time.monotonic()))  # is the fault itself
        assert all(talker.lives == 1 and talker.inside for talker in scene.talkers), scene.told()
        await _mend(nodes.nodes[:1], how)
        recovered = await scene.recovers()
        await scene.settles()
        assert all(talker.lives == 1 for talker in others), scene.told()
        for talker in others:
            mates = [other.member for other in apart if other.room is talker.room]
            expected = [(event, member) for member in mates for event in ("user_left", "new_user")]
            assert sorted(talker.comings) == sorted(expected), scene.told()
        return scene.judge(f"Redis {how.value} for one node, {AWAY:.0f} s", recovered)


async def _all(how: How) -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        for talker in scene.talkers:
            talker.answer_seconds = 10
        await _break(nodes.nodes, how)
        began = time.monotonic()
        await scene.until(lambda: all(talker.refused["unavailable"] for talker in scene.talkers))
        await asyncio.sleep(max(0.0, began + AWAY - time.monotonic()))  # is the fault itself
        assert all(talker.lives == 1 and talker.inside for talker in scene.talkers), scene.told()
        await _mend(nodes.nodes, how)
        recovered = await scene.recovers()
        await scene.settles()
        assert all(talker.lives == 1 for talker in scene.talkers), scene.told()
        scene.nobody_noticed()
        return scene.judge(f"Redis {how.value} for all nodes, {AWAY:.0f} s", recovered)


async def _redis_frozen() -> Row:
    async with stores(1) as [redis], site(redis.port) as nodes, gathering(nodes) as scene:
        for talker in scene.talkers:
            talker.answer_seconds = 10
        redis.freeze()
        began = time.monotonic()
        await scene.until(lambda: all(talker.refused["unavailable"] for talker in scene.talkers))
        await asyncio.sleep(max(0.0, began + AWAY - time.monotonic()))  # is the fault itself
        redis.wake()
        recovered = await scene.recovers()
        await scene.settles()
        assert all(talker.lives == 1 for talker in scene.talkers), scene.told()
        scene.nobody_noticed()
        return scene.judge(f"Redis is frozen for {AWAY:.0f} s", recovered)


def _ways(*quick: How) -> list[object]:
    """The others take their time in tests/run --long."""
    return [how if how in quick else pytest.param(how, marks=pytest.mark.long) for how in How]


@pytest.mark.parametrize("how", _ways(How.CUT, How.DEAF))
def test_one_node_is_without_redis(how: How, capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_one(how)))


@pytest.mark.parametrize("how", _ways(How.CUT))
def test_all_nodes_are_without_redis(how: How, capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_all(how)))


def test_redis_freezes(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_redis_frozen()))
