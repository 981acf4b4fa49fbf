"""Formats of a record: file endings, media types, and their names in the catalogue.

The catalogue has its own list of formats; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Format:
    """A format of a record.

    name         name in Catalog.GetForm
    media_type   media type in Accept
    description  English sentence for the OpenAPI document
    """

    name: str
    media_type: str
    description: str


# By URL ending.
FORMATS: Final = MappingProxyType(
    {
        "json": Format("json", "application/json", "The data that the record's page shows."),
        "brief": Format("brief", "application/json", "The data that a list of hits shows."),
        "mrc": Format("marc", "application/marc", "MARC 21 in ISO 2709."),
        "xml": Format("marcxml", "application/marcxml+xml", "MARCXML."),
        "marcjson": Format("marcjson", "application/marc-in-json", "MARC-in-JSON."),
        "dc": Format("dc", "application/dc+xml", "Dublin Core (oai_dc)."),
        "mods": Format("mods", "application/mods+xml", "MODS 3.7."),
        "jsonld": Format("jsonld", "application/ld+json", "schema.org in JSON-LD."),
        "ris": Format("ris", "application/x-research-info-systems", "RIS, for reference managers."),
        "bib": Format("bibtex", "application/x-bibtex", "BibTeX."),
        "csv": Format("csv", "text/csv", "CSV, one row for the record."),
    }
)
# Accept selects the first ending with the media type.
ENDING_BY_MEDIA_TYPE: Final = MappingProxyType(
    {form.media_type: ending for ending, form in reversed(tuple(FORMATS.items()))}
)
MEDIA_TYPES: Final = tuple(dict.fromkeys(form.media_type for form in FORMATS.values()))
