"""Joining: only who knows the room can, only as themselves, only for this very connection, and only once. Whatever is
wrong gives one answer, and changes nothing."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from protocol import Json
from tests import reference_join
from tests.make_vectors import VECTORS
from tests.reference import Room, Signer, b64, unb64
from tests.reference_join import Joining, Since, make_join, proven
from tests.rooms.stage import LIMITS, SITE, FakeSocket, Forgery, Stage, Tab, open_stage, person, public_key, sealed_join

WRONG = {"error": "bad-envelope"}
BAD = {"error": "bad-request"}
SINCE = Since(bytes(16), 7)
EARLIER_KEY = reference_join.ServerKey.from_pem((VECTORS / "server-key-for-tests-only.pem").read_text("ascii"))
"""As if this server had been started before with another key."""


async def refused(stage: Stage, socket: FakeSocket, request: Json, expected: object = WRONG) -> None:
    """The request is answered so, and nothing has happened."""
    socket.taken()
    assert await stage.ask(socket, "join-room", request) == expected
    assert socket.taken() == []
    assert stage.memory._rooms == {}
    assert stage.hub._rooms == {}


async def test_an_honest_join_opens() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    connected = await tab.join()
    assert connected["member"] == tab.member
    assert list(stage.memory._rooms) == [tab.room.address]


async def test_a_forgery_that_forges_nothing_opens() -> None:
    """So that what is refused below is refused for the one thing that differs."""
    stage = await open_stage()
    for since in (None, SINCE):
        tab = Tab(stage)
        request = Forgery(tab, tab.joining(since)).request()
        assert await stage.ask(tab.socket, "join-room", cast(Json, request)) == {"member": tab.member}


# What the proofs speak of is what counts


Forge = Callable[[Forgery], Forgery]


def with_joining(**parts: object) -> Forge:
    return lambda forgery: replace(forgery, proven=replace(forgery.proven, **parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "forge",
    {
        "socket id": with_joining(socket_id="socket-2"),
        "no socket id": with_joining(socket_id=""),
        "server key": with_joining(server_key=EARLIER_KEY),
        "site": with_joining(site=bytes(16)),
        "since": with_joining(since=Since(bytes(16), 8)),
        "epoch": with_joining(since=Since(bytes(15) + b"\1", 7)),
        "no since": with_joining(since=None),
        "user": with_joining(user=person()),
        "address": lambda forgery: replace(forgery, address=bytes(32)),
        "session key": lambda forgery: replace(forgery, session_key=bytes(32)),
        "member": lambda forgery: replace(forgery, member=Signer.generate().public_key),
        "room key": lambda forgery: replace(forgery, room_signer=Signer.generate()),
        "member key": lambda forgery: replace(forgery, member_signer=Signer.generate()),
        "room proof by the member": lambda forgery: replace(forgery, room_signer=forgery.tab.signer),
        "member proof by the room": lambda forgery: replace(forgery, member_signer=forgery.tab.room.identity),
    }.items(),
    ids=lambda item: str(item[0]),
)
async def test_nothing_that_is_proven_can_be_exchanged(forge: tuple[str, Forge]) -> None:
    stage = await open_stage()
    tab = Tab(stage)
    honest = Forgery(tab, tab.joining(SINCE))
    forged = forge[1](honest)
    # The body says what an honest tab says; the proofs speak of something else.
    request = forged.request(since={"epoch": b64(SINCE.epoch), "id": SINCE.id})
    await refused(stage, tab.socket, cast(Json, request))


async def test_the_two_proofs_cannot_be_swapped() -> None:
    """A tab whose signer is the room's key itself: even then, one signature is not the other."""
    stage = await open_stage()
    room = Room.from_secret(os.urandom(32))
    tab = Tab(stage, room, room.identity)
    key = os.urandom(32)
    transcript = tab.joining().transcript(room.address, key, room.address)
    room_proof, member_proof = (room.identity.sign(proven(whose, transcript)) for whose in (b"room", b"member"))
    body = {"member": tab.member, "user": b64(tab.user), "since": None, "site": b64(SITE)}
    for first, second in [(member_proof, member_proof), (room_proof, room_proof)]:
        request = sealed_join(room.address + key + first, key, {**body, "proof": b64(second)})
        await refused(stage, tab.socket, cast(Json, request))


async def test_a_join_cannot_be_replayed_on_another_connection() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    request = tab.request()
    await refused(stage, stage.connect(), cast(Json, request))
    assert await stage.ask(tab.socket, "join-room", cast(Json, request)) == {"member": tab.member}
    eve = stage.connect()
    eve.taken()
    assert await stage.ask(eve, "join-room", cast(Json, request)) == WRONG
    assert (tab.socket.connected, eve.taken()) == (True, [])


async def test_a_join_for_an_earlier_start_of_the_server_is_refused() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    joining = Joining(EARLIER_KEY, tab.socket.id, SITE, None, tab.user)
    await refused(stage, tab.socket, cast(Json, make_join(joining, tab.room, tab.signer)[0]))


async def test_who_knows_the_address_alone_cannot_join() -> None:
    stage = await open_stage()
    tab, eve = Tab(stage), Tab(stage)
    request = Forgery(eve, eve.joining(), room_signer=eve.signer).request()
    await refused(stage, eve.socket, cast(Json, request))
    key = os.urandom(32)
    transcript = eve.joining().transcript(tab.room.address, key, eve.signer.public_key)
    body = {
        "member": eve.member,
        "proof": b64(eve.signer.sign(proven(b"member", transcript))),
        "user": b64(eve.user),
        "since": None,
        "site": b64(SITE),
    }
    for proof in (bytes(64), eve.room.identity.sign(proven(b"room", transcript)), os.urandom(64)):
        eve.reconnect()
        await refused(stage, eve.socket, cast(Json, sealed_join(tab.room.address + key + proof, key, body)))


async def test_nobody_joins_as_somebody_else() -> None:
    stage = await open_stage()
    ann = Tab(stage)
    await ann.join()
    eve = Tab(stage, ann.room)
    request = Forgery(eve, eve.joining(), member=ann.signer.public_key).request(member=ann.member)
    eve.socket.taken()
    ann.socket.taken()
    assert await stage.ask(eve.socket, "join-room", cast(Json, request)) == WRONG
    assert (eve.socket.taken(), ann.socket.taken(), ann.socket.connected) == ([], [], True)


# Keys that need no key

NEUTRAL = (1).to_bytes(32, "little")
WEAK = [
    NEUTRAL,
    bytes(32),
    (2**255 - 20).to_bytes(32, "little"),
    (1 | 1 << 255).to_bytes(32, "little"),
    (2**255 - 19 + 1).to_bytes(32, "little"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    b"\xff" * 32,
]
ANYTHING = NEUTRAL + bytes(32)
"""A signature that holds for every message under such keys, where the library does not look."""


@pytest.mark.parametrize("key", WEAK, ids=lambda key: key.hex()[:8])
@pytest.mark.parametrize("whose", ["room", "member"])
async def test_keys_of_small_order_and_keys_that_are_not_canonical_are_refused(key: bytes, whose: str) -> None:
    stage = await open_stage()
    tab = Tab(stage)
    address = key if whose == "room" else tab.room.address
    member = key if whose == "member" else tab.signer.public_key
    session_key = os.urandom(32)
    transcript = tab.joining().transcript(address, session_key, member)
    room_proof = ANYTHING if whose == "room" else tab.room.identity.sign(proven(b"room", transcript))
    member_proof = ANYTHING if whose == "member" else tab.signer.sign(proven(b"member", transcript))
    body = {"member": b64(member), "proof": b64(member_proof), "user": b64(tab.user), "since": None, "site": b64(SITE)}
    await refused(stage, tab.socket, cast(Json, sealed_join(address + session_key + room_proof, session_key, body)))


# What the body says


def spelled_otherwise(text: str) -> str:
    """The same bytes with other last bits: 43 letters hold two bits too many, 86 and 22 four."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


@pytest.mark.parametrize(
    "said",
    [
        {"member": None},
        {"member": 5},
        {"member": []},
        {"member": {}},
        {"member": ""},
        {"member": b64(bytes(31))},
        {"proof": b64(bytes(63))},
        {"proof": b64(bytes(65))},
        {"proof": 0},
        {"user": ""},
        {"user": None},
        {"user": b64(bytes(12 + 256 + 16))},
        {"user": b64(bytes(12 + 512 + 15))},
        {"user": b64(bytes(12 + 1024 + 16))},
        {"since": []},
        {"since": {}},
        {"since": 7},
        {"since": "since"},
        {"since": {"epoch": b64(bytes(16))}},
        {"since": {"epoch": b64(bytes(15)), "id": 7}},
        {"since": {"epoch": b64(bytes(16)), "id": -1}},
        {"since": {"epoch": b64(bytes(16)), "id": 2**53}},
        {"since": {"epoch": b64(bytes(16)), "id": 7.0}},
        {"since": {"epoch": b64(bytes(16)), "id": True}},
        {"since": {"epoch": b64(bytes(16)), "id": "7"}},
        {"since": {"epoch": None, "id": 7}},
        {"site": None},
        {"site": ""},
        {"site": b64(bytes(15))},
    ],
    ids=str,
)
async def test_a_body_of_another_shape_is_refused(said: dict[str, Json]) -> None:
    stage = await open_stage()
    tab = Tab(stage)
    # Proven as far as it can be: for the user that is said, not the one that would fit.
    user = unb64(cast(str, said["user"])) if isinstance(said.get("user"), str) else tab.user
    forgery = Forgery(tab, replace(tab.joining(), user=user))
    await refused(stage, tab.socket, cast(Json, forgery.request(**said)))


@pytest.mark.parametrize("key", ["member", "proof", "user", "since", "site"])
async def test_a_body_that_lacks_a_key_is_refused(key: str) -> None:
    stage = await open_stage()
    tab = Tab(stage)
    request = Forgery(tab, tab.joining()).request(**{key + "?": None})
    assert await stage.ask(tab.socket, "join-room", cast(Json, request)) == {"member": tab.member}, "others are ignored"

    stage = await open_stage()
    tab, session_key = Tab(stage), os.urandom(32)
    transcript = tab.joining().transcript(tab.room.address, session_key, tab.signer.public_key)
    body: dict[str, Json] = {
        "member": tab.member,
        "proof": b64(tab.signer.sign(proven(b"member", transcript))),
        "user": b64(tab.user),
        "since": None,
        "site": b64(SITE),
    }
    del body[key]
    opener = tab.room.address + session_key + tab.room.identity.sign(proven(b"room", transcript))
    await refused(stage, tab.socket, cast(Json, sealed_join(opener, session_key, body)))


@pytest.mark.parametrize("key", ["member", "proof", "site"])
async def test_a_body_has_one_spelling(key: str) -> None:
    stage = await open_stage()
    tab = Tab(stage)
    forgery = Forgery(tab, tab.joining())
    honest: dict[str, str] = {"member": tab.member, "site": b64(SITE), "proof": ""}
    if key == "proof":
        session_key = os.urandom(32)
        transcript = tab.joining().transcript(tab.room.address, session_key, tab.signer.public_key)
        proof = b64(tab.signer.sign(proven(b"member", transcript)))
        opener = tab.room.address + session_key + tab.room.identity.sign(proven(b"room", transcript))
        body: Json = {"proof": spelled_otherwise(proof), "user": b64(tab.user), "since": None, **_but(honest, "proof")}
        request = sealed_join(opener, session_key, body)
    else:
        request = forgery.request(**{key: spelled_otherwise(honest[key])})
    await refused(stage, tab.socket, cast(Json, request))


def _but(values: dict[str, str], key: str) -> dict[str, Json]:
    return {name: value for name, value in values.items() if name != key}


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"member"', b"5", b"{", b"\xff", b"NaN", b"[" * 3000, b'{"site": 1e999}', b"9" * 2900],
)
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    stage = await open_stage()
    tab, session_key = Tab(stage), os.urandom(32)
    sealed = reference_join.Channel(session_key).seal("join-room", body)
    envelope = b64(public_key().seal(tab.room.address + session_key + bytes(64)))
    await refused(stage, tab.socket, {"envelope": envelope, "body": sealed})


async def test_the_body_is_sealed_with_counter_0_for_this_event() -> None:
    stage = await open_stage()
    tab, session_key = Tab(stage), os.urandom(32)
    opener = tab.room.address + session_key + bytes(64)
    body = {"member": tab.member, "proof": b64(bytes(64)), "user": b64(tab.user), "since": None, "site": b64(bytes(16))}
    # With another site's salt the answer tells whether the body was opened.
    await refused(stage, tab.socket, cast(Json, sealed_join(opener, session_key, body)), {"error": "wrong-site"})
    await refused(stage, tab.socket, cast(Json, sealed_join(opener, session_key, body, event="send_message")))
    channel = reference_join.Channel(session_key)
    channel.counter = 1
    late = {"envelope": b64(public_key().seal(opener)), "body": channel.seal("join-room", json.dumps(body).encode())}
    tab.reconnect()
    await refused(stage, tab.socket, cast(Json, late))


async def test_a_tab_of_another_site_is_told_so() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    joining = replace(tab.joining(), site=b"other" * 3 + b"!")
    request, _ = make_join(joining, tab.room, tab.signer)
    await refused(stage, tab.socket, cast(Json, request), {"error": "wrong-site"})
    await tab.join()


# The request around it


@pytest.mark.parametrize(
    "request_",
    [
        None,
        5,
        "join",
        [],
        {},
        {"envelope": ""},
        {"body": ""},
        {"envelope": 1, "body": ""},
        {"envelope": "", "body": None},
        {"envelope": "A" * 1028, "body": ""},
        {"envelope": "", "body": "A" * 4100},
        {"envelope": "=", "body": ""},
        {"envelope": "", "body": "AB"},
        {"envelope": "Ä", "body": ""},
    ],
    ids=str,
)
async def test_a_request_of_another_shape_is_a_bad_request(request_: Json) -> None:
    stage = await open_stage()
    await refused(stage, stage.connect(), request_, BAD)


@pytest.mark.parametrize("envelope", ["", b64(bytes(256)), b64(b"\xff" * 256), b64(os.urandom(256)), b64(bytes(700))])
async def test_an_envelope_of_garbage_is_refused(envelope: str) -> None:
    stage = await open_stage()
    await refused(stage, stage.connect(), {"envelope": envelope, "body": b64(bytes(100))})


async def test_three_wrong_joins_end_a_connection_and_two_do_not() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    garbage: Json = {"envelope": b64(bytes(256)), "body": ""}
    await refused(stage, tab.socket, garbage)
    await refused(stage, tab.socket, garbage)
    assert tab.socket.connected
    await tab.join()

    other = stage.connect()
    for _ in range(3):
        assert other.connected
        await stage.ask(other, "join-room", garbage)
    assert not other.connected
    assert await stage.ask(other, "join-room", garbage) == {"error": "not-in-room"}


async def test_a_connection_joins_once_and_never_again() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    await tab.join()
    for room in (tab.room, Room.from_secret(os.urandom(32))):
        tab.room = room
        again, _ = make_join(tab.joining(), room, tab.signer)
        assert await stage.ask(tab.socket, "join-room", cast(Json, again)) == BAD
    assert tab.socket.taken() == []
    assert len(stage.memory._rooms) == 1
    await tab.ask("leave-room")
    again, _ = make_join(tab.joining(), tab.room, tab.signer)
    assert await stage.ask(tab.socket, "join-room", cast(Json, again)) == BAD


async def test_a_second_join_while_the_first_is_under_way_is_refused() -> None:
    stage = await open_stage()
    tab = Tab(stage)
    stage.runner.turn.held = True
    first = asyncio.create_task(stage.ask(tab.socket, "join-room", cast(Json, tab.request())))
    await stage.settle()
    second, _ = make_join(tab.joining(), tab.room, tab.signer)
    assert await stage.ask(tab.socket, "join-room", cast(Json, second)) == BAD
    stage.runner.turn.let_go()
    assert await first == {"member": tab.member}


async def test_a_full_room_and_a_full_server_say_so_and_change_nothing() -> None:
    stage = await open_stage(limits=replace(LIMITS, room_members=1, rooms=1))
    ann = Tab(stage)
    await ann.join()
    ann.socket.taken()
    bob, eve = Tab(stage, ann.room), Tab(stage)
    for tab, expected in ((bob, "room-full"), (eve, "server-full")):
        tab.socket.taken()
        assert await stage.ask(tab.socket, "join-room", cast(Json, tab.request())) == {"error": expected}
        assert tab.socket.taken() == []
        assert await tab.ask("typing", person()) == {"error": "not-in-room"}
    assert ann.socket.taken() == []
    await ann.ask("leave-room")
    await bob.join()
