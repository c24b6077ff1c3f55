"""Coming and going: by a word, by a closed tab, by a broken line, in the middle of a join; always one `user_left`,
never a ghost, and never a word to those who need not know."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from protocol import Json
from protocol.namespace import Departure
from rooms.model import Joined, Left, Lost, Member, MemberId, RoomAddress, RoomEvent, Snapshot
from tests.reference import b64
from tests.reference_join import Since
from tests.rooms.stage import LIMITS, POLICY, Stage, Tab, company, message, open_stage, person, seated

OUTSIDE = {"error": "not-in-room"}


def gone(tab: Tab) -> list[tuple[str, Json]]:
    return [("user_left", {"member": tab.member})]


# On purpose


@pytest.mark.parametrize("event", ["leave-room", "disconnect_user"])
async def test_leaving_by_a_word_is_told_to_the_others_at_once(event: str) -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    # The answer comes before the line ends.
    (answer,) = await stage.chat.event(ann.socket, event, [ann.channel.seal(event)])
    assert (answer, ann.socket.connected) == ({}, True)
    await stage.settle()
    assert ann.socket.connected is (event == "leave-room")
    assert bob.socket.taken() == gone(ann)
    assert ann.socket.taken() == []
    await bob.ask("send_message", message())
    assert ann.socket.taken() == [], "who has left hears nothing more"
    await stage.depart(ann.socket, Departure.LEFT)
    await stage.wait(1000)
    assert [name for name, _ in bob.socket.taken()] == ["get_message"]
    await stage.depart(bob.socket, Departure.LEFT)
    assert stage.nobody


@pytest.mark.parametrize("event", ["send_message", "typing", "update_user", "leave-room", "disconnect_user"])
async def test_nothing_can_be_done_after_leaving(event: str) -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await ann.ask("leave-room")
    bob.socket.taken()
    assert await ann.ask(event, person()) == OUTSIDE
    assert bob.socket.taken() == []


async def test_a_closed_tab_is_gone_at_once() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LEFT)
    assert bob.socket.taken() == gone(ann)
    await stage.wait(1000)
    assert bob.socket.taken() == []


async def test_who_never_joined_leaves_without_a_trace() -> None:
    stage = await open_stage()
    (ann,) = await company(stage, 1)
    for departure in Departure:
        await stage.depart(stage.connect(), departure)
    await stage.wait(1000)
    assert ann.socket.taken() == []
    await stage.depart(ann.socket, Departure.LEFT)
    assert stage.nobody


# A broken line


async def test_a_lost_line_is_waited_for_and_then_told_once() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LOST)
    await stage.wait(14.9)
    assert bob.socket.taken() == []
    assert (await Tab(stage, ann.room).join())["users"][0]["member"] == ann.member, "the place is still held"
    bob.socket.taken()
    await stage.wait(0.1)
    assert bob.socket.taken() == gone(ann)
    await stage.wait(1000)
    assert bob.socket.taken() == []


async def test_coming_back_in_time_is_unnoticed_and_misses_nothing() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await bob.ask("send_message", message())
    epoch = stage.memory._rooms[RoomAddress(ann.room.address)].epoch
    await stage.depart(ann.socket, Departure.LOST)
    await bob.ask("send_message", message())
    bob.socket.taken()
    await stage.wait(14)
    ann.reconnect()
    connected = await ann.join(Since(epoch, 1))
    assert [entry["id"] for entry in connected["log"]] == [2]
    assert [user["member"] for user in connected["users"]] == [ann.member, bob.member]
    await stage.wait(1000)
    assert bob.socket.taken() == []
    await ann.ask("send_message", message())
    assert [name for name, _ in bob.socket.taken()] == ["get_message"]


async def test_each_broken_line_has_a_grace_of_its_own() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    for _ in range(3):
        await stage.depart(ann.socket, Departure.LOST)
        await stage.wait(10)
        ann.reconnect()
        await ann.join()
    assert bob.socket.taken() == []
    await stage.depart(ann.socket, Departure.LOST)
    await stage.wait(14.9)
    assert bob.socket.taken() == []
    await stage.wait(0.1)
    assert bob.socket.taken() == gone(ann)


async def test_coming_back_too_late_is_coming_anew() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LOST)
    await stage.wait(15)
    ann.reconnect()
    await ann.join()
    assert bob.socket.taken() == [*gone(ann), ("new_user", {"member": ann.member, "user": b64(ann.user)})]


async def test_leaving_right_after_coming_back_is_told_once() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LOST)
    ann.reconnect()
    await ann.join()
    await ann.ask("leave-room")
    await stage.wait(1000)
    assert bob.socket.taken() == gone(ann)


async def test_the_room_stands_empty_only_after_the_grace() -> None:
    stage = await open_stage(replace(LIMITS, empty_room_ttl=100))
    (ann,) = await company(stage, 1)
    await ann.ask("send_message", message())
    await stage.depart(ann.socket, Departure.LOST)
    await stage.wait(15)
    await stage.wait(99.9)
    assert list(stage.memory._rooms) == [ann.room.address]
    await stage.wait(0.1)
    assert stage.memory._rooms == {}


# Taking over one's own place


async def test_a_tab_that_comes_back_while_the_old_line_looks_alive_takes_over() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    old, old_channel = ann.socket, ann.channel
    ann.reconnect()
    await ann.join()
    assert not old.connected
    assert old.taken() == []
    assert bob.socket.taken() == []
    sealed = old_channel.seal("send_message", message())
    assert await stage.ask(old, "send_message", sealed) == OUTSIDE
    # The transport under the old socket ends later; it is nobody's by then.
    stage.chat.disconnected(old, Departure.LOST)
    await stage.wait(1000)
    assert bob.socket.taken() == []
    assert await ann.ask("send_message", message()) == {"id": 1}
    assert [name for name, _ in ann.socket.taken()] == ["get_message"], "once"


async def test_a_goodbye_that_is_overtaken_by_coming_back_is_void() -> None:
    """A reload: the old page's DISCONNECT and the new join of the same signer cross."""
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    stage.cut(ann.socket, Departure.LEFT)
    ann.reconnect()
    answer = await stage.chat.event(ann.socket, "join-room", [cast(Json, ann.request())])
    assert answer == [{"member": ann.member}]
    await stage.wait(1000)
    assert bob.socket.taken() in ([], [*gone(ann), ("new_user", {"member": ann.member, "user": b64(ann.user)})])
    assert await ann.ask("send_message", message()) == {"id": 1}
    assert bob.socket.all("user_left") == []


async def test_nobody_else_is_thrown_out_by_knowing_a_member_id() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    eve = Tab(stage)
    await eve.join()
    # In her own room Eve cannot be Ann; and her leaving, change and loss touch nobody but herself.
    await eve.ask("update_user", person())
    await stage.depart(eve.socket, Departure.LOST)
    await stage.wait(1000)
    assert ann.socket.taken() == bob.socket.taken() == []


async def test_the_same_person_in_two_rooms_sits_in_both() -> None:
    stage = await open_stage()
    (ann,), (bob,) = await company(stage, 1), await company(stage, 1)
    twin = Tab(stage, bob.room, ann.signer)
    await twin.join()
    assert ann.socket.connected
    await stage.depart(twin.socket, Departure.LOST)
    await stage.wait(15)
    assert bob.socket.all("user_left") == [{"member": ann.member}]
    assert ann.socket.taken() == []
    assert await ann.ask("send_message", message()) == {"id": 1}


# Gone in the middle of a join


async def begin_join(stage: Stage, tab: Tab) -> "asyncio.Task[Json]":
    task = asyncio.create_task(stage.ask(tab.socket, "join-room", cast(Json, tab.request())))
    await stage.settle()
    return task


@pytest.mark.parametrize("departure", list(Departure))
async def test_a_client_that_goes_while_its_join_is_opened_was_never_there(departure: Departure) -> None:
    stage = await open_stage()
    (bob,) = await company(stage, 1)
    ann = Tab(stage, bob.room)
    stage.runner.turn.held = True
    join = await begin_join(stage, ann)
    await stage.depart(ann.socket, departure)
    stage.runner.turn.let_go()
    assert await join == OUTSIDE
    await stage.wait(1000)
    assert bob.socket.taken() == []
    await stage.depart(bob.socket, Departure.LEFT)
    assert stage.nobody


async def test_who_has_gone_before_its_turn_costs_no_rsa_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await open_stage()
    ann = Tab(stage)
    stage.runner.turn.held = True
    join = await begin_join(stage, ann)
    await stage.depart(ann.socket, Departure.LOST)
    monkeypatch.setattr(type(stage.chat._door), "open", lambda *args: pytest.fail("opened"))
    stage.runner.turn.let_go()
    assert await join == OUTSIDE


async def test_a_place_in_grace_is_kept_when_the_return_breaks_off() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LOST)
    ann.reconnect()
    stage.runner.turn.held = True
    join = await begin_join(stage, ann)
    await stage.depart(ann.socket, Departure.LOST)
    stage.runner.turn.let_go()
    assert await join == OUTSIDE
    assert bob.socket.taken() == []
    await stage.wait(15)
    assert bob.socket.taken() == gone(ann)


@pytest.mark.parametrize("departure", list(Departure))
async def test_nobody_hears_of_a_client_that_goes_while_its_proofs_are_checked(departure: Departure) -> None:
    stage = await open_stage()
    (bob,) = await company(stage, 1)
    ann = Tab(stage, bob.room)
    stage.runner.way_back.held = True
    join = await begin_join(stage, ann)
    await stage.depart(ann.socket, departure)
    stage.runner.way_back.let_go()
    assert await join == OUTSIDE
    assert bob.socket.taken() == []


@pytest.mark.parametrize("departure", list(Departure))
async def test_a_client_that_goes_before_the_broker_has_seated_it_leaves_no_ghost(departure: Departure) -> None:
    stage = await open_stage()
    (bob,) = await company(stage, 1)
    ann = Tab(stage, bob.room)
    stage.broker.before.held = True
    join = await begin_join(stage, ann)
    await stage.depart(ann.socket, departure)
    stage.broker.before.held = False
    stage.broker.before.let_go()
    assert await join == OUTSIDE
    await stage.wait(1000)
    assert bob.socket.taken() == [("new_user", {"member": ann.member, "user": b64(ann.user)}), *gone(ann)]
    await stage.depart(bob.socket, Departure.LEFT)
    assert stage.nobody


@pytest.mark.parametrize("departure", list(Departure))
async def test_a_client_that_goes_between_the_feed_and_the_answer_is_treated_as_inside(departure: Departure) -> None:
    stage = await open_stage()
    ann = Tab(stage)
    stage.broker.after.held = True
    join = await begin_join(stage, ann)
    assert [name for name, _ in ann.socket.taken()] == ["send_public_key", "connected"]
    stage.broker.after.held = False
    await stage.depart(ann.socket, departure)
    stage.broker.after.let_go()
    assert await join == {"member": ann.member}
    assert stage.nobody is (departure is Departure.LEFT)
    await stage.wait(15)
    assert stage.nobody


async def test_who_leaves_hears_nothing_more_while_the_broker_does_not_know_yet() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    stage.broker.before.held = True
    leaving = asyncio.create_task(ann.ask("leave-room"))
    await stage.settle()
    await bob.ask("send_message", message())
    assert ann.socket.taken() == []
    stage.broker.before.let_go()
    assert await leaving == {}
    assert bob.socket.all("user_left") == [{"member": ann.member}]


# Too slow


async def test_a_member_who_is_closed_for_being_too_slow_is_waited_for_like_any_broken_line() -> None:
    stage = await open_stage()
    ann, bob, eve = await company(stage, 3)
    ann.socket.breaks = lambda: stage.cut(ann.socket)
    await bob.ask("send_message", message())
    assert [name for name, _ in eve.socket.taken()] == ["get_message"], "the others got it"
    await stage.wait(14.9)
    assert eve.socket.taken() == []
    await stage.wait(0.1)
    assert eve.socket.taken() == gone(ann)


async def test_a_newcomer_who_is_too_slow_for_the_snapshot_keeps_no_seat() -> None:
    stage = await open_stage()
    (bob,) = await company(stage, 1)
    ann = Tab(stage, bob.room)
    ann.socket.breaks = lambda: stage.cut(ann.socket)
    await stage.ask(ann.socket, "join-room", cast(Json, ann.request()))
    assert seated(stage.hub, RoomAddress(bob.room.address)) == {bob.member: bob.socket}
    await stage.wait(15)
    assert [name for name, _ in bob.socket.taken()] == ["new_user", "user_left"]


# Other nodes


async def test_members_of_other_nodes_come_and_go_in_the_feed_alone() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    room, far = RoomAddress(ann.room.address), MemberId("far away")
    member = Member(far, "user", "a seat on another node")
    snapshot = Snapshot(bytes(16), 0, (member,), ())

    def deliver(event: RoomEvent) -> None:
        stage.chat._lobby.deliver(event)

    deliver(Joined(room, member, snapshot, returned=False))
    deliver(Joined(room, member, snapshot, returned=True))
    deliver(Left(room, far))
    assert ann.socket.taken() == [("new_user", {"member": far, "user": "user"}), ("user_left", {"member": far})]
    # Ann's tab comes back through another node: her line here is the old one.
    moved = Member(MemberId(ann.member), "user", "another node's")
    deliver(Joined(room, moved, snapshot, returned=True))
    assert not ann.socket.connected
    bob.socket.taken()
    await stage.wait(1000)
    assert bob.socket.taken() == []


async def test_a_grace_that_runs_here_ends_when_the_tab_comes_back_elsewhere() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LOST)
    moved = Member(MemberId(ann.member), "user", "another node's")
    snapshot = Snapshot(b"", 0, (moved,), ())
    stage.chat._lobby.deliver(Joined(RoomAddress(ann.room.address), moved, snapshot, returned=True))
    await stage.wait(1000)
    assert bob.socket.taken() == []
    assert stage.chat._lobby._grace._timers == {}


async def test_a_grace_that_runs_here_ends_with_a_leave_that_comes_from_elsewhere() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    await stage.depart(ann.socket, Departure.LOST)
    stage.chat._lobby.deliver(Left(RoomAddress(ann.room.address), MemberId(ann.member)))
    assert stage.chat._lobby._grace._timers == {}
    assert bob.socket.taken() == gone(ann)


async def test_who_is_given_up_by_the_others_comes_back_as_after_a_break() -> None:
    """The node was away for so long that its members were taken for gone; the clients are still on the line."""
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    stage.chat._lobby.deliver(Left(RoomAddress(ann.room.address), MemberId(ann.member)))
    assert (ann.socket.connected, ann.socket.dropped) == (False, True)
    assert bob.socket.taken() == gone(ann)
    assert await ann.ask("typing", person()) == {"error": "not-in-room"}


async def test_where_the_feed_is_lost_all_come_back_and_their_places_are_kept_meanwhile() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    stage.chat._lobby.deliver(Lost(RoomAddress(ann.room.address)))
    assert [tab.socket.dropped for tab in (ann, bob)] == [True, True]
    bob.reconnect()
    await bob.join()
    await stage.wait(15)
    assert bob.socket.taken() == gone(ann), "who has not come back in time is gone"


# The end


async def test_closing_leaves_no_timer_and_no_task() -> None:
    stage = await open_stage(policy=replace(POLICY, grace_time=60))
    ann, bob, eve = await company(stage, 3)
    await stage.depart(ann.socket, Departure.LOST)
    stage.cut(bob.socket, Departure.LEFT)
    await stage.chat.close()
    await stage.memory.close()
    assert (stage.chat._lobby._grace._timers, stage.clock.pending) == ({}, 0)
    assert not stage.chat._lobby._tasks
    assert eve.socket.taken() in ([], gone(bob))
