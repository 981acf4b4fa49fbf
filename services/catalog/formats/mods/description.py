"""physicalDescription, abstract, contents, audience, notes, access, identifiers, location and recordInfo."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

import orjson

from services.catalog.formats.entry import Entry
from services.catalog.formats.mods.fields import Fields, LinkedField
from services.catalog.formats.xml_text import clean, put, put_text
from services.catalog.record.headings import tidy
from services.catalog.record.links import SAFE_ADDRESS

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
_CREATED = re.compile(r"[0-9]{6}")
_CHANGED = re.compile(r"([0-9]{14})(?:\.[0-9])?")


def put_physical(parent: Element, fields: Fields) -> None:
    """Append physicalDescription: media and carrier (337, 338), format (856 $q), extent (300); nothing if all lack."""
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
    """Append abstracts (520), contents (505), audience (008/22, 521), notes (245 $c, 5XX) and access conditions."""
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
            if SAFE_ADDRESS.match(value.strip()):
                put(put(parent, "location"), "url", value, displayLabel=field.text("3yz"))
    for holding in orjson.loads(entry.holdings):
        location = put(parent, "location")
        put(location, "physicalLocation", f"{holding['institution']}/{holding['branch']}")
        put_text(location, "shelfLocator", holding.get("call_number") or "")


def put_record_info(parent: Element, fields: Fields, entry: Entry) -> None:
    """Append recordInfo; the identifier is the control number (001), else the catalogue's id."""
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
    """Append typeOfResource (leader/06, "text" for unknown types), and genre from 655 and 336."""
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
