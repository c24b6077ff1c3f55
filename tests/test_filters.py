"""Holds the browser's character filter against bleach: what the filter lets through, bleach leaves unchanged."""

import random
import re

import bleach
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from settings import PUNCTUATION
from tests.node import ask
from tests.reference import Json

GREEDY = "".join(map(chr, range(0x250))) + "\u2028\ufeff"
"""What an operator could write at worst."""

EVERY = [chr(code) for code in range(0x110000)]


def filtered(texts: list[str], punctuation: str = PUNCTUATION) -> list[tuple[str, bool]]:
    rules: Json = {"punctuation": punctuation, "linkTraces": []}
    answers = ask("filter.js", {"rules": rules, "texts": list(texts)})
    assert isinstance(answers, list)
    return [(str(answer["text"]), answer["filtered"] is True) for answer in answers if isinstance(answer, dict)]


def bleached(text: str) -> str:
    return bleach.clean(text, tags=set())


@pytest.mark.parametrize("punctuation", [PUNCTUATION, GREEDY], ids=["default", "greedy"])
def test_every_code_point_that_stays_is_harmless(punctuation: str) -> None:
    answers = filtered(EVERY, punctuation)
    assert len(answers) == len(EVERY)
    for character, (text, was_filtered) in zip(EVERY, answers, strict=True):
        assert (text, was_filtered) in {(character, False), ("", True)}
    kept = [text for text, _ in answers if text]
    assert len(kept) > 100_000
    # By pages, a line for each: a hundred thousand single texts take bleach minutes.
    for page in range(0, len(kept), 4096):
        lines = "\n".join(kept[page : page + 4096])
        assert bleached(lines) == lines


def test_what_bleach_would_change_never_stays() -> None:
    changed = [character for character in EVERY[:0x3000] if bleached(character) != character]
    assert {"&", "<", ">", "\r", "\0", "\x1b"} <= set(changed)
    assert filtered(changed, GREEDY) == [("", True)] * len(changed)


MARKUP = [
    "<b>",
    "</b>",
    "<script>",
    "<!--",
    "-->",
    "&amp;",
    "&#60;",
    "&lt",
    "<![CDATA[",
    "<img src=x onerror=y>",
    "<",
    ">",
    "&",
]


def test_texts_with_markup_in_them_are_harmless_afterwards() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret hangs on it
    letters = [*MARKUP, *"ab;#x/='\" \n\r\t\0\u200d\u200c\u202e\ufe0f👍🏽🇩🇪é李"]
    texts = ["".join(chance.choices(letters, k=chance.randrange(40))) for _ in range(5_000)]
    for text, (kept, was_filtered) in zip(texts, filtered(texts), strict=True):
        assert bleached(kept) == kept
        assert was_filtered == (kept != text)
        assert not re.search("[&<>]", kept)


@hypothesis_settings(max_examples=5, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(), max_size=60), min_size=50, max_size=200))
def test_any_text_is_harmless_afterwards(texts: list[str]) -> None:
    for kept, _ in filtered(texts):
        assert bleached(kept) == kept
