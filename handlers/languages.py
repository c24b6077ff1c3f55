"""The languages that pages come in: which there are, and which of them a request is for; knows no sentence.

Source: RFC 9110, section 12.5.4 (Accept-Language), and BCP 47 for the tags.
"""

import gettext
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tornado.locale import GettextLocale, Locale

ENGLISH = "en"
"""What everything is written in."""
DOMAIN = "chatsite"
NAMES = {
    "ar": "العربية",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fa": "فارسی",
    "fr": "Français",
    "he": "עברית",
    "hi": "हिन्दी",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "nb": "Norsk bokmål",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "ru": "Русский",
    "tr": "Türkçe",
    "uk": "Українська",
    "vi": "Tiếng Việt",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}
"""As those who speak them call them."""
ALIKE = {"no": "nb", "nn": "nb", "iw": "he", "in": "id", "zh": "zh-CN"}
TRADITIONAL = re.compile(r"zh-(?:.*-)?(?:hant|tw|hk|mo)\b")


def read_languages(folder: Path) -> Mapping[str, Locale]:
    """The catalogues of this folder by tag, and English."""
    languages: dict[str, Locale] = {ENGLISH: GettextLocale(ENGLISH, gettext.NullTranslations())}
    for path in folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"):
        code = path.parts[-3]
        with path.open("rb") as file:
            languages[code] = GettextLocale(code, gettext.GNUTranslations(file))
    return languages


def choose(asked: str, accepted: str, languages: Mapping[str, Locale]) -> str:
    """The tag of one that there is: that which was asked for, else the first that is accepted, else English."""
    for tag in (asked, *_ranges(accepted)):
        code = _fitting(tag)
        if code in languages:
            return code
    return ENGLISH


def _ranges(accepted: str) -> Iterator[str]:
    """What a header lists, the dearest first; what is no weight is none."""
    weighed = []
    for part in accepted.split(","):
        tag, _, weight = part.partition(";")
        found = re.fullmatch(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", weight)
        weighed.append((float(found[1]) if found else 1.0, tag.strip()))
    for value, tag in sorted(weighed, key=lambda each: -each[0]):
        if value > 0:
            yield tag


def _fitting(tag: str) -> str:
    """As it is called here, if it is."""
    lower = tag.lower()
    if TRADITIONAL.match(lower):
        return "zh-TW"
    primary = lower.partition("-")[0]
    return ALIKE.get(primary, primary)
