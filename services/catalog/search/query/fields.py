"""Names of search fields, and the values that readers may write after them."""

from __future__ import annotations

import re

from services.catalog.analysis import fold
from services.catalog.record.captions import CAPTIONS, language_code
from services.catalog.search.query.tree import Classes, FacetCode, Part, Years

_NAMES = {
    "title": "title judul",
    "author": "author penulis pengarang",
    "subject": "subject subjek topik",
    "series": "series seri",
    "publisher": "publisher penerbit",
    "isbn": "isbn",
    "issn": "issn",
    "barcode": "barcode barkod",
    "call": "call panggil",
    "control": "control w",
    "class": "class golongan ddc",
    "year": "year tahun",
    "language": "language bahasa",
    "format": "format bahan material",
    "audience": "audience pembaca",
    "collection": "collection koleksi",
}
FIELDS = {name: field for field, names in _NAMES.items() for name in names.split()}
WORDS = frozenset(("title", "author", "subject", "series", "publisher"))
NUMBERS = frozenset(("issn", "barcode", "call", "control"))
FACETS = {"language": "language", "format": "material", "audience": "audience", "collection": "collection"}

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
    code = language_code(value) if field == "language" else _CODES[field].get(fold(value))
    return None if not value or code is None else (FacetCode(field, code), end)


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
