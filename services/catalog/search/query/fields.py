"""The fields of searches as a table, and the values that readers may write after their names."""

from __future__ import annotations

import re
from typing import NamedTuple

from services.catalog.analysis import fold
from services.catalog.record.captions import CAPTIONS, language_code
from services.catalog.search.query.tree import Classes, FacetCode, Part, Years

# Every field of searches: its name in a search tree; its kind; where its values are in the index (signs of the field
# `fielded`, or the facet of codes); and what a reader may write before a colon, in English and in Indonesian.
_TABLE = """
any               words
title             words   t= tu= tk=            title judul
uniform_title     words   tu=
key_title         words   tk=
author            words   ap= ac= am= ar=       author penulis pengarang
personal_name     words   ap=
corporate_name    words   ac=
conference_name   words   am=
subject           words   s= sn= sg= sf=        subject subjek topik
subject_name      words   sn=
subject_place     words   sg=
genre             words   sf=
series            words   e=                    series seri
publisher         words   p=                    publisher penerbit
place             words   pl=
isbn              number  i=                    isbn
issn              number  is=                   issn
lccn              number  l=
barcode           number  b=                    barcode barkod
call              number  k=                    call panggil
control           number  c=                    control w
class             class   d=                    class golongan ddc
year              year    year                  year tahun
language          code    language              language bahasa
format            code    material              format bahan material
audience          code    audience              audience pembaca
collection        code    collection            collection koleksi
institution       code    institution
branch            code    branch
availability      code    availability
id                record
all_records       all
"""


class SearchField(NamedTuple):
    """A field of searches. kind: words, number, class, year, code, record or all."""

    name: str
    kind: str
    places: tuple[str, ...]
    labels: tuple[str, ...]


def _read_table() -> list[SearchField]:
    rows = []
    for line in _TABLE.strip().splitlines():
        name, kind, *rest = line.split()
        count = sum(word.endswith("=") for word in rest) or min(len(rest), 1)
        rows.append(SearchField(name, kind, tuple(rest[:count]), tuple(rest[count:])))
    return rows


_ROWS = _read_table()
SEARCH_FIELDS = {name: row for row in _ROWS for name in (*row.labels, row.name)}
# Of the query language: what may be written before a colon -> name of the field; the fields by their kind.
FIELDS = {label: row.name for row in _ROWS for label in row.labels}
WORDS = frozenset(row.name for row in _ROWS if row.labels and row.kind == "words")
NUMBERS = frozenset(row.name for row in _ROWS if row.labels and row.kind == "number" and row.name != "isbn")
FACETS = {row.name: row.places[0] for row in _ROWS if row.labels and row.kind == "code"}

_YEARS = re.compile(r"(\d{4})?(\.\.|[-–—])?(\d{4})?(?=[^\w]|\Z)")
_ONE_CLASS = r"(\d{1,3}(?:\.\d{1,6})?|2[xX]\d?(?:\.\d{1,6})?)"
_CLASSES = re.compile(rf"{_ONE_CLASS}?(\.\.|[-–—])?{_ONE_CLASS}?(?=[^\w.]|\.?(?:\s|\Z|\)))")
_CODE = re.compile(r"[\w\-]+")
_SYNONYMS = {
    "format": {
        "buku": "book", "ebook": "ebook", "e-book": "ebook", "majalah": "serial", "jurnal": "serial",
        "koran": "serial", "peta": "map", "film": "video", "dvd": "video", "vcd": "video", "kaset": "sound",
        "cd": "sound", "audio": "sound", "suara": "sound", "audiobook": "sound", "skripsi": "manuscript",
        "gambar": "picture", "foto": "picture", "musik": "music", "not": "music", "elektronik": "electronic",
    },
    "audience": {"anak-anak": "child", "children": "child", "teens": "teen", "adults": "adult"},
    "collection": {"minangkabau": "local", "lokal": "local", "berkala": "serials", "av": "audiovisual"},
}  # fmt: skip


def _codes(facet: str, others: dict[str, str]) -> dict[str, str]:
    """Return text that readers may write -> code, for the codes themselves, their names and synonyms."""
    codes = {}
    for code, names in CAPTIONS[facet].items():
        for name in (names.en, names.id, code):
            codes[fold(name)] = code
    return {**codes, **others}


_CODES = {field: _codes(FACETS[field], words) for field, words in _SYNONYMS.items()}


def read_value(text: str, at: int, field: str) -> tuple[Part, int] | None:
    """Read the value of a field of years, classes or codes at a position, and where it ends; None without a value."""
    if field == "year":
        return _read_years(text, at)
    if field == "class":
        return _read_classes(text, at)
    value, end = _read_text(text, at)
    code = code_of(field, value)
    return None if not value or code is None else (FacetCode(field, code), end)


def code_of(field: str, value: str) -> str | None:
    """Return the code of a language, format, audience or collection by its code or a name; None if unknown."""
    return language_code(value) if field == "language" else _CODES[field].get(fold(value))


def year_range(low: str | None, high: str | None) -> Years:
    """Build a range of years; bounds in the wrong order are exchanged."""
    start, end = (int(bound) if bound else None for bound in (low, high))
    if start is not None and end is not None and start > end:
        start, end = end, start
    return Years(start, end)


def _read_years(text: str, at: int) -> tuple[Part, int] | None:
    years = _YEARS.match(text, at)
    if years is None or not _has_valid_bounds(years):
        return None
    low, mark, high = years.groups()
    return year_range(low, high if mark else low), years.end()


def _read_classes(text: str, at: int) -> tuple[Part, int] | None:
    classes = _CLASSES.match(text, at)
    if classes is None or not _has_valid_bounds(classes):
        return None
    low, mark, high = (bound.upper() if bound else None for bound in classes.groups())
    if mark is None:
        high = low
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Classes(low, high), classes.end()


def _has_valid_bounds(bounds: re.Match[str]) -> bool:
    """Tell whether there is one bound, or two with a mark between them."""
    low, mark, high = bounds.groups()
    return bool(low or high) and bool(mark or not (low and high))


def _read_text(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] == '"':
        end = text.find('"', at + 1)
        return (" ".join(text[at + 1 : end].split()), end + 1) if end > 0 else ("", at)
    code = _CODE.match(text, at)
    return (code.group(), code.end()) if code else ("", at)
