"""Captions of codes in Indonesian and English: languages, materials, audiences, collections, DDC classes."""

from __future__ import annotations

import tomllib
from pathlib import Path

from chassis.sentences import LocalText
from services.catalog.analysis import fold
from services.catalog.record.class_table import class_caption
from services.catalog.record.codes import BIBLIOGRAPHIC


def _table(text: str) -> dict[str, LocalText]:
    table = {}
    for line in text.strip().splitlines():
        code, _, names = line.partition(" ")
        indonesian, _, english = names.partition("|")
        table[code] = LocalText(indonesian, english)
    return table


_TABLES = tomllib.loads(Path(__file__).with_name("captions.toml").read_text(encoding="utf-8"))
CAPTIONS = {
    **{facet: _table(text) for facet, text in _TABLES.items()},
    "class": {"none": LocalText("Tanpa kelas", "Without a class")},
}
LANGUAGES = CAPTIONS["language"]
_TWO_LETTERS = {"id": "ind", "en": "eng", "jv": "jav", "su": "sun", "ms": "may", "ar": "ara", "nl": "dut", "fr": "fre",
                "de": "ger", "ja": "jpn", "zh": "chi", "es": "spa"}  # fmt: skip
_LANGUAGE_NAMES = {
    **{fold(name): code for code, names in reversed(LANGUAGES.items()) for name in (names.id, names.en)},
    **_TWO_LETTERS,
    **BIBLIOGRAPHIC,
    **{code: code for code in LANGUAGES},
    "china": "chi",
    "mandarin": "chi",
    "perancis": "fre",
    "minang": "min",
}


def caption(facet: str, value: str) -> LocalText | None:
    """Return the caption of a facet value; None when the facet or the value has no caption."""
    table = CAPTIONS.get(facet)
    label = None if table is None else table.get(value)
    return class_caption(value) if label is None and facet == "class" else label


def language_code(language: str) -> str | None:
    """Return the ISO 639-2 code of a language given by its Indonesian or English name or by a code; None if unknown."""
    return _LANGUAGE_NAMES.get(fold(language.strip()))
