"""typeOfResource, genre, originInfo and language."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.mods.fields import Fields, LinkedField
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy

# leader/06 -> typeOfResource
TYPES: Final = {
    **dict.fromkeys("at", "text"), **dict.fromkeys("ef", "cartographic"), **dict.fromkeys("cd", "notated music"),
    "i": "sound recording-nonmusical", "j": "sound recording-musical", "k": "still image", "g": "moving image",
    "r": "three dimensional object", "m": "software, multimedia", "o": "mixed material", "p": "mixed material",
}  # fmt: skip
HANDWRITTEN: Final = "dfpt"
# leader/07 -> issuance
ISSUANCE: Final = {
    **dict.fromkeys("acdm", "monographic"), "b": "serial", "s": "serial", "i": "integrating resource",
}  # fmt: skip
# Second indicator of 264 -> eventType, and the element for its $c.
EVENTS: Final = {
    "0": ("production", "dateCreated"), "1": ("publication", "dateIssued"), "2": ("distribution", "dateOther"),
    "3": ("manufacture", "dateOther"), "4": ("copyright notice", "copyrightDate"),
}  # fmt: skip
# 008/06: types of date whose two dates are a start and an end.
SPANS: Final = "cdikmqu"
NO_LANGUAGE: Final = ("und", "zxx")
_MARC_DATE = re.compile(r"[0-9u]{4}")
_COUNTRY = re.compile(r"[a-z]{2,3}")
_LANGUAGE = re.compile(r"[a-z]{3}")


def put_type(parent: Element, fields: Fields) -> None:
    kind = TYPES.get(fields.leader[6:7], "text")
    put(
        parent,
        "typeOfResource",
        kind,
        collection="yes" if fields.leader[7:8] in ("c", "d") else "",
        manuscript="yes" if fields.leader[6:7] in HANDWRITTEN else "",
    )
    for field in fields.all("655"):
        put_text(parent, "genre", " -- ".join(tidy(value) for value in field.has("abvxyz")), authority=field.text("2"))
    for field in fields.all("336"):
        put_text(parent, "genre", tidy(field.text("a")), authority="rdacontent")


def put_origin(parent: Element, fields: Fields) -> None:
    """Append an originInfo for each 260 and 264; the first also has the data of 008, 250, 310 and the leader."""
    elements: list[Element] = []
    for tag in ("260", "264"):
        for field in fields.all(tag):
            event, date = EVENTS.get(field.indicator(2), ("", "dateIssued")) if tag == "264" else ("", "dateIssued")
            if clean(field.text("abcefg")):
                elements.append(put(parent, "originInfo", eventType=event, **field.attributes))
                _put_imprint(elements[-1], field, date)
    first = elements[0] if elements else put(parent, "originInfo")
    _put_coded(first, fields)
    for field in fields.all("250"):
        put_text(first, "edition", tidy(field.text("ab")))
    put_text(first, "issuance", ISSUANCE.get(fields.leader[7:8], ""))
    for field in fields.all("310"):
        put_text(first, "frequency", tidy(field.text("ab")))
    for value in parent.findall("originInfo"):
        if not len(value):
            parent.remove(value)


def put_languages(parent: Element, fields: Fields) -> None:
    """Append the codes of 008/35–37 and 041, each once; codes of summary, contents and material have an objectPart."""
    _put_codes(parent, [fields.fixed[35:38], *_codes(fields, "ad")], "")
    for part, subfield in (("summary", "b"), ("table of contents", "f"), ("accompanying material", "g")):
        _put_codes(parent, _codes(fields, subfield), part)


def _put_codes(parent: Element, codes: list[str], part: str) -> None:
    for code in dict.fromkeys(code for code in codes if _LANGUAGE.fullmatch(code) and code not in NO_LANGUAGE):
        element = put(parent, "language", objectPart=part)
        put(element, "languageTerm", code, type="code", authority="iso639-2b")


def _codes(fields: Fields, subfields: str) -> list[str]:
    return [code for field in fields.all("041") for value in field.has(subfields) for code in _cut(value)]


def _cut(codes: str) -> list[str]:
    """Split language codes; older records write several in one subfield: `engfre`."""
    codes = codes.strip()
    return [codes[at : at + 3] for at in range(0, len(codes), 3)] if len(codes) % 3 == 0 else [codes]


def _put_imprint(origin: Element, field: LinkedField, date: str) -> None:
    for value in field.has("ae"):
        if place := clean(tidy(value)):
            put(put(origin, "place"), "placeTerm", place, type="text")
    for value in field.has("bf"):
        put_text(origin, "publisher", tidy(value))
    for value in field.has("cg"):
        put_text(origin, date, tidy(value))


def _put_coded(first: Element, fields: Fields) -> None:
    country = fields.fixed[15:18].strip()
    if _COUNTRY.fullmatch(country):
        put(put(first, "place"), "placeTerm", country, type="code", authority="marccountry")
    kind, begin, end = fields.fixed[6:7], fields.fixed[7:11], fields.fixed[11:15]
    span = kind in SPANS and bool(kind)
    if _MARC_DATE.fullmatch(begin):
        put(first, "dateIssued", begin, encoding="marc", point="start" if span else "")
    if span and _MARC_DATE.fullmatch(end):
        put(first, "dateIssued", end, encoding="marc", point="end")
    elif kind == "t" and _MARC_DATE.fullmatch(end):
        put(first, "copyrightDate", end, encoding="marc")
