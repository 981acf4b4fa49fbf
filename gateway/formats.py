"""Forms in which a record can be had: the endings of their addresses, what HTTP calls them, what the catalogue does."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Ending:
    """form: as Catalog.GetForm names it. media_type: as Accept asks for it. says: for whom it is, in English."""

    form: str
    media_type: str
    says: str


ENDINGS: Final = MappingProxyType(
    {
        "json": Ending("json", "application/json", "The record as its page shows it."),
        "brief": Ending("brief", "application/json", "The record as a list of hits shows it."),
        "mrc": Ending("marc", "application/marc", "MARC 21 in ISO 2709."),
        "xml": Ending("marcxml", "application/marcxml+xml", "MARCXML."),
        "marcjson": Ending("marcjson", "application/marc-in-json", "MARC-in-JSON."),
        "dc": Ending("dc", "application/dc+xml", "Dublin Core (oai_dc)."),
        "mods": Ending("mods", "application/mods+xml", "MODS 3.7."),
        "jsonld": Ending("jsonld", "application/ld+json", "schema.org in JSON-LD."),
        "ris": Ending("ris", "application/x-research-info-systems", "RIS, for reference managers."),
        "bib": Ending("bibtex", "application/x-bibtex", "BibTeX."),
        "csv": Ending("csv", "text/csv", "A line of a table."),
    }
)
# What Accept may choose: the first ending with a media type.
BY_MEDIA_TYPE: Final = MappingProxyType({each.media_type: name for name, each in reversed(tuple(ENDINGS.items()))})
MEDIA_TYPES: Final = tuple(dict.fromkeys(each.media_type for each in ENDINGS.values()))
