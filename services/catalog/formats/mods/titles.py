"""titleInfo and name."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.mods.fields import Fields, Said
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy

# Tag -> type of titleInfo; its title's subfields.
OTHER_TITLES: Final = {
    "130": ("uniform", "adfgklmors"),
    "240": ("uniform", "adfgklmors"),
    "210": ("abbreviated", "a"),
    "246": ("alternative", "af"),
    "740": ("alternative", "a"),
    "242": ("translated", "ac"),
}
NAME_TYPES: Final = {"00": "personal", "10": "corporate", "11": "conference"}
_ENDS = " \t:;,/=."


def put_titles(parent: Element, fields: Fields) -> None:
    """245, then the uniform, abbreviated, translated and other titles. A record without any gets one that says so."""
    before = len(parent)
    for field in fields.all("245"):
        _put_title(parent, field, "abfgks", _skipped(field.indicator(2)), **field.attributes)
    for tag, (kind, codes) in OTHER_TITLES.items():
        for field in fields.all(tag):
            if field.text(codes):
                _put_title(parent, field, codes, type=kind, **field.attributes)
    if len(parent) == before:
        put(put(parent, "titleInfo"), "title", "[Tanpa judul]")


def put_title_of(parent: Element, said: Said, codes: str) -> None:
    """titleInfo of a title that stands in a field of another kind (600 $t, 700 $t, 773 $t)."""
    if clean(said.text(codes)):
        _put_title(parent, said, codes)


def put_names(parent: Element, fields: Fields) -> None:
    """1XX as primary names, then 7XX that name no title, then 720."""
    for tag in ("100", "110", "111", "700", "710", "711"):
        for field in fields.all(tag):
            if tag[0] == "1" or not field.has("t"):
                put_name(parent, field, tag, primary=tag[0] == "1", **field.attributes)
    for field in fields.all("720"):
        name = clean(tidy(field.text("a")))
        if name:
            made = put(parent, "name", type="personal" if field.indicator(1) == "1" else "")
            put(made, "namePart", name)
            _put_roles(made, field, "e")


def put_name(parent: Element, said: Said, tag: str, *, primary: bool = False, **attributes: str) -> None:
    """One name; nothing when it has no text."""
    kind = NAME_TYPES[tag[1:]]
    if not clean(said.text("abcdnq")):
        return
    made = put(parent, "name", type=kind, usage="primary" if primary else "", **attributes)
    if kind == "personal":
        put_text(made, "namePart", tidy(said.text("aq")))
        put_text(made, "namePart", tidy(said.text("bc")), type="termsOfAddress")
        put_text(made, "namePart", tidy(said.text("d")), type="date")
    elif kind == "corporate":
        for value in said.has("ab"):
            put_text(made, "namePart", tidy(value))
    else:
        put_text(made, "namePart", tidy(said.text("acdnq")))
    _put_roles(made, said, "j" if kind == "conference" else "e", primary=primary)
    put_text(made, "affiliation", tidy(said.text("u")))


def _put_roles(made: Element, said: Said, words: str, *, primary: bool = False) -> None:
    codes = [code for each in said.has("4") if (code := clean(each).rsplit("/", 1)[-1])]
    terms = [term for each in said.has(words) if (term := clean(tidy(each)))]
    if not codes and not terms and primary:
        terms = ["creator"]
    for code in codes:
        put(put(made, "role"), "roleTerm", code, type="code", authority="marcrelator")
    for term in terms:
        put(put(made, "role"), "roleTerm", term, type="text")


def _put_title(parent: Element, said: Said, codes: str, skip: int = 0, /, **attributes: str) -> None:
    made = put(parent, "titleInfo", **attributes)
    main = tidy(said.text(codes.replace("b", "")))
    if 0 < skip < len(main):
        put_text(made, "nonSort", main[:skip])
        main = main[skip:]
    put_text(made, "title", main)
    if "b" in codes:
        put_text(made, "subTitle", tidy(said.text("b")))
    put_text(made, "partNumber", said.text("n").strip(_ENDS))
    put_text(made, "partName", said.text("p").strip(_ENDS))
    if not len(made):
        put(made, "title", "[Tanpa judul]")


def _skipped(indicator: str) -> int:
    return int(indicator) if indicator.isascii() and indicator.isdigit() else 0
