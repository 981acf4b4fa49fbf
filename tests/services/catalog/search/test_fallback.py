"""Searches in the tables while the search engine is down, on both databases, and the return to the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.urls import open_url
from services.catalog.index.port import ENGINES, Index
from services.catalog.search.autocomplete import suggest
from services.catalog.search.search import SearchResult, search
from services.catalog.service import SERVICE
from tests.builders import book
from tests.fakes.proxy import Proxy, proxy_to
from tests.migrated import copied_database
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer

BOOKS = [
    book("buku1", "Robohnya surau kami", isbn="978-602-8811-30-9", items=[("PST", "K0001"), ("TJH", "K0002")]),
    book("buku2", "Kemarau", year="1957", subjects=["Novel"]),
    book("buku3", "Sitti Nurbaya", author="Rusli, Marah", items=[("PST", "1371000124")]),
    book("buku4", "The tigers of Minangkabau", author="Hadler, Jeffrey", language="eng", year="2008"),
    book("buku5", "Jurnal kebudayaan", author="", more=[["022", "  ", "a", "0126-1231"]]),
    *(book(f"c{at}", f"Surat ke-{at}", author="Kartini, R. A.") for at in range(30)),
]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index before the first rebuild."""
    with closing(open_url(f"tantivy:///{tmp_path}/index", ENGINES)) as index:
        yield index


@pytest.fixture
def tables(database: Database) -> Database:
    Importer(database)(BOOKS)
    return database


def find(database: Database, index: Index, query: str = "", **more: Any) -> SearchResult:
    return search(database, index, context=READER, query=query, **more)


def titles(result: SearchResult) -> list[str]:
    return [orjson.loads(hit.brief)["title"] for hit in result.hits]


@pytest.mark.parametrize(
    ("query", "first_title"),
    [
        ("978-602-8811-30-9", "Robohnya surau kami"),
        ("isbn:6028811300", "Robohnya surau kami"),
        ("0126-1231", "Jurnal kebudayaan"),
        ("k0002", "Robohnya surau kami"),
        ("1371000124", "Sitti Nurbaya"),
        ("buku3", "Sitti Nurbaya"),
        ("robohnya sur", "Robohnya surau kami"),
        ("tigers minangkabau", "The tigers of Minangkabau"),
        ("judul:kemarau", "Kemarau"),
        ("navis a a", "Kemarau"),
        ("navis kemarau", "Kemarau"),
        ("penulis:rusli", "Sitti Nurbaya"),
        ("hadler bahasa:inggris", "The tigers of Minangkabau"),
        ("navis tahun:..1956", "Robohnya surau kami"),
        ("navis -surau", "Kemarau"),
        ('"surau kami" navis', "Robohnya surau kami"),
    ],
)
def test_identifiers_titles_and_authors_are_looked_up(
    sample_tables: tuple[Database, Index], query: str, first_title: str
) -> None:
    result = find(*sample_tables, query)
    assert result.degraded
    assert titles(result)[:1] == [first_title]
    assert (result.facets, result.help, result.did_you_mean) == ([], None, "")


@pytest.fixture(scope="module")
def sample_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Index]]:
    folder = tmp_path_factory.mktemp("degraded")
    with (
        copied_database(SERVICE, folder) as database,
        closing(open_url(f"tantivy:///{folder}/index", ENGINES)) as index,
    ):
        Importer(database)(BOOKS)
        yield database, index


def test_on_both_databases_it_pages_filters_sorts_and_completes(tables: Database, index: Index) -> None:
    page = find(tables, index, "kartini", facets=("language",))
    next_page = find(tables, index, "kartini", cursor=page.next)
    assert (page.degraded, page.total, next_page.total, next_page.changed) == (True, 30, 30, False)
    assert len({hit.id for hit in (*page.hits, *next_page.hits)}) == 20
    assert titles(find(tables, index, "navis", sort="year")) == ["Kemarau", "Robohnya surau kami"]
    assert titles(find(tables, index, "navis", filters={"branch": ("PKS/TJH",)})) == ["Robohnya surau kami"]
    assert find(tables, index, "navis", filters={"language": ("eng",)}).hits == []
    assert find(tables, index).total == len(BOOKS)
    assert titles(find(tables, index, "978-602-8811-30-9")) == ["Robohnya surau kami"]
    suggestions = suggest(tables, index, context=READER, prefix="nav")
    assert [(suggestion.text, suggestion.kind) for suggestion in suggestions] == [("Navis, A. A.", "author")]
    suggestions = suggest(tables, index, context=READER, prefix="robohnya s")
    assert [(suggestion.text, suggestion.kind) for suggestion in suggestions] == [("Robohnya surau kami", "title")]


def test_without_the_engine_parameters_out_of_bounds_are_refused(tables: Database, index: Index) -> None:
    with pytest.raises(Invalid):
        find(tables, index, "x" * 501)


@pytest.fixture
def engine_proxy(servers: dict[str, str]) -> Iterator[Proxy]:
    """A proxy in front of Elasticsearch."""
    root = urlsplit(servers["SEARCH_ROOT_URL"])
    with proxy_to(root.hostname or "", root.port or 0) as proxy:
        yield proxy


def test_only_the_first_search_waits_for_the_timeout_of_a_silent_engine(
    tables: Database, engine_proxy: Proxy, elasticsearch_url: str
) -> None:
    alias = urlsplit(elasticsearch_url).path
    with closing(open_url(elasticsearch_url, ENGINES)) as direct_index:
        run_indexer(tables, direct_index)
    with closing(open_url(f"http://127.0.0.1:{engine_proxy.port}{alias}", ENGINES)) as index:
        assert not find(tables, index, "kami").degraded
        for fault in (engine_proxy.shut, engine_proxy.stall):
            fault()
            assert find(tables, index, "robohnya").degraded
            started_at = time.monotonic()
            for _ in range(10):
                assert titles(find(tables, index, "robohnya")) == ["Robohnya surau kami"]
            assert time.monotonic() - started_at < 12  # thirty seconds, if each search had waited
            engine_proxy.open()
            engine_proxy.cut()
            until = time.monotonic() + 10
            while (result := find(tables, index, "kami")).degraded:
                assert time.monotonic() < until, "it did not come back"
                time.sleep(0.05)
            assert titles(result) == ["Robohnya surau kami"]
