"""RIS, BibTeX, CSV and JSON-LD of every shared record, read by somebody else's readers."""

from __future__ import annotations

import csv
import io
from typing import Any

import bibtexparser
import orjson
import rispy

from services.catalog.formats import FORMS
from services.catalog.formats.citation import citation
from tests.services.catalog.formats.entries import shared

# schema.org, release 29: properties of Thing and CreativeWork that we use, and what some types have besides.
CREATIVE_WORK = {
    "@context", "@type", "@id", "url", "name", "alternateName", "description", "identifier", "author", "contributor",
    "editor", "translator", "publisher", "datePublished", "dateModified", "inLanguage", "about", "isPartOf", "offers",
    "alternativeHeadline",
}  # fmt: skip
MORE = {
    "Book": {"isbn", "bookEdition", "numberOfPages", "bookFormat", "illustrator"},
    "Periodical": {"issn"},
    "Thesis": set(), "Article": set(), "Manuscript": set(), "Map": set(), "SheetMusic": set(), "AudioObject": set(),
    "VideoObject": set(), "ImageObject": set(), "DigitalDocument": set(), "Collection": set(), "CreativeWork": set(),
}  # fmt: skip


def collection(form: str) -> str:
    made = FORMS[form]
    return (made.head + b"".join(made.row(entry) for entry in shared()) + made.tail).decode("utf-8-sig")


def test_rispy_reads_every_record_with_its_title_and_names() -> None:
    read = rispy.loads(collection("ris"))
    assert len(read) == len(shared())
    for entry, seen in zip(shared(), read, strict=True):
        cited = citation(entry.record)
        assert seen["id"] == entry.id
        assert seen.get("title", "") == cited.whole_title
        assert seen.get("authors", []) == [name.text for name in cited.by_role("author")]
        assert seen.get("unknown_tag", {}) == {}


def test_bibtexparser_reads_every_record_under_a_key_of_its_own() -> None:
    library = bibtexparser.parse_string(collection("bibtex"))
    assert library.failed_blocks == []
    assert len({each.key for each in library.entries}) == len(library.entries) == len(shared())
    for entry, seen in zip(shared(), library.entries, strict=True):
        assert seen.fields_dict["url"].value == entry.address
        # Balanced: every brace we open is ours to close.
        assert seen.fields_dict["title"].value.startswith("{")


def test_the_csv_module_reads_every_record_strictly() -> None:
    read = list(csv.DictReader(io.StringIO(collection("csv"), newline=""), strict=True))
    assert [row["id"] for row in read] == [entry.id for entry in shared()]
    for entry, row in zip(shared(), read, strict=True):
        assert None not in row
        assert not any(str(value).startswith(("=", "+", "-", "@")) for value in row.values())
        assert row["call_numbers"] == "899.221 NAV r", entry.id


def test_json_ld_uses_the_words_of_schema_org() -> None:
    for entry in shared():
        made: dict[str, Any] = orjson.loads(FORMS["jsonld"].alone(entry))
        assert made["@context"] == "https://schema.org"
        assert set(made) <= CREATIVE_WORK | MORE[made["@type"]], made["@type"]
        assert made["@id"] == made["url"] == entry.address
        assert made["name"]
        for offer in made["offers"]:
            assert offer["availability"] == "https://schema.org/InStock"


def test_json_ld_cannot_end_the_script_it_stands_in() -> None:
    assert not any(b"<" in FORMS["jsonld"].alone(entry) for entry in shared())


def test_a_json_line_a_record_in_short_and_in_full() -> None:
    for form in ("brief", "json"):
        lines = collection(form).splitlines()
        assert [orjson.loads(line)["id"] for line in lines] == [entry.id for entry in shared()]
