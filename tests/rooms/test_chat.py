"""The vocabulary, event by event: who may say what, who hears it, in which words, and what is never told."""

import asyncio
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from protocol import Json
from protocol.namespace import Departure
from rooms import events as words
from rooms.guest import Policy
from rooms.limits import Rate, Traffic
from rooms.model import ErrorCode, from_base64url
from tests.reference import Room, b64, sha256
from tests.reference_join import Channel, Since
from tests.rooms.stage import AMPLE, LIMITS, POLICY, QUOTAS, Tab, company, message, open_stage, person, server_key

HOUSE = Path(__file__).resolve().parent.parent.parent
OUTSIDE = {"error": "not-in-room"}
BAD = {"error": "bad-request"}
COMMANDS = ["send_message", "typing", "update_user", "set_timer", "get_chunk", "leave-room", "disconnect_user"]


# Before anybody joins


async def test_the_key_is_told_at_once_and_on_request() -> None:
    stage = await open_stage()
    socket = stage.connect()
    assert socket.taken() == [("send_public_key", server_key().pem)]
    assert await stage.ask(socket, "get_public_key") == server_key().pem
    assert socket.taken() == []
    assert await stage.ask(socket, "get_public_key", None) == BAD


@pytest.mark.parametrize("event", COMMANDS)
async def test_nothing_can_be_done_before_joining(event: str) -> None:
    stage = await open_stage()
    ann, eve = await company(stage, 1), Tab(stage)
    eve.channel = Channel(os.urandom(32))
    assert await eve.ask(event, message()) == OUTSIDE
    assert eve.socket.connected
    assert ann[0].socket.taken() == []
    await eve.join()


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("no_such_event", []),
        ("no_such_event", ["x"]),
        ("connected", [{}]),
        ("user_left", [{"member": "x"}]),
        ("new_user", [{}]),
        ("get_message", [{}]),
        ("__init__", ["x"]),
        ("_send_message", ["x"]),
        ("", []),
        (5, ["x"]),
        ("get_public_key", ["x"]),
        ("join-room", []),
        ("join-room", [{}, {}]),
        ("send_message", []),
        ("send_message", [None]),
        ("send_message", [5]),
        ("send_message", [b"bytes"]),
        ("send_message", [{"message": "x"}]),
        ("send_message", ["x", "y"]),
        ("leave-room", []),
        ("leave-room", [["x"]]),
    ],
)
async def test_what_is_no_event_of_the_protocol_is_a_bad_request(event: str | int, args: list[Json]) -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    assert await stage.ask(ann.socket, event, *args) == BAD
    assert ann.socket.connected
    assert ann.socket.taken() == bob.socket.taken() == []
    assert "id" in await ann.ask("send_message", message()), "no counter was used up"


async def test_a_stranger_to_the_chat_is_not_in_the_room() -> None:
    stage = await open_stage()
    socket = stage.connect()
    stage.chat._lobby._guests.clear()
    for event in ("get_public_key", "join-room", "send_message"):
        assert await stage.ask(socket, event, "x") == OUTSIDE


# Joining, seen from inside


async def test_connected_holds_what_the_protocol_says() -> None:
    stage = await open_stage(policy=replace(POLICY, message_ttl=60))
    room = Room.from_secret(os.urandom(32))
    ann, bob = Tab(stage, room), Tab(stage, room)
    first = await ann.join()
    assert first == {
        "member": ann.member,
        "epoch": first["epoch"],
        "first": 1,
        "last": 0,
        "ttl": 60,
        "timer": 0,
        "users": [{"member": ann.member, "user": b64(ann.user)}],
        "log": [],
    }
    assert len(from_base64url(first["epoch"])) == 16
    said = message()
    assert await ann.ask("send_message", said) == {"id": 1}
    assert await bob.join() == {
        "member": bob.member,
        "epoch": first["epoch"],
        "first": 1,
        "last": 1,
        "ttl": 60,
        "timer": 0,
        "users": [{"member": tab.member, "user": b64(tab.user)} for tab in (ann, bob)],
        "log": [{"id": 1, "member": ann.member, "message": b64(said)}],
    }


async def test_the_others_are_told_of_a_newcomer_who_is_not() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    eve = Tab(stage, ann.room)
    await eve.join()
    for tab in (ann, bob):
        assert tab.socket.taken() == [("new_user", {"member": eve.member, "user": b64(eve.user)})]
    assert eve.socket.taken() == []


async def test_a_newcomer_hears_nothing_before_connected_and_misses_nothing_after() -> None:
    """Also while the join is under way and the others talk."""
    stage = await open_stage()
    (ann,) = await company(stage, 1)
    eve = Tab(stage, ann.room)
    eve.socket.taken()
    stage.runner.turn.held = True
    join = asyncio.create_task(stage.ask(eve.socket, "join-room", cast(Json, eve.request())))
    await stage.settle()
    await ann.ask("send_message", message())
    await ann.ask("typing", person())
    assert eve.socket.heard == []
    stage.runner.turn.let_go()
    await join
    await ann.ask("send_message", message())
    names = [name for name, _ in eve.socket.heard]
    assert names == ["connected", "get_message"]
    assert [entry["id"] for entry in eve.socket.all("connected")[0]["log"]] == [1]
    assert eve.socket.all("get_message")[0]["id"] == 2


@pytest.mark.parametrize(
    ("since", "first", "ids"), [(None, 2, [2, 3]), (0, 2, [2, 3]), (1, 2, [2, 3]), (2, 3, [3]), (3, 4, []), (9, 4, [])]
)
async def test_since_asks_for_what_came_after(since: int | None, first: int, ids: list[int]) -> None:
    stage = await open_stage(replace(LIMITS, log_size=2))
    (ann,) = await company(stage, 1)
    for _ in range(3):
        await ann.ask("send_message", message())
    epoch = stage.memory._rooms[next(iter(stage.memory._rooms))].epoch
    bob = Tab(stage, ann.room)
    connected = await bob.join(None if since is None else Since(epoch, since))
    assert (connected["first"], connected["last"]) == (first, 3)
    assert [entry["id"] for entry in connected["log"]] == ids


async def test_since_of_another_epoch_gives_all_there_is() -> None:
    stage = await open_stage()
    (ann,) = await company(stage, 1)
    await ann.ask("send_message", message())
    connected = await Tab(stage, ann.room).join(Since(bytes(16), 1))
    assert [entry["id"] for entry in connected["log"]] == [1]


# Talking


async def test_a_message_reaches_everybody_through_the_feed_its_author_too() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    for number, tab in enumerate((ann, bob, ann), 1):
        said = message()
        assert await tab.ask("send_message", said) == {"id": number}
        expected = [("get_message", {"id": number, "member": tab.member, "message": b64(said)})]
        assert ann.socket.taken() == bob.socket.taken() == expected


async def test_the_same_ciphertext_again_is_answered_with_its_id() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    said = message()
    assert await ann.ask("send_message", said) == {"id": 1}
    bob.socket.taken()
    assert await ann.ask("send_message", said) == {"id": 1}
    assert await bob.ask("send_message", said) == {"id": 1}
    assert bob.socket.taken() == []
    assert sha256(said) in stage.memory._rooms[next(iter(stage.memory._rooms))].digests


async def test_typing_and_a_new_user_ciphertext_reach_the_others() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    types, user = person(), person()
    assert await ann.ask("typing", types) == {}
    assert await ann.ask("update_user", user) == {}
    assert bob.socket.taken() == [
        ("typing", {"member": ann.member, "typing": b64(types)}),
        ("user_changed", {"member": ann.member, "user": b64(user)}),
    ]
    connected = await Tab(stage, ann.room).join()
    assert connected["users"][0] == {"member": ann.member, "user": b64(user)}


async def test_one_room_never_hears_of_another() -> None:
    stage = await open_stage()
    (ann,), (eve,) = await company(stage, 1), await company(stage, 1)
    late = Tab(stage, ann.room)
    connected = await late.join()
    assert {user["member"] for user in connected["users"]} == {ann.member, late.member}
    await late.ask("send_message", message())
    await late.ask("typing", person())
    await late.ask("update_user", person())
    await late.ask("leave-room")
    assert [name for name, _ in ann.socket.taken()] == [
        "new_user",
        "get_message",
        "typing",
        "user_changed",
        "user_left",
    ]
    assert eve.socket.taken() == []


@pytest.mark.parametrize(
    ("event", "size", "error"),
    [
        ("send_message", 0, "bad-request"),
        ("send_message", 12 + 16, "bad-request"),
        ("send_message", 12 + 255 + 16, "bad-request"),
        ("send_message", 12 + 131_072 + 16, "too-large"),
        ("send_message", 12 + 65_537 + 16, "too-large"),
        ("typing", 12 + 256 + 16, "bad-request"),
        ("typing", 0, "bad-request"),
        ("update_user", 12 + 1024 + 16, "bad-request"),
        ("update_user", 70_000, "too-large"),
        ("set_timer", 0, "bad-request"),
        ("set_timer", 3, "bad-request"),
        ("set_timer", 5, "bad-request"),
        ("leave-room", 1, "bad-request"),
        ("disconnect_user", 12 + 512 + 16, "bad-request"),
    ],
)
async def test_what_is_rejected_changes_nothing_but_the_counter(event: str, size: int, error: str) -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    assert await ann.ask(event, os.urandom(size)) == {"error": error}
    assert ann.socket.taken() == bob.socket.taken() == []
    assert ann.socket.connected
    assert await ann.ask("send_message", message()) == {"id": 1}, "the next counter is the right one"


# Seals


async def test_a_replayed_request_ends_the_connection() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    sealed = ann.channel.seal("send_message", message())
    await ann.ask_sealed("send_message", sealed)
    bob.socket.taken()
    assert await ann.ask_sealed("send_message", sealed) == {"error": "bad-envelope"}
    assert not ann.socket.connected
    assert bob.socket.taken() == [("user_left", {"member": ann.member})]


@pytest.mark.parametrize(
    "how", ["reordered", "skipped", "other event", "other channel", "turned", "empty", "not base64"]
)
async def test_a_request_that_does_not_open_ends_the_connection_and_nothing_happened(how: str) -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    sealed = ann.channel.seal("send_message", message())
    match how:
        case "reordered" | "skipped":
            sealed = ann.channel.seal("send_message", message())
        case "other event":
            sealed = bob.channel.seal("typing", person())
        case "other channel":
            sealed = bob.channel.seal("send_message", message())
        case "turned":
            sealed = ("B" if sealed[0] == "A" else "A") + sealed[1:]
        case "empty":
            sealed = ""
        case _:
            sealed = "=" + sealed
    assert await ann.ask_sealed("send_message", sealed) == {"error": "bad-envelope"}
    assert not ann.socket.connected
    assert bob.socket.taken() == [("user_left", {"member": ann.member})]
    assert await ann.ask("send_message", message()) == OUTSIDE
    await stage.wait(1000)
    assert bob.socket.taken() == []
    assert await Tab(stage, ann.room).join() is not None


@pytest.mark.parametrize("sealed_for", COMMANDS)
@pytest.mark.parametrize("sent_as", COMMANDS)
async def test_a_seal_is_for_one_event(sealed_for: str, sent_as: str) -> None:
    if sealed_for == sent_as:
        return
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    body = person() if sealed_for in {"typing", "update_user", "send_message"} else b""
    assert await ann.ask_sealed(sent_as, ann.channel.seal(sealed_for, body)) == {"error": "bad-envelope"}
    assert bob.socket.taken() == [("user_left", {"member": ann.member})]


async def test_the_body_of_a_join_is_no_request() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    ann.channel.counter = 0
    assert await ann.ask("leave-room") == {"error": "bad-envelope"}
    assert bob.socket.all("user_left") == [{"member": ann.member}]


async def test_nobody_speaks_with_anothers_channel() -> None:
    """Somebody who could read Ann's channel on another connection: the server asks who sits here."""
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    assert await bob.ask_sealed("send_message", ann.channel.seal("send_message", message())) == {
        "error": "bad-envelope"
    }
    assert ann.socket.taken() == [("user_left", {"member": bob.member})]


# Too much


async def test_events_are_limited_in_number_and_the_counter_goes_on() -> None:
    stage = await open_stage(policy=replace(POLICY, quotas=replace(QUOTAS, socket=Traffic(Rate(1, 2), AMPLE))))
    ann, bob = await company(stage, 2)
    assert [await ann.ask("typing", person()) for _ in range(3)] == [{}, {}, {"error": "rate-limited"}]
    assert await ann.ask("send_message", message()) == {"error": "rate-limited"}
    assert await ann.ask("update_user", person()) == {"error": "rate-limited"}
    assert await stage.ask(ann.socket, "get_public_key") == {"error": "rate-limited"}
    assert len(bob.socket.taken()) == 2
    assert await bob.ask("typing", person()) == {}, "each connection has its own"
    await stage.wait(1)
    assert await ann.ask("send_message", message()) == {"id": 1}


@pytest.mark.parametrize("event", ["leave-room", "disconnect_user"])
async def test_whoever_has_talked_too_much_may_still_go(event: str) -> None:
    stage = await open_stage(policy=replace(POLICY, quotas=replace(QUOTAS, socket=Traffic(Rate(0.1, 1), AMPLE))))
    ann, bob = await company(stage, 2)
    await ann.ask("typing", person())
    assert await ann.ask("typing", person()) == {"error": "rate-limited"}
    assert await ann.ask(event) == {}
    assert bob.socket.all("user_left") == [{"member": ann.member}]


# Limits that are shared


def strict(**changes: Traffic | Rate | int) -> Policy:
    return replace(POLICY, quotas=replace(QUOTAS, **changes))  # type: ignore[arg-type]  # each has the type of its field


async def test_all_who_share_an_address_share_what_may_come_from_there() -> None:
    stage = await open_stage(policy=strict(address=Traffic(Rate(1, 2), AMPLE)))
    ann, bob = await company(stage, 2)
    carl, dora = await company(stage, 2)
    dora.socket.address = b"elsewhere"
    assert await ann.ask("typing", person()) == {}
    assert await bob.ask("send_message", message()) == {"id": 1}
    assert await carl.ask("send_message", message()) == {"error": "rate-limited"}
    assert await dora.ask("send_message", message()) == {"id": 1}
    assert [name for name, _ in carl.socket.taken()] == ["get_message"]
    await stage.wait(1)
    assert await carl.ask("send_message", message()) == {"id": 2}


async def test_a_room_takes_so_many_bytes_whoever_sends_them() -> None:
    stage = await open_stage(policy=strict(room=Traffic(AMPLE, Rate(100, 600))))
    (ann, bob), (carl,) = await company(stage, 2), await company(stage, 1)
    assert await ann.ask("send_message", message()) == {"id": 1}
    assert await bob.ask("send_message", message()) == {"id": 2}
    assert await ann.ask("send_message", message()) == {"error": "rate-limited"}
    assert await carl.ask("send_message", message()) == {"id": 1}
    await stage.wait(3)
    assert await ann.ask("send_message", message()) == {"id": 3}


async def test_joins_from_one_address_are_limited_before_they_cost_anything() -> None:
    stage = await open_stage(policy=strict(address_joins=Rate(1, 1)))
    await Tab(stage).join()
    late = Tab(stage)
    done = stage.runner.done
    assert await stage.ask(late.socket, "join-room", cast(Json, late.request())) == {"error": "rate-limited"}
    assert stage.runner.done == done
    elsewhere = Tab(stage)
    elsewhere.socket.address = b"elsewhere"
    await elsewhere.join()
    await stage.wait(1)
    await late.join()


async def test_joins_into_one_room_are_limited_and_change_nothing() -> None:
    stage = await open_stage(policy=strict(room_joins=Rate(1, 1)))
    (ann,) = await company(stage, 1)
    late = Tab(stage, ann.room)
    assert await stage.ask(late.socket, "join-room", cast(Json, late.request())) == {"error": "rate-limited"}
    assert ann.socket.taken() == []
    await Tab(stage).join()
    await stage.wait(1)
    await late.join()


async def test_a_connection_may_get_so_many_joins_wrong() -> None:
    stage = await open_stage(policy=strict(attempts=2))
    tab = Tab(stage)
    for connected in (True, False):
        wrong: Json = {"envelope": "AAAA", "body": "AAAA"}
        assert await stage.ask(tab.socket, "join-room", wrong) == {"error": "bad-envelope"}
        assert tab.socket.connected is connected
    assert stage.nobody


async def test_who_is_refused_again_and_again_is_closed_for_good_and_others_hear_only_of_the_leaving() -> None:
    stage = await open_stage(policy=strict(socket=Traffic(Rate(1, 1), AMPLE), refusals=Rate(0.1, 3)))
    ann, bob = await company(stage, 2)
    assert await ann.ask("typing", person()) == {}
    bob.socket.taken()
    for _ in range(3):
        assert await ann.ask("typing", person()) == {"error": "rate-limited"}
        assert ann.socket.connected
    assert await ann.ask("typing", person()) == {"error": "rate-limited"}
    assert (ann.socket.connected, ann.socket.for_good) == (False, True)
    assert bob.socket.taken() == [("user_left", {"member": ann.member})]


async def test_who_waits_between_refusals_is_no_nuisance() -> None:
    stage = await open_stage(policy=strict(refusals=Rate(1, 1)))
    (ann,) = await company(stage, 1)
    for _ in range(10):
        assert await stage.ask(ann.socket, "no such event") == {"error": "bad-request"}
        await stage.wait(1)
    assert ann.socket.connected


async def test_who_joins_nothing_is_not_kept() -> None:
    stage = await open_stage(policy=replace(POLICY, join_timeout=60))
    idle, late, ann = Tab(stage), Tab(stage), Tab(stage)
    await ann.join()
    assert await stage.ask(late.socket, "join-room", {"envelope": "AAAA", "body": "AAAA"}) == {"error": "bad-envelope"}
    await stage.wait(59)
    await late.join()
    await stage.wait(1)
    assert (idle.socket.connected, idle.socket.for_good) == (False, True)
    await stage.wait(1000)
    assert late.socket.connected
    assert ann.socket.connected
    await stage.depart(late.socket, Departure.LEFT)
    await stage.depart(ann.socket, Departure.LEFT)
    assert stage.nobody
    assert stage.clock.pending == 0


# The end


async def test_a_server_that_stops_takes_nothing_that_would_be_lost_with_it() -> None:
    stage = await open_stage()
    ann, bob = await company(stage, 2)
    outsider = Tab(stage, ann.room)
    stage.chat.refuse_all()
    for _ in range(200):
        assert await ann.ask("send_message", message()) == {"error": "unavailable"}
    assert ann.socket.connected, "it is not to blame"
    assert await stage.ask(outsider.socket, "join-room", cast(Json, outsider.request())) == {"error": "unavailable"}
    assert bob.socket.taken() == []
    assert await ann.ask("leave-room") == {}
    assert bob.socket.taken() == [("user_left", {"member": ann.member})]


# The words themselves


def test_all_words_are_those_of_the_protocol() -> None:
    """docs/protocol.md, static/js/events.js and rooms/chat.py know the same events and errors."""
    page = (HOUSE / "docs" / "protocol.md").read_text("utf-8")
    script = (HOUSE / "static" / "js" / "events.js").read_text("utf-8")
    commands = {words.GET_PUBLIC_KEY, words.JOIN_ROOM, *COMMANDS}
    events = {
        words.SEND_PUBLIC_KEY,
        words.CONNECTED,
        words.NEW_USER,
        words.USER_CHANGED,
        words.USER_LEFT,
        words.GET_MESSAGE,
        words.TYPING,
        words.CHUNK_WANTED,
        words.CHUNK,
    }
    for word in commands | events | {code.value for code in ErrorCode}:
        assert f"`{word}`" in page, word
    in_script = set(re.findall(r': "([a-z][a-z_-]+)"', script))
    assert in_script == commands | events | {code.value for code in ErrorCode}
