"""Parts of a query that are not its topic: kind of book, language, audience."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from chassis.urls import open_url
from services.catalog.index.port import ENGINES
from services.catalog.service import SERVICE
from tests.contract.indexes import eventually
from tests.fakes.library import Library, begun, book
from tests.migrated import MigratedDatabases


@pytest.fixture
def shelf(tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Library]:
    with migrated.open(SERVICE, "sqlite", tmp_path) as database:
        library = Library(database, begun(open_url(f"tantivy:///{tmp_path}/index", ENGINES)))
        yield library
        library.index.close()


def test_the_form_that_a_query_names_comes_first_and_is_a_reason(shelf: Library) -> None:
    books = [
        book("Daging akar", author="Sakai, Gus tf", subject="Puisi"),
        book("Laba-laba", author="Sakai, Gus tf", subject="Kumpulan cerpen"),
        book("Perantau", author="Sakai, Gus tf", subject="Novel"),
        book("Kemarau", author="Navis, A. A.", subject="Novel"),
    ]
    shelf.put(books)
    eventually(lambda: shelf.find("").total == len(books))
    for query, first in (("cerpen gus tf sakai", "Laba-laba"), ("novel gus tf sakai", "Perantau")):
        hit = shelf.find(query, explain=True).hits[0]
        assert orjson.loads(hit.brief)["title"] == first
        assert f"“{query.split()[0]}” in the subjects" in [reason.text.en for reason in hit.reasons]
