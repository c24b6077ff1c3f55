"""Every sentence in every language: none is missing, none is left over, and each keeps its places, marks and forms; and
pages come in the language that a browser asks for."""

import gettext
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import hatch_build
from handlers.languages import ENGLISH, NAMES, choose, read_languages
from handlers.pages import clean_label
from settings import Settings
from tests.programs import ROOT

LOCALES = ROOT / "locale"
CODES = sorted(NAMES.keys() - {ENGLISH})
STATUSES = {
    *("Bad Request", "Forbidden", "Internal Server Error", "Method Not Allowed", "Not Found", "Service Unavailable"),
    "Too Many Requests",
}
"""What pages about errors are headed with."""
WANTED = {
    "ar": ["ar", "ar-EG", "AR"],
    "en": ["", "xx", "en-GB", "*", "tlh"],
    "nb": ["nb", "no", "nn-NO", "nb-NO"],
    "pt": ["pt-BR", "pt-PT"],
    "zh-CN": ["zh", "zh-CN", "zh-Hans", "zh-SG", "zh-Hans-CN"],
    "zh-TW": ["zh-TW", "zh-Hant", "zh-HK", "zh-Hant-TW", "zh-mo"],
    "he": ["iw", "he-IL"],
    "id": ["in", "id-ID"],
}


def catalogue(code: str) -> Catalog:
    with (LOCALES / code / "LC_MESSAGES" / "chatsite.po").open("rb") as file:
        return read_po(file)


def sentences() -> dict[str, str | None]:
    chosen = Settings()
    others = hatch_build.sentences_of_templates(ROOT) | STATUSES | {chosen.label_filtered, chosen.label_link}
    return dict.fromkeys(others) | hatch_build.sentences_of_scripts(ROOT)


def places(text: str) -> Counter[str]:
    return Counter(re.findall(r"\{\w+\}", text))


def marks(text: str) -> Counter[str]:
    return Counter(re.findall(r"<[^>]*>|&\w+;", text))


def entries(code: str) -> list[tuple[str, str | None, list[str]]]:
    """Each sentence, its plural if it has one, and its forms."""
    found = []
    for message in catalogue(code):
        one, *many = message.id if isinstance(message.id, tuple | list) else [message.id]
        forms = message.string if isinstance(message.string, tuple | list) else [message.string]
        assert not message.fuzzy
        if one:
            found.append((str(one), str(many[0]) if many else None, [str(form or "") for form in forms]))
    return found


@pytest.mark.parametrize("code", CODES)
def test_a_catalogue_has_every_sentence_and_no_other(code: str) -> None:
    assert {one: many for one, many, _ in entries(code)} == sentences()


@pytest.mark.parametrize("code", CODES)
def test_translations_keep_places_marks_and_forms(code: str) -> None:
    numbers = catalogue(code).num_plurals
    for one, many, forms in entries(code):
        assert len(forms) == (1 if many is None else numbers), one
        for form in forms:
            assert form.strip() == form != "", one
            assert marks(form) == marks(one), (one, form)
            assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]", form), (one, form)
            assert places(form) - places(one) == Counter(), (one, form)
            # A form for one number may say it in its own way.
            may_lack = {"{n}": 1} if many is not None and form != forms[-1] else {}
            assert places(one) - places(form) <= Counter(may_lack), (one, form)


def test_nothing_that_is_marked_for_translation_is_missed() -> None:
    for path in (ROOT / "static" / "js").glob("*.js"):
        text = re.sub(r"^\s*(//|\*|/\*).*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        calls = len(re.findall(r"(?<![\w.#])(?:t|word|tn)\((?=\s*[\"'`])", text))
        assert calls == len(hatch_build.IN_SCRIPTS.findall(text)), path.name
    for path in (ROOT / "templates").iterdir():
        text = path.read_text("utf-8")
        assert len(re.findall(r"\b_\((?!reason)", text)) == len(hatch_build.IN_TEMPLATES.findall(text)), path.name


@pytest.mark.parametrize("path", sorted((ROOT / "templates").iterdir()), ids=lambda path: path.name)
def test_no_template_says_anything_in_one_language_only(path: Path) -> None:
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    shown = re.findall(r">([^<]*[A-Za-z]{2}[^<]*)<", text)
    shown += re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z]{2}[^"]*)"', text)
    assert {each.strip(" –\n") for each in shown} <= {"Chatsite", "– Chatsite", "Enter"}


def test_labels_stay_what_an_operator_may_write() -> None:
    for code, locale in read_languages(LOCALES).items():
        for label in (Settings().label_filtered, Settings().label_link):
            said = locale.translate(label)
            assert clean_label(said) == said, code


@pytest.mark.parametrize("code", CODES)
def test_pages_are_given_the_words_that_scripts_ask_for(code: str) -> None:
    language = json.loads((ROOT / "static" / "words" / f"{code}.json").read_text("utf-8"))
    assert language["words"].keys() == hatch_build.sentences_of_scripts(ROOT).keys()
    said = gettext.translation("chatsite", LOCALES, [code])
    for one, many in hatch_build.sentences_of_scripts(ROOT).items():
        forms = language["words"][one]
        if many is None:
            assert forms == said.gettext(one)
            continue
        for number in (*range(200), 201, 1_000, 1_011, 12_345):
            form = language["forms"][number if number < 200 else 100 + number % 100]
            assert forms[form] == said.ngettext(one, many, number), (one, number)


def test_all_of_them_can_be_chosen_and_are_there() -> None:
    languages = read_languages(LOCALES)
    assert languages.keys() == NAMES.keys()
    assert len(languages) >= 21
    assert {code for code, locale in languages.items() if locale.rtl} == {"ar", "fa", "he"}
    for code, tags in WANTED.items():
        for tag in tags:
            assert choose("", tag, languages) == choose(tag, "", languages) == code, tag


@pytest.mark.parametrize(
    ("asked", "accepted", "code"),
    [
        ("de", "fr", "de"),
        ("xx", "fr", "fr"),
        ("", "xx, fr;q=0.5, de;q=0.9, en;q=0.1", "de"),
        ("", "de;q=0, fr", "fr"),
        ("", "en-US,en;q=0.9,de;q=0.8", "en"),
        ("", "tlh, *;q=0.5", "en"),
        ("", ",;q=,de;q=x;;", "de"),
        ("", "q" * 10_000, "en"),
    ],
)
def test_what_is_asked_for_comes_before_what_is_accepted(asked: str, accepted: str, code: str) -> None:
    assert choose(asked, accepted, read_languages(LOCALES)) == code
