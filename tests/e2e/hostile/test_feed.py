"""docs/protocol.md, "What a reader checks": a server, or a member, that withholds, repeats, reorders, renumbers and
tells people different histories. Everything in it is rightly signed."""

import re

import pytest
from playwright.async_api import expect

from tests.e2e.hostile.scene import FORK, ROOM, Scene
from tests.e2e.hostile.server import Object, Said, altered, nothing
from tests.e2e.hostile.voice import Voice, now
from tests.e2e.pages import Guest, Visits
from tests.reference import b64

LOST = "warn: The server has lost this room’s history. What you see above is your own copy."
NO_DIGEST = b64(bytes(32))


def gone(voice: Voice, number: int = 1) -> str:
    """The notice about missing messages of this voice."""
    return f"warn: {number} message{'s' * (number > 1)} of {voice.called} {'is' if number == 1 else 'are'} missing"


def conflict(voice: Voice) -> str:
    return f"alarm: Two different messages of {voice.called} claim the same place. One of them is not shown."


def stale(voice: Voice) -> str:
    return f"alarm: An old message of {voice.called} was sent again. It is not shown."


# Once


async def test_the_same_message_again_is_dropped(scene: Scene) -> None:
    """The same `seq` and payload again is dropped: as it was, under another id, and encrypted anew."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        draft = voice.draft("said once")
        first, again = voice.seals("message", draft).ciphertext, voice.seals("message", draft).ciphertext
        for ciphertext in (first, first, again):
            scene.post(voice.member, ciphertext)
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["said once"], [])


async def test_a_message_under_an_old_id_is_refused(scene: Scene) -> None:
    """`id` counts 1, 2, 3 ... in a room: what does not go on from there is not shown, be it old or new."""
    voice, other = scene.voice(), scene.voice()
    async with scene.watching() as (alice, bob):
        before = scene.speak(voice, "in its place")
        message = other.says("in an old place").ciphertext
        for number in (before, before - 1, 1):
            scene.spread("get_message", id=number, member=other.member, message=message)
    for seen in (alice, bob):
        assert seen.texts == ["in its place"]
        assert [alarm.split(":")[0] for alarm in seen.alarms] == ["alarm"]
        assert re.search(r"3 messages refused: .* or out of order\.$", seen.alarms[0])


async def test_what_is_too_old_to_be_told_from_a_replay_is_not_shown(scene: Scene) -> None:
    """Tables are bounded: beyond what is remembered of a signer everything is old."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        first = voice.says("message 1").ciphertext
        scene.post(voice.member, first)
        for number in range(2, 301):
            scene.speak(voice, f"message {number}")
        scene.post(voice.member, first)
    for seen in (alice, bob):
        assert seen.texts == [f"message {number}" for number in range(1, 301)]
        assert seen.alarms == [stale(voice)]


# In order


async def test_a_gap_is_told_until_what_was_missing_comes(scene: Scene) -> None:
    """A gap in `seq` gives a line with the number missing, which goes when late ones arrive."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        scene.speak(voice, "one")
        two, three = voice.says("two").ciphertext, voice.says("three").ciphertext
        scene.speak(voice, "four")
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["one", "four"], [gone(voice, 2)])
    for guest in scene.guests:
        await expect(guest.page.locator("#say-status bdi").last).to_have_text(voice.name)
    async with scene.watching() as (alice, bob):
        for late in (three, two):
            scene.post(voice.member, late)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.texts == ["three", "two"]
        await expect(guest.notices.filter(has_text=voice.name).filter(has_text="missing")).to_have_count(0)
        for text in seen.texts:
            await expect(guest.message(text).locator(".mark")).to_have_text("arrived late")


async def test_messages_of_one_sender_in_another_order_are_late(scene: Scene) -> None:
    """A message that is reordered within its sender's messages is noticed as soon as a later one arrives."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        sealed = [voice.says(text).ciphertext for text in ("first", "second", "third")]
        for ciphertext in (sealed[0], sealed[2], sealed[1]):
            scene.post(voice.member, ciphertext)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert (seen.texts, seen.alarms) == (["first", "third", "second"], [])
        await expect(guest.message("second").locator(".mark")).to_have_text("arrived late")


async def test_the_very_first_message_is_missed_by_who_saw_its_author_come(scene: Scene) -> None:
    """The first sight of a signer sets the base, unless its `user` head says otherwise."""
    voice, unknown = scene.voice(), scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        for each in (voice, unknown):
            each.says("withheld")
            scene.speak(each, "the second")
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["the second"] * 2, [gone(voice)])


async def test_a_head_tells_what_is_being_withheld(scene: Scene) -> None:
    """A user ciphertext that arrives while one is in the room says exactly where the signer's messages stand."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        voice.says("withheld")
        scene.spread("user_changed", member=voice.member, user=voice.user())
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == ([], [gone(voice)])


async def test_a_gap_is_no_place_for_an_invention(scene: Scene) -> None:
    """A message that comes late counts only if the next one's `prev` vouches for it: of two that are missing, the
    later is vouched for and cannot be another, the earlier not yet."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        scene.speak(voice, "one")
        earlier = voice.seals("message", voice.draft("invented for the second place")).ciphertext
        voice.says("two")
        later = voice.seals("message", voice.draft("invented for the third place")).ciphertext
        voice.says("three")
        scene.speak(voice, "four")
        scene.post(voice.member, earlier)
        scene.post(voice.member, later)
    for seen in (alice, bob):
        assert seen.texts == ["one", "four"]
        assert set(seen.alarms) == {gone(voice, 2), stale(voice), conflict(voice)}


async def test_two_messages_in_one_place_are_a_conflict(scene: Scene) -> None:
    """The same `seq` with another payload is shown as a conflict."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        other = voice.seals("message", voice.draft("another history")).ciphertext
        scene.speak(voice, "one history")
        scene.post(voice.member, other)
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["one history"], [conflict(voice)])


async def test_a_message_that_goes_on_from_another_history_is_a_conflict(scene: Scene) -> None:
    """A wrong `prev`."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        scene.speak(voice, "one")
        scene.post(voice.member, voice.says("two", prev=NO_DIGEST).ciphertext)
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["one"], [conflict(voice)])


# The server's own counting


@pytest.mark.parametrize("number", [1, 7, 2**40])
async def test_ids_that_are_skipped_are_messages_missed(scene: Scene, number: int) -> None:
    """`id` counts 1, 2, 3 ...: who is told of less must be told so."""
    async with scene.watching() as (alice, bob):
        scene.skip(number)
    words = "1 message was missed" if number == 1 else f"{number} messages were missed"
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == ([], [f"warn: {words}"])


async def test_a_message_withheld_from_one_person(scene: Scene) -> None:
    """A message that is dropped is noticed as soon as a later one of that sender arrives."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        scene.speak(voice, "for all")
        with scene.server.lying(scene.member(scene.bob), get_message=nothing):
            scene.speak(voice, "not for Bobby")
        scene.speak(voice, "for all again")
    assert (alice.texts, alice.alarms) == (["for all", "not for Bobby", "for all again"], [])
    assert bob.texts == ["for all", "for all again"]
    assert bob.alarms == ["warn: 1 message was missed", gone(voice)]


async def test_who_is_told_another_history_under_the_same_numbers_finds_out(scene: Scene) -> None:
    """A server that shows people different histories is noticed by the next message that crosses: a message is withheld
    from Bobby, and all that follows renumbered for him."""
    voice = scene.voice()
    with scene.server.lying(scene.member(scene.bob), get_message=nothing):
        scene.speak(voice, "not for Bobby")
    renumbered = scene.server.lying(scene.member(scene.bob), get_message=lambda said: [("get_message", shifted(said))])
    with renumbered:
        await scene.bob.say("what Bobby says first")
        for guest in scene.guests:
            await guest.hears("what Bobby says first")
        async with scene.watching() as (alice, bob):
            await scene.bob.say("a message crosses")
        assert FORK in alice.alarms
        async with scene.watching() as (alice, bob):
            await scene.alice.say("and another")
        assert FORK in bob.alarms


def shifted(said: Object) -> Object:
    return {**said, "id": said["id"] - 1}


async def test_two_messages_exchanged_for_one_person(scene: Scene) -> None:
    """The order between senders is the server's; that it is another for others is noticed."""
    one, two = scene.voice(), scene.voice()
    held: list[Object] = []
    async with scene.watching() as (alice, bob):
        with scene.server.lying(scene.member(scene.bob), get_message=lambda said: exchanged(held, said)):
            scene.speak(one, "one")
            scene.speak(two, "two")
        await scene.bob.say("a message crosses")
    assert alice.texts == ["one", "two", "a message crosses"]
    assert bob.texts == ["two", "one", "a message crosses"]
    assert alice.alarms == [FORK]


def exchanged(held: list[Object], said: Object) -> list[Said]:
    held.append(said)
    if len(held) < 2:
        return []
    first, second = held
    return [("get_message", {**second, "id": first["id"]}), ("get_message", {**first, "id": second["id"]})]


@pytest.mark.parametrize("ahead", [-1, 0, 1])
async def test_a_message_that_has_seen_another_history_is_an_alarm(scene: Scene, ahead: int) -> None:
    """`seen` naming another digest for an id than the reader has, or an id that is not before the message's own."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        number = scene.speak(voice, "one") + 1
        scene.post(voice.member, voice.says("two", seen=[number + ahead, NO_DIGEST]).ciphertext)
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["one", "two"], [FORK])


async def test_a_message_that_waited_speaks_of_the_feed_before(scene: Scene) -> None:
    """It is not compared for a signer's first message when that is older (`at`) than the signer's user ciphertext."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        scene.post(voice.member, voice.says("waited", at=now() - 60_000, seen=[1, NO_DIGEST]).ciphertext)
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["waited"], [])
    async with scene.watching() as (alice, bob):
        scene.post(voice.member, voice.says("did not wait", seen=[1, NO_DIGEST]).ciphertext)
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["did not wait"], [FORK])


# Snapshots


async def test_what_a_snapshot_says_was_missed_is_told(scene: Scene) -> None:
    """Whoever had seen `since.id` has missed `first - since.id - 1` messages."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        async with scene.away(scene.bob, connected=without_the_log):
            scene.speak(voice, "one")
            scene.speak(voice, "two")
        scene.speak(voice, "three")
    assert (alice.texts, alice.alarms) == (["one", "two", "three"], [])
    assert (bob.texts, bob.alarms) == (["three"], ["warn: 2 messages were missed"])


def without_the_log(said: Object) -> list[Said]:
    return [("connected", {**said, "first": said["last"] + 1, "log": []})]


async def test_the_end_of_the_log_is_missed_when_its_author_goes_on(scene: Scene) -> None:
    """The last messages of a sender can be withheld, until a later one of that sender arrives."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        async with scene.away(scene.bob, connected=without_the_last):
            scene.speak(voice, "one")
            scene.speak(voice, "two")
        with scene.server.lying(scene.member(scene.bob), get_message=lambda said: [("get_message", shifted(said))]):
            scene.speak(voice, "three")
            await scene.bob.hears("three")
    assert (alice.texts, alice.alarms) == (["one", "two", "three"], [])
    assert bob.texts == ["one", "three"]
    assert gone(voice) in bob.alarms


def without_the_last(said: Object) -> list[Said]:
    return [("connected", {**said, "last": said["last"] - 1, "log": said["log"][:-1]})]


async def test_a_forged_message_in_the_log_is_refused(scene: Scene) -> None:
    """The log is checked as live messages are, and whose it is, too."""
    voice, other = scene.voice(), scene.voice()
    async with (
        scene.watching() as (alice, bob),
        scene.away(scene.bob, connected=lambda said: [("connected", under_another_name(said, other.member))]),
    ):
        scene.speak(voice, "mine")
    assert alice.texts == ["mine"]
    assert bob.texts == []
    assert "refused: not signed by the person that the server named" in " ".join(bob.alarms)


def under_another_name(said: Object, member: str) -> Object:
    return {**said, "log": [{**said["log"][0], "member": member}]}


async def test_another_message_for_an_id_that_was_seen_is_an_alarm(scene: Scene) -> None:
    """One id, one message: a log that says otherwise shows people different histories."""
    voice, other = scene.voice(), scene.voice()
    async with scene.watching() as (alice, bob):
        number = scene.speak(voice, "as it was")
        await scene.bob.hears("as it was")
        entry = {"id": number, "member": other.member, "message": other.says("as it was not").ciphertext}
        async with scene.away(scene.bob, connected=altered("connected", first=number, last=number, log=[entry])):
            pass
    assert (alice.texts, alice.alarms) == (["as it was"], [])
    assert bob.alarms == [FORK]


async def test_the_log_again_shows_nothing_twice(scene: Scene) -> None:
    """The same `seq` and payload again is dropped, also in a snapshot that goes back to the beginning."""
    voice = scene.voice()
    entries: list[Object] = []
    async with scene.watching() as (alice, bob):
        for text in ("one", "two"):
            scene.speak(voice, text)
            entries.append(scene.line(scene.bob).last("get_message"))
        first, last = (entry["id"] for entry in entries)
        async with scene.away(scene.bob, connected=altered("connected", first=first, last=last, log=[*entries])):
            pass
    for seen in (alice, bob):
        assert (seen.texts, seen.alarms) == (["one", "two"], [])


@pytest.mark.parametrize("lie", ["another epoch", "less than was seen"])
async def test_a_history_that_is_lost_is_told(scene: Scene, lie: str) -> None:
    """`epoch` is made with the room, so that a room made anew is not taken for the old one."""
    changes: Object = {"epoch": b64(bytes(16))} if lie == "another epoch" else {}
    voice = scene.voice()
    scene.speak(voice, "said before")
    async with scene.watching() as (alice, bob):
        made_anew = altered("connected", first=1, last=0, log=[], **changes)
        async with scene.away(scene.bob, connected=made_anew):
            pass
        with scene.server.lying(scene.member(scene.bob), get_message=altered("get_message", id=1)):
            scene.speak(voice, "said after")
            await scene.bob.hears("said after")
        # And back to the old one, as if nothing had happened.
        async with scene.away(scene.bob, connected=without_the_log):
            pass
    assert (alice.texts, alice.alarms) == (["said after"], [])
    assert bob.texts == ["said after"]
    assert LOST in bob.alarms


async def test_who_comes_in_is_shown_what_the_log_lacks(scene: Scene, module_visits: Visits) -> None:
    """A log with a message left out and renumbered: the sender's own numbers tell."""
    voice = scene.voice()
    for text in ("one", "two", "three"):
        scene.speak(voice, text)
    with scene.server.lying(connected=without_the_last_but_one):
        carol = await Guest.enter(await module_visits.page(), scene.server.url, ROOM, "Carol")
    await carol.see_notice(gone(voice).removeprefix("warn: "))
    assert (await carol.texts())[-2:] == ["one", "three"]
    await carol.page.close()


def without_the_last_but_one(said: Object) -> list[Said]:
    *rest, _, last = said["log"]
    return [("connected", {**said, "last": said["last"] - 1, "log": [*rest, shifted(last)]})]
