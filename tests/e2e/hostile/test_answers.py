"""docs/protocol.md, "Join", "Errors" and "Once": what a server answers is its word and nothing more. Nobody waits for
it for ever, and no message is lost in silence."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest
from Crypto.PublicKey import ECC, RSA
from playwright.async_api import expect

from protocol import Json
from tests.e2e.hostile.scene import Scene
from tests.e2e.hostile.server import Object, Said, altered, nothing
from tests.e2e.pages import Guest, Visits
from tests.reference import b64

CLOCK = True

NOT_LET_IN = "The server did not let this page in. Leave and come back; if it goes on, tell whoever runs the site."
REASONS = {
    "room-full": "The room is full. Try again when somebody has left.",
    "server-full": "The server is full. Try again in a while.",
    "wrong-site": "This site has been set up anew, so the room’s key must be made again: leave and come back.",
}
UNKNOWN = ("bad-request", "too-large", "not-in-room", "no such code", "", "constructor", "__proto__", "toString")


# Coming in


@pytest.mark.parametrize("code", ["bad-envelope", *REASONS, *UNKNOWN])
async def test_who_is_not_let_in_is_told_why(scene: Scene, code: str) -> None:
    """Errors are a closed set: another one is a refusal like any."""
    joins: list[Json] = []

    def refuse(answer: Json) -> list[Said]:
        joins.append(answer)
        return [("ack", {"error": code})]

    scene.line(scene.bob).cut()
    await scene.bob.reaches("offline")
    with scene.server.lying(ack=refuse, connected=nothing):
        await scene.bob.page.locator("#reconnect").dispatch_event("click")
        await scene.bob.reaches("stopped")
        await expect(scene.bob.detail).to_have_text(REASONS.get(code, NOT_LET_IN))
    # What may be a server that has just got a new key is tried again at once, anything else is not.
    assert len(joins) == (3 if code == "bad-envelope" else 1)
    await scene.back(scene.bob)


LATER = {
    "rate-limited": "The server lets in a few at a time. This page goes on trying.",
    "unavailable": "The server cannot reach its rooms at the moment.",
}


@pytest.mark.parametrize("code", LATER)
async def test_who_comes_at_a_bad_time_tries_again_by_itself(scene: Scene, code: str) -> None:
    """After a restart everybody comes back at once, and some share an address; a Redis may be away."""
    scene.line(scene.bob).cut()
    await scene.bob.reaches("offline")
    with scene.server.lying(ack=lambda _: [("ack", {"error": code})], connected=nothing):
        await scene.bob.page.locator("#reconnect").dispatch_event("click")
        await expect(scene.bob.detail).to_have_text(LATER[code])
        await scene.bob.reaches("offline")
    await scene.bob.page.clock.run_for(8_000)
    await scene.bob.comes_back("resynced")


@pytest.mark.parametrize("answer", [None, 7, "text", [], [{"error": "room-full"}], {"error": 7}, {"member": 7}, {}])
async def test_who_is_in_is_in_whatever_the_answer_says(scene: Scene, answer: Json) -> None:
    """Being in means `connected`."""
    async with scene.watching() as (alice, bob):
        async with scene.away(scene.bob, ack=lambda _: [("ack", answer)]):
            pass
        await scene.bob.say("inside")
    assert alice.texts == bob.texts == ["inside"]


@pytest.mark.parametrize("code", ["bad-envelope", "room-full"])
async def test_an_answer_that_comes_too_late_puts_nobody_out(scene: Scene, code: str) -> None:
    """`connected`, and then an error all the same."""
    async with scene.watching() as (alice, bob):
        async with scene.away(scene.bob, ack=lambda _: [("ack", {"error": code})]):
            pass
        await scene.bob.say("still inside")
    assert alice.texts == bob.texts == ["still inside"]
    assert bob.alarms == []


def rsa(bits: int, exponent: int = 65537) -> Callable[[], str]:
    return lambda: RSA.generate(bits, e=exponent).public_key().export_key("PEM").decode()


KEYS: dict[str, Callable[[], Json]] = {
    "too short": rsa(1024),
    "too long": rsa(3072),
    "another exponent": rsa(2048, 3),
    "no RSA": lambda: ECC.generate(curve="P-256").public_key().export_key(format="PEM"),
    "a private key": lambda: RSA.generate(2048).export_key("PEM").decode(),
    "cut": lambda: rsa(2048)()[:300],
    "words": lambda: "Trust me",
    "nothing": lambda: "",
    "null": lambda: None,
    "an object": lambda: {"toString": "no function"},
    "a list": list,
    "a long one": lambda: "-----BEGIN PUBLIC KEY-----\n" + "A" * 500_000,
}


@pytest.mark.parametrize("key", [pytest.param(key, id=name) for name, key in KEYS.items()])
async def test_a_key_that_is_not_the_protocols_is_not_used(scene: Scene, key: Callable[[], Json]) -> None:
    """PEM (SPKI) of an RSA-2048 key: for any other nothing is sealed."""
    pem = key()
    scene.line(scene.bob).cut()
    await scene.bob.reaches("offline")
    with scene.server.lying(send_public_key=lambda _: [("send_public_key", pem)]):
        before = len(scene.server.lines)
        await scene.bob.page.locator("#reconnect").dispatch_event("click")
        await scene.bob.reaches("stopped")
        await expect(scene.bob.detail).to_have_text(NOT_LET_IN)
    assert all(line.honest[1:] == [] for line in scene.server.lines[before:])
    await scene.back(scene.bob)


async def test_keys_again_and_again_make_one_join(scene: Scene) -> None:
    """`send_public_key` comes right after connect; one successful join per connection, ever."""
    other = rsa(2048)()
    async with scene.watching() as (alice, bob):
        repeated = scene.server.lying(send_public_key=lambda pem: [("send_public_key", pem)] * 3)
        with repeated:
            async with scene.away(scene.bob):
                pass
        scene.line(scene.bob).tell("send_public_key", other)
        await scene.bob.say("one join")
    assert alice.texts == bob.texts == ["one join"]
    await expect(scene.bob.page.locator("#server-key")).not_to_have_text(other.strip())


@pytest.mark.parametrize("withheld", ["send_public_key", "connected"])
async def test_a_server_that_says_nothing_is_not_waited_for(scene: Scene, withheld: str) -> None:
    """Never a frozen page: after three silent connections it says so and offers a button."""
    withheld_from = 0

    def withhold(_: object) -> list[Said]:
        nonlocal withheld_from
        withheld_from += 1
        return []

    scene.line(scene.bob).cut()
    await scene.bob.reaches("offline")
    with scene.server.lying(None, **{withheld: withhold}):
        await scene.bob.page.locator("#reconnect").dispatch_event("click")
        for tries in (1, 2, 3):
            await scene.server.until(partial(lambda tries: withheld_from == tries, tries))
            await scene.bob.reaches("connecting")
            await scene.bob.page.clock.fast_forward(20_000)
        await scene.bob.reaches("stopped")
        await expect(scene.bob.detail).to_have_text(NOT_LET_IN)
    await scene.back(scene.bob)


async def test_connected_to_the_namespace_a_second_time(scene: Scene) -> None:
    """A second CONNECT packet is a new life, which begins with a join: what the old one agreed on is void."""
    line = scene.line(scene.bob)
    line.raw('40{"sid":"another"}')
    await scene.bob.reaches("connecting")
    voice = scene.voice()
    line.tell("get_message", {"id": 2**40, "member": voice.member, "message": voice.says("unheard").ciphertext})
    await scene.bob.page.clock.fast_forward(20_000)
    await scene.bob.reaches("resynced", "connected")
    async with scene.watching() as (alice, bob):
        pass
    assert "unheard" not in await scene.bob.texts()
    assert alice.alarms == bob.alarms == []


async def test_the_site_set_up_anew_while_one_is_away(scene: Scene) -> None:
    """Another site salt means other keys: a page keeps its own, so nobody is led to another room by and by."""
    before = await fingerprint(scene.bob)
    await scene.bob.page.route("**/site.json", lambda route: route.fulfill(json={"v": 1, "salt": b64(bytes(16))}))
    async with scene.watching() as (alice, bob):
        async with scene.away(scene.bob):
            pass
        await scene.bob.say("the same room")
    await scene.bob.page.unroute("**/site.json")
    assert alice.texts == bob.texts == ["the same room"]
    assert await fingerprint(scene.bob) == await fingerprint(scene.alice) == before


async def test_a_server_that_gives_somebody_another_salt(scene: Scene, visits: Visits) -> None:
    """Equal fingerprints mean same name, site and key: with another salt they differ, and nobody is there."""
    page = await visits.page()
    await page.route("**/site.json", lambda route: route.fulfill(json={"v": 1, "salt": b64(bytes(16))}))
    carol = await Guest.arrive(page, scene.server.url, scene.bob.room, "Carol")
    await carol.reaches("stopped")
    await expect(carol.detail).to_have_text(REASONS["wrong-site"])
    assert await fingerprint(carol) != await fingerprint(scene.bob)


async def fingerprint(guest: Guest) -> str:
    shown = guest.page.locator("#room-fingerprint")
    await expect(shown).to_have_text(re.compile(r"^([0-9A-F]{4} ){7}[0-9A-F]{4}$"))
    return str(await shown.text_content())


# Sending


FEED_MS = 15_000
"""How long a page waits for its message to come back before it tries another line."""


def deaf(scene: Scene, answer: Json) -> AbstractContextManager[list[bytes]]:
    """What Bobby sends is answered so and forgotten. Yields the ciphertexts."""
    return scene.server.deaf(scene.member(scene.bob), "send_message", answer)


async def has_status(scene: Scene, text: str, status: str) -> None:
    await expect(scene.bob.message(text)).to_have_attribute("data-status", status)


@pytest.mark.parametrize("number", ["the first", "the last", 0, -1, 2**60, "1", None])
async def test_an_answer_alone_makes_nothing_sent(scene: Scene, number: Json) -> None:
    """A message counts as sent when one's own ciphertext comes back in the feed: the server takes it, answers with
    the id of another message or of none, and forgets it."""
    text = f"swallowed under {number}"
    answer = {"the first": 1, "the last": scene.server.kept(scene.room).last}.get(str(number), number)
    async with scene.watching() as (alice, bob):
        with deaf(scene, {"id": answer}) as asked:
            await scene.bob.write(text)
            for times in (1, 2):
                await scene.server.until(partial(lambda times: len(asked) == times, times))
                await scene.marker()
                await has_status(scene, text, "pending")
                if times == 1:
                    await scene.bob.page.clock.fast_forward(FEED_MS)
        assert asked[0] == asked[1], "the same ciphertext again"
        await scene.bob.page.clock.fast_forward(FEED_MS)
        await has_status(scene, text, "sent")
    assert alice.texts.count(text) == 1
    assert alice.alarms == bob.alarms == []


@pytest.mark.parametrize("code", ["bad-request", "too-large", "room-full", "no such code", "__proto__", 7, None, {}])
async def test_what_is_refused_for_good_is_not_sent_and_leaves_no_hole(scene: Scene, code: Json) -> None:
    """One that was refused for good uses up no `seq`."""
    text = f"refused with {code}"
    async with scene.watching() as (alice, bob):
        with deaf(scene, {"error": code}):
            await scene.bob.write(text)
            await has_status(scene, text, "failed")
        await scene.bob.say("the next")
        await scene.bob.message(text).get_by_role("button", name="Try again").click()
        await has_status(scene, text, "sent")
    assert alice.texts == bob.texts == ["the next", text]
    assert alice.alarms == bob.alarms == []


SLOW = "You write faster than the server takes. The rest follows by itself."


@pytest.mark.parametrize(
    ("code", "wait", "why"), [("rate-limited", 1_000, SLOW), ("unavailable", 5_000, LATER["unavailable"])]
)
async def test_what_is_put_off_is_sent_again(scene: Scene, code: str, wait: int, why: str) -> None:
    """Wait and send again: the same ciphertext."""
    text = f"put off: {code}"
    async with scene.watching() as (alice, bob):
        with deaf(scene, {"error": code}) as asked:
            await scene.bob.write(text)
            await expect(scene.bob.detail).to_have_text(why)
            await scene.bob.page.clock.fast_forward(wait)
            await scene.server.until(lambda: len(asked) == 2)
            await scene.marker()
        await has_status(scene, text, "pending")
        await scene.bob.page.clock.fast_forward(wait)
        await has_status(scene, text, "sent")
        await expect(scene.bob.detail).to_be_empty()
    assert asked[0] == asked[1]
    assert alice.texts.count(text) == 1
    assert alice.alarms == bob.alarms == []


@pytest.mark.parametrize("code", ["not-in-room", "bad-envelope"])
async def test_what_another_line_may_cure_is_tried_on_another_line(scene: Scene, code: str) -> None:
    """Not joined any more, the server says: the page joins again."""
    text = f"on another line: {code}"
    async with scene.watching() as (alice, bob):
        with deaf(scene, {"error": code}) as asked:
            await scene.bob.write(text)
            await scene.server.until(lambda: len(asked) == 1)
            await scene.marker()
        await has_status(scene, text, "pending")
        await scene.bob.page.clock.fast_forward(FEED_MS)
        await has_status(scene, text, "sent")
    assert alice.texts.count(text) == 1
    assert alice.alarms == bob.alarms == []


async def test_the_feed_counts_and_not_the_answer(scene: Scene) -> None:
    """Without an answer a message is sent all the same; the next one waits for the answer no longer than for a line."""
    async with scene.watching() as (alice, bob):
        with scene.server.lying(scene.member(scene.bob), ack=nothing):
            await scene.bob.say("never answered")
            await scene.bob.write("the next")
            await scene.marker()
            await has_status(scene, "the next", "pending")
        await scene.bob.page.clock.fast_forward(20_000)
        await has_status(scene, "the next", "sent")
    assert [text for text in alice.texts if "marker" not in text] == ["never answered", "the next"]
    assert alice.alarms == bob.alarms == []


async def test_an_answer_before_the_feed(scene: Scene) -> None:
    """An id that is right, and the message withheld for a while: pending until it comes."""
    held: list[Object] = []

    def hold(said: Object) -> list[Said]:
        held.append(said)
        return []

    async with scene.watching() as (alice, bob):
        with scene.server.lying(scene.member(scene.bob), get_message=hold):
            await scene.bob.write("on its way")
            await scene.alice.hears("on its way")
        await has_status(scene, "on its way", "pending")
        scene.line(scene.bob).tell("get_message", held[0])
        await has_status(scene, "on its way", "sent")
    assert alice.texts == bob.texts == ["on its way"]
    assert alice.alarms == bob.alarms == []


async def test_a_message_that_fell_into_a_gap_is_sent(scene: Scene) -> None:
    """It was published, the line broke, and the log has forgotten it: the server says that something was missed, and
    answers the message with an id from there. That is all that can be known, and it has been told."""
    async with scene.watching() as (alice, bob):
        with scene.server.lying(scene.member(scene.bob), get_message=nothing, ack=nothing):
            await scene.bob.write("into a gap")
            await scene.alice.hears("into a gap")
            await has_status(scene, "into a gap", "pending")
        forgotten = altered("connected", first=scene.server.kept(scene.room).last + 1, log=[])
        async with scene.away(scene.bob, connected=forgotten):
            pass
        await has_status(scene, "into a gap", "sent")
        await scene.bob.say("out of it")
    assert alice.texts == bob.texts == ["into a gap", "out of it"]
    assert (alice.alarms, bob.alarms) == ([], ["warn: 1 message was missed"])


# A server that refuses a message and delivers it all the same (docs/adr/0004)


async def refused(scene: Scene, text: str) -> str:
    """A message that the server says it has refused. Answers its ciphertext."""
    with deaf(scene, {"error": "bad-request"}) as asked:
        await scene.bob.write(text)
        await has_status(scene, text, "failed")
    return b64(asked[0])


async def conflict(scene: Scene) -> str:
    called = f"Bobby ({await scene.bob.tag()})"
    return f"alarm: Two different messages of {called} claim the same place. One of them is not shown."


async def test_refused_and_delivered(scene: Scene) -> None:
    """Before anything else was said: it is shown to its author, too, and what follows goes on from there."""
    async with scene.watching() as (alice, bob):
        ciphertext = await refused(scene, "not wanted")
        scene.post(scene.member(scene.bob), ciphertext)
        await expect(scene.bob.messages.filter(has_text="not wanted")).to_have_count(2)
        await scene.bob.say("and on")
    assert alice.texts == bob.texts == ["not wanted", "and on"]
    assert alice.alarms == bob.alarms == []


async def test_refused_and_delivered_after_another(scene: Scene) -> None:
    """Two payloads claim one number, which readers are shown as a conflict; the author's next one is no part of it."""
    async with scene.watching() as (alice, bob):
        ciphertext = await refused(scene, "too late")
        await scene.bob.say("in its place")
        scene.post(scene.member(scene.bob), ciphertext)
        await scene.bob.say("and on")
    assert alice.texts == ["in its place", "and on"]
    assert alice.alarms == bob.alarms == [await conflict(scene)]
    await has_status(scene, "too late", "failed")


async def test_refused_and_delivered_before_another(scene: Scene) -> None:
    """What readers do not show is not sent: the author sees it, and can send it again."""
    async with scene.watching() as (alice, bob):
        ciphertext = await refused(scene, "first after all")
        with deaf(scene, {"error": "rate-limited"}) as asked:
            await scene.bob.write("displaced")
            await scene.server.until(lambda: len(asked) == 1)
            await scene.marker()
        scene.post(scene.member(scene.bob), ciphertext)
        await scene.bob.page.clock.fast_forward(1_000)
        await has_status(scene, "displaced", "failed")
        await scene.bob.message("displaced").get_by_role("button", name="Try again").click()
        await has_status(scene, "displaced", "sent")
    assert [text for text in alice.texts if "marker" not in text] == ["first after all", "displaced"]
    assert alice.alarms == bob.alarms == [await conflict(scene)]
