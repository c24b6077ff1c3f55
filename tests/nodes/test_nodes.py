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
        leavers = scene.on(2) if quiet else scene.on(2)[:1]
        if quiet:
            await scene.settles()
        for leaver in leavers:
            await leaver.stay_away()
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


async def _frozen(*, patient: bool) -> Row:
    """`patient`: clients wait for longer than the node is frozen, and do not know of it."""
    async with (
        stores(1) as [redis],
        site(redis.port, ping_timeout=30 if patient else 4) as nodes,
        gathering(nodes) as scene,
    ):
        leaver, comer = scene.on(1)
        if patient:
            comer.answer_seconds = 30
        else:
            await leaver.stay_away()
        others = [talker for talker in scene.staying if talker not in {leaver, comer}]
        nodes.nodes[1].freeze()
        await scene.until(lambda: all(leaver.member not in talker.roster for talker in others))
        await asyncio.sleep(LEASE / 2)  # is what the node does not live through
        nodes.nodes[1].wake()
        recovered = await scene.recovers()
        await scene.settles()
        assert all(talker.lives == 1 for talker in others), scene.told()
        for talker in others:
            whose = [event for event, member in talker.comings if member == leaver.member]
            expected = ["user_left", "new_user"] if patient else ["user_left"]
            assert whose == (expected if talker.room is leaver.room else []), scene.told()
        what = "clients wait" if patient else "clients go elsewhere"
        return scene.judge(f"a node freezes past its lease and wakes, {what}", recovered)


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
    record(capsys, asyncio.run(_frozen(patient=False)))


def test_a_node_freezes_and_its_clients_wait(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_frozen(patient=True)))


def test_nodes_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_replaced()))
