"""Another Redis takes over, or one of several is gone."""

import asyncio
import os

import pytest
from redis.crc import key_slot

from tests.nodes.scene import FEW, Row, gathering, record
from tests.nodes.site import site
from tests.nodes.store import KEPT, SLOTS, Store, cluster, stores
from tests.proxy import Line
from tests.reference import Room, b64

pytestmark = pytest.mark.timeout(60)


async def _follow(replica: Store, port: int) -> None:
    """Returns when it has what the master has."""
    await replica.ask("REPLICAOF", "127.0.0.1", port)
    async with asyncio.timeout(15):
        while (await replica.ask("ROLE"))[3] not in {b"connected", "connected"}:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


async def _failed_over(*, lagging: bool) -> Row:
    async with (
        stores(2, *KEPT) as [master, replica],
        Line(master.port) as between,
        site(master.port, replica.port) as nodes,
    ):
        await _follow(replica, between.port)
        async with gathering(nodes) as scene:
            leaver = scene.talkers[0]
            if lagging:
                scene.forgiven = FEW
                between.stall()
                await scene.recovers()  # of which the replica hears nothing,
                await leaver.leave()  # and nothing of this
                await scene.until(lambda: all(leaver.member not in mate.roster for mate in scene.mates(leaver)))
            else:
                for talker in scene.talkers:
                    await talker.rest(10)
                assert await master.ask("WAIT", 1, 5000) == 1
                for talker in scene.talkers:
                    talker.talk()
            await master.kill()
            await between.cut()
            await replica.ask("REPLICAOF", "NO", "ONE")
            recovered = await scene.recovers()
            await scene.another(scene.talkers[1])
            await scene.settles()
            if not lagging:
                assert all(talker.lives == 1 for talker in scene.talkers), scene.told()
            else:
                assert all(len(talker.epochs) == 2 for talker in scene.staying[:-1]), scene.told()
            what = "lags behind" if lagging else "has everything"
            return scene.judge(f"fail-over to a replica that {what}", recovered, epochs=2 if lagging else 1)


async def _presence_forgotten() -> Row:
    """The replica has heard all that was said, and not who came and went after that."""
    async with (
        stores(2, *KEPT) as [master, replica],
        Line(master.port) as between,
        site(master.port, replica.port) as nodes,
    ):
        await _follow(replica, between.port)
        async with gathering(nodes) as scene:
            leaver, mover = scene.talkers[0], scene.talkers[1]
            await scene.settles()
            assert await master.ask("WAIT", 1, 5000) == 1
            between.stall()
            await leaver.leave()
            nodes.nodes[0].open = False
            mover.hang_up()
            await scene.until(lambda: mover.lives == 2 and scene.settled())
            nodes.nodes[0].open = True
            await master.kill()
            await between.cut()
            await replica.ask("REPLICAOF", "NO", "ONE")
            for talker in scene.staying:
                talker.talk()
            recovered = await scene.recovers()
            await scene.settles()
            return scene.judge("fail-over to a replica that does not know who came and went", recovered)


def _room_at(slots: range) -> Room:
    """One whose keys lie there."""
    while True:
        room = Room.from_secret(os.urandom(32))
        if key_slot(b64(room.address).encode()) in slots:
            return room


async def _cluster() -> Row:
    async with cluster() as masters:
        share = SLOTS // len(masters)
        rooms = [_room_at(range(number * share, (number + 1) * share)) for number in range(3)]
        ports = [master.port for master in masters]
        async with site(*ports, direct=True) as nodes, gathering(nodes, rooms, 9) as scene:
            await masters[2].kill()
            there = [talker for talker in scene.talkers if talker.room is rooms[2]]
            others = [talker for talker in scene.talkers if talker.room is not rooms[2]]
            recovered = await scene.recovers(among=others)
            await scene.until(lambda: all(talker.refused["unavailable"] for talker in there))
            assert all(talker.lives == 1 for talker in others), scene.told()
            assert all(talker.lives == 1 and talker.inside for talker in there), scene.told()
            await masters[2].start()
            await scene.recovers()
            await scene.settles()
            scene.nobody_noticed()
            return scene.judge("a master of three of a cluster is killed, others go on", recovered)


def test_a_replica_that_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_failed_over(lagging=False)))


def test_a_replica_that_lags_behind(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_failed_over(lagging=True)))


def test_a_replica_that_does_not_know_who_came_and_went(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_presence_forgotten()))


def test_a_cluster_loses_a_master(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, asyncio.run(_cluster()))
