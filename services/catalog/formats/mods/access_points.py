"""titleInfo, name, subject, classification and relatedItem."""

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
    """Append 245, then the uniform, abbreviated, translated and other titles; without any title, "[Tanpa judul]"."""
    before = len(parent)
    for field in fields.all("245"):
        _put_title(parent, field, "abfgks", _non_filing(field.indicator(2)), **field.attributes)
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


def _non_filing(indicator: str) -> int:
    return int(indicator) if indicator.isascii() and indicator.isdigit() else 0


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
