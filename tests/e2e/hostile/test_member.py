"""Somebody who knows the room's name, and somebody on the way who does not, against an honest server and pages."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from playwright.async_api import WebSocket, expect

from tests.client import Client, room_of
from tests.e2e.hostile.scene import ROOM, Scene
from tests.e2e.hostile.test_ciphertexts import UNSAFE_KEYS
from tests.e2e.pages import Guest, Visits
from tests.reference import Room, Signer, describe_signer, unb64
from tests.reference_join import Joining, make_join


@asynccontextmanager
async def stranger(scene: Scene) -> AsyncIterator[Client]:
    """Connected, and outside."""
    async with Client(scene.server.url) as client:
        yield client


@asynccontextmanager
async def member(scene: Scene, name: str) -> AsyncIterator[Client]:
    """Inside, with its keys in the open."""
    async with stranger(scene) as client:
        assert "error" not in await client.join(ROOM, name)
        yield client


# What was caught on the way


# Playwright does not hear of frames over WebDriver BiDi.
@pytest.mark.chromium
async def test_what_was_sent_once_is_worth_nothing_again(scene: Scene, visits: Visits) -> None:
    """Nothing in a join can be exchanged or used twice; requests can be neither repeated nor reordered."""
    page, said = await visits.page(), list[tuple[str, str]]()

    def overhear(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: said.extend(requests(str(frame))))

    page.on("websocket", overhear)
    carol = await Guest.enter(page, scene.server.url, ROOM, "Carol")
    await carol.say("once")
    caught = dict(said)
    join, message = json.loads(caught["join-room"]), json.loads(caught["send_message"])
    async with scene.watching() as (alice, bob):
        async with stranger(scene) as replaying:
            assert await replaying.ask("join-room", join) == {"error": "bad-envelope"}
            assert await replaying.ask("send_message", message) == {"error": "not-in-room"}
        async with member(scene, "Mallory") as mallory:
            assert await mallory.ask("send_message", message) == {"error": "bad-envelope"}
            await mallory.hears("disconnect")
    assert alice.texts == bob.texts == []
    assert [notice.split()[-1] for notice in bob.notices] == ["joined", "left"]
    await carol.leave()


def requests(frame: str) -> list[tuple[str, str]]:
    """An event that a page sends, and its argument as JSON."""
    found = re.match(r"42\d*(\[.*\])$", frame)
    if found is None:
        return []
    event, *arguments = json.loads(found[1])
    return [(event, json.dumps(argument)) for argument in arguments]


# Keys that are none


@dataclass(frozen=True)
class Nobody(Signer):
    """Signs with what holds under keys of small order whatever is signed: R neutral, S = 0."""

    def sign(self, data: bytes) -> bytes:
        return (1).to_bytes(32, "little") + bytes(32)


@pytest.mark.parametrize("whose", ["room", "member"])
@pytest.mark.parametrize("key", [pytest.param(key, id=name) for name, key in UNSAFE_KEYS.items()])
async def test_keys_that_need_no_private_key_open_no_door(scene: Scene, whose: str, key: bytes) -> None:
    """Ed25519 keys from others are refused when not canonical or of small order."""
    nobody = Nobody(Signer.generate().private_key, key)
    honest = room_of(ROOM, bytes(range(16)))
    room = Room(nobody, honest.key) if whose == "room" else honest
    async with stranger(scene) as client:
        signer = nobody if whose == "member" else client.signer
        client.room, client.username = room, "Nobody"
        joining = Joining(client.server_key, client.socket_id, client.site, None, client.seal_user().data)
        request, _ = make_join(joining, room, signer)
        assert await client.ask("join-room", {**request}) == {"error": "bad-envelope"}


# Words of others


async def test_who_comes_in_with_the_words_of_another_is_nobody(scene: Scene) -> None:
    """Another's user blob as own: the server cannot see it, the pages do."""
    theirs = next(each for each in scene.line(scene.bob).last("connected")["users"])["user"]
    async with scene.watching() as (alice, bob), stranger(scene) as thief:
        room = room_of(ROOM, thief.site)
        thief.room = room
        joining = Joining(thief.server_key, thief.socket_id, thief.site, None, unb64(theirs))
        request, thief.channel = make_join(joining, room, thief.signer)
        assert await thief.ask("join-room", {**request}) == {"member": thief.member}
        for guest in scene.guests:
            row = guest.page.locator(f'#people li.person[data-member="{thief.member}"]')
            await expect(row.locator(".name")).to_have_text("unreadable member")
        assert await thief.request("update_user", unb64(theirs)) == {}
        words = scene.line(scene.bob).last("get_message")["message"]
        assert "id" in await thief.request("send_message", unb64(words)[::-1])
        await thief.leave()
    for seen in (alice, bob):
        called = f"somebody ({describe_signer(thief.member)[0][:4]})"
        assert seen.texts == []
        assert seen.notices[0] == f"quiet: {called} joined"
        assert re.match("alarm: 1 message refused", seen.notices[1])
        assert seen.notices[2:] == [f"quiet: {called} left"]


# Markup, and what looks like something else

TEXTS = {
    "an image": "<img src=x onerror=alert(1)>",
    "a script": "<script>alert(1)</script>",
    "a picture that acts": "<svg/onload=alert(1)><animate onbegin=alert(1) attributeName=x>",
    "a frame": "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "the end of everything": "</div></li></ol><!--<h1>Log in again</h1><form action=/evil>",
    "entities": "&lt;b&gt; &amp;lt; &#x202e;",
    "a template": "{{constructor.constructor('alert(1)')()}} ${alert(1)} {% raw x %}",
    "turned around": "\u202eexe.gpj\u202c and \u2066\u2067\u2068 isolates without an end",
    "controls": "\x00\x07\x1b[31m\x7f\x85",
    "every line break": "one\ntwo\rthree\u2028four\u2029five\vsix",
    "nothing to see": "\u200b\u2060\ufeff\u00ad\u3164",
    "noncharacters": "\ufffe\uffff\U0010ffff\ufdd0",
    "emoji without end": "👩" + "\u200d👩" * 2_000,
    "flags without end": "🏴" + "\U000e0067" * 5_000,
    "one word": "W" * 10_000,
    "nothing but lines": "\n" * 9_999 + ".",
    "signs in a heap": "Z" + "\u0300\u0310\u0352\u0357\u031b\u0316\u0317" * 400,
    "the widest sign": "﷽" * 500,
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS.items()])
async def test_a_text_is_nothing_but_a_text(scene: Scene, text: str) -> None:
    """Strings only ever become text nodes; the page stays where it is and as wide as it is."""
    voice = scene.voice()
    for guest in scene.guests:
        await guest.allow(links=True, characters=True)
    async with scene.watching() as (alice, bob):
        scene.speak(voice, text)
    assert alice.alarms == bob.alarms == []
    for guest in scene.guests:
        shown = guest.messages.nth(-2).locator(".text")
        assert await shown.evaluate("(element) => element.textContent") == text
        assert await shown.locator("*").count() == 0
        await still_fits(guest)


async def still_fits(guest: Guest) -> None:
    """Header and composer are in view, nothing scrolls sideways."""
    for name in ("#head", "#composer"):
        await expect(guest.page.locator(name)).to_be_in_viewport(ratio=1)
    for name in ("html", "#stream", "#people"):
        wide = "(element) => element.scrollWidth - element.clientWidth"
        assert await guest.page.locator(name).evaluate(wide) <= 0


LINKS: dict[str, list[tuple[str, str]]] = {
    "javascript:alert(1)": [],
    "JaVaScRiPt://example.org/%0aalert(1)": [],
    "data:text/html,<script>alert(1)</script>": [],
    "vbscript:x blob:null/b file:///etc/passwd about:blank": [],
    "//evil.example/ /room #room=other": [],
    "http://google.com@evil.example/": [],
    "http://user:password@evil.example/": [],
    'http://example.org/"onmouseover="alert(1)': [("http://example.org/", "")],
    "http://example.org/'><script>alert(1)</script>": [("http://example.org/", "")],
    "http://good.example.evil.example/": [("http://good.example.evil.example/", "")],
    "https://example.org\\@evil.example/": [("https://example.org/@evil.example/", "[example.org]")],
    "http://еxample.org/": [("http://xn--xample-2of.org/", "[xn--xample-2of.org]")],
    "https://example.org/\u202egpj.exe": [("https://example.org/", "")],
    "http://0x7f.1/ http://[::1]/": [("http://127.0.0.1/", "[127.0.0.1]"), ("http://[::1]/", "")],
}


@pytest.mark.parametrize(("text", "links"), [pytest.param(*case, id=case[0]) for case in LINKS.items()])
async def test_only_a_link_is_a_link(scene: Scene, text: str, links: list[tuple[str, str]]) -> None:
    """http and https alone, never with a user in front of the host, and the real host shown where the text hides it."""
    voice = scene.voice()
    async with scene.watching():
        scene.speak(voice, text)
    for guest in scene.guests:
        shown = guest.messages.nth(-2).locator(".text")
        anchors = await shown.locator("a").all()
        assert [await anchor.get_attribute("href") for anchor in anchors] == [address for address, _ in links]
        assert await shown.locator("bdi.host").all_inner_texts() == [host for _, host in links if host]
        for anchor in anchors:
            assert await anchor.get_attribute("rel") == "noopener noreferrer nofollow"
        tags = "(element) => [...element.querySelectorAll('*')].map((child) => child.localName)"
        assert set(await shown.evaluate(tags)) <= {"a", "bdi"}


NAMES = {
    "markup": "<img src=x onerror=alert(1)>",
    "the end of everything": "</bdi></li><script>alert(1)",
    "a link": "https://evil.example/login",
    "from right to left": "אבגדה",
    "from right to left, and a tag": "אבג (qqqq)",
    "somebody else": "Alice (bcdf) joined. Bobby",
    "signs in a heap": "Z" + "\u0300\u0316" * 15,
    "the widest sign": "﷽" * 32,
    "quotes": "\"'`&lt;",
}


@pytest.mark.parametrize("name", [pytest.param(name, id=about) for about, name in NAMES.items()])
async def test_a_name_is_nothing_but_a_name(scene: Scene, name: str) -> None:
    """Shown isolated (`<bdi>`), with the signer's tag outside of it, wherever it stands."""
    voice = scene.voice(name)
    async with scene.watching() as (alice, bob):
        scene.enter(voice)
        scene.speak(voice, "my name is my own")
        scene.spread("user_left", member=voice.member)
        scene.enter(voice, at=2**41)
    tag = describe_signer(voice.member)[0][:4]
    for guest, seen in zip(scene.guests, (alice, bob), strict=True):
        assert seen.notices == [f"quiet: {name} ({tag}) {what}" for what in ("joined", "left", "joined")]
        row = guest.page.locator(f'#people li.person[data-member="{voice.member}"]')
        for place in (guest.messages.nth(-2), row):
            await expect(place.locator("bdi.name")).to_have_text(name)
            await expect(place.locator(".tag")).to_have_text(tag)
            assert await place.locator("bdi.name *").count() == 0
        told = guest.notices.filter(has_text=f"({tag})").locator("bdi")
        assert await told.all_text_contents() == [name] * 3
        await still_fits(guest)
    scene.spread("user_left", member=voice.member)


# The style with which Playwright takes pictures is an inline one: Firefox's policy refuses it.
@pytest.mark.chromium
async def test_what_one_writes_does_not_cover_what_others_write(scene: Scene) -> None:
    """Stacked signs, in a text and in a name, leave the picture of the message above as it is."""
    await scene.bob.page.emulate_media(reduced_motion="reduce")
    above = await scene.marker()
    picture = scene.bob.message(above)
    before = await picture.screenshot(animations="disabled")
    voice = scene.voice("Z" + "\u0300\u0310" * 15)
    scene.speak(voice, TEXTS["signs in a heap"])
    await scene.bob.hears("Z\u0300\u0310")
    assert await picture.screenshot(animations="disabled") == before
