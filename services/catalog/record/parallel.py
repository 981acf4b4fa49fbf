"""What a record says a second time in its own script (880): Jawi, Arabic, Chinese …"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from services.catalog.marc.fields import Field, Tags, linked_tag, pick
from services.catalog.record.display_rules import RULES, rule_for
from services.catalog.record.headings import tidy

MOST = 200
# Codes of $6 (MARC 21, appendix A), and what a letter's Unicode name begins with -> ISO 15924.
_CODES = {
    "(3": "Arab",
    "(4": "Arab",
    "(B": "Latn",
    "$1": "Hani",
    "(N": "Cyrl",
    "(Q": "Cyrl",
    "(S": "Grek",
    "(2": "Hebr",
}
_NAMES = {
    "ARABIC": "Arab", "HEBREW": "Hebr", "CJK": "Hani", "HIRAGANA": "Jpan", "KATAKANA": "Jpan", "HANGUL": "Kore",
    "CYRILLIC": "Cyrl", "GREEK": "Grek", "THAI": "Thai", "TAMIL": "Taml", "DEVANAGARI": "Deva", "JAVANESE": "Java",
    "BALINESE": "Bali", "SUNDANESE": "Sund", "BUGINESE": "Bugi", "BATAK": "Batk", "LATIN": "Latn", "SYRIAC": "Syrc",
    "THAANA": "Thaa",
}  # fmt: skip
RIGHT_TO_LEFT = frozenset(("Arab", "Hebr", "Syrc", "Thaa", "Nkoo"))
# ISO 639-2 -> BCP 47, and the script that goes without saying.
_TAGS = {
    "ara": ("ar", "Arab"), "heb": ("he", "Hebr"), "per": ("fa", "Arab"), "urd": ("ur", "Arab"),
    "jpn": ("ja", "Jpan"),
    "chi": ("zh", "Hani"), "kor": ("ko", "Kore"), "rus": ("ru", "Cyrl"), "gre": ("el", "Grek"), "tha": ("th", "Thai"),
    "ota": ("ota", "Arab"), "may": ("ms", "Latn"), "ind": ("id", "Latn"), "min": ("min", "Latn"),
    "ace": ("ace", "Latn"),
    "jav": ("jv", "Latn"), "sun": ("su", "Latn"), "ban": ("ban", "Latn"), "bug": ("bug", "Latn"), "tam": ("ta", "Taml"),
    "grc": ("grc", "Grek"), "hin": ("hi", "Deva"), "san": ("sa", "Deva"), "bjn": ("bjn", "Latn"),
    "mak": ("mak", "Latn"), "btk": ("btk", "Latn"),
}  # fmt: skip
_TITLE, _RESPONSIBILITY = frozenset("abnp"), frozenset("c")
_FIELDS = {
    **dict.fromkeys(("100", "110", "111", "700", "710", "711", "720"), ("author", frozenset("abcdq"))),
    **dict.fromkeys(
        ("600", "610", "611", "630", "648", "650", "651", "653", "655"), ("subject", frozenset("abcdtvxyz"))
    ),
}
_PLACES = {"publication": "publication", "in_series": "series", "titles_other": "title_other", "notes": "note"}


def parallel_of(tags: Tags, language: str, original: str = "") -> list[dict[str, Any]]:
    """Each 880 that is shown, the title first: `{"field", "text", "script", "rtl", "lang"}`.

    field   "title", "responsibility", "author", "subject", "publication", "series", "title_other", "note", or another
            key of the display
    script  ISO 15924, from $6 or else from the letters; "" when neither tells
    lang    BCP 47, from the record's language and the script: "ar", "ms-Arab"; left out when the script is another's;
            a uniform title is in the language it was translated from (`original`), if the record says which
    """
    parallel = []
    for each in tags.get("880", ())[:MOST]:
        for field, text in _shown(linked_tag(each), each):
            script = script_of(each, text)
            made: dict[str, Any] = {"field": field, "text": text, "script": script, "rtl": script in RIGHT_TO_LEFT}
            said = original if field == "uniform_title" and original else language
            if lang := _language(said, script):
                made["lang"] = lang
            parallel.append(made)
    return sorted(parallel, key=lambda made: made["field"] != "title")


def script_of(field: Field, text: str) -> str:
    """The script of an 880."""
    for value in pick(field, frozenset("6")):
        code = value.split("/")[1] if "/" in value else ""
        if code in _CODES:
            return _CODES[code]
        if len(code) == 4 and code.isalpha() and code.isascii():
            return code.capitalize()
    for letter in text:
        if letter.isalpha():
            return _NAMES.get(unicodedata.name(letter, "").partition(" ")[0], "")
    return ""


def _shown(tag: str, field: Field) -> Iterator[tuple[str, str]]:
    """Keys of the display and texts of an 880, by the rule of the tag it stands for; none where no rule shows that."""
    if tag == "245":
        texts = [("title", pick(field, _TITLE)), ("responsibility", pick(field, _RESPONSIBILITY))]
    elif tag in _FIELDS:
        name, codes = _FIELDS[tag]
        texts = [(name, pick(field, codes))]
    else:
        rule = rule_for(RULES, tag, field)
        name = "" if rule is None else rule.kind if rule.place == "more" else _PLACES.get(rule.place, rule.place)
        texts = [] if rule is None else [(name, rule.values(field))]
    for name, values in texts:
        if text := tidy(" ".join(values)):
            yield name, text


def _language(language: str, script: str) -> str:
    if script == "Latn" or language not in _TAGS:
        return ""
    code, usual = _TAGS[language]
    if script == usual or (script == "Hani" and code in ("ja", "zh", "ko")):
        return code
    # Jawi, Pegon: a language of the archipelago in Arabic letters. Arabic letters in a Dutch book may be anything.
    return f"{code}-{script}" if usual == "Latn" and script else ""
