"""Helpers of the index contracts: a few documents, the two engines, and short requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chassis.urls import open_url
from services.catalog.index.matches import And, Match
from services.catalog.index.port import ENGINES, Change, Index, Request
from services.catalog.record.index_document import Document
from tests.fakes.documents import made

EVERYTHING = And(())
BOOKS = [
    made(
        1,
        text={"title": "laskar pelangi", "author": "andrea hirata", "subject": "belitung novel"},
        facets={"language": ("ind",), "author": ("Andrea Hirata",), "subject": ("Belitung", "Novel")},
        keywords={"isbn": ("9789793062792",)},
        year=2005,
        title_sort="laskar pelangi",
    ),
    made(
        2,
        text={"title": "sang pemimpi", "author": "andrea hirata", "subject": "belitung novel"},
        facets={"language": ("ind",), "author": ("Andrea Hirata",), "subject": ("Belitung", "Novel")},
        year=2006,
        title_sort="sang pemimpi",
    ),
    made(
        3,
        text={"title": "negeri 5 menara", "author": "ahmad fuadi", "subject": "pesantren novel"},
        facets={"language": ("ind",), "author": ("Ahmad Fuadi",), "subject": ("Novel", "Pesantren")},
        year=2009,
        title_sort="negeri 5 menara",
    ),
    made(
        4,
        text={"title": "the rainbow troops", "author": "andrea hirata", "subject": "belitung novel"},
        facets={"language": ("eng",), "author": ("Andrea Hirata",), "subject": ("Belitung", "Novel")},
        year=2005,
        title_sort="rainbow troops",
    ),
    made(
        5,
        text={"title": "kaba cindua mato"},
        facets={"language": ("min",)},
        title_sort="kaba cindua mato",
    ),
]


def changes(documents: list[Document], version: int = 1) -> list[Change]:
    return [Change(document.number, version, document) for document in documents]


def filled(index: Index, changes: list[Change]) -> Index:
    rebuild = index.begin_rebuild("first")
    rebuild.write(changes)
    rebuild.swap()
    return index


def eventually(condition: Callable[[], bool], seconds: float = 3) -> float:
    """Wait until the condition is true; returns the seconds."""
    started_at = time.monotonic()
    while not condition():
        assert time.monotonic() - started_at < seconds, "the condition is not true in time"
        time.sleep(0.02)
    return time.monotonic() - started_at


def numbers(index: Index, match: Match, **more: object) -> list[int]:
    return list(index.search(Request(match, **more)).numbers)  # type: ignore[arg-type]


def facet_of(change: Change, facet: str) -> tuple[str, ...]:
    assert change.document is not None
    return tuple(set(change.document.facets[facet]))


class Shelf:
    """An index for one test, empty or with BOOKS."""

    @pytest.fixture
    def index(self, url: str) -> Iterator[Index]:
        index = open_url(url, ENGINES)
        yield index
        index.close()

    @pytest.fixture
    def books(self, index: Index) -> Index:
        return filled(index, changes(BOOKS))


class Tantivy:
    """The embedded engine."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"tantivy:///{tmp_path}/index"

    @pytest.fixture(autouse=True)
    def short_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Shorten each segment's list of values, as in a large catalogue, so that counts need a second aggregation."""
        monkeypatch.setattr("services.catalog.index.tantivy_search.SEGMENT_VALUES", 3)


class Elasticsearch:
    """The cluster's engine."""

    @pytest.fixture
    def url(self, elasticsearch_url: str) -> str:
        return elasticsearch_url
