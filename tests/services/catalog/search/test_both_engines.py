"""The sample library answers alike on tantivy and on Elasticsearch."""

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
)  # fmt: skip


@pytest.fixture
def on_elasticsearch(stocked: Library, elasticsearch_url: str) -> Iterator[Library]:
    """The sample library once more, from the same tables."""
    index = open_url(elasticsearch_url, ENGINES)
    building = index.begin_rebuild("alike-1")
    with stocked.database.reading(READER) as session:
        rows = session.execute(
            select(Row.number, Row.marc, Institution.code).join(Institution, Institution.id == Row.institution_id)
        ).all()
    changes = []
    for number, packed, institution in rows:
        record = Record.unpack(packed)
        made = document(record, number=number, institution=institution, items=items_of(record))
        changes.append(Change(number, 1, made))
    building.write(changes)
    building.swap()
    yield Library(stocked.database, index)
    index.close()


def test_both_engines_find_the_same_in_the_same_order(stocked: Library, on_elasticsearch: Library) -> None:
    for query in QUERIES:
        facets = ("language", "subject", "year")
        one, other = (each.find(query, limit=50, facets=facets) for each in (stocked, on_elasticsearch))
        assert (query, one.total, one.did_you_mean) == (query, other.total, other.did_you_mean)
        assert (query, one.facets) == (query, other.facets)
        assert (query, [hit.id for hit in one.hits]) == (query, [hit.id for hit in other.hits])
    for typed in ("ro", "minang", "nav", "bumi m"):
        assert stocked.suggested(typed) == on_elasticsearch.suggested(typed)
