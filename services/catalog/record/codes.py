"""Coded values of a record (language, material, audience, year, DDC class) and of an item (collection, material)."""

from __future__ import annotations

import re

from services.catalog.marc.fields import Tags, control

_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?!\d)")
_DDC = re.compile(r"(\d)\d\d(?!\d)")
_LANGUAGE = re.compile(r"[a-z]{3}\Z")

# ISO 639-2 has two codes for some languages; MARC uses the bibliographic one, and so do we.
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
    """ISO 639-2 code (bibliographic) from 008/35–37, else 041 $a; empty when the record does not say."""
    code = control(tags, "008")[35:38].lower()
    if not _LANGUAGE.match(code) or code in ("und", "xxx"):
        code = ""
        for field in tags.get("041", ()):
            for place in range(2, len(field), 2):
                if field[place] == "a" and _LANGUAGE.match(field[place + 1][:3].lower()):
                    code = field[place + 1][:3].lower()
                    break
    return BIBLIOGRAPHIC.get(code, code)


def material_of(leader: str, tags: Tags) -> str:
    """Kind of material (book, ebook, serial, article, map …), from leader/06–07, 007/00 and 008 (form of item)."""
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
    """ "child", "teen", "adult" or "general" from 008/22, else from the words of 521; empty when unknown.

    Serials, maps and mixed materials have something else in 008/22.
    """
    found = _AUDIENCES.get(control(tags, "008")[22:23], "")
    if found and leader[6:7] not in "efp" and leader[7:8] not in "si":
        return found
    said = " ".join(" ".join(field[3::2]) for field in tags.get("521", ())).lower()
    if not said:
        return ""
    for word, audience in _AUDIENCE_WORDS:
        if word in said:
            return audience
    return ""


def year_of(tags: Tags) -> int | None:
    """Year of publication: 008/07–10, else the first one in 264 $c or 260 $c."""
    digits = control(tags, "008")[7:11]
    if len(digits) == 4 and digits.isascii() and digits.isdigit() and "1000" <= digits <= "2099":
        return int(digits)
    for tag in ("264", "260"):
        for field in tags.get(tag, ()):
            for place in range(2, len(field), 2):
                if field[place] == "c" and (match := _YEAR.search(field[place + 1])):
                    return int(match.group())
    return None


def ddc_of(tags: Tags) -> str:
    """The first DDC number (082 $a, else 092 $a), its prime marks gone; empty when there is none."""
    for tag in ("082", "092"):
        for field in tags.get(tag, ()):
            for place in range(2, len(field), 2):
                if field[place] == "a" and field[place + 1].strip():
                    return field[place + 1].replace("/", "").replace("'", "").replace("′", "").strip()
    return ""


def main_classes(ddc: str) -> tuple[str, ...]:
    """Main class of a DDC number: `899.221` is "800". Local 2X (Islam) counts under "2X" and, as 297, under "200"."""
    if ddc[:2].upper() == "2X":
        return ("200", "2X")
    match = _DDC.search(ddc)
    return (f"{match.group(1)}00",) if match else ()
