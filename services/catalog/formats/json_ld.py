"""schema.org in JSON-LD, for search engines and other libraries."""

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
# schema.org has illustrator only for Book; other types get a contributor.
BOOKS_ONLY: Final = frozenset({"illustrator"})
AVAILABILITY: Final = {
    "can_be_borrowed": "https://schema.org/InStock",
    "online": "https://schema.org/OnlineOnly",
    "read_here_only": "https://schema.org/InStoreOnly",
    "out_until": "https://schema.org/OutOfStock",
    "not_available": "https://schema.org/OutOfStock",
}
# schema.org has no term for "ask the library", so an offer in this state has no availability.
UNSAID: Final = "ask_the_library"
LEND: Final = "http://purl.org/goodrelations/v1#LeaseOut"
# MARC language code -> BCP 47, which prefers two letters; other codes stay as they are.
LANGUAGES: Final = {
    "ind": "id", "eng": "en", "may": "ms", "jav": "jv", "sun": "su", "ara": "ar", "dut": "nl", "ger": "de",
    "fre": "fr", "spa": "es", "por": "pt", "ita": "it", "rus": "ru", "chi": "zh", "jpn": "ja", "kor": "ko",
    "tha": "th", "vie": "vi", "per": "fa", "tur": "tr", "lat": "la", "gre": "el", "heb": "he", "hin": "hi",
    "urd": "ur", "tam": "ta", "pol": "pl", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "cze": "cs",
    "hun": "hu", "tgl": "tl", "ukr": "uk", "ben": "bn", "san": "sa",
}  # fmt: skip


def document(entry: Entry) -> bytes:
    """Write one record as an object with its context; safe inside an HTML script element."""
    return orjson.dumps({"@context": CONTEXT, **_describe(entry)}).replace(b"<", b"\\u003c")


def row(entry: Entry) -> bytes:
    """Write one record with its context as a line."""
    return document(entry) + b"\n"


def _describe(entry: Entry) -> dict[str, Any]:
    details = citation(entry.record)
    kind = TYPES.get(details.material, "CreativeWork")
    description: dict[str, Any] = {
        "@type": kind,
        "@id": entry.address or f"urn:uuid:{entry.id}",
        "url": entry.address,
        "name": details.title or "Tanpa judul",
        "alternativeHeadline": details.subtitle,
        "alternateName": details.other_titles,
        **_people(details, kind),
        "publisher": _publisher(details),
        "datePublished": details.year,
        "inLanguage": LANGUAGES.get(details.language, details.language),
        "description": details.summary,
        "about": [{"@type": "Thing", "name": subject} for subject in details.subjects],
        "isPartOf": _part_of(details),
        "identifier": _identifiers(details),
        "dateModified": entry.updated_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "offers": _offers(entry),
    }
    if kind == "Book":
        description |= {
            "isbn": details.isbn,
            "bookEdition": details.edition,
            "numberOfPages": int(details.page_count) if details.page_count else None,
            "bookFormat": "https://schema.org/EBook" if details.material == "ebook" else None,
        }
    elif kind == "Periodical":
        description["issn"] = details.issn
    return {key: value for key, value in description.items() if value}


def _people(details: Citation, kind: str) -> dict[str, list[dict[str, str]]]:
    people: dict[str, list[dict[str, str]]] = {}
    for name in details.names:
        part = ROLES.get(name.role, "contributor")
        people.setdefault("contributor" if part in BOOKS_ONLY and kind != "Book" else part, []).append(_agent(name))
    return people


def _agent(name: Name) -> dict[str, str]:
    return {"@type": NAME_TYPES[name.kind], "name": name.text}


def _publisher(details: Citation) -> dict[str, Any] | None:
    if not details.publisher:
        return None
    publisher: dict[str, Any] = {"@type": "Organization", "name": details.publisher}
    if details.place:
        publisher["location"] = {"@type": "Place", "name": details.place}
    return publisher


def _part_of(details: Citation) -> dict[str, str] | None:
    if details.host:
        return {"@type": "Periodical" if details.volume or details.issue else "CreativeWork", "name": details.host}
    return {"@type": "CreativeWorkSeries", "name": details.series} if details.series else None


def _identifiers(details: Citation) -> list[dict[str, str]]:
    numbers = (("DDC", details.ddc), ("001", details.control_number))
    return [{"@type": "PropertyValue", "propertyID": name, "value": value} for name, value in numbers if value]


def _offers(entry: Entry) -> list[dict[str, Any]]:
    """Return one offer per branch: lending or reading there, at no charge."""
    return [
        {
            "@type": "Offer",
            **_availability(holding.get("answer", "")),
            "businessFunction": LEND,
            "price": 0,
            "priceCurrency": "IDR",
            "sku": clean(holding.get("call_number") or ""),
            "availableAtOrFrom": {"@type": "Library", "name": clean(_branch_name(holding))},
        }
        for holding in orjson.loads(entry.holdings)
    ]


def _availability(answer: str) -> dict[str, str]:
    return {} if answer == UNSAID else {"availability": AVAILABILITY.get(answer, AVAILABILITY["not_available"])}


def _branch_name(holding: dict[str, Any]) -> str:
    names = holding.get("branch_name") or {}
    return str(names.get("id") or names.get("en") or f"{holding['institution']}/{holding['branch']}")
