"""Several nodes on one Redis: one order, no ghosts, gaps that are filled; nobody is told of what did not happen."""

import asyncio

import pytest
import redis.asyncio

from rooms import redis_room
from rooms.model import ErrorCode, Lost, MemberId, Refused
from tests.proxy import Line
from tests.redis_server import RedisServer, redis_server
from tests.rooms.nodes import LEASE, OTHER_ROOM, PATIENT_LEASE, ROOM, Node, nodes, until


async def test_two_nodes_tell_the_same_in_one_order(redis_url: str) -> None:
    one, two = await Node.start(redis_url, PATIENT_LEASE), await Node.start(redis_url, PATIENT_LEASE)
    await one.join("ann")
    await two.join("bob")
    await until(lambda: one.told == [("joined", "ann"), ("joined", "bob")])
    assert two.told == [("joined", "bob")]

    async def talk(node: Node, name: str) -> None:
        for number in range(100):
            await node.say(name, f"{name} {number}")

    await asyncio.gather(talk(one, "ann"), talk(two, "bob"))
    await until(lambda: len(one.posted) == len(two.posted) == 200)
    assert one.posted == two.posted
    assert [entry.id for entry in one.posted] == list(range(1, 201))
    await two.broker.leave(ROOM, MemberId("bob"), "seat of bob")
    await until(lambda: one.told[-1] == ("left", "bob"))
    for node in (one, two):
        await node.broker.close()


async def test_a_node_that_died_leaves_no_ghosts(redis_url: str) -> None:
    one, two = await Node.start(redis_url), await Node.start(redis_url)
    await one.join("cid")
    await two.join("dan")
    await until(lambda: ("joined", "dan") in one.told)
    await two.broker.close()  # says nothing to anybody
    await until(lambda: ("left", "dan") in one.told)
    assert one.told.count(("left", "dan")) == 1
    await one.broker.leave(ROOM, MemberId("cid"), "seat of cid")
    await one.broker.close()


async def test_a_gap_is_filled(redis_url: str) -> None:
    one, two = await Node.start(redis_url, lease=2), await Node.start(redis_url, lease=2)
    await one.join("eve")
    await two.join("fay")
    admin = redis.asyncio.Redis.from_url(redis_url)
    for number in range(60):
        if number % 10 == 5:
            await admin.client_kill_filter(_type="pubsub")
        await one.insist("eve", f"gap {number}")
        await two.insist("fay", f"other {number}")
    await until(lambda: len(one.posted) == len(two.posted) == 120)
    assert one.posted == two.posted
    for node, name in ((one, "eve"), (two, "fay")):
        await node.broker.leave(ROOM, MemberId(name), f"seat of {name}")
        await node.broker.close()
    await admin.aclose()


async def test_who_slept_past_the_lease_joins_anew() -> None:
    with redis_server() as url:
        one, two = await Node.start(url), await Node.start(url, lease=60)
        await one.join("gus")
        await two.join("hal")
        assert one.broker._timer is not None
        one.broker._timer.cancel()  # as if the process were stopped
        admin = redis.asyncio.Redis.from_url(url)
        await asyncio.sleep(LEASE * 1.5)
        await two.say("hal", "meanwhile")
        await until(lambda: ("left", "gus") in two.told)
        one.broker._renew()
        await until(lambda: any(isinstance(event, Lost) for event in one.events) or ("left", "gus") in one.told)
        with pytest.raises(Refused) as refused:
            await one.say("gus", "too late")
        assert refused.value.code is ErrorCode.NOT_IN_ROOM
        for node in (one, two):
            await node.broker.close()
        await admin.aclose()


async def test_without_redis_commands_are_refused_and_afterwards_all_is_well() -> None:
    with redis_server() as url:
        one = await Node.start(url)
        await one.join("ivy")
    with pytest.raises(Refused) as refused:
        await one.say("ivy", "to nobody")
    assert refused.value.code is ErrorCode.UNAVAILABLE
    await one.broker.close()


async def test_a_node_hears_of_the_rooms_that_it_has_members_in_and_of_no_other(plain_redis: RedisServer) -> None:
    plain_redis.flush()

    def heard() -> dict[bytes, int]:
        flat = plain_redis.ask("PUBSUB", "NUMSUB", *plain_redis.ask("PUBSUB", "CHANNELS", "*:feed"))
        return dict(zip(flat[::2], flat[1::2], strict=True))

    channel, other = (redis_room.channel(room).encode() for room in (ROOM, OTHER_ROOM))
    async with nodes(plain_redis.url, plain_redis.url) as (one, two):
        await one.join("ann")
        await two.join("bob", OTHER_ROOM)
        assert heard() == {channel: 1, other: 1}
        await two.join("cid")
        await two.join("dan")
        assert heard() == {channel: 2, other: 1}
        await two.leave("cid")
        await two.leave("bob", OTHER_ROOM)
        await until(lambda: heard() == {channel: 2})
        await two.leave("dan")
        await until(lambda: heard() == {channel: 1})


async def test_who_has_missed_more_than_the_log_holds_comes_anew_and_is_told_so(plain_redis: RedisServer) -> None:
    plain_redis.flush()
    async with Line(plain_redis.port) as line:
        far = plain_redis.url.replace(str(plain_redis.port), str(line.port))
        async with nodes(plain_redis.url, far, lease=60, log_size=5) as (one, two):
            await one.join("ann")
            await two.join("bob")
            await one.say("ann", "heard")
            await until(lambda: len(two.posted) == 1)
            await line.cut()
            for number in range(6):
                await one.say("ann", f"missed {number}")
            await line.mend()
            await until(lambda: two.lost == 1)
            assert len(two.posted) == 1, "nothing is told after a hole"
            await two.join("bob")
            snapshot = two.joined.snapshot
            assert (snapshot.last, [entry.id for entry in snapshot.log]) == (7, [3, 4, 5, 6, 7])
            await line.cut()
            for number in range(5):
                await one.say("ann", f"just within reach {number}")
            await line.mend()
            await until(lambda: len(two.posted) == 6)
            assert [entry.id for entry in two.posted[1:]] == [8, 9, 10, 11, 12]
            assert (two.lost, one.lost) == (1, 0)
