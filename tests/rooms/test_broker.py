"""The contract of a broker, for every broker: one order, atomic steps, seats that change hands, and what is forgotten
when."""

import asyncio
import gc
import hashlib
import itertools
import sys
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import kept as kept_module
from rooms.broker import Broker, Limits, MemoryBroker
from rooms.kept import DIGEST_BYTES, ENTRY_BYTES, KeptRoom, Scales
from rooms.model import (
    Changed,
    Entry,
    ErrorCode,
    Joined,
    Left,
    Member,
    MemberId,
    Message,
    Posted,
    Refused,
    RoomAddress,
    RoomEvent,
    Since,
    Snapshot,
    Typed,
)
from rooms.redis_broker import RedisBroker
from tests.fakes import FakeClock
from tests.properties import quick
from tests.rooms.conftest import BrokerMaker

ROOM, OTHER_ROOM = RoomAddress(b"r" * 32), RoomAddress(b"o" * 32)
ANN, BOB = MemberId("Ann"), MemberId("Bob")
LIMITS = Limits(log_size=35, message_ttl=0, empty_room_ttl=3600, room_members=1000, rooms=1000)


def ann(seat: str = "a1", user: str = "user of Ann") -> Member:
    return Member(ANN, user, seat)


def bob(seat: str = "b1", user: str = "user of Bob") -> Member:
    return Member(BOB, user, seat)


def message(text: str, member: MemberId = ANN) -> Message:
    return Message(member, text, hashlib.sha256(text.encode()).digest())


@dataclass(slots=True)
class Feed:
    """A started broker and all that it has delivered."""

    broker: Broker
    clock: FakeClock
    events: list[RoomEvent] = field(default_factory=list)

    def record(self, event: RoomEvent) -> None:
        self.events.append(event)

    def taken(self) -> list[RoomEvent]:
        """What was delivered since the last look."""
        taken, self.events = self.events, []
        return taken

    async def join(self, member: Member, room: RoomAddress = ROOM) -> Joined:
        """Joins; answers the event, which must be the only one."""
        self.taken()
        await self.broker.join(room, member)
        (joined,) = self.taken()
        assert isinstance(joined, Joined)
        return joined

    async def publish(self, text: str, member: Member | None = None, room: RoomAddress = ROOM) -> int:
        sender = member or ann()
        return await self.broker.publish(room, message(text, sender.id), sender.seat)

    @property
    def timers(self) -> int:
        """Those that are set, without the one by which a node of many says that it lives."""
        return self.clock.pending - (isinstance(self.broker, RedisBroker) and self.broker._timer is not None)

    async def log(self, room: RoomAddress = ROOM) -> list[str]:
        """The texts that somebody who joins now is given."""
        joined = await self.join(Member(MemberId("visitor"), "", "v"), room)
        await self.broker.leave(room, MemberId("visitor"), "v")
        self.taken()
        return [entry.ciphertext for entry in joined.snapshot.log]


class Start(Protocol):
    """Starts the broker that is tested, with other limits where they are named."""

    async def __call__(self, **limits: float) -> Feed: ...


@pytest.fixture(name="start")
def _start(make_broker: BrokerMaker) -> Start:
    async def start(**limits: float) -> Feed:
        clock = FakeClock()
        feed = Feed(make_broker(replace(LIMITS, **cast("dict[str, Any]", limits)), clock), clock)
        await feed.broker.start(feed.record)
        return feed

    return start


@pytest.fixture(name="start_memory")
def _start_memory() -> Start:
    """For what a broker in memory does and Redis does by itself: docs/scaling.md, "Redis"."""

    async def start(**limits: float) -> Feed:
        clock = FakeClock()
        feed = Feed(MemoryBroker(replace(LIMITS, **cast("dict[str, Any]", limits)), clock), clock)
        await feed.broker.start(feed.record)
        return feed

    return start


async def refused(code: ErrorCode, command: Awaitable[object]) -> None:
    """The command is refused with this code."""
    with pytest.raises(Refused) as caught:
        await command
    assert caught.value.code is code


# Joining


async def test_a_snapshot_is_of_the_moment_after_the_join(start: Start) -> None:
    feed = await start()
    first = await feed.join(ann())
    assert first == Joined(ROOM, ann(), Snapshot(first.snapshot.epoch, 0, (ann(),), ()), returned=False)
    assert len(first.snapshot.epoch) == 16
    assert await feed.publish("one") == 1
    second = await feed.join(bob())
    assert second.snapshot == Snapshot(first.snapshot.epoch, 1, (ann(), bob()), (Entry(1, ANN, "one"),))
    assert not second.returned


async def test_a_snapshot_does_not_change_afterwards(start: Start) -> None:
    feed = await start()
    joined = await feed.join(ann())
    await feed.join(bob())
    await feed.publish("one")
    assert (joined.snapshot.last, joined.snapshot.members, joined.snapshot.log) == (0, (ann(),), ())


async def test_what_a_command_causes_is_delivered_before_it_returns_and_in_order(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    await feed.publish("one")
    await feed.broker.signal(ROOM, ANN, "a1", "types")
    await feed.broker.change(ROOM, ann(user="another"))
    await feed.publish("two")
    await feed.broker.leave(ROOM, ANN, "a1")
    assert feed.taken() == [
        Posted(ROOM, Entry(1, ANN, "one")),
        Typed(ROOM, ANN, "types"),
        Changed(ROOM, ann(user="another")),
        Posted(ROOM, Entry(2, ANN, "two")),
        Left(ROOM, ANN),
    ]


async def test_rooms_are_apart(start: Start) -> None:
    feed = await start()
    here, there = await feed.join(ann()), await feed.join(ann("a2"), OTHER_ROOM)
    assert not there.returned
    assert here.snapshot.epoch != there.snapshot.epoch
    assert await feed.publish("one") == 1
    assert await feed.publish("one", ann("a2"), OTHER_ROOM) == 1, "known in the other room only"
    assert [event.room for event in feed.taken()] == [ROOM, OTHER_ROOM]
    await feed.broker.leave(ROOM, ANN, "a1")
    assert await feed.publish("two", ann("a2"), OTHER_ROOM) == 2
    await refused(ErrorCode.NOT_IN_ROOM, feed.publish("two", ann("a2"), ROOM))


# Seats


async def test_a_member_who_comes_back_takes_over_silently(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    await feed.join(bob())
    back = await feed.join(ann("a2", "fresh"))
    assert back.returned
    assert back.snapshot.members == (ann("a2", "fresh"), bob())
    assert await feed.publish("one", ann("a2")) == 1


async def test_an_old_seat_can_do_nothing_any_more(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    await feed.join(ann("a2"))
    await refused(ErrorCode.NOT_IN_ROOM, feed.publish("one", ann("a1")))
    await refused(ErrorCode.NOT_IN_ROOM, feed.broker.signal(ROOM, ANN, "a1", "types"))
    await refused(ErrorCode.NOT_IN_ROOM, feed.broker.change(ROOM, ann("a1", "stolen")))
    await feed.broker.leave(ROOM, ANN, "a1")
    assert feed.taken() == []
    assert (await feed.join(bob())).snapshot.members == (ann("a2"), bob())


async def test_who_is_not_there_can_do_nothing(start: Start) -> None:
    feed = await start()
    for _ in range(2):  # before the room is there, and after
        await refused(ErrorCode.NOT_IN_ROOM, feed.publish("one"))
        await refused(ErrorCode.NOT_IN_ROOM, feed.broker.signal(ROOM, ANN, "a1", "types"))
        await refused(ErrorCode.NOT_IN_ROOM, feed.broker.change(ROOM, ann()))
        await feed.broker.leave(ROOM, ANN, "a1")
        assert feed.taken() == []
        assert (await feed.join(bob())).snapshot.members == (bob(),)


async def test_a_seat_speaks_for_its_own_member_only(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    await feed.join(bob())
    await refused(ErrorCode.NOT_IN_ROOM, feed.broker.publish(ROOM, message("one", BOB), "a1"))
    await refused(ErrorCode.NOT_IN_ROOM, feed.broker.change(ROOM, bob("a1")))
    await refused(ErrorCode.NOT_IN_ROOM, feed.broker.signal(ROOM, BOB, "a1", "types"))
    await feed.broker.leave(ROOM, BOB, "a1")
    assert feed.taken() == []


async def test_leaving_is_told_once(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    for _ in range(3):
        await feed.broker.leave(ROOM, ANN, "a1")
    assert feed.taken() == [Left(ROOM, ANN)]
    assert not (await feed.join(ann("a2"))).returned


async def test_a_changed_user_is_what_a_newcomer_is_given(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    await feed.broker.change(ROOM, ann(user="another"))
    assert (await feed.join(bob())).snapshot.members[0] == ann(user="another")


# Messages


async def test_a_known_message_is_answered_with_its_id_and_nothing_happens(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    assert await feed.publish("one") == 1
    assert await feed.publish("two") == 2
    await feed.join(ann("a2"))
    assert await feed.publish("one", ann("a2")) == 1
    await feed.join(bob())
    assert await feed.publish("two", bob()) == 2, "whoever says it again"
    assert feed.taken() == []
    assert await feed.log() == ["one", "two"]
    await refused(ErrorCode.NOT_IN_ROOM, feed.publish("one", Member(MemberId("Eve"), "", "e1")))


@pytest.mark.parametrize("size", [0, 1, 35, 1000])
async def test_a_log_keeps_so_many_and_not_one_more(start: Start, size: int) -> None:
    feed = await start(log_size=size)
    await feed.join(ann())
    texts = [str(number) for number in range(1, size + 2)]
    for number, text in enumerate(texts[:-1], 1):
        assert await feed.publish(text) == number
    assert await feed.log() == texts[:-1]
    assert await feed.publish(texts[-1]) == size + 1
    assert await feed.log() == texts[1:]


async def test_a_message_that_has_left_the_log_is_known_all_the_same(start: Start) -> None:
    feed = await start(log_size=1)
    await feed.join(ann())
    assert [await feed.publish(text) for text in ("one", "two", "one")] == [1, 2, 1]
    assert await feed.log() == ["two"]


async def test_digests_are_kept_for_ten_minutes_and_a_thousand_of_them_longer(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    for number in range(1500):
        await feed.publish(str(number))
    feed.clock.advance(599)
    assert await feed.publish("more") == 1501
    assert await feed.publish("0") == 1, "not yet ten minutes"
    feed.clock.advance(1)
    assert await feed.publish("yet more") == 1502
    assert await feed.publish(str(1502 - 1024)) == 1502 - 1024 + 1, "among the newest 1,024"
    assert await feed.publish("0") == 1503, "forgotten, so it is a new message"


async def test_a_flood_of_messages_does_not_fill_the_memory_with_digests(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "DIGESTS_KEPT", 4)
    monkeypatch.setattr(kept_module, "DIGESTS_AT_MOST", 8)
    feed = await start()
    await feed.join(ann())
    for number in range(9):
        await feed.publish(str(number))
    assert await feed.publish("1") == 2
    assert await feed.publish("0") == 10


async def test_messages_age(start: Start) -> None:
    feed = await start(message_ttl=60)
    await feed.join(ann())
    await feed.publish("one")
    feed.clock.advance(30)
    await feed.publish("two")
    feed.clock.advance(29)
    assert await feed.log() == ["one", "two"]
    feed.clock.advance(1)
    assert await feed.log() == ["two"]
    feed.clock.advance(30)
    assert await feed.log() == []
    assert await feed.publish("three") == 3, "ids go on"
    assert await feed.publish("one") == 1, "still known"
    feed.clock.advance(60)
    assert await feed.log() == []


async def test_people_have_their_messages_age_sooner_and_not_later_than_the_limit(start: Start) -> None:
    feed = await start(message_ttl=60)
    await feed.join(ann())
    await feed.publish("first")
    feed.clock.advance(25)
    await feed.publish("second")
    await feed.broker.keep(ROOM, ANN, "a1", 20)
    assert await feed.log() == ["second"]
    feed.clock.advance(20)
    assert await feed.log() == []
    await feed.broker.keep(ROOM, ANN, "a1", 3600)
    await feed.publish("third")
    feed.clock.advance(59)
    assert await feed.log() == ["third"]
    feed.clock.advance(1)
    assert await feed.log() == []
    joined = await feed.join(bob())
    assert joined.snapshot.timer == 3600
    await feed.broker.keep(ROOM, ANN, "a1", 0)
    assert (await feed.join(bob("b2"))).snapshot.timer == 0
    await refused(ErrorCode.NOT_IN_ROOM, feed.broker.keep(ROOM, ANN, "a0", 20))


async def test_a_timer_alone_has_messages_age(start: Start) -> None:
    feed = await start()
    await feed.join(ann())
    await feed.publish("one")
    feed.clock.advance(100)
    assert await feed.log() == ["one"]
    await feed.broker.keep(ROOM, ANN, "a1", 60)
    assert await feed.log() == []
    await feed.publish("two")
    feed.clock.advance(60)
    assert await feed.log() == []
    await feed.broker.leave(ROOM, ANN, "a1")
    feed.clock.advance(4000)
    assert feed.timers == 0
    assert (await feed.join(ann())).snapshot.timer == 0


async def test_an_aged_message_is_not_shown_even_if_the_timer_is_late(start: Start) -> None:
    feed = await start(message_ttl=60)
    await feed.join(ann())
    await feed.publish("one")
    feed.clock._now += 61  # time passes and the loop is busy
    assert await feed.log() == []


# Rooms that stand empty


async def test_an_empty_room_keeps_its_log_for_a_while(start: Start) -> None:
    feed = await start()
    first = await feed.join(ann())
    await feed.publish("one")
    await feed.broker.leave(ROOM, ANN, "a1")
    feed.clock.advance(3599)
    back = await feed.join(ann("a2"))
    assert (back.snapshot.epoch, back.snapshot.last, len(back.snapshot.log)) == (first.snapshot.epoch, 1, 1)
    assert not back.returned
    feed.clock.advance(10_000)
    assert await feed.log() == ["one"], "somebody is there"
    await feed.broker.leave(ROOM, ANN, "a2")
    feed.clock.advance(3599)
    assert await feed.log() == ["one"], "counted from the last leave"


async def test_a_room_made_anew_is_another_room(start: Start) -> None:
    feed = await start()
    first = await feed.join(ann())
    await feed.publish("one")
    await feed.broker.leave(ROOM, ANN, "a1")
    feed.clock.advance(3600)
    anew = await feed.join(ann("a2"))
    assert anew.snapshot.epoch != first.snapshot.epoch
    assert (anew.snapshot.last, anew.snapshot.log) == (0, ())
    assert await feed.publish("one", ann("a2")) == 1, "digests went with the room"
    assert feed.taken() == [Posted(ROOM, Entry(1, ANN, "one"))]


async def test_a_room_without_a_time_to_live_goes_with_its_last_member(start: Start) -> None:
    feed = await start(empty_room_ttl=0)
    first = await feed.join(ann())
    await feed.join(bob())
    await feed.publish("one")
    await feed.broker.leave(ROOM, ANN, "a1")
    assert await feed.log() == ["one"]
    await feed.broker.leave(ROOM, BOB, "b1")
    assert (await feed.join(ann())).snapshot.epoch != first.snapshot.epoch


async def test_an_empty_room_with_ageing_messages(start: Start) -> None:
    feed = await start(message_ttl=60, empty_room_ttl=100)
    first = await feed.join(ann())
    await feed.publish("one")
    await feed.broker.leave(ROOM, ANN, "a1")
    feed.clock.advance(60)
    again = await feed.join(ann())
    assert (again.snapshot.epoch, again.snapshot.last, again.snapshot.log) == (first.snapshot.epoch, 1, ())
    await feed.broker.leave(ROOM, ANN, "a1")
    feed.clock.advance(100)
    assert (await feed.join(ann())).snapshot.epoch != first.snapshot.epoch


# Full


async def test_a_full_room_takes_nobody_but_who_is_there(start: Start) -> None:
    feed = await start(room_members=2)
    await feed.join(ann())
    await feed.join(bob())
    eve = Member(MemberId("Eve"), "", "e1")
    feed.taken()
    await refused(ErrorCode.ROOM_FULL, feed.broker.join(ROOM, eve))
    await refused(ErrorCode.NOT_IN_ROOM, feed.publish("one", eve))
    assert feed.taken() == []
    back = await feed.join(ann("a2"))
    assert back.returned
    assert back.snapshot.members == (ann("a2"), bob())
    await feed.broker.leave(ROOM, BOB, "b1")
    assert (await feed.join(eve)).snapshot.members == (ann("a2"), eve)


async def test_a_full_server_makes_no_room_but_opens_those_it_has(start: Start) -> None:
    feed = await start(rooms=1)
    await feed.join(ann())
    feed.taken()
    await refused(ErrorCode.SERVER_FULL, feed.broker.join(OTHER_ROOM, bob()))
    assert feed.taken() == []
    await feed.join(bob())


async def test_the_room_that_has_stood_empty_for_longest_makes_room(start_memory: Start) -> None:
    feed = await start_memory(rooms=2)
    for room, text in ((ROOM, "one"), (OTHER_ROOM, "two")):
        await feed.join(ann(), room)
        await feed.publish(text, room=room)
        await feed.broker.leave(room, ANN, "a1")
        feed.clock.advance(1)
    third = RoomAddress(b"third".ljust(32))
    await feed.join(bob(), third)
    joined = await feed.join(ann(), OTHER_ROOM)
    assert [entry.ciphertext for entry in joined.snapshot.log] == ["two"]
    await refused(ErrorCode.SERVER_FULL, feed.broker.join(ROOM, bob()))


async def test_a_room_where_nothing_was_said_is_forgotten_with_its_last_member(start: Start) -> None:
    feed = await start(rooms=1)
    for number in range(100):
        room = RoomAddress(number.to_bytes(32, "big"))
        await feed.join(ann(), room)
        await feed.broker.leave(room, ANN, "a1")
    assert feed.timers == 0


# What logs weigh


async def test_a_log_is_bounded_in_bytes_and_the_oldest_go_first(start: Start) -> None:
    feed = await start(room_log_bytes=10)
    await feed.join(ann())
    for text in ("four", "five", "six"):
        await feed.publish(text)
    assert await feed.log() == ["five", "six"]
    await feed.publish("x" * 10)
    assert await feed.log() == ["x" * 10]


async def test_where_all_logs_weigh_too_much_the_heaviest_loses_its_older_half(start_memory: Start) -> None:
    texts = [f"{number:1000}" for number in range(10)]
    feed = await start_memory(log_bytes=10 * (1000 + ENTRY_BYTES + DIGEST_BYTES))
    await feed.join(ann())
    await feed.join(bob(), OTHER_ROOM)
    await feed.publish("quiet", bob(), OTHER_ROOM)
    for text in texts:
        await feed.publish(text)
    assert await feed.log() == texts[5:]
    assert await feed.log(OTHER_ROOM) == ["quiet"]


async def test_what_a_room_remembers_of_short_messages_weighs_more_than_they_do(start_memory: Start) -> None:
    """Beyond the limit the busiest room forgets the older half of that, and no message of its log."""
    feed = await start_memory(log_size=2, log_bytes=100 * DIGEST_BYTES)
    await feed.join(ann())
    await feed.join(bob(), OTHER_ROOM)
    assert await feed.publish("quiet", bob(), OTHER_ROOM) == 1
    weighs = []
    for number in range(1, 201):
        assert await feed.publish(f"{number}") == number
        weighs.append(feed.broker.log_bytes)
    assert 50 * DIGEST_BYTES < max(weighs) <= 100 * DIGEST_BYTES
    assert await feed.log() == ["199", "200"]
    assert await feed.publish("200") == 200, "the newest are known"
    assert await feed.publish("1") == 201, "the oldest are not"
    assert await feed.publish("quiet", bob(), OTHER_ROOM) == 1
    for address, member in ((ROOM, ANN), (OTHER_ROOM, BOB)):
        await feed.broker.leave(address, member, "a1" if member == ANN else "b1")
    feed.clock.advance(3600)
    assert feed.broker.log_bytes == 0


@quick
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2_000))))
def test_scales_know_the_whole_and_one_of_the_heaviest(changes: list[tuple[int, int]]) -> None:
    scales = Scales()
    rooms = {RoomAddress(bytes([number])): KeptRoom() for number in range(6)}
    for number, weight in changes:
        address = RoomAddress(bytes([number]))
        rooms[address].log_bytes = weight
        scales.weigh(address, rooms[address])
        weights = [room.log_bytes for room in rooms.values()]
        assert scales.total == sum(weights)
        if scales.total:
            assert rooms[scales.heaviest()].log_bytes * 2 > max(weights)


# The end, and what stays behind


async def test_a_closed_broker_delivers_nothing_and_waits_for_nothing(start: Start) -> None:
    feed = await start(message_ttl=60)
    await feed.join(ann())
    await feed.publish("one")
    await feed.broker.close()
    await feed.broker.leave(ROOM, ANN, "a1")
    assert feed.taken() == [Posted(ROOM, Entry(1, ANN, "one"))]
    assert feed.timers == 0


async def test_rooms_leave_no_timers_behind(start: Start) -> None:
    feed = await start(message_ttl=60)
    for number in range(50):
        room = RoomAddress(number.to_bytes(32, "big"))
        for _ in range(3):
            await feed.join(ann(), room)
            await feed.publish(f"in {number}", ann(), room)
            await feed.broker.leave(room, ANN, "a1")
    assert feed.timers <= 1
    feed.clock.advance(4000)
    assert feed.timers == 0


async def test_rooms_that_had_to_make_way_leave_nothing_behind(start: Start) -> None:
    feed = await start(rooms=10)

    async def make(rooms: range) -> int:
        """Answers how many blocks of memory are taken then: to trace each would take ten times as long."""
        for number in rooms:
            room = RoomAddress(number.to_bytes(32, "big"))
            await feed.join(ann(), room)
            await feed.publish(f"in {number}", ann(), room)
            await feed.broker.leave(room, ANN, "a1")
        feed.taken()
        gc.collect()
        return sys.getallocatedblocks()

    before = await make(range(400))
    after = await make(range(400, 1_200))
    assert after - before < 400  # one block for each would be 800


# The snapshot's own arithmetic


ENTRIES = tuple(Entry(number, ANN, "") for number in range(5, 9))
SNAPSHOT = Snapshot(b"e" * 16, 8, (), ENTRIES)


@pytest.mark.parametrize(
    ("since", "ids"),
    [
        (None, [5, 6, 7, 8]),
        (Since(b"e" * 16, 0), [5, 6, 7, 8]),
        (Since(b"e" * 16, 2), [5, 6, 7, 8]),
        (Since(b"e" * 16, 6), [7, 8]),
        (Since(b"e" * 16, 8), []),
        (Since(b"e" * 16, 2**53 - 1), []),
        (Since(b"x" * 16, 8), [5, 6, 7, 8]),
    ],
)
def test_a_returning_client_is_given_what_it_lacks(since: Since | None, ids: list[int]) -> None:
    assert [entry.id for entry in SNAPSHOT.log_after(since)] == ids


# A model


steps = st.lists(
    st.tuples(
        st.sampled_from(["join", "join", "leave", "publish", "publish", "change", "signal", "wait"]),
        st.sampled_from([ANN, BOB]),
        st.integers(0, 3),
    ),
    max_size=40,
)


@quick
@given(steps)
def test_any_schedule_ends_as_a_plain_model_says(schedule: list[tuple[str, MemberId, int]]) -> None:
    asyncio.run(against_the_model(schedule))


async def against_the_model(schedule: list[tuple[str, MemberId, int]]) -> None:
    """Replays the feed: whoever only listens knows members and log at any time, as each snapshot says."""
    clock = FakeClock()
    feed = Feed(MemoryBroker(replace(LIMITS, log_size=3, empty_room_ttl=10), clock), clock)
    await feed.broker.start(feed.record)
    members: dict[MemberId, Member] = {}
    log: list[Entry] = []
    counter = itertools.count()
    for action, who, number in schedule:
        seat, held = f"{who}{number}", members.get(who)
        seated = held is not None and held.seat == seat
        match action:
            case "join":
                joined = await feed.join(Member(who, str(number), seat))
                assert joined.returned is (held is not None)
                members[who] = joined.member
                assert set(joined.snapshot.members) == set(members.values())
                if joined.snapshot.last == 0:
                    log = []
                assert list(joined.snapshot.log) == log
            case "leave":
                await feed.broker.leave(ROOM, who, seat)
                assert feed.taken() == ([Left(ROOM, who)] if seated else [])
                if seated:
                    del members[who]
            case "wait":
                feed.clock.advance(number * 4)
            case _ if not seated:
                await refused(ErrorCode.NOT_IN_ROOM, feed.publish("x", Member(who, "", seat)))
            case "publish":
                await feed.publish(str(next(counter)), members[who])
                (posted,) = feed.taken()
                assert isinstance(posted, Posted)
                log = [*log, posted.entry][-3:]
            case "change":
                members[who] = Member(who, "changed", seat)
                await feed.broker.change(ROOM, members[who])
                assert feed.taken() == [Changed(ROOM, members[who])]
            case _:
                await feed.broker.signal(ROOM, who, seat, "types")
                assert feed.taken() == [Typed(ROOM, who, "types")]
