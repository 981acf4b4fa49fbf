"""Coded values of a record: language, material, audience, year, DDC class and standard number."""

from __future__ import annotations

import re

from services.catalog.analysis import isbn13, issn_of
from services.catalog.marc.record import Tags, control, pick_all

_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
_DDC = re.compile(r"(\d)\d\d(?!\d)")
_DIGIT = re.compile(r"[0-9]")
_LANGUAGE = re.compile(r"[a-z]{3}\Z")
_A = frozenset("a")
_ISSN_DIGITS = 7  # the eighth is a check digit and may be an X

READER_LANGUAGES = {"id": "ind", "en": "eng"}  # of the pages and answers -> ISO 639-2
# ISO 639-2 has two codes for some languages; the catalogue uses the bibliographic one, as MARC does.
BIBLIOGRAPHIC = {
    "nld": "dut", "deu": "ger", "fra": "fre", "zho": "chi", "msa": "may", "fas": "per", "ces": "cze", "ell": "gre",
    "ron": "rum", "slk": "slo", "sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "kat": "geo", "isl": "ice",
    "mkd": "mac", "mri": "mao", "bod": "tib", "cym": "wel",
}  # fmt: skip

_BY_TYPE = {
    "a": "book", "c": "music", "d": "music", "e": "map", "f": "map", "g": "video", "i": "sound", "j": "sound",
    "k": "picture", "m": "electronic", "o": "kit", "p": "mixed", "r": "object", "t": "manuscript",
}  # fmt: skip
_AUDIENCES = {
    "a": "child", "b": "child", "c": "child", "j": "child", "d": "teen", "e": "adult", "f": "adult", "g": "general",
}  # fmt: skip
_AUDIENCE_WORDS = (
    ("anak", "child"), ("child", "child"), ("juven", "child"), ("remaja", "teen"), ("young adult", "teen"),
    ("teen", "teen"), ("dewasa", "adult"), ("adult", "adult"), ("umum", "general"), ("general", "general"),
)  # fmt: skip


def language_of(tags: Tags) -> str:
    """Return the ISO 639-2 code (bibliographic) from 008/35–37, else 041 $a; "" when the record has none."""
    code = control(tags, "008")[35:38].lower()
    if not _LANGUAGE.match(code) or code in ("und", "xxx"):
        code = ""
        for field in tags.get("041", ()):
            for index in range(2, len(field), 2):
                if field[index] == "a" and _LANGUAGE.match(field[index + 1][:3].lower()):
                    code = field[index + 1][:3].lower()
                    break
    return BIBLIOGRAPHIC.get(code, code)


def material_of(leader: str, tags: Tags) -> str:
    """Return the kind of material (book, ebook, serial, article, map …) from leader/06–07, 007/00 and 008."""
    kind, level = leader[6:7], leader[7:8]
    fixed = control(tags, "008")
    material = _BY_TYPE.get(kind, "book")
    if kind in "at" and kind:
        if level in ("s", "i") and kind == "a":
            return "serial"
        if level in ("a", "b"):
            return "article"
        if kind == "a" and fixed[23:24] in ("o", "q", "s"):
            return "ebook"
    if kind == "g" and (fixed[33:34] in ("s", "t", "f") or control(tags, "007")[:1] == "g"):
        return "picture"  # slides, transparencies, filmstrips
    return material


def audience_of(leader: str, tags: Tags) -> str:
    """Return "child", "teen", "adult" or "general" from 008/22, else from the words of 521; "" when unknown.

    008/22 has another meaning for serials, maps and mixed materials.
    """
    code = _AUDIENCES.get(control(tags, "008")[22:23], "")
    if code and leader[6:7] not in "efp" and leader[7:8] not in "si":
        return code
    note = " ".join(" ".join(field[3::2]) for field in tags.get("521", ())).lower()
    if not note:
        return ""
    for word, audience in _AUDIENCE_WORDS:
        if word in note:
            return audience
    return ""


def year_of(tags: Tags) -> int | None:
    """Return the year of publication: 008/07–10, else the first year in 264 $c or 260 $c."""
    digits = control(tags, "008")[7:11]
    if len(digits) == 4 and digits.isascii() and digits.isdigit() and "1000" <= digits <= "2099":
        return int(digits)
    for tag in ("264", "260"):
        for field in tags.get(tag, ()):
            for index in range(2, len(field), 2):
                if field[index] == "c" and (match := _YEAR.search(field[index + 1])):
                    return int(match.group())
    return None


def ddc_of(tags: Tags) -> str:
    """Return the first DDC number (082 $a, else 092 $a) without prime marks; "" when there is none.

    [E], Fic, B and other marks without a digit are shelf marks, not classes.
    """
    for tag in ("082", "092"):
        for field in tags.get(tag, ()):
            for index in range(2, len(field) - 1, 2):
                if field[index] == "a" and _DIGIT.search(field[index + 1]):
                    return field[index + 1].replace("/", "").replace("'", "").replace("′", "").strip()
    return ""


def main_classes(ddc: str) -> tuple[str, ...]:
    """Return the main classes of a DDC number: `899.221` is "800"; local 2X (Islam) is "2X" and, as 297, "200"."""
    if ddc[:2].upper() == "2X":
        return ("200", "2X")
    match = _DDC.search(ddc)
    return (f"{match.group(1)}00",) if match else ()


def standard_number_of(tags: Tags) -> int | None:
    """Return the first ISBN as thirteen digits, else the first ISSN as seven; None when the record has neither.

    The number is stored in the tables too, so that a look-up works while the search engine is down.
    """
    for value in pick_all(tags, "020", _A):
        isbn = isbn13(value[:24]) or isbn13(value[:24].partition(" ")[0])
        if isbn:
            return int(isbn)
    for value in pick_all(tags, "022", _A):
        issn = issn_of(value[:40])
        if issn:
            return int(issn[:_ISSN_DIGITS])
    return None


def standard_number(text: str) -> int | None:
    """Convert a typed ISBN or ISSN to the number of standard_number_of; None when the text is neither."""
    isbn = isbn13(text)
    if isbn:
        return int(isbn)
    issn = issn_of(text) if len(text) <= 12 else None
    return int(issn[:_ISSN_DIGITS]) if issn else None
