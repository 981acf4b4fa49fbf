"""subject and classification."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.mods.fields import Fields, Said
from services.catalog.formats.mods.titles import put_name, put_title_of
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy

# Second indicator of 6XX -> whose heading it is.
AUTHORITIES: Final = {"0": "lcsh", "1": "lcshac", "2": "mesh", "3": "nal", "5": "csh", "6": "rvm"}
SUBDIVISIONS: Final = {"x": "topic", "v": "genre", "y": "temporal", "z": "geographic"}
# Tag -> element and subfields of its main part; names and titles are put as such.
MAIN: Final = {
    "648": ("temporal", "a"), "650": ("topic", "abc"), "651": ("geographic", "a"), "656": ("occupation", "a"),
}  # fmt: skip
NAMES: Final = {"600": "100", "610": "110", "611": "111"}
# The schema wants them in this order.
HIERARCHY: Final = {
    "h": "extraTerrestrialArea", "a": "country", "b": "state", "c": "county", "d": "city", "f": "citySection",
}  # fmt: skip
# Tag -> whose classification; 084 and 086 name theirs in $2.
CLASSES: Final = {"050": "lcc", "055": "lcc", "060": "nlm", "080": "udc", "082": "ddc", "092": "ddc", "084": ""}


def put_subjects(parent: Element, fields: Fields) -> None:
    """6XX in their tags' order, then 752 and 662 as places in places, coded areas (043) and what a map shows (255)."""
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
                made = _subject(parent, field)
                put_name(made, field, NAMES[tag])
                put_title_of(made, field, "t")
                _put_subdivisions(made, field, "xyzv")
    for field in fields.all("630"):
        if clean(field.text("adfgklmnoprst")):
            made = _subject(parent, field)
            put_title_of(made, field, "adfgklmorst")
            _put_subdivisions(made, field)


def _put_headings(parent: Element, fields: Fields) -> None:
    for tag, (element, codes) in MAIN.items():
        for field in fields.all(tag):
            if clean(field.text(codes + "vxyz")):
                made = _subject(parent, field)
                put_text(made, element, tidy(field.text(codes)))
                _put_subdivisions(made, field)


def _put_places(parent: Element, fields: Fields) -> None:
    for field in fields.all("752", "662"):
        if clean(field.text("".join(HIERARCHY))):
            made = put(put(parent, "subject"), "hierarchicalGeographic")
            for code, element in HIERARCHY.items():
                for value in field.has(code):
                    put_text(made, element, tidy(value))
    for field in fields.all("043"):
        for value in field.has("a"):
            if area := clean(value):
                put(put(parent, "subject"), "geographicCode", area, authority="marcgac")


def put_classes(parent: Element, fields: Fields) -> None:
    """Each number of 050–084, with the edition of a Dewey number."""
    for tag, authority in CLASSES.items():
        for field in fields.all(tag):
            whose = authority or field.text("2")
            for value in field.has("a"):
                put_text(
                    parent,
                    "classification",
                    f"{value} {field.text('b')}" if authority in ("lcc", "nlm") else value,
                    authority=whose,
                    edition=field.text("2") if authority == "ddc" else "",
                )
    for field in fields.all("086"):
        whose = "sudocs" if field.indicator(1) == "0" else field.text("2")
        put_text(parent, "classification", field.text("a"), authority=whose)


def _subject(parent: Element, said: Said) -> Element:
    whose = said.text("2") if said.indicator(2) == "7" else AUTHORITIES.get(said.indicator(2), "")
    return put(parent, "subject", authority=whose, **said.attributes)


def _put_subdivisions(made: Element, said: Said, codes: str = "vxyz") -> None:
    field = said.field
    for at in range(2, len(field) - 1, 2):
        if field[at] and field[at] in codes:
            put_text(made, SUBDIVISIONS[field[at]], tidy(field[at + 1]))
    if not len(made):
        put(made, "topic", said.text("*"))


def _put_map(parent: Element, fields: Fields) -> None:
    """Scale, projection and coordinates (255)."""
    for field in fields.all("255"):
        if clean(field.text("abc")):
            made = put(put(parent, "subject"), "cartographics")
            put_text(made, "scale", field.text("a"))
            put_text(made, "projection", field.text("b"))
            put_text(made, "coordinates", field.text("c"))
