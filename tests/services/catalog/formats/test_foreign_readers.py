"""RIS, BibTeX, CSV and JSON-LD of every record of the corpora, read by the readers of other projects."""

from __future__ import annotations

import csv
import io
from typing import Any

import bibtexparser
import orjson
import pytest
import rispy

from services.catalog.formats import FORMS
from services.catalog.formats.citation import citation
from tests import corpus
from tests.services.catalog.formats.entries import entries

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


# Each test runs on our own records, and on the real ones where they are.
SETS = pytest.mark.parametrize("records", corpus.sets())


def collection(form: str, records: str) -> str:
    exporter = FORMS[form]
    return (exporter.head + b"".join(exporter.row(entry) for entry in entries(records)) + exporter.tail).decode(
        "utf-8-sig"
    )


@SETS
def test_rispy_reads_every_record_with_its_title_and_names(records: str) -> None:
    read = rispy.loads(collection("ris", records))
    assert len(read) == len(entries(records))
    for entry, reading in zip(entries(records), read, strict=True):
        cited_record = citation(entry.record)
        assert reading["id"] == entry.id
        assert reading.get("title", "") == cited_record.whole_title
        assert reading.get("authors", []) == [name.text for name in cited_record.by_role("author")]
        assert reading.get("unknown_tag", {}) == {}


@SETS
def test_bibtexparser_reads_every_record_under_a_key_of_its_own(records: str) -> None:
    library = bibtexparser.parse_string(collection("bibtex", records))
    assert library.failed_blocks == []
    assert len({entry.key for entry in library.entries}) == len(library.entries) == len(entries(records))
    for entry, reading in zip(entries(records), library.entries, strict=True):
        assert reading.fields_dict["url"].value == entry.address
        # Balanced: every brace we open is ours to close.
        assert reading.fields_dict["title"].value.startswith("{")


@SETS
def test_the_csv_module_reads_every_record_strictly(records: str) -> None:
    read = list(csv.DictReader(io.StringIO(collection("csv", records), newline=""), strict=True))
    assert [row["id"] for row in read] == [entry.id for entry in entries(records)]
    for entry, row in zip(entries(records), read, strict=True):
        assert None not in row
        assert not any(str(value).startswith(("=", "+", "-", "@")) for value in row.values())
        assert row["call_numbers"] == "899.221 NAV r", entry.id


@SETS
def test_json_ld_uses_the_words_of_schema_org(records: str) -> None:
    for entry in entries(records):
        data: dict[str, Any] = orjson.loads(FORMS["jsonld"].document(entry))
        assert data["@context"] == "https://schema.org"
        assert set(data) <= CREATIVE_WORK | MORE[data["@type"]], data["@type"]
        assert data["@id"] == data["url"] == entry.address
        assert data["name"]
        for offer in data["offers"]:
            assert offer["availability"] == "https://schema.org/InStock"


@SETS
def test_json_ld_cannot_end_its_script_element(records: str) -> None:
    assert not any(b"<" in FORMS["jsonld"].document(entry) for entry in entries(records))


@SETS
def test_a_json_line_a_record_in_short_and_in_full(records: str) -> None:
    for form in ("brief", "json"):
        lines = collection(form, records).splitlines()
        assert [orjson.loads(line)["id"] for line in lines] == [entry.id for entry in entries(records)]
