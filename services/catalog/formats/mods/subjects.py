"""subject and classification."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.mods.fields import Fields, LinkedField
from services.catalog.formats.mods.titles import put_name, put_title_of
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy

# Second indicator of 6XX -> authority of the heading.
AUTHORITIES: Final = {"0": "lcsh", "1": "lcshac", "2": "mesh", "3": "nal", "5": "csh", "6": "rvm"}
SUBDIVISIONS: Final = {"x": "topic", "v": "genre", "y": "temporal", "z": "geographic"}
# Tag -> element and subfields of its main part; names and titles have their own elements.
MAIN: Final = {
    "648": ("temporal", "a"), "650": ("topic", "abc"), "651": ("geographic", "a"), "656": ("occupation", "a"),
}  # fmt: skip
NAMES: Final = {"600": "100", "610": "110", "611": "111"}
# In the order of the schema.
HIERARCHY: Final = {
    "h": "extraTerrestrialArea", "a": "country", "b": "state", "c": "county", "d": "city", "f": "citySection",
}  # fmt: skip
# Tag -> classification scheme; 084 and 086 name theirs in $2.
CLASSES: Final = {"050": "lcc", "055": "lcc", "060": "nlm", "080": "udc", "082": "ddc", "092": "ddc", "084": ""}


def put_subjects(parent: Element, fields: Fields) -> None:
    """Append 6XX in order of the tags, then hierarchical places (752, 662), area codes (043) and map data (255)."""
    _put_names(parent, fields)
    _put_headings(parent, fields)
    for field in fields.all("653"):
        for value in field.has("a"):
            if clean(tidy(value)):
                put(put(parent, "subject"), "topic", tidy(value))
    _put_places(parent, fields)
    _put_map(parent, fields)


def _put_names(parent: Element, fields: Fields) -> None:
    for tag in NAMES:
        for field in fields.all(tag):
            if clean(field.text("abcdnqt")):
                subject = _subject(parent, field)
                put_name(subject, field, NAMES[tag])
                put_title_of(subject, field, "t")
                _put_subdivisions(subject, field, "xyzv")
    for field in fields.all("630"):
        if clean(field.text("adfgklmnoprst")):
            subject = _subject(parent, field)
            put_title_of(subject, field, "adfgklmorst")
            _put_subdivisions(subject, field)


def _put_headings(parent: Element, fields: Fields) -> None:
    for tag, (element, codes) in MAIN.items():
        for field in fields.all(tag):
            if clean(field.text(codes + "vxyz")):
                subject = _subject(parent, field)
                put_text(subject, element, tidy(field.text(codes)))
                _put_subdivisions(subject, field)


def _put_places(parent: Element, fields: Fields) -> None:
    for field in fields.all("752", "662"):
        if clean(field.text("".join(HIERARCHY))):
            hierarchy = put(put(parent, "subject"), "hierarchicalGeographic")
            for code, element in HIERARCHY.items():
                for value in field.has(code):
                    put_text(hierarchy, element, tidy(value))
    for field in fields.all("043"):
        for value in field.has("a"):
            if area := clean(value):
                put(put(parent, "subject"), "geographicCode", area, authority="marcgac")


def put_classes(parent: Element, fields: Fields) -> None:
    """Append the class numbers of 050–092; a Dewey number has its edition."""
    for tag, authority in CLASSES.items():
        for field in fields.all(tag):
            scheme = authority or field.text("2")
            for value in field.has("a"):
                put_text(
                    parent,
                    "classification",
                    f"{value} {field.text('b')}" if authority in ("lcc", "nlm") else value,
                    authority=scheme,
                    edition=field.text("2") if authority == "ddc" else "",
                )
    for field in fields.all("086"):
        scheme = "sudocs" if field.indicator(1) == "0" else field.text("2")
        put_text(parent, "classification", field.text("a"), authority=scheme)


def _subject(parent: Element, field: LinkedField) -> Element:
    scheme = field.text("2") if field.indicator(2) == "7" else AUTHORITIES.get(field.indicator(2), "")
    return put(parent, "subject", authority=scheme, **field.attributes)


def _put_subdivisions(subject: Element, field: LinkedField, codes: str = "vxyz") -> None:
    subfields = field.field
    for at in range(2, len(subfields) - 1, 2):
        if subfields[at] and subfields[at] in codes:
            put_text(subject, SUBDIVISIONS[subfields[at]], tidy(subfields[at + 1]))
    if not len(subject):
        put(subject, "topic", field.text("*"))


def _put_map(parent: Element, fields: Fields) -> None:
    """Append scale, projection and coordinates (255)."""
    for field in fields.all("255"):
        if clean(field.text("abc")):
            cartographics = put(put(parent, "subject"), "cartographics")
            put_text(cartographics, "scale", field.text("a"))
            put_text(cartographics, "projection", field.text("b"))
            put_text(cartographics, "coordinates", field.text("c"))
