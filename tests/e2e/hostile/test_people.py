"""docs/protocol.md, "What a reader checks", 1: a person is a signer, never what the server says beside it. The list of
people is the server's word, and only who has signed something fresh is confirmed."""

import itertools
import os

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.hostile.scene import Scene
from tests.e2e.hostile.server import Object, Said
from tests.e2e.hostile.voice import now
from tests.e2e.pages import Guest
from tests.reference import b64, describe_signer

HOUR = 3_600_000


def row(guest: Guest, member: str) -> Locator:
    """A member in the list of people."""
    return guest.page.locator(f'#people li.person[data-member="{member}"]')


def note(guest: Guest, member: str, words: str) -> Locator:
    return row(guest, member).locator(".note", has_text=words)


# Who is who


@pytest.mark.parametrize(
    "user", ["", "Dear reader", b64(bytes(540)), "=", "x" * 100_000], ids=["nothing", "words", "zeros", "=", "long"]
)
async def test_who_cannot_be_read_is_an_unreadable_member(scene: Scene, user: str) -> None:
    """A user blob that cannot be read is listed as an unreadable member."""
    ghost = b64(os.urandom(32))
    async with scene.watching() as (alice, bob):
        scene.spread("new_user", member=ghost, user=user)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.notices == [f"quiet: somebody ({describe_signer(ghost)[0][:4]}) joined"]
        await expect(row(guest, ghost).locator(".name.unreadable")).to_have_text("unreadable member")
        await expect(note(guest, ghost, "not confirmed")).to_have_count(1)
    scene.spread("user_left", member=ghost)
    await expect(row(scene.bob, ghost)).to_have_count(0)


async def test_a_newcomer_with_the_user_blob_of_another_is_nobody(scene: Scene) -> None:
    """Another's user blob gives no name: the signer in it is somebody else."""
    ghost = b64(os.urandom(32))
    user = next(each for each in scene.line(scene.bob).last("connected")["users"] if each["member"] != ghost)["user"]
    async with scene.watching() as (alice, bob):
        scene.spread("new_user", member=ghost, user=user)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.notices == [f"quiet: somebody ({describe_signer(ghost)[0][:4]}) joined"]
        await expect(row(guest, ghost).locator(".name.unreadable")).to_have_count(1)
    scene.spread("user_left", member=ghost)


@pytest.mark.parametrize("event", ["new_user", "user_changed"])
async def test_nobody_is_renamed_with_the_words_of_another(scene: Scene, event: str) -> None:
    """Nothing that is not theirs takes a name from somebody."""
    voice, other = scene.voice(), scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        for user in (other.user(), voice.says("a message").ciphertext, "nothing"):
            scene.spread(event, member=voice.member, user=user)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.notices == []
        await expect(row(guest, voice.member).locator(".name")).to_have_text(voice.name)


async def test_an_old_name_does_not_come_back(scene: Scene) -> None:
    """A user blob older (`at`) than the one known takes back nothing."""
    voice = scene.voice()
    old = voice.user()
    voice.name = f"{voice.name}-anew"
    scene.enter(voice, at=now() + 1)
    async with scene.watching() as (alice, bob):
        for event in ("new_user", "user_changed"):
            scene.spread(event, member=voice.member, user=old)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.notices == []
        await expect(row(guest, voice.member).locator(".name")).to_have_text(voice.name)


async def test_a_new_name_is_told_whatever_the_server_calls_it(scene: Scene) -> None:
    """Who is there already cannot come in again under another name unnoticed."""
    voice = scene.voice()
    scene.enter(voice)
    async with scene.watching() as (alice, bob):
        before = voice.called
        voice.name = f"{voice.name}-renamed"
        scene.enter(voice, at=now() + 1)
    for seen in (alice, bob):
        assert seen.notices == [f"quiet: {before} is {voice.called} now"]


# Who is here


async def test_only_who_has_signed_something_fresh_is_confirmed(scene: Scene) -> None:
    """An old user blob is somebody's, but says nothing of now; a message of now does."""
    voice = scene.voice()
    async with scene.watching():
        scene.enter(voice, at=now() - HOUR)
    for guest in scene.guests:
        await expect(note(guest, voice.member, "not confirmed")).to_have_count(1)
    async with scene.watching():
        scene.speak(voice, "here I am")
    for guest in scene.guests:
        await expect(note(guest, voice.member, "not confirmed")).to_have_count(0)


async def test_who_has_left_is_not_confirmed_by_the_same_words_again(scene: Scene) -> None:
    """A replayed user blob of somebody who left, however fresh it still is, and a replayed message of theirs."""
    voice = scene.voice()
    user, message = voice.user(), voice.says("good-bye").ciphertext
    async with scene.watching() as (alice, bob):
        scene.spread("new_user", member=voice.member, user=user)
        scene.post(voice.member, message)
        scene.spread("user_left", member=voice.member)
        scene.spread("new_user", member=voice.member, user=user)
        scene.post(voice.member, message)
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.texts == ["good-bye"]
        await expect(note(guest, voice.member, "not confirmed")).to_have_count(1)
    async with scene.watching():
        scene.enter(voice, at=now() + 1)
    for guest in scene.guests:
        await expect(note(guest, voice.member, "not confirmed")).to_have_count(0)


async def test_who_was_put_out_of_the_list_is_still_heard_as_who_they_are(scene: Scene) -> None:
    """`user_left` for somebody who is still there: their messages stay theirs."""
    async with scene.watching() as (alice, bob):
        scene.spread("user_left", member=scene.member(scene.bob))
        await expect(row(scene.alice, scene.member(scene.bob))).to_have_count(0)
        await scene.bob.say("I am still here")
    assert alice.texts == bob.texts == ["I am still here"]
    assert alice.notices == [f"quiet: Bobby ({await scene.bob.tag()}) left"]
    assert bob.notices == []
    message = scene.alice.message("I am still here")
    await expect(message.locator(".name")).to_have_text("Bobby")
    await expect(message.locator(".tag")).to_have_text(await scene.bob.tag())
    await expect(row(scene.bob, scene.member(scene.bob))).to_have_count(1)
    async with scene.away(scene.alice):
        pass
    await expect(row(scene.alice, scene.member(scene.bob))).to_have_count(1)


async def test_a_message_is_the_words_of_its_signer_whoever_is_listed(scene: Scene) -> None:
    """Two people with one name are two people, told apart by tag."""
    impostor = scene.voice("Alice")
    async with scene.watching() as (alice, bob):
        scene.speak(impostor, "I am Alice, too")
        await scene.alice.say("I am the one and only")
    assert alice.texts == bob.texts
    for text, member in (("too", impostor.member), ("only", scene.member(scene.alice))):
        message = scene.bob.message(text)
        await expect(message.locator(".tag")).to_have_text(describe_signer(member)[0][:4])
        await expect(message.locator(".name")).to_have_text("Alice")


async def test_a_tag_that_looks_like_another_is_marked(scene: Scene) -> None:
    """Lengthened for both when two in view collide, the later one marked."""
    letters = describe_signer(scene.member(scene.alice))[0]
    alike = next(
        member
        for member in (b64(count.to_bytes(32, "big")) for count in itertools.count(1))
        if describe_signer(member)[0].startswith(letters[:4])
    )
    async with scene.watching():
        scene.spread("new_user", member=alike, user="a ghost")
    await expect(note(scene.bob, alike, "look-alike tag")).to_have_count(1)
    tags = [await row(scene.bob, member).locator(".tag").inner_text() for member in (alike, scene.member(scene.alice))]
    assert len(set(tags)) == 2
    assert all(len(tag) > 4 and tag.startswith(letters[:4]) for tag in tags)
    await expect(note(scene.bob, scene.member(scene.alice), "look-alike")).to_have_count(0)


async def test_lies_in_the_list_of_a_snapshot(scene: Scene) -> None:
    """Ghosts, doubles and people left out: the list is what the server says, no name in it is."""
    ghost, voice = b64(os.urandom(32)), scene.voice()

    def lie(said: Object) -> list[Said]:
        mine = [each for each in said["users"] if each["member"] == scene.member(scene.bob)]
        theirs = next(each for each in said["users"] if each["member"] == scene.member(scene.alice))
        own = {"member": voice.member, "user": voice.user()}
        return [("connected", {**said, "users": [*mine, own, own, {**theirs, "member": ghost}]})]

    async with scene.watching() as (alice, bob):
        async with scene.away(scene.bob, connected=lie):
            pass
        await expect(scene.bob.people).to_have_count(3)
    assert alice.alarms == bob.alarms == []
    await expect(row(scene.bob, voice.member).locator(".name")).to_have_text(voice.name)
    await expect(row(scene.bob, ghost).locator(".name.unreadable")).to_have_count(1)
    async with scene.away(scene.bob):
        pass
    await scene.bob.see_people("Alice", "Bobby")


async def test_typing_notices_of_any_kind_show_nothing_false(scene: Scene) -> None:
    """Forged, another's, old: nothing of it is shown, nothing breaks."""
    voice, other = scene.voice(), scene.voice()

    def typing(at: int) -> str:
        return voice.seals("typing", {"on": True, "at": at, "seq": 0, "prev": ""}).ciphertext

    async with scene.watching() as (alice, bob):
        for member, words in (
            (voice.member, "nothing"),
            (voice.member, voice.user()),
            (other.member, typing(now())),
            (voice.member, typing(now() - HOUR)),
        ):
            scene.spread("typing", member=member, typing=words)
    for seen in (alice, bob):
        assert (seen.texts, seen.notices) == ([], [])


async def test_a_crowd_of_ghosts_buries_neither_messages_nor_alarms(scene: Scene) -> None:
    """A server that invents people without end gets a long list, not a dead page; what is honest still arrives."""
    voice = scene.voice()
    async with scene.watching() as (alice, bob):
        scene.speak(voice, "before the crowd")
        scene.spread("get_message", id=1, member=voice.member, message="an alarm before the crowd")
        for count in range(1_500):
            scene.line(scene.bob).tell("new_user", {"member": b64(count.to_bytes(32, "big")), "user": "a ghost"})
    assert alice.texts == bob.texts == ["before the crowd"]
    assert len(alice.alarms) == len(bob.alarms) == 1
    await expect(scene.bob.people).to_have_count(1_502)
    async with scene.away(scene.bob):
        pass
    await scene.bob.see_people("Alice", "Bobby")
