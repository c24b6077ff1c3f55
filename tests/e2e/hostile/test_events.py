"""docs/protocol.md, "Events": a server that says what no honest server says is not listened to any longer, and the
reader is told why the page is silent; the way back is one button."""

import re

import pytest
from playwright.async_api import expect

from protocol import Json
from tests.e2e.hostile.scene import Scene
from tests.e2e.hostile.server import Object, Said, altered, nothing
from tests.e2e.pages import Complaints, Guest
from tests.reference import b64

NONSENSE = "The server said something that makes no sense, so this page does not listen to it any longer."
MEMBER = b64(bytes(32))
USER: Json = {"member": MEMBER, "user": ""}
NEVER = 2**53

NO_OBJECTS: tuple[Json, ...] = (None, "text", 7, [], True)
NO_TEXTS: tuple[Json, ...] = (None, 7, [], {"length": 3})
MISSING = "(the key is not there)"
MEMBERS: dict[str, Json] = {
    "missing": MISSING,
    "a number": 7,
    "empty": "",
    "31 bytes": b64(bytes(31)),
    "33 bytes": b64(bytes(33)),
    "not canonical": MEMBER[:-1] + "B",
    "with =": MEMBER + "=",
}


def present(argument: Object) -> Object:
    return {key: value for key, value in argument.items() if value != MISSING}


def entry(number: Json = NEVER - 1, member: Json = MEMBER) -> Object:
    return present({"id": number, "member": member, "message": "", "user": ""})


MALFORMED: dict[str, Said] = {
    **{
        f"{event}: {value!r}": (event, value)
        for event in ("new_user", "user_changed", "user_left", "get_message", "connected")
        for value in NO_OBJECTS
    },
    **{
        f"{event}: member {name}": (event, entry(member=member))
        for event in ("new_user", "user_changed", "user_left", "get_message")
        for name, member in MEMBERS.items()
    },
    **{
        f"{event}: user {user!r}": (event, {"member": MEMBER, "user": user})
        for event in ("new_user", "user_changed")
        for user in NO_TEXTS
    },
    **{f"get_message: id {number!r}": ("get_message", entry(number)) for number in (0, -1, 1.5, "1", None, NEVER)},
    **{f"get_message: message {message!r}": ("get_message", {**entry(), "message": message}) for message in NO_TEXTS},
}


@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in MALFORMED.items()])
async def test_what_no_honest_server_says_is_the_last_that_is_heard(scene: Scene, said: Said) -> None:
    """Arguments have the shapes of the table."""
    texts = await scene.bob.texts()
    scene.line(scene.bob).tell(*said)
    await says_why(scene.bob)
    voice = scene.voice()
    message = voice.says("psst").ciphertext
    scene.line(scene.bob).tell("get_message", {"id": NEVER - 1, "member": voice.member, "message": message})
    await scene.back(scene.bob)
    assert await scene.bob.texts() == texts


async def says_why(guest: Guest) -> None:
    await guest.reaches("stopped")
    await expect(guest.detail).to_have_text(NONSENSE)
    await expect(guest.send).to_be_disabled()


async def test_after_all_that_people_talk(scene: Scene) -> None:
    """What a server said before does no harm to what it says after."""
    async with scene.watching() as (alice, bob):
        await scene.bob.say("back again")
    assert alice.texts == bob.texts == ["back again"]
    assert alice.alarms == bob.alarms == []


SNAPSHOTS: dict[str, Object] = {
    **{f"member {name}": {"member": value} for name, value in MEMBERS.items()},
    "member somebody else": {"member": MEMBER},
    "epoch too short": {"epoch": b64(bytes(15))},
    "epoch null": {"epoch": None},
    "first 0": {"first": 0},
    "first missing": {"first": MISSING},
    "first after the end": {"first": NEVER - 1},
    "first before the log": {"first": 1, "last": 3, "log": []},
    "last before the log": {"first": 1, "last": 0, "log": [entry(1)]},
    "last negative": {"first": 1, "last": -1, "log": []},
    "last not safe": {"last": NEVER},
    "ttl negative": {"ttl": -1},
    "ttl text": {"ttl": "60"},
    "ttl missing": {"ttl": MISSING},
    "users an object": {"users": {}},
    "users missing": {"users": MISSING},
    "users of null": {"users": [None]},
    "users without end": {"users": [USER] * 10_001},
    "log an object": {"log": {}},
    "log missing": {"log": MISSING},
    "log of null": {"log": [None]},
    "log without end": {"first": 1, "last": 1001, "log": [entry(number) for number in range(1, 1002)]},
    "log out of order": {"first": 1, "last": 2, "log": [entry(2), entry(1)]},
    "log with a hole": {"first": 1, "last": 3, "log": [entry(1), entry(3)]},
    "log twice the same": {"first": 1, "last": 2, "log": [entry(1), entry(1)]},
}


@pytest.mark.parametrize("changes", [pytest.param(changes, id=name) for name, changes in SNAPSHOTS.items()])
async def test_a_snapshot_that_cannot_be_is_no_snapshot(scene: Scene, changes: Object) -> None:
    """`{member, epoch, first, last, ttl, users, log}`, of which nothing is believed that contradicts itself."""
    scene.line(scene.bob).cut()
    await scene.bob.reaches("offline")
    lie = scene.server.lying(connected=lambda said: [("connected", present({**said, **changes}))])
    with lie:
        await scene.bob.page.locator("#reconnect").dispatch_event("click")
        await says_why(scene.bob)
    await scene.back(scene.bob)
    await scene.bob.see_people("Alice", "Bobby")


async def test_one_snapshot_a_connection(scene: Scene) -> None:
    """`connected` comes before any other room event and once."""
    line = scene.line(scene.bob)
    line.tell("connected", line.last("connected"))
    await says_why(scene.bob)
    await scene.back(scene.bob)


async def test_nothing_counts_before_the_snapshot(scene: Scene) -> None:
    """`connected` precedes every other room event: what comes before it is not looked at."""
    voice, ghost = scene.voice(), scene.voice()

    def lie(said: Object) -> list[Said]:
        message = {"id": said["last"] + 1, "member": voice.member, "message": voice.says("too early").ciphertext}
        return [
            ("new_user", {"member": ghost.member, "user": ghost.user()}),
            ("get_message", message),
            ("user_left", {"member": scene.member(scene.alice)}),
            ("user_changed", None),
            ("connected", said),
        ]

    async with scene.watching() as (alice, bob), scene.away(scene.bob, connected=lie):
        pass
    assert bob.texts == bob.notices == alice.texts == alice.notices == []
    await scene.bob.see_people("Alice", "Bobby")


async def test_a_snapshot_that_nobody_asked_for(scene: Scene) -> None:
    """`connected` before the join."""
    scene.line(scene.bob).cut()
    await scene.bob.reaches("offline")
    snapshot = scene.line(scene.bob).last("connected")
    with scene.server.lying(send_public_key=lambda pem: [("connected", snapshot), ("send_public_key", pem)]):
        await scene.bob.page.locator("#reconnect").dispatch_event("click")
        await says_why(scene.bob)
    await scene.back(scene.bob)


async def test_events_that_nobody_knows_are_nothing(scene: Scene) -> None:
    """Unknown events, known ones without or with too many arguments, and events that ask for an answer."""
    voice = scene.voice()
    async with scene.watching() as (alice, bob):
        line = scene.line(scene.bob)
        line.tell("evil", {"member": voice.member})
        line.tell("__proto__", {"member": voice.member})
        line.tell("constructor", [])
        line.tell("leave-room", {})
        line.tell("new_user", {"member": voice.member, "user": voice.user()}, "and", "more")
        line.raw('42[7,"a number for a name"]')
        line.raw(f'4217["user_left",{{"member":"{voice.member}"}}]')
    assert bob.texts == []
    assert [notice.split()[-1] for notice in bob.notices] == ["joined", "left"]
    assert alice.notices == []


RESERVED = ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")

PACKETS: dict[str, tuple[list[str | bytes], str]] = {
    "no Engine.IO type": (["x"], "offline"),
    "no Socket.IO packet": (["4"], "offline"),
    "an unknown Socket.IO type": (["49"], "offline"),
    "an event without anything": (["42"], "connected|resynced"),
    "an event that is no JSON": (["42{"], "offline"),
    "an event that is no list": (["42{}"], "offline"),
    "an empty event": (["42[]"], "offline"),
    "attachments that are none": (['4299999-["get_message",{"_placeholder":true,"num":0}]'], "offline"),
    "bytes that nobody announced": ([b"bytes"], "offline"),
    "bytes where an id should be": (['451-["get_message",{"_placeholder":true,"num":0}]', b"bytes"], "stopped"),
    **{f"the reserved event {name}": ([f'42["{name}",{{"sid":"x"}}]'], "offline") for name in RESERVED},
    "an answer that nobody asked for": (["43999[]"], "connected|resynced"),
    "another namespace": (['42/admin,["get_message",null]'], "connected|resynced"),
    "an answer of another namespace": (["44/admin,{}"], "connected|resynced"),
    "a ping with words": (["2words"], "connected|resynced"),
    "nothing": (["6"], "connected|resynced"),
    "out of the namespace": (["41"], "stopped"),
    "refused while inside": (['44{"message":"<b>no</b>"}'], "stopped"),
    "a goodbye that only clients say": (["1"], "connected|resynced"),
}


@pytest.mark.parametrize(("frames", "state"), [pytest.param(*case, id=name) for name, case in PACKETS.items()])
async def test_packets_that_are_none(
    scene: Scene, complaints: Complaints, frames: list[str | bytes], state: str
) -> None:
    """The official client below decides what is a packet; the page goes on, or says that it does not, never hangs."""
    complaints.expect("RangeError: [Ii]nvalid array length")  # its answer to an event without a name
    scene.line(scene.bob).raw(*frames, f'42["new_user",{{"member":"{MEMBER}","user":""}}]')
    if "connected" in state:
        await expect(scene.bob.notices.last).to_have_text(re.compile("^somebody .* joined$"))
        scene.line(scene.bob).tell("user_left", {"member": MEMBER})
    else:
        await scene.bob.reaches(state)
        await scene.back(scene.bob)
    async with scene.watching() as (alice, bob):
        pass
    assert alice.alarms == bob.alarms == []


async def test_a_server_that_ends_the_connection_is_told_of(scene: Scene) -> None:
    """Socket.IO's DISCONNECT: the page does not come back by itself, and says so."""
    scene.line(scene.bob).raw("41")
    await scene.bob.reaches("stopped")
    await expect(scene.bob.detail).to_have_text("The server has ended this connection.")
    await scene.back(scene.bob)


async def test_a_vanishing_act_is_announced(scene: Scene) -> None:
    """`ttl` is the age in seconds at which clients drop messages from view: that it is the server's wish is said."""
    async with scene.watching() as (_, bob), scene.away(scene.bob, connected=altered("connected", ttl=90_000.5)):
        pass
    assert bob.notices == ["quiet: The server lets messages vanish from here after 1 day."]
    async with scene.away(scene.bob):
        pass


async def test_a_message_that_is_withheld_from_its_author_stays_pending(scene: Scene) -> None:
    """A message counts as sent when it comes back in the feed."""
    with scene.server.lying(scene.member(scene.bob), get_message=nothing):
        await scene.bob.write("does anybody read this?")
        await scene.alice.hears("does anybody read this?")
        await expect(scene.bob.message("anybody")).to_have_attribute("data-status", "pending")
    async with scene.away(scene.bob):
        pass
    await expect(scene.bob.message("anybody")).to_have_attribute("data-status", "sent")
    async with scene.watching() as (alice, bob):
        pass
    assert alice.alarms == bob.alarms == []
