"""What people type, as a tree: text → Query, never an error; and back, so that we can say what we understood.

    query   = { ["-"] part }
    part    = field ":" (phrase | word) | phrase | word | years | isbn
    phrase  = '"' words '"'                             side by side, as they stand
    word    = characters up to a space; `word*` for its beginning
    years   = 1990..2000 | 1990.. | ..2000              after year: also 1990, 1990-2000, 1990-, -2000
    field   = title | author | subject | isbn | year | language, or their Indonesian names

What looks like more than it is (a year that is no year, a language nobody knows, a field without a value) is taken
as plain words. An ISBN is known by its check digit, however it is spaced.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from services.catalog.analysis import isbn13, squeeze, tokens
from services.catalog.document.captions import language_code

FIELDS = {
    "title": "title", "judul": "title",
    "author": "author", "penulis": "author", "pengarang": "author",
    "subject": "subject", "subjek": "subject",
    "isbn": "isbn",
    "year": "year", "tahun": "year",
    "language": "language", "bahasa": "language",
}  # fmt: skip

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»❝❞〝〞＂", '"'))
_ISBN = re.compile(
    r"(?:isbn(?:[\s\-]?1[03])?[\s:]*)?((?:97[89][\s.\-–—‐‑]*)?(?:\d[\s.\-–—‐‑]*){9}[\dx])(?!\w)", re.IGNORECASE
)
# Years are a word of their own: only punctuation may stand between them and the next space.
_RANGE = re.compile(r"(?=\d|\.\.\d)(\d{4})?\.\.(\d{4})?(?=(?:[^\w+#*\s\"]|_)*(?:[\s\"]|\Z))")
_FIELD = re.compile(r"([a-z]{4,9}):\s*", re.IGNORECASE)
_CHUNK = re.compile(r'[^\s"]+')
_LEAD = re.compile(r"[\W_]+")
_TAIL = re.compile(r"(?:[^\w+#*]|_)+\Z")
_STAR_TAIL = re.compile(r"(?:[^\w+#]|_)+\Z")
_YEARS = re.compile(r"(\d{4})?(\.\.|[-–—])?(\d{4})?(?=[^\w]|\Z)")
_LANGUAGE = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as typed, perhaps of several tokens (laki-laki), in one field or anywhere; `prefix`: its beginning."""

    text: str
    field: str = ""
    prefix: bool = False

    def __str__(self) -> str:
        return f"{_label(self.field)}{self.text}{'*' if self.prefix else ''}"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side."""

    text: str
    field: str = ""

    def __str__(self) -> str:
        return f'{_label(self.field)}"{self.text}"'


@dataclass(frozen=True, slots=True)
class Isbn:
    """Thirteen digits; or what was called an ISBN and is none."""

    number: str

    def __str__(self) -> str:
        return f"isbn:{self.number}"


@dataclass(frozen=True, slots=True)
class Years:
    """Published in these years, both included; None for open."""

    low: int | None
    high: int | None

    def __str__(self) -> str:
        if self.low == self.high:
            return f"year:{self.low:04}"
        low, high = ("" if each is None else f"{each:04}" for each in (self.low, self.high))
        return f"year:{low}..{high}"


@dataclass(frozen=True, slots=True)
class Language:
    """In this language (ISO 639-2)."""

    code: str

    def __str__(self) -> str:
        return f"language:{self.code}"


Part = Word | Phrase | Isbn | Years | Language


@dataclass(frozen=True, slots=True)
class Query:
    """All of `parts`, none of `without`. Without any part: everything."""

    parts: tuple[Part, ...] = ()
    without: tuple[Part, ...] = ()

    def __str__(self) -> str:
        return " ".join([*map(str, self.parts), *(f"-{each}" for each in self.without)])

    @property
    def size(self) -> int:
        """How many words it has."""
        return sum(len(each.text.split()) if isinstance(each, Phrase) else 1 for each in (*self.parts, *self.without))

    def respelt(self, words: dict[str, str]) -> Query:
        """The same with these words, as typed, spelt otherwise."""
        return Query(
            tuple(
                replace(each, text=words[each.text]) if isinstance(each, Word) and each.text in words else each
                for each in self.parts
            ),
            self.without,
        )


def parse(text: str) -> Query:
    """The query a text stands for; `parse(str(query)) == query` for every query that came from a text."""
    query = _scan(unicodedata.normalize("NFC", text).translate(_QUOTES))
    if sum(map(str.isdigit, text)) >= 10:
        # Punctuation between digits is gone now: what was broken by it may read as an ISBN.
        query = _scan(str(query))
    return query


def _scan(text: str) -> Query:
    parts: list[Part] = []
    without: list[Part] = []
    at = 0
    while (at := _skip(text, at, '"-')) < len(text):
        into = parts
        if text[at] == "-":
            at += 1
            if at == len(text) or text[at].isspace():
                continue
            into = without
            at = _skip(text, at, '"')
            if at == len(text):
                break
        found, at = _part(text, at)
        into.extend(found)
    return Query(tuple(parts), tuple(without))


def _skip(text: str, at: int, stop: str) -> int:
    """Where the next word, quote or range of years begins, or one of `stop`."""
    while at < len(text) and text[at] not in stop and _LEAD.match(text[at]) and not _RANGE.match(text, at):
        at += 1
    return at


def _part(text: str, at: int) -> tuple[list[Part], int]:
    """What stands here, and where it ends."""
    if text[at] == '"':
        return _phrase(text, at, "")
    if (number := _ISBN.match(text, at)) and (found := isbn13(number.group(1))):
        return [Isbn(found)], number.end()
    years = _RANGE.match(text, at)
    if years:
        return [_years(years.group(1), years.group(2))], years.end()
    named = _FIELD.match(text, at)
    if named and (field := FIELDS.get(named.group(1).lower())):
        return _fielded(text, named.end(), field) or ([Word(named.group(1))], named.end())
    return _word(text, at, "")


def _fielded(text: str, at: int, field: str) -> tuple[list[Part], int] | None:
    """What stands after a field's name; None when that cannot be its value."""
    if field == "year":
        years = _YEARS.match(text, at)
        if (
            years is None
            or not (years.group(1) or years.group(3))
            or (years.group(1) and years.group(3) and not years.group(2))
        ):
            return None
        low, mark, high = years.groups()
        return [_years(low, high if mark else low)], years.end()
    if field == "language":
        said = _LANGUAGE.match(text, at)
        code = language_code(said.group()) if said else None
        return None if said is None or code is None else ([Language(code)], said.end())
    if at < len(text) and text[at] == '"' and field != "isbn":
        found, at = _phrase(text, at, field)
    else:
        found, at = _word(text, at, field)
    return (found, at) if found else None


def _phrase(text: str, at: int, field: str) -> tuple[list[Part], int]:
    end = text.find('"', at + 1)
    inside = text[at + 1 : end if end >= 0 else len(text)]
    words = " ".join(inside.split())
    return ([Phrase(words, field)] if tokens(words) else []), (end + 1 if end >= 0 else len(text))


def _word(text: str, at: int, field: str) -> tuple[list[Part], int]:
    chunk = _CHUNK.match(text, at)
    if chunk is None:
        return [], at + 1
    lead = _LEAD.match(chunk.group())
    word = _TAIL.sub("", chunk.group()[lead.end() if lead else 0 :])
    prefix = word.endswith("*")
    word = _STAR_TAIL.sub("", word) if prefix else word
    if not tokens(word):
        return [], chunk.end()
    if field == "isbn":
        return [Isbn(isbn13(word) or squeeze(word))], chunk.end()
    return [Word(word, field, prefix)], chunk.end()


def _years(low: str | None, high: str | None) -> Years:
    first, last = (int(each) if each else None for each in (low, high))
    if first is not None and last is not None and first > last:
        first, last = last, first
    return Years(first, last)


def _label(field: str) -> str:
    return f"{field}:" if field else ""
