"""schema.org in JSON-LD: what search engines and other libraries read from a record's page."""

from __future__ import annotations

from typing import Any, Final

import orjson

from services.catalog.formats.citation import Citation, Name, citation
from services.catalog.formats.entry import Entry
from services.catalog.formats.xml_text import clean

CONTEXT: Final = "https://schema.org"
TYPES: Final = {
    "book": "Book", "ebook": "Book", "thesis": "Thesis", "serial": "Periodical", "article": "Article",
    "manuscript": "Manuscript", "map": "Map", "music": "SheetMusic", "sound": "AudioObject", "video": "VideoObject",
    "picture": "ImageObject", "electronic": "DigitalDocument", "mixed": "Collection",
}  # fmt: skip
NAME_TYPES: Final = {"person": "Person", "body": "Organization", "meeting": "Organization"}
ROLES: Final = {"author": "author", "editor": "editor", "translator": "translator", "illustrator": "illustrator"}
# illustrator is a Book's alone; elsewhere such a person is a contributor.
BOOKS_ONLY: Final = frozenset({"illustrator"})
AVAILABILITY: Final = {
    "can_be_borrowed": "https://schema.org/InStock",
    "read_here_only": "https://schema.org/InStoreOnly",
    "out_until": "https://schema.org/OutOfStock",
    "not_available": "https://schema.org/OutOfStock",
}
LEND: Final = "http://purl.org/goodrelations/v1#LeaseOut"
# BCP 47 has two letters where there are some; MARC's three (bibliographic) for the languages that come here.
LANGUAGES: Final = {
    "ind": "id", "eng": "en", "may": "ms", "jav": "jv", "sun": "su", "ara": "ar", "dut": "nl", "ger": "de",
    "fre": "fr", "spa": "es", "por": "pt", "ita": "it", "rus": "ru", "chi": "zh", "jpn": "ja", "kor": "ko",
    "tha": "th", "vie": "vi", "per": "fa", "tur": "tr", "lat": "la", "gre": "el", "heb": "he", "hin": "hi",
    "urd": "ur", "tam": "ta", "pol": "pl", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "cze": "cs",
    "hun": "hu", "tgl": "tl", "ukr": "uk", "ben": "bn", "san": "sa",
}  # fmt: skip


def alone(entry: Entry) -> bytes:
    """One record as an object with its context; safe inside a script element of a page."""
    return orjson.dumps({"@context": CONTEXT, **_described(entry)}).replace(b"<", b"\\u003c")


def row(entry: Entry) -> bytes:
    """One record a line, each with its context."""
    return alone(entry) + b"\n"


def _described(entry: Entry) -> dict[str, Any]:
    cited = citation(entry.record)
    kind = TYPES.get(cited.material, "CreativeWork")
    made: dict[str, Any] = {
        "@type": kind,
        "@id": entry.address or f"urn:uuid:{entry.id}",
        "url": entry.address,
        "name": cited.title or "Tanpa judul",
        "alternativeHeadline": cited.subtitle,
        "alternateName": cited.other_titles,
        **_people(cited, kind),
        "publisher": _publisher(cited),
        "datePublished": cited.year,
        "inLanguage": LANGUAGES.get(cited.language, cited.language),
        "description": cited.summary,
        "about": [{"@type": "Thing", "name": subject} for subject in cited.subjects],
        "isPartOf": _part_of(cited),
        "identifier": _identifiers(cited),
        "dateModified": entry.updated_at.isoformat(timespec="seconds"),
        "offers": _offers(entry),
    }
    if kind == "Book":
        made |= {
            "isbn": cited.isbn,
            "bookEdition": cited.edition,
            "numberOfPages": int(cited.page_count) if cited.page_count else None,
            "bookFormat": "https://schema.org/EBook" if cited.material == "ebook" else None,
        }
    elif kind == "Periodical":
        made["issn"] = cited.issn
    return {key: value for key, value in made.items() if value}


def _people(cited: Citation, kind: str) -> dict[str, list[dict[str, str]]]:
    people: dict[str, list[dict[str, str]]] = {}
    for name in cited.names:
        part = ROLES.get(name.role, "contributor")
        people.setdefault("contributor" if part in BOOKS_ONLY and kind != "Book" else part, []).append(_agent(name))
    return people


def _agent(name: Name) -> dict[str, str]:
    return {"@type": NAME_TYPES[name.kind], "name": name.text}


def _publisher(cited: Citation) -> dict[str, Any] | None:
    if not cited.publisher:
        return None
    made: dict[str, Any] = {"@type": "Organization", "name": cited.publisher}
    if cited.place:
        made["location"] = {"@type": "Place", "name": cited.place}
    return made


def _part_of(cited: Citation) -> dict[str, str] | None:
    if cited.host:
        return {"@type": "Periodical" if cited.volume or cited.issue else "CreativeWork", "name": cited.host}
    return {"@type": "CreativeWorkSeries", "name": cited.series} if cited.series else None


def _identifiers(cited: Citation) -> list[dict[str, str]]:
    named = (("DDC", cited.ddc), ("001", cited.control_number))
    return [{"@type": "PropertyValue", "propertyID": name, "value": value} for name, value in named if value]


def _offers(entry: Entry) -> list[dict[str, Any]]:
    """What each branch has: lent for nothing, or read there."""
    return [
        {
            "@type": "Offer",
            "availability": AVAILABILITY.get(holding.get("answer", ""), AVAILABILITY["not_available"]),
            "businessFunction": LEND,
            "price": 0,
            "priceCurrency": "IDR",
            "sku": clean(holding.get("call_number") or ""),
            "availableAtOrFrom": {"@type": "Library", "name": clean(_branch_name(holding))},
        }
        for holding in orjson.loads(entry.holdings)
    ]


def _branch_name(held: dict[str, Any]) -> str:
    names = held.get("branch_name") or {}
    return str(names.get("id") or names.get("en") or f"{held['institution']}/{held['branch']}")
