"""Parallel fields in the original script (880): Jawi, Arabic, Chinese …"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from services.catalog.marc.record import Field, Tags, linked_tag, pick
from services.catalog.record.display_rules import RULES, rule_for
from services.catalog.record.headings import tidy

MOST = 200
# Script codes of $6 (MARC 21, appendix A), and the first word of a letter's Unicode name -> ISO 15924.
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
# ISO 639-2 -> BCP 47, and the default script of the language.
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
    """List the displayed 880 fields, the title first: `{"field", "text", "script", "rtl", "lang"}`.

    field   "title", "responsibility", "author", "subject", "publication", "series", "title_other", "note", or another
            key of the display
    script  ISO 15924, from $6, else from the letters; "" when unknown
    lang    BCP 47, from the record's language and the script: "ar", "ms-Arab"; left out when the language is not
            written in this script; for a uniform title from `original`, the translated work's language, if known
    """
    parallel = []
    for linked in tags.get("880", ())[:MOST]:
        for field, text in _shown(linked_tag(linked), linked):
            script = script_of(linked, text)
            entry: dict[str, Any] = {"field": field, "text": text, "script": script, "rtl": script in RIGHT_TO_LEFT}
            text_language = original if field == "uniform_title" and original else language
            if lang := _language(text_language, script):
                entry["lang"] = lang
            parallel.append(entry)
    return sorted(parallel, key=lambda entry: entry["field"] != "title")


def script_of(field: Field, text: str) -> str:
    """Return the ISO 15924 script of an 880, from $6, else from its first letter; "" when unknown."""
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
    """Yield display keys and texts of an 880 by the rule of its linked tag; nothing where no rule fits."""
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
    code, default_script = _TAGS[language]
    if script == default_script or (script == "Hani" and code in ("ja", "zh", "ko")):
        return code
    # Jawi, Pegon: languages of the archipelago in Arabic script. In other books, Arabic script may be of any language.
    return f"{code}-{script}" if default_script == "Latn" and script else ""
