"""physicalDescription, abstract, contents, audience, notes, access, identifiers, location and recordInfo."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

import orjson

from services.catalog.formats.clean_text import plain, put, put_text
from services.catalog.formats.entry import Entry
from services.catalog.formats.mods.fields import Fields, Said
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
    made = put(parent, "physicalDescription")
    for tag, kind in (("337", "rdamedia"), ("338", "rdacarrier")):
        for said in fields.all(tag):
            for value in said.has("a"):
                put_text(made, "form", tidy(value), authority=kind)
    for said in fields.all("856"):
        for value in said.has("q"):
            put_text(made, "internetMediaType", value)
    for said in fields.all("300"):
        put_text(made, "extent", tidy(said.text("abcefg")))
    if not len(made):
        parent.remove(made)


def put_notes(parent: Element, fields: Fields) -> None:
    for said in fields.all("520"):
        kind = ABSTRACTS.get(said.indicator(1), "")
        put_text(parent, "abstract", said.text("abc"), type=kind, **said.attributes)
    for said in fields.all("505"):
        put_text(parent, "tableOfContents", said.text("agrtu"))
    audience = AUDIENCES.get(fields.fixed[22:23], "") if fields.leader[6:7] not in "efp" else ""
    put_text(parent, "targetAudience", audience, authority="marctarget")
    for said in fields.all("521"):
        put_text(parent, "targetAudience", said.text("ab"))
    for said in fields.all("245"):
        put_text(parent, "note", tidy(said.text("c")), type="statement of responsibility", **said.attributes)
    for tag, kind in NOTES.items():
        for said in fields.all(tag):
            if tag != "521":
                put_text(parent, "note", said.text("*"), type=kind)
    for tag, kind in ACCESS.items():
        for said in fields.all(tag):
            put_text(parent, "accessCondition", said.text("*"), type=kind)


def put_identifiers(parent: Element, fields: Fields) -> None:
    """Numbers, those given as wrong ($z) marked invalid."""
    for tag, kind in NUMBERS.items():
        for said in fields.all(tag):
            for value in said.has("a"):
                put_text(parent, "identifier", value, type=kind)
            for value in said.has("z" if tag != "022" else "yz"):
                put_text(parent, "identifier", value, type=kind, invalid="yes")
    for said in fields.all("024"):
        kind = said.text("2") if said.indicator(1) == "7" else STANDARD_NUMBERS.get(said.indicator(1), "")
        for value in said.has("a"):
            put_text(parent, "identifier", value, type=kind)
    for said in fields.all("028"):
        put_text(parent, "identifier", said.text("ba"), type="music publisher" if said.indicator(1) in "23" else "")
    for said in fields.all("035"):
        for value in said.has("a"):
            put_text(parent, "identifier", value, type="oclc" if value.startswith("(OCoLC)") else "local")


def put_location(parent: Element, fields: Fields, entry: Entry) -> None:
    """Where it is: this catalogue's page, the record's links, and each branch with the call number."""
    if entry.address:
        put(put(parent, "location"), "url", entry.address, usage="primary display", access="object in context")
    for said in fields.all("856"):
        for value in said.has("u"):
            if _SAFE_LINK.match(value.strip()):
                put(put(parent, "location"), "url", value, displayLabel=said.text("3yz"))
    for held in orjson.loads(entry.holdings):
        made = put(parent, "location")
        put(made, "physicalLocation", f"{held['institution']}/{held['branch']}")
        put_text(made, "shelfLocator", held.get("call_number") or "")


def put_record_info(parent: Element, fields: Fields, entry: Entry) -> None:
    made = put(parent, "recordInfo")
    for said in fields.all("040"):
        put_text(made, "descriptionStandard", said.text("e"))
        put_text(made, "recordContentSource", tidy(said.text("a")), authority="marcorg")
    if _CREATED.fullmatch(created := fields.fixed[:6]):
        put(made, "recordCreationDate", created, encoding="marc")
    if changed := _CHANGED.fullmatch(fields.control("005").strip()):
        put(made, "recordChangeDate", f"{changed[1][:8]}T{changed[1][8:]}", encoding="iso8601")
    put_text(made, "recordIdentifier", fields.control("001") or entry.id, source=fields.control("003"))
    for said in fields.all("040"):
        for value in said.has("b"):
            if value.strip():
                put(put(made, "languageOfCataloging"), "languageTerm", value, type="code", authority="iso639-2b")
    put(made, "recordOrigin", "Converted from MARC 21 to MODS 3.7")


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
# Second indicator of 264 -> eventType, and the element its $c is.
EVENTS: Final = {
    "0": ("production", "dateCreated"), "1": ("publication", "dateIssued"), "2": ("distribution", "dateOther"),
    "3": ("manufacture", "dateOther"), "4": ("copyright notice", "copyrightDate"),
}  # fmt: skip
# 008/06: two dates that are the ends of a span.
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
    for said in fields.all("655"):
        put_text(parent, "genre", " -- ".join(tidy(each) for each in said.has("abvxyz")), authority=said.text("2"))
    for said in fields.all("336"):
        put_text(parent, "genre", tidy(said.text("a")), authority="rdacontent")


def put_origin(parent: Element, fields: Fields) -> None:
    """An originInfo for each 260 and 264; the first takes what 008, 250, 310 and the leader say, alone if need be."""
    made: list[Element] = []
    for tag in ("260", "264"):
        for said in fields.all(tag):
            event, date = EVENTS.get(said.indicator(2), ("", "dateIssued")) if tag == "264" else ("", "dateIssued")
            if plain(said.text("abcefg")):
                made.append(put(parent, "originInfo", eventType=event, **said.attributes))
                _put_imprint(made[-1], said, date)
    first = made[0] if made else put(parent, "originInfo")
    _put_coded(first, fields)
    for said in fields.all("250"):
        put_text(first, "edition", tidy(said.text("ab")))
    put_text(first, "issuance", ISSUANCE.get(fields.leader[7:8], ""))
    for said in fields.all("310"):
        put_text(first, "frequency", tidy(said.text("ab")))
    for each in parent.findall("originInfo"):
        if not len(each):
            parent.remove(each)


def put_languages(parent: Element, fields: Fields) -> None:
    """008/35–37 and the codes of 041, each once; those of its summary, contents and what comes with it said apart."""
    _put_codes(parent, [fields.fixed[35:38], *_codes(fields, "ad")], "")
    for part, subfield in (("summary", "b"), ("table of contents", "f"), ("accompanying material", "g")):
        _put_codes(parent, _codes(fields, subfield), part)


def _put_codes(parent: Element, codes: list[str], part: str) -> None:
    for code in dict.fromkeys(each for each in codes if _LANGUAGE.fullmatch(each) and each not in NO_LANGUAGE):
        made = put(parent, "language", objectPart=part)
        put(made, "languageTerm", code, type="code", authority="iso639-2b")


def _codes(fields: Fields, subfields: str) -> list[str]:
    return [code for said in fields.all("041") for value in said.has(subfields) for code in _cut(value)]


def _cut(codes: str) -> list[str]:
    """Older records write several codes in one: `engfre`."""
    codes = codes.strip()
    return [codes[at : at + 3] for at in range(0, len(codes), 3)] if len(codes) % 3 == 0 else [codes]


def _put_imprint(made: Element, said: Said, date: str) -> None:
    for value in said.has("ae"):
        if place := plain(tidy(value)):
            put(put(made, "place"), "placeTerm", place, type="text")
    for value in said.has("bf"):
        put_text(made, "publisher", tidy(value))
    for value in said.has("cg"):
        put_text(made, date, tidy(value))


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
