"""Searches of the sample library have the same hits on tantivy and on Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from chassis.context import READER
from chassis.urls import open_url
from services.catalog.index.port import ENGINES, Change
from services.catalog.items.parsing import items_of
from services.catalog.marc.record import Record
from services.catalog.record.index_document import document
from services.catalog.tables import Institution
from services.catalog.tables import Record as Row
from tests.fakes.library import Library

QUERIES = (
    "", "robohnya surau kami", "surau navis", "minangkabau", "perempuan minangkabau", "yang hilang", "laskar pelan",
    '"bumi manusia"', "judul:anak -penulis:hamka", "novel tahun:..1950", "bahasa:inggris indonesia", "penulisan",
    "cerita rakyat anak", "899.2213", "pram", "robohna surau", "siti nurbaya", "minangkabua", "zzzz",
    "gimana cara masak", "ayat2 cinta", "komputer", "kamanakan", "perawat", "kamus bhs minang", "dilam",
)  # fmt: skip


@pytest.fixture
def on_elasticsearch(sample_library: Library, elasticsearch_url: str) -> Iterator[Library]:
    """The sample library with an index on Elasticsearch, from the same tables."""
    index = open_url(elasticsearch_url, ENGINES)
    building = index.begin_rebuild("alike-1")
    with sample_library.database.reading(READER) as session:
        rows = session.execute(
            select(Row.number, Row.marc, Institution.code).join(Institution, Institution.id == Row.institution_id)
        ).all()
    changes = []
    for number, packed, institution in rows:
        record = Record.unpack(packed)
        index_document = document(record, number=number, institution=institution, items=items_of(record))
        changes.append(Change(number, 1, index_document))
    building.write(changes)
    building.swap()
    yield Library(sample_library.database, index)
    index.close()


def test_both_engines_find_the_same_records_in_the_same_order(
    sample_library: Library, on_elasticsearch: Library
) -> None:
    for query in QUERIES:
        facets = ("language", "subject", "year")
        result, other_result = (
            library.find(query, limit=50, facets=facets) for library in (sample_library, on_elasticsearch)
        )
        assert (query, result.total, result.did_you_mean) == (query, other_result.total, other_result.did_you_mean)
        assert (query, result.facets) == (query, other_result.facets)
        assert (query, [hit.id for hit in result.hits]) == (query, [hit.id for hit in other_result.hits])
    for typed in ("ro", "minang", "nav", "bumi m", "tetral", "97897", "rainbow", "mank"):
        assert sample_library.suggested(typed) == on_elasticsearch.suggested(typed)
