"""titleInfo and name."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.mods.fields import Fields, LinkedField
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy

# Tag -> type of titleInfo, subfields of the title.
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
    """Append 245, then the uniform, abbreviated, translated and other titles; "[Tanpa judul]" for a record without."""
    before = len(parent)
    for field in fields.all("245"):
        _put_title(parent, field, "abfgks", _skipped(field.indicator(2)), **field.attributes)
    for tag, (kind, codes) in OTHER_TITLES.items():
        for field in fields.all(tag):
            if field.text(codes):
                _put_title(parent, field, codes, type=kind, **field.attributes)
    if len(parent) == before:
        put(put(parent, "titleInfo"), "title", "[Tanpa judul]")


def put_title_of(parent: Element, field: LinkedField, codes: str) -> None:
    """Append the titleInfo of a title in a name, subject or linking field (600 $t, 700 $t, 773 $t)."""
    if clean(field.text(codes)):
        _put_title(parent, field, codes)


def put_names(parent: Element, fields: Fields) -> None:
    """Append 1XX as primary names, then 7XX without a title, then 720."""
    for tag in ("100", "110", "111", "700", "710", "711"):
        for field in fields.all(tag):
            if tag[0] == "1" or not field.has("t"):
                put_name(parent, field, tag, primary=tag[0] == "1", **field.attributes)
    for field in fields.all("720"):
        name = clean(tidy(field.text("a")))
        if name:
            element = put(parent, "name", type="personal" if field.indicator(1) == "1" else "")
            put(element, "namePart", name)
            _put_roles(element, field, "e")


def put_name(parent: Element, field: LinkedField, tag: str, *, primary: bool = False, **attributes: str) -> None:
    """Append one name, unless it has no text."""
    kind = NAME_TYPES[tag[1:]]
    if not clean(field.text("abcdnq")):
        return
    element = put(parent, "name", type=kind, usage="primary" if primary else "", **attributes)
    if kind == "personal":
        put_text(element, "namePart", tidy(field.text("aq")))
        put_text(element, "namePart", tidy(field.text("bc")), type="termsOfAddress")
        put_text(element, "namePart", tidy(field.text("d")), type="date")
    elif kind == "corporate":
        for value in field.has("ab"):
            put_text(element, "namePart", tidy(value))
    else:
        put_text(element, "namePart", tidy(field.text("acdnq")))
    _put_roles(element, field, "j" if kind == "conference" else "e", primary=primary)
    put_text(element, "affiliation", tidy(field.text("u")))


def _put_roles(element: Element, field: LinkedField, words: str, *, primary: bool = False) -> None:
    codes = [code for value in field.has("4") if (code := clean(value).rsplit("/", 1)[-1])]
    terms = [term for value in field.has(words) if (term := clean(tidy(value)))]
    if not codes and not terms and primary:
        terms = ["creator"]
    for code in codes:
        put(put(element, "role"), "roleTerm", code, type="code", authority="marcrelator")
    for term in terms:
        put(put(element, "role"), "roleTerm", term, type="text")


def _put_title(parent: Element, field: LinkedField, codes: str, skip: int = 0, /, **attributes: str) -> None:
    element = put(parent, "titleInfo", **attributes)
    main = tidy(field.text(codes.replace("b", "")))
    if 0 < skip < len(main):
        put_text(element, "nonSort", main[:skip])
        main = main[skip:]
    put_text(element, "title", main)
    if "b" in codes:
        put_text(element, "subTitle", tidy(field.text("b")))
    put_text(element, "partNumber", field.text("n").strip(_ENDS))
    put_text(element, "partName", field.text("p").strip(_ENDS))
    if not len(element):
        put(element, "title", "[Tanpa judul]")


def _skipped(indicator: str) -> int:
    return int(indicator) if indicator.isascii() and indicator.isdigit() else 0
