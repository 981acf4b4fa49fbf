"""The table of classes: captions and everyday words by class number, for browsing, help and recall by subject."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chassis.sentences import LocalText
from services.catalog.record.classes import class_path, notation, value_of

FILE = Path(__file__).with_name("class_table.toml")
MOST_WORDS = 60  # statements of words of one class
LONGEST_WORDS = 200  # characters of one statement
_DECIMALS = re.compile(r"[0-9]{3}\.[0-9]{1,6}\Z")


class Synonyms(NamedTuple):
    """Words of one meaning, in Indonesian and English; an entry may have several words (gunung api)."""

    id: tuple[str, ...]
    en: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.id)} = {', '.join(self.en)}"


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class with its caption and the words that readers use for it."""

    caption: LocalText
    words: tuple[Synonyms, ...] = ()


def key_of(written: str) -> str | None:
    """Convert a written class to its key in the table: its facet value, or the number itself when it has decimals.

    "800" is "8", "636" is "636", "636.5" is "636.5", "2x4.1" is "2X4.1"; None if it is not a class.
    """
    written = written.strip()
    return written if _DECIMALS.match(written) else value_of(written)


def parse_words(text: str) -> Synonyms | None:
    """Parse "ayam, unggas = chicken, poultry"; None if the text has another form. One side may be empty."""
    indonesian, equals, english = text.partition("=")
    words = Synonyms(*(tuple(filter(None, map(str.strip, side.split(",")))) for side in (indonesian, english)))
    return words if equals and (words.id or words.en) and len(text) <= LONGEST_WORDS else None


@cache
def class_table() -> Mapping[str, ClassRow]:
    """Return the release's table by key, in shelf order."""
    table = {}
    for written, row in tomllib.loads(FILE.read_text(encoding="utf-8"))["classes"].items():
        words = tuple(synonyms for text in row.get("words", ()) if (synonyms := parse_words(text)) is not None)
        table[key_of(written) or written] = ClassRow(LocalText(row["id"], row["en"]), words)
    return table


def class_caption(value: str) -> LocalText | None:
    """Return the release's caption of a class; None when it has none."""
    row = class_table().get(value)
    return None if row is None else row.caption


def ancestors(key: str) -> Sequence[str]:
    """List the classes above a class, nearest first: "636", "63", "6" for "636.5"; "2X4", "2X" for "2X4.1"."""
    whole, _, decimals = key.partition(".")
    if key[:2] == "2X":
        return class_path(key)[-2::-1]
    longer = [f"{whole}.{decimals[:length]}" for length in range(len(decimals) - 1, 0, -1)]
    return [*longer, *([whole] if decimals else []), *(whole[:length] for length in range(len(whole) - 1, 0, -1))]


def label_under(key: str, captions: Mapping[str, LocalText]) -> LocalText | None:
    """Return the label of a class without a caption: the caption of the nearest class above it, and its own number.

    captions  the libraries' own captions, which replace the release's
    """
    for ancestor in ancestors(key):
        caption = captions.get(ancestor) or class_caption(ancestor)
        if caption is not None and notation(ancestor) == notation(key):
            return caption  # the section 910 has the number of its division
        if caption is not None:
            return LocalText(f"{caption.id}: {notation(key)}", f"{caption.en}: {notation(key)}")
    return None
