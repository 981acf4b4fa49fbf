"""Helpers of the index contracts: a few documents, the two engines, and short requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from elasticsearch import Elasticsearch as Elastic

from chassis.urls import open_url
from services.catalog.index.elastic_query import mappings, settings
from services.catalog.index.elastic_writing import Names
from services.catalog.index.matches import And, Match
from services.catalog.index.port import ENGINES, Change, Index, Installation, Request
from services.catalog.record.index_document import Document
from tests import servers as development
from tests.conftest import fresh_name
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


@dataclass(frozen=True)
class Named:
    """An installation without a database."""

    name: str

    def id(self) -> str:
        return self.name

    def made(self, owner: str, name: str) -> bool:
        return owner == self.name


def filled(index: Index, changes: list[Change], *, name: str = "first") -> Index:
    rebuild = index.begin_rebuild(name)
    rebuild.write(changes)
    rebuild.swap()
    return index


def eventually(condition: Callable[[], bool], seconds: float = 30) -> float:
    """Wait until the condition is true; returns the seconds."""
    started_at = time.monotonic()
    while not condition():
        assert time.monotonic() - started_at < seconds, "the condition is not true in time"
        time.sleep(0.02)
    return time.monotonic() - started_at


def numbers(index: Index, match: Match, **more: object) -> list[int]:
    return list(index.search(Request(match, **more)).numbers)  # type: ignore[arg-type]


def rebuilds_at(url: str) -> set[str]:
    """Names of the rebuilds whose indexes exist at the URL, whosever they are."""
    if url.startswith("tantivy:///"):
        return {path.parent.name for path in Path(url.removeprefix("tantivy:///")).glob("*/rangkiang.json")}
    return {index.rpartition("-")[2] for index in engine(url).indices.get(index=f"{urlsplit(url).path[1:]}-*").body}


def engine(url: str) -> Elastic:
    """A client of the node, to do by hand what an operator or another program may do."""
    parts = urlsplit(url)
    return Elastic(f"{parts.scheme}://{parts.netloc}", request_timeout=30)


ANYWHERE: dict[str, object] = {"index.routing.allocation.require._name": None}


def red_index(url: str, installation: Installation, name: str) -> tuple[Elastic, str]:
    """Make the live index of an installation, empty, on a node that is away until its settings are ANYWHERE."""
    client, names = engine(url), Names(urlsplit(url).path[1:], installation)
    client.indices.create(
        index=names.index(name),
        settings={**settings(), "index.routing.allocation.require._name": "away"},
        mappings=mappings(names.marker),
        aliases={names.live: {}},
        wait_for_active_shards=0,
    )
    return client, names.index(name)


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


class SharedShelf(Shelf):
    """One index for all tests of a class, which only read it; any other index is a test's own."""

    DOCUMENTS = BOOKS

    @pytest.fixture(scope="class")
    @classmethod
    def books(cls, shared_url: str) -> Iterator[Index]:
        with closing(open_url(shared_url, ENGINES)) as index:
            yield filled(index, changes(cls.DOCUMENTS))


class Tantivy:
    """The embedded engine."""

    @pytest.fixture(scope="class")
    @classmethod
    def shared_url(cls, tmp_path_factory: pytest.TempPathFactory) -> str:
        return f"tantivy:///{tmp_path_factory.mktemp('shared')}/index"

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"tantivy:///{tmp_path}/index"

    @pytest.fixture(autouse=True)
    def short_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Shorten each segment's list of values, as in a large catalogue, so that counts need a second aggregation."""
        monkeypatch.setattr("services.catalog.index.tantivy_search.SEGMENT_VALUES", 3)


class Elasticsearch:
    """The cluster's engine."""

    @pytest.fixture(scope="class")
    @classmethod
    def shared_url(cls, servers: dict[str, str]) -> Iterator[str]:
        name = fresh_name().replace("_", "-")
        yield f"{servers['SEARCH_ROOT_URL']}/{name}"
        development.drop_indices(name)

    @pytest.fixture
    def url(self, elasticsearch_url: str) -> str:
        return elasticsearch_url
