"""The two filters in the room, either way, on what comes and on what is already shown."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.client import talking
from tests.e2e.conftest import Enter
from tests.e2e.pages import Guest
from tests.serving import Served

SETTINGS = {
    "label_filtered": "<b>cut</b><script>alert(1)</script>",
    "label_link": "<em onclick=alert(1)>withheld</em><a href='https://example.org/'>!</a>",
    "events_per_connection": "10, 1000",
    "grace_time": 0.2,
}
LINK = "withheld<a href='https://example.org/'>!</a>"
CUT = "cut<script>alert(1)</script>"

LINKS = {
    "a scheme": "look at https://example.org/one",
    "another scheme": "look at gopher://example.org/two",
    "www": "look at www.example.org",
    "www in mixed case": "look at WwW.example.org",
    "a scheme in mixed case": "look at hTTps://example.org/three",
    "zero width inside": "look at ww\u200bw.example.org",
    "a joiner inside": "look at http:\u2060//example.org",
    "a soft hyphen inside": "look at w\u00adww.example.org",
    "an ideographic full stop": "look at www。example.org",
    "a one dot leader": "look at www․example.org",
    "full width": "look at ｗｗｗ．example.org",
    "what the other filter takes out inside": "look at ww<w.example.org",
}
HARMLESS = ("just words: 3.14, and/or", "a bare example.org leaves no trace")
CUTS = {
    "a <b>bold</b> word": f"a bbold/b word {CUT}",
    "fish & chips": f"fish  chips {CUT}",
    "bell\u0007": f"bell {CUT}",
    "\u202eturned around": f"turned around {CUT}",
}
KEPT = ("Well! Is this, perhaps, a question? Yes.", "שלום 漢字 👩🏽‍🚀", "two\nlines")


@pytest.fixture(autouse=True)
def _everything_is_allowed_at_first(runner: asyncio.Runner, alice: Guest) -> None:
    runner.run(alice.allow(links=True, characters=True))


async def test_links_are_withheld_and_shown_again(alice: Guest, server: Served) -> None:
    texts = [*LINKS.values(), *HARMLESS]
    withheld = [*[LINK for _ in LINKS], *HARMLESS]
    async with talking(server.url, alice.room, "Steve") as (steve,):
        for text in texts:
            await steve.say(text)
        await alice.see_last_texts(*texts)
        await alice.allow(links=False)
        await alice.see_last_texts(*withheld)
        await steve.say("look at https://example.org/later")
        await alice.see_last_texts(*withheld, LINK)
        await alice.allow(links=True)
        await alice.see_last_texts(*texts, "look at https://example.org/later")


async def test_characters_are_taken_out_and_put_back(alice: Guest, server: Served) -> None:
    texts, cut = [*CUTS, *KEPT], [*CUTS.values(), *KEPT]
    async with talking(server.url, alice.room, "Steve") as (steve,):
        for text in texts:
            await steve.say(text)
        await expect(alice.messages.last).to_contain_text("two")
        assert await alice.last_texts(len(texts)) == texts
        await alice.allow(characters=False)
        await expect(alice.messages.filter(has_text="fish").locator(".label")).to_have_text(CUT)
        # The label keeps a space from the text, whatever the text ends with.
        assert [text.replace("  ", " ") for text in await alice.last_texts(len(texts))] == [
            text.replace("  ", " ") for text in cut
        ]
        await steve.say("1 > 0")
        await expect(alice.messages.last).to_contain_text(f"1  0 {CUT}", use_inner_text=False)
        await alice.allow(characters=True)
        await expect(alice.messages.last).to_contain_text("1 > 0")
        assert await alice.last_texts(len(texts) + 1) == [*texts, "1 > 0"]


async def test_both_at_once(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve") as (steve,):
        await steve.say("a <i>www.example.org</i>")
        await steve.say("a <i>word</i>")
        await alice.allow(links=False, characters=False)
        await alice.see_last_texts(LINK, f"a iword/i {CUT}")
        await alice.allow(links=True)
        await alice.see_last_texts(f"a iwww.example.org/i {CUT}", f"a iword/i {CUT}")
        await alice.allow(characters=True)
        await alice.see_last_texts("a <i>www.example.org</i>", "a <i>word</i>")


async def test_what_oneself_says_is_filtered_on_one_s_own_screen_only(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve") as (steve,):
        await alice.allow(links=False, characters=False)
        await alice.write("see https://example.org/ & <that>")
        await alice.see_last_texts(LINK)
        await steve.hears("get_message")
        assert steve.texts[-1] == "see https://example.org/ & <that>"
        await alice.allow(links=True, characters=True)
        await alice.see_last_texts("see https://example.org/ & <that>")


async def test_labels_hold_the_operator_s_emphasis_and_no_other_markup(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve") as (steve,):
        await steve.say("a <word>")
        await steve.say("https://example.org/")
        await alice.allow(links=False, characters=False)
        await alice.see_last_texts(f"a word {CUT}", LINK)
        labels = alice.page.locator("#messages li.message .label")
        await expect(labels.locator("b").last).to_have_text("cut")
        await expect(labels.locator("em").last).to_have_text("withheld")
        await expect(labels.locator("em[onclick], a, script, img")).to_have_count(0)


async def test_a_link_can_be_followed_and_shows_where_it_leads(alice: Guest, server: Served) -> None:
    async with talking(server.url, alice.room, "Steve") as (steve,):
        await steve.say("plain https://example.org/a?b=c#d, and then some")
        link = alice.messages.last.locator(".text a")
        await expect(link).to_have_text("https://example.org/a?b=c#d")
        await expect(link).to_have_attribute("href", "https://example.org/a?b=c#d")
        await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        await expect(link).to_have_attribute("target", "_blank")
        await expect(alice.messages.last.locator(".host")).to_have_count(0)

        await steve.say("misleading https://exаmple.org/")  # one of these letters is Cyrillic
        await expect(alice.messages.last.locator(".host")).to_have_text("[xn--exmple-4nf.org]")
        await steve.say("https://bank.example@evil.example/ and javascript://example.org/%0aalert(1)")
        await expect(alice.messages.last.locator(".text")).to_contain_text("javascript:")
        await expect(alice.messages.last.locator("a")).to_have_count(0)
        await alice.allow(links=False)
        await expect(alice.messages.locator("a")).to_have_count(0)
        await alice.allow(links=True)


async def test_names_are_filtered_everywhere(alice: Guest, server: Served) -> None:
    names = "www.spam.example", "A<b>C", "<&>"
    async with talking(server.url, alice.room, *names) as (spammer, marked, nothing):
        await spammer.say("innocent words")
        await marked.say("more of them")
        await nothing.leave()
        await alice.see_people("Alice", "www.spam.example", "A<b>C")
        await alice.see_last_texts("innocent words", "more of them")

        await alice.allow(links=False, characters=False)
        await alice.see_people("Alice", "(a link)", "AbC")
        await alice.see_last_texts(LINK, f"more of them {CUT}")
        await expect(alice.messages.last.locator(".name")).to_have_text("AbC")
        said = await alice.page.locator("body").inner_text()
        for words in ("(a link)", "AbC", "(filtered)"):
            assert len(re.findall(rf"{re.escape(words)} \([a-z]+\) joined", said)) == 1
        for name in names:
            assert name not in said
        await spammer.leave()
        await expect(alice.notices.last).to_contain_text("(a link)")

        await alice.allow(links=True, characters=True)
        await alice.see_people("Alice", "A<b>C")
        await alice.see_last_texts("innocent words", "more of them")
        await expect(alice.notices.last).to_contain_text("www.spam.example")


@pytest.mark.parametrize("which", ["links", "characters"])
async def test_the_choice_is_kept_in_the_tab(enter: Enter, server: Served, which: str) -> None:
    guest = await enter(f"room-choice-{which}", "Guest")
    await guest.allow(**{which: False})
    await guest.page.reload()
    await guest.page.wait_for_url(f"{server.url}/")
    await guest.page.locator("#enter").click()
    await guest.reaches("connected")
    await expect(guest.links).to_be_checked(checked=which != "links")
    await expect(guest.characters).to_be_checked(checked=which != "characters")
    await guest.write("<https://example.org/>")
    shown = {"links": LINK, "characters": f"https://example.org/ {CUT}"}
    await guest.see_texts(shown[which])
