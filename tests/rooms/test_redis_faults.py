"""Rooms when Redis forgets, goes back in time, is full, or answers nobody: what two nodes tell then, and that nothing
half-done stays."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from rooms.model import ErrorCode, MemberId, Refused, RoomAddress
from rooms.redis_room import KEYS, keys
from tests.proxy import Line
from tests.redis_server import RedisServer, started
from tests.rooms.nodes import OTHER_ROOM, ROOM, THIRD_ROOM, nodes, until

FULL = "1"


@pytest.fixture(name="server")
def _server(plain_redis: RedisServer) -> Iterator[RedisServer]:
    plain_redis.flush()
    yield plain_redis
    plain_redis.ask("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    plain_redis.flush()


async def refused(code: ErrorCode, command: Awaitable[object]) -> None:
    with pytest.raises(Refused) as caught:
        await command
    assert caught.value.code is code


def members(server: RedisServer, room: RoomAddress = ROOM) -> set[bytes]:
    return set(server.ask("HKEYS", keys(room)[KEYS.index("members")]))


def leases(server: RedisServer) -> list[float]:
    """When those of the room's nodes end."""
    return [float(end) for _, end in server.ask("ZRANGE", keys(ROOM)[KEYS.index("nodes")], 0, -1, "WITHSCORES")]


# History that is taken back, as by a failover to a replica that lagged behind


class Memory:
    """All that a server knows of a room at one moment."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._values = {key: server.ask("DUMP", key) for key in keys(ROOM)}

    def restore(self) -> None:
        for key, value in self._values.items():
            self._server.ask("DEL", key)
            if value is not None:
                self._server.ask("RESTORE", key, 60_000, value)

    def fail_over(self) -> None:
        self.restore()
        for kind in ("normal", "pubsub"):
            self._server.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


@pytest.mark.parametrize("how", [Memory.fail_over, Memory.restore])
async def test_history_that_was_taken_back_is_found_out_and_all_come_anew(
    server: RedisServer, how: Callable[[Memory], None]
) -> None:
    async with nodes(server.url, server.url) as (one, two):
        await one.join("ann")
        await two.join("bob")
        epoch = two.joined.snapshot.epoch
        for text in ("first", "second"):
            await one.say("ann", text)
        before = Memory(server)
        assert await one.say("ann", "third") == 3
        assert await two.say("bob", "fourth") == 4
        await until(lambda: len(one.posted) == len(two.posted) == 4)
        how(before)
        await until(lambda: one.lost == two.lost == 1)
        assert len(one.posted) == len(two.posted) == 4, "nothing is told twice"
        for node, name in ((one, "ann"), (two, "bob")):
            await node.join(name)
            assert node.joined.snapshot.epoch != epoch
            assert [entry.ciphertext for entry in node.joined.snapshot.log] == ["first", "second"]
        assert one.joined.snapshot.epoch == two.joined.snapshot.epoch
        assert await one.say("ann", "first") == 1, "its digest is known"
        assert await two.say("bob", "fourth") == 3, "it is a new message now"
        await until(lambda: one.posted[-1] == two.posted[-1])
        assert one.posted[-1].ciphertext == "fourth"
        assert one.lost == two.lost == 1


async def test_history_that_goes_on_differently_is_found_out_by_the_chain(server: RedisServer) -> None:
    async with nodes(server.url, server.url, lease=60) as (one, two):
        await one.join("ann")
        await one.say("ann", "first")
        before = Memory(server)
        for text in ("second", "third"):
            await one.say("ann", text)
        before.restore()
        await two.join("bob")
        for number in range(4):
            await two.say("bob", f"other {number}")
        await until(lambda: one.lost == 1)
        assert [entry.ciphertext for entry in one.posted] == ["first", "second", "third"]
        await until(lambda: two.lost == 1)
        await one.join("ann")
        assert [entry.ciphertext for entry in one.joined.snapshot.log] == ["first", *(f"other {n}" for n in range(4))]


async def test_a_redis_that_has_forgotten_all_has_everybody_join_anew() -> None:
    with started() as server:
        async with nodes(server.url, server.url) as (one, two):
            await one.join("ann")
            await two.join("bob")
            await one.say("ann", "before")
            epoch = one.joined.snapshot.epoch
            server.end()
            await refused(ErrorCode.UNAVAILABLE, one.say("ann", "meanwhile"))
            await refused(ErrorCode.UNAVAILABLE, two.join("cid"))
            assert one.lost == two.lost == 0, "nobody is sent away while Redis is"
            server.start()
            await until(lambda: one.lost == two.lost == 1)
            await one.join("ann")
            await two.join("bob")
            assert two.joined.snapshot.epoch != epoch
            assert two.joined.snapshot.log == ()
            assert await two.say("bob", "after") == 1
            await until(lambda: one.posted[-1].ciphertext == "after")
            assert members(server) == {b"ann", b"bob"}, "cid was refused and nobody asked for it since"


# Answers that are lost


async def test_a_join_whose_answer_was_lost_leaves_no_ghost(server: RedisServer) -> None:
    async with Line(server.port) as line, nodes(f"redis://127.0.0.1:{line.port}/0", server.url) as (one, two):
        await one.join("ann")
        await two.join("eve")
        line.cut_after("down", 0, b"EVAL")
        await refused(ErrorCode.UNAVAILABLE, one.join("bob"))
        assert b"bob" in members(server), "it has happened"
        await until(lambda: two.told[-2:] == [("joined", "bob"), ("left", "bob")])
        assert members(server) == {b"ann", b"eve"}
        assert not one.broker._undone
        await until(lambda: one.told.count(("left", "bob")) == one.told.count(("joined", "bob")))
        assert one.lost == 0


async def test_who_comes_again_after_a_lost_answer_stays(server: RedisServer) -> None:
    async with Line(server.port) as line, nodes(f"redis://127.0.0.1:{line.port}/0", server.url) as (one, two):
        await one.join("ann")
        await two.join("eve")
        line.cut_after("down", 0, b"EVAL")
        await refused(ErrorCode.UNAVAILABLE, one.join("bob", seat="first seat"))
        await until(lambda: one.broker.up)
        await one.join("bob", seat="second seat")
        await until(lambda: not one.broker._undone and not one.broker._tasks)
        assert await one.say("bob", "here", seat="second seat") == 1
        await until(lambda: [entry.ciphertext for entry in two.posted] == ["here"])
        assert members(server) == {b"ann", b"bob", b"eve"}


async def test_a_message_whose_answer_was_lost_is_said_once(server: RedisServer) -> None:
    async with Line(server.port) as line, nodes(f"redis://127.0.0.1:{line.port}/0", server.url) as (one, two):
        await one.join("ann")
        await two.join("bob")
        line.cut_after("down", 0, b"EVAL")
        await refused(ErrorCode.UNAVAILABLE, one.say("ann", "text"))
        assert await one.insist("ann", "text") == 1
        await until(lambda: len(one.posted) == len(two.posted) == 1)
        assert await one.say("ann", "next") == 2
        await until(lambda: one.posted == two.posted and len(one.posted) == 2)


async def test_leaves_while_redis_is_away_are_made_good(server: RedisServer) -> None:
    async with Line(server.port) as line, nodes(f"redis://127.0.0.1:{line.port}/0", server.url, lease=3) as (one, two):
        for name in ("ann", "cid"):
            await one.join(name)
        await two.join("bob")
        await line.cut()
        await until(lambda: not one.broker.up)
        await one.leave("cid")
        assert b"cid" in members(server)
        await line.mend()
        await until(lambda: ("left", "cid") in one.told and ("left", "cid") in two.told)
        assert two.told.count(("left", "cid")) == 1
        assert members(server) == {b"ann", b"bob"}


# Members who change nodes


async def test_a_member_who_comes_to_another_node_is_taken_over_there(server: RedisServer) -> None:
    async with nodes(server.url, server.url) as (one, two):
        await one.join("ann", seat="at one")
        await two.join("ann", seat="at two")
        assert two.joined.returned
        await until(lambda: one.joined.member.seat == "at two")
        assert (one.broker.count(), two.broker.count()) == ((0, 0), (1, 1))
        assert not one.broker._follower.tracks, "the room is no concern of it any more"
        await refused(ErrorCode.NOT_IN_ROOM, one.say("ann", "from the old seat", seat="at one"))
        await one.leave("ann", seat="at one")
        assert await two.say("ann", "from the new", seat="at two") == 1
        assert ("left", "ann") not in two.told
        await two.join("bob")
        await one.join("eve")
        assert one.broker.elsewhere(ROOM, MemberId("ann")) == two.broker.node
        assert two.broker.elsewhere(ROOM, MemberId("ann")) is None
        assert (one.broker.count(), two.broker.count()) == ((0, 1), (1, 2)), "one of them counts the room"
        await two.leave("ann", seat="at two")
        await two.leave("bob")
        await until(lambda: one.broker.count() == (1, 1))


# Limits


async def test_a_room_is_full_whatever_node_its_members_are_on(server: RedisServer) -> None:
    async with nodes(server.url, server.url, room_members=2) as (one, two):
        await one.join("ann")
        await two.join("bob")
        for node in (one, two):
            await refused(ErrorCode.ROOM_FULL, node.join("cid"))
        await one.join("bob", seat="another")
        await one.leave("ann")
        await two.join("cid")
        assert members(server) == {b"bob", b"cid"}


async def test_a_site_is_full_whatever_node_its_rooms_are_on(server: RedisServer) -> None:
    async with nodes(server.url, server.url, rooms=2) as (one, two):
        await one.join("ann", ROOM)
        await two.join("bob", OTHER_ROOM)
        await until(lambda: one.broker.site.rooms_elsewhere == two.broker.site.rooms_elsewhere == 1)
        for node in (one, two):
            await refused(ErrorCode.SERVER_FULL, node.join("cid", THIRD_ROOM))
        await one.join("cid", OTHER_ROOM)
        await two.leave("bob", OTHER_ROOM)
        await one.leave("cid", OTHER_ROOM)
        await until(lambda: one.broker.site.rooms_elsewhere == 0)
        await one.join("cid", THIRD_ROOM)


# A Redis that is full


async def test_a_full_redis_refuses_what_needs_room_and_nothing_is_half_done(server: RedisServer) -> None:
    async with nodes(server.url, server.url) as (one, two):
        await one.join("ann")
        await one.join("cid")
        await two.join("bob")
        await one.say("ann", "before")
        known = Memory(server)._values
        server.ask("CONFIG", "SET", "maxmemory", FULL)
        await refused(ErrorCode.UNAVAILABLE, one.say("ann", "too much"))
        await refused(ErrorCode.UNAVAILABLE, two.join("dan"))
        await refused(ErrorCode.UNAVAILABLE, two.join("dan", OTHER_ROOM))
        await refused(ErrorCode.UNAVAILABLE, two.broker.keep(ROOM, MemberId("bob"), "seat of bob", 60))
        after = Memory(server)._values
        assert {key for key in known if known[key] != after[key]} <= {keys(ROOM)[0], keys(ROOM)[5]}, "but for leases"
        assert server.ask("EXISTS", *keys(OTHER_ROOM)) == 0
        await one.leave("cid")
        await until(lambda: ("left", "cid") in two.told)
        ends = leases(server)
        await until(lambda: len(ends) == 2 and min(leases(server)) > max(ends))
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert await one.say("ann", "after") == 2
        await until(lambda: [entry.ciphertext for entry in two.posted] == ["before", "after"])
        assert one.told.count(("left", "bob")) == two.told.count(("left", "ann")) == one.lost == two.lost == 0


async def test_where_redis_makes_room_it_is_that_of_rooms_that_stand_empty(server: RedisServer) -> None:
    async with nodes(server.url, server.url, server.url, lease=60) as (one, two, three):
        await one.join("ann")
        await two.join("bob")
        for number in range(20):
            await one.say("ann", f"{number}")
        used = server.ask("INFO", "memory")["used_memory"]
        server.ask("CONFIG", "SET", "maxmemory", used + 1_000_000, "maxmemory-policy", "volatile-ttl")
        before = server.ask("INFO", "stats")["evicted_keys"]
        for number in range(200):
            room = RoomAddress(number.to_bytes(32, "big"))
            await three.join("eve", room)
            await three.say("eve", "x" * 10_000, room)
            await three.leave("eve", room)
        assert server.ask("INFO", "stats")["evicted_keys"] - before > 100
        assert server.ask("EXISTS", *keys(ROOM)) == len(KEYS)
        assert await one.say("ann", "0") == 1
        assert await two.say("bob", "last") == 21
        await until(lambda: one.posted == two.posted and len(one.posted) == 21)
        assert one.lost == two.lost == 0


@pytest.mark.parametrize("gone", KEYS)
async def test_a_room_of_which_a_part_had_to_make_way_can_be_used(server: RedisServer, gone: str) -> None:
    async with nodes(server.url, room_log_bytes=100) as (one,):
        await one.join("ann")
        await one.say("ann", "x" * 90)
        await one.leave("ann")
        server.ask("DEL", keys(ROOM)[KEYS.index(gone)])
        for name in ("ann", "bob"):
            await one.join(name)
            await one.say(name, f"{name:80}")
            assert one.posted[-1].ciphertext == f"{name:80}"
        await one.join("visitor")
        assert [entry.ciphertext for entry in one.joined.snapshot.log] == [f"{'bob':80}"]
        assert members(server) == {b"ann", b"bob", b"visitor"}


async def test_what_another_version_says_is_passed_over(server: RedisServer) -> None:
    async with nodes(server.url, server.url) as (one, two):
        await one.join("ann")
        await two.join("bob")
        channel = f"{keys(ROOM)[0].removesuffix('room')}feed"
        for said in ("", "[]", "null", "{}", '{"seq": 3, "epoch": 4}', '{"epoch": "?"}', "\xff"):
            server.ask("PUBLISH", channel, said)
        assert await one.say("ann", "all the same") == 1
        await until(lambda: len(two.posted) == 1)
        assert one.lost == two.lost == 0
