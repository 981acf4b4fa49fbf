"""relatedItem: series, hosts, predecessors and successors, other forms, and the works inside this one."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from services.catalog.formats.mods.fields import Fields, LinkedField
from services.catalog.formats.mods.titles import put_name, put_title_of
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy

# Linking entry field -> type of relatedItem; "" for a relation without a type in MODS.
LINKS: Final = {
    "534": "original", "765": "otherVersion", "767": "otherVersion", "770": "constituent", "772": "host",
    "773": "host", "774": "constituent", "775": "otherVersion", "776": "otherFormat", "777": "", "780": "preceding",
    "785": "succeeding", "786": "", "787": "", "760": "series", "762": "constituent",
}  # fmt: skip


def put_related(parent: Element, fields: Fields) -> None:
    """Append the series (transcribed and traced), then the linking entries, then the works of added entries."""
    _put_all_series(parent, fields)
    for tag, kind in LINKS.items():
        for field in fields.all(tag):
            if clean(field.text("astpcuxznwg")):
                _put_link(put(parent, "relatedItem", type=kind), field, tag)
    _put_works(parent, fields)


def _put_all_series(parent: Element, fields: Fields) -> None:
    for field in fields.all("490", "440"):
        if clean(field.text("a")):
            _put_series(put(parent, "relatedItem", type="series"), field, "a")
    for tag in ("800", "810", "811", "830"):
        codes = "a" if tag == "830" else "t"
        for field in fields.all(tag):
            if clean(field.text(codes)):
                item = put(parent, "relatedItem", type="series")
                _put_series(item, field, codes)
                if tag != "830":
                    put_name(item, field, f"1{tag[1:]}")


def _put_works(parent: Element, fields: Fields) -> None:
    for tag in ("700", "710", "711", "730"):
        codes = "adfgklmorst" if tag == "730" else "fklmorst"
        for field in fields.all(tag):
            if clean(field.text("a" if tag == "730" else "t")):
                item = put(parent, "relatedItem", type="constituent" if field.indicator(2) == "2" else "")
                put_title_of(item, field, codes)
                if tag != "730":
                    put_name(item, field, f"1{tag[1:]}")


def _put_series(item: Element, field: LinkedField, codes: str) -> None:
    put_title_of(item, field, codes)
    if volume := clean(field.text("v")):
        put(put(put(item, "part"), "detail", type="volume"), "number", volume)
    put_text(item, "identifier", tidy(field.text("x")), type="issn")


def _put_link(item: Element, field: LinkedField, tag: str) -> None:
    title = "t" if field.has("t") else "s"
    put_title_of(item, field, title)
    if name := clean(tidy(field.text("a"))):
        if field.has("ts"):
            put(put(item, "name"), "namePart", name)
        else:
            put(put(item, "titleInfo"), "title", name)
    if publication := clean(field.text("cd" if tag != "534" else "bc")):
        put(put(item, "originInfo"), "publisher", tidy(publication))
    for value in field.has("n"):
        put_text(item, "note", value)
    for code, kind in (("x", "issn"), ("z", "isbn"), ("w", "local"), ("u", "uri")):
        for value in field.has(code):
            put_text(item, "identifier", value, type=kind)
    if part := clean(field.text("g")):
        put(put(item, "part"), "text", part)
