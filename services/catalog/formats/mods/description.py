"""physicalDescription, abstract, contents, audience, notes, access, identifiers, location and recordInfo."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

import orjson

from services.catalog.formats.entry import Entry
from services.catalog.formats.mods.fields import Fields
from services.catalog.formats.xml_text import put, put_text
from services.catalog.record.headings import tidy

# Tag -> type of note; "" for a note of no type.
NOTES: Final = {
    "500": "", "501": "", "502": "thesis", "504": "bibliography", "508": "creation/production credits",
    "511": "performers", "515": "numbering", "518": "venue", "521": "", "524": "preferred citation",
    "530": "additional physical form", "533": "reproduction", "535": "original location", "536": "funding",
    "538": "system details", "541": "acquisition", "545": "biographical/historical", "546": "language",
    "550": "", "555": "", "561": "ownership", "562": "version identification", "580": "", "581": "publications",
    "583": "action", "585": "exhibitions", "586": "awards", "590": "",
}  # fmt: skip
# First indicator of 520 -> type of abstract.
ABSTRACTS: Final = {
    " ": "Summary", "0": "Subject", "1": "Review", "2": "Scope and content", "3": "Abstract", "4": "Content advice",
}  # fmt: skip
# 008/22 -> targetAudience
AUDIENCES: Final = {
    **dict.fromkeys("abcj", "juvenile"), "d": "adolescent", "e": "adult", "f": "specialized", "g": "general",
}  # fmt: skip
# First indicator of 024 -> type of identifier; 7 names it in $2.
STANDARD_NUMBERS: Final = {"0": "isrc", "1": "upc", "2": "ismn", "3": "ean", "4": "sici"}
NUMBERS: Final = {
    "010": "lccn", "020": "isbn", "022": "issn", "027": "stock number", "037": "stock number",
}  # fmt: skip
ACCESS: Final = {"506": "restriction on access", "540": "use and reproduction"}
_SAFE_LINK = re.compile(r"(?:https?|ftp)://[^\s\"'<>\\]+\Z", re.IGNORECASE)
_CREATED = re.compile(r"[0-9]{6}")
_CHANGED = re.compile(r"([0-9]{14})(?:\.[0-9])?")


def put_physical(parent: Element, fields: Fields) -> None:
    description = put(parent, "physicalDescription")
    for tag, kind in (("337", "rdamedia"), ("338", "rdacarrier")):
        for field in fields.all(tag):
            for value in field.has("a"):
                put_text(description, "form", tidy(value), authority=kind)
    for field in fields.all("856"):
        for value in field.has("q"):
            put_text(description, "internetMediaType", value)
    for field in fields.all("300"):
        put_text(description, "extent", tidy(field.text("abcefg")))
    if not len(description):
        parent.remove(description)


def put_notes(parent: Element, fields: Fields) -> None:
    for field in fields.all("520"):
        kind = ABSTRACTS.get(field.indicator(1), "")
        put_text(parent, "abstract", field.text("abc"), type=kind, **field.attributes)
    for field in fields.all("505"):
        put_text(parent, "tableOfContents", field.text("agrtu"))
    audience = AUDIENCES.get(fields.fixed[22:23], "") if fields.leader[6:7] not in "efp" else ""
    put_text(parent, "targetAudience", audience, authority="marctarget")
    for field in fields.all("521"):
        put_text(parent, "targetAudience", field.text("ab"))
    for field in fields.all("245"):
        put_text(parent, "note", tidy(field.text("c")), type="statement of responsibility", **field.attributes)
    for tag, kind in NOTES.items():
        for field in fields.all(tag):
            if tag != "521":
                put_text(parent, "note", field.text("*"), type=kind)
    for tag, kind in ACCESS.items():
        for field in fields.all(tag):
            put_text(parent, "accessCondition", field.text("*"), type=kind)


def put_identifiers(parent: Element, fields: Fields) -> None:
    """Append the identifiers; those in $z, which are incorrect or cancelled, are marked invalid."""
    for tag, kind in NUMBERS.items():
        for field in fields.all(tag):
            for value in field.has("a"):
                put_text(parent, "identifier", value, type=kind)
            for value in field.has("z" if tag != "022" else "yz"):
                put_text(parent, "identifier", value, type=kind, invalid="yes")
    for field in fields.all("024"):
        kind = field.text("2") if field.indicator(1) == "7" else STANDARD_NUMBERS.get(field.indicator(1), "")
        for value in field.has("a"):
            put_text(parent, "identifier", value, type=kind)
    for field in fields.all("028"):
        put_text(parent, "identifier", field.text("ba"), type="music publisher" if field.indicator(1) in "23" else "")
    for field in fields.all("035"):
        for value in field.has("a"):
            put_text(parent, "identifier", value, type="oclc" if value.startswith("(OCoLC)") else "local")


def put_location(parent: Element, fields: Fields, entry: Entry) -> None:
    """Append the locations: the record's page, its links, and each branch with its call number."""
    if entry.address:
        put(put(parent, "location"), "url", entry.address, usage="primary display", access="object in context")
    for field in fields.all("856"):
        for value in field.has("u"):
            if _SAFE_LINK.match(value.strip()):
                put(put(parent, "location"), "url", value, displayLabel=field.text("3yz"))
    for holding in orjson.loads(entry.holdings):
        location = put(parent, "location")
        put(location, "physicalLocation", f"{holding['institution']}/{holding['branch']}")
        put_text(location, "shelfLocator", holding.get("call_number") or "")


def put_record_info(parent: Element, fields: Fields, entry: Entry) -> None:
    info = put(parent, "recordInfo")
    for field in fields.all("040"):
        put_text(info, "descriptionStandard", field.text("e"))
        put_text(info, "recordContentSource", tidy(field.text("a")), authority="marcorg")
    if _CREATED.fullmatch(created := fields.fixed[:6]):
        put(info, "recordCreationDate", created, encoding="marc")
    if changed := _CHANGED.fullmatch(fields.control("005").strip()):
        put(info, "recordChangeDate", f"{changed[1][:8]}T{changed[1][8:]}", encoding="iso8601")
    put_text(info, "recordIdentifier", fields.control("001") or entry.id, source=fields.control("003"))
    for field in fields.all("040"):
        for value in field.has("b"):
            if value.strip():
                put(put(info, "languageOfCataloging"), "languageTerm", value, type="code", authority="iso639-2b")
    put(info, "recordOrigin", "Converted from MARC 21 to MODS 3.7")
