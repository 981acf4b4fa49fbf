"""Searches and the index while the engine, its indexes or the database are down, damaged or replaced."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from elasticsearch import Elasticsearch

from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.migrations.migrate import migrate
from chassis.service import Resources
from chassis.settings import load
from services.catalog import checks
from services.catalog.index import indexer
from services.catalog.index.indexer import Indexer
from services.catalog.index.installation import DatabaseInstallation, open_index
from services.catalog.index.port import Index
from services.catalog.index.rebuilds import index_fault, request_rebuild
from services.catalog.marc.record import Record as Marc
from services.catalog.search.search import SearchResult, search
from services.catalog.service import SERVICE
from tests.conditions import eventually
from tests.contract.indexes import ANYWHERE, engine, rebuilds_at, red_index
from tests.migrated import copy_migrated
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import books, rebuild_requests, run_indexer

ENGINES = ["tantivy", pytest.param("elasticsearch", marks=pytest.mark.servers)]


@dataclass
class Installation:
    """One installation: its database on SQLite and the index at its SEARCH_URL."""

    url: str
    database: Database
    index: Index

    def put(self, *titles: str) -> None:
        self.put_records(books(*titles))

    def put_records(self, records: Iterable[Marc]) -> None:
        Importer(self.database)(records)

    def find(self, query: str = "") -> SearchResult:
        return search(self.database, self.index, context=READER, query=query)

    def answers(self) -> tuple[bool, int]:
        """Tell whether an answer is degraded, and its total."""
        result = self.find()
        return result.degraded, result.total

    @property
    def resources(self) -> Resources:
        return Resources(load({"SEARCH_URL": self.url}), self.database, SERVICE)

    def trouble(self) -> str:
        """What doctor says of the index, with its advice; "" when all is well."""
        (finding,) = checks.index(self.resources)
        return "" if finding.ok else f"{finding.message.en} {finding.advice.en}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Index as `serve catalog` does."""
        stop = threading.Event()
        thread = threading.Thread(target=indexer.run, args=(self.resources, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)


@contextmanager
def installation(folder: Path, url: str, *, is_copy: bool = True) -> Iterator[Installation]:
    """Open an installation. Migrations give each its own id, so that copies of one database are one installation."""
    path = folder / "catalog.db"
    if is_copy and not path.exists():
        copy_migrated(SERVICE, path)
    elif not is_copy:
        folder.mkdir()
        migrate(SERVICE, owner_url=f"sqlite:///{path}")
    with closing(Database(f"sqlite:///{path}", pool_size=8, protected_tables=SERVICE.protected_tables)) as database:
        resources = Resources(load({"SEARCH_URL": url}), database, SERVICE)
        with closing(open_index(resources)) as index:
            yield Installation(url, database, index)


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SEARCH_URL."""
    if request.param == "tantivy":
        return f"tantivy:///{tmp_path}/index"
    url: str = request.getfixturevalue("elasticsearch_url")
    return url


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the index several times a second instead of every ten seconds."""
    monkeypatch.setattr("services.catalog.index.indexer.CHECK_SECONDS", 0.3)
    monkeypatch.setattr("services.catalog.index.elastic.COMPARE_SECONDS", 0.3)
    monkeypatch.setattr("services.catalog.index.indexer.SETTLED_SECONDS", 0.6)


@pytest.fixture
def first(tmp_path: Path, url: str) -> Iterator[Installation]:
    """An installation with three records, indexed."""
    with installation(tmp_path / "first", url) as first:
        first.put("Robohnya surau kami", "Sitti Nurbaya", "Salah asuhan")
        run_indexer(first.database, first.index)
        eventually(lambda: first.answers() == (False, 3))
        yield first


@pytest.fixture
def second(tmp_path: Path, url: str, first: Installation) -> Iterator[Installation]:
    """Another installation at the same SEARCH_URL, with one record."""
    with installation(tmp_path / "second", url, is_copy=False) as second:
        second.put("Kemarau")
        yield second


def only_elasticsearch(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.parametrize("url", ["elasticsearch"], indirect=True)(test)


def test_a_second_installation_is_refused_with_advice_and_the_first_keeps_its_index(
    first: Installation, second: Installation
) -> None:
    with second.running():
        wanted = request_rebuild(second.database)
        answers = set()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            answers.add(first.answers())
            assert second.answers() == (True, 1)
        assert answers == {(False, 3)}
        (request,) = rebuild_requests(second.database)
        assert (request.id, request.state) == (wanted, "failed")
        assert "INDEX_FOREIGN" in request.error
        assert first.index.name() in request.error
        assert "an index name of its own in SEARCH_URL" in second.trouble()
    assert (first.trouble(), rebuilds_at(first.url)) == ("", {first.index.name()})


def test_once_the_other_index_is_deleted_the_installation_builds_its_own(
    first: Installation, second: Installation
) -> None:
    with second.running():
        assert second.answers() == (True, 1)
        if first.url.startswith("tantivy"):
            shutil.rmtree(Path(first.url.removeprefix("tantivy:///")) / first.index.name())
        else:
            engine(first.url).indices.delete(index=",".join(engine(first.url).indices.get(index=_pattern(first.url))))
        eventually(lambda: second.answers() == (False, 1))
    assert second.trouble() == ""


@only_elasticsearch
def test_an_index_on_a_node_that_is_away_is_kept_and_its_records_are_found_in_the_tables(first: Installation) -> None:
    client, index = _replace_by_red(first)
    before = client.indices.get_settings(index=index)[index]["settings"]["index"]["uuid"]
    requests = len(rebuild_requests(first.database))
    with first.running():
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert first.answers() == (True, 3)
        with pytest.raises(Unavailable) as outage:
            first.trouble()
        assert outage.value.reason == "SEARCH_UNAVAILABLE"
        assert client.indices.get_settings(index=_pattern(first.url))[index]["settings"]["index"]["uuid"] == before
        assert len(rebuild_requests(first.database)) == requests
        # The stand-in for the lost node comes back without documents: it is kept until the new index answers.
        client.indices.put_settings(index=index, settings=ANYWHERE)
        eventually(lambda: first.answers() == (False, 3), seconds=30)
    assert index not in client.indices.get(index=_pattern(first.url))


@only_elasticsearch
def test_an_operator_can_replace_an_index_whose_node_is_lost(first: Installation) -> None:
    client, index = _replace_by_red(first)
    first.put("Robohnya surau kami lagi")
    request_rebuild(first.database)
    run_indexer(first.database, first.index)
    eventually(lambda: first.answers() == (False, 3))
    assert first.find("lagi").total == 1
    assert index not in client.indices.get(index=_pattern(first.url))


def test_an_index_that_is_deleted_while_nothing_is_written_is_built_again(first: Installation) -> None:
    with first.running():
        lost = first.index.name()
        if first.url.startswith("tantivy"):
            shutil.rmtree(Path(first.url.removeprefix("tantivy:///")) / lost)
        else:
            engine(first.url).indices.delete(index=",".join(engine(first.url).indices.get(index=_pattern(first.url))))
        eventually(lambda: first.index.name() not in ("", lost))
        eventually(lambda: first.answers() == (False, 3))


def test_during_an_upgrade_processes_of_both_forms_find_all_records(
    first: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.elastic_writing.FORM", "newer")
    monkeypatch.setattr("services.catalog.index.tantivy.FORM", "newer")
    with closing(open_index(first.resources)) as index:
        upgraded = Installation(first.url, first.database, index)
        assert upgraded.answers() == (True, 3)
        run_indexer(upgraded.database, upgraded.index)
        eventually(lambda: upgraded.answers() == (False, 3))
        assert upgraded.trouble() == ""
        if first.url.startswith("http"):
            assert first.answers() == (True, 3)


def test_an_older_dump_under_a_newer_index_is_found_and_the_index_built_again(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "first"
    with installation(folder, url) as before:
        before.put("Robohnya surau kami", "Sitti Nurbaya", "Salah asuhan")
        run_indexer(before.database, before.index)
    shutil.copytree(folder, tmp_path / "dump")
    with installation(folder, url) as newer:
        newer.put("Robohnya balai kami", "Sitti Nurbaya", "Salah asuhan")
        run_indexer(newer.database, newer.index)
        eventually(lambda: newer.find("balai").total == 1)
        assert newer.trouble() == ""
        stale = newer.index.name()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "dump", folder)
    with installation(folder, url) as restored:
        assert restored.index.count() == restored.find().total == 3
        assert "INDEX_STALE" in restored.trouble()
        with restored.running():
            eventually(lambda: restored.index.name() != stale)
            eventually(lambda: restored.find("surau").hits != [])
        assert (restored.find("balai").corrected, restored.trouble()) == (False, "")
        assert rebuilds_at(url) == {restored.index.name()}


@pytest.mark.parametrize("url", ["tantivy"], indirect=True)
@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00\x80", b"../first\n", b"", b"\0" * 4096])
def test_garbage_in_the_file_that_names_the_index_heals(first: Installation, garbage: bytes) -> None:
    (Path(first.url.removeprefix("tantivy:///")) / "current").write_bytes(garbage)
    with closing(open_index(first.resources)) as index:
        after = Installation(first.url, first.database, index)
        assert after.answers() == (True, 3)
        assert "INDEX_MISSING" in after.trouble()
        with after.running():
            eventually(lambda: after.answers() == (False, 3))
        assert after.trouble() == ""
        assert rebuilds_at(first.url) == {index.name()}


@only_elasticsearch
def test_a_rebuild_that_an_outage_interrupts_continues(first: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 1)
    wanted = request_rebuild(first.database)
    running = Indexer(first.database, first.index)
    running.step()
    running.give_up(Unavailable("SEARCH_UNAVAILABLE", why="ConnectionError"))
    assert {request.state for request in rebuild_requests(first.database) if request.id == wanted} == {"running"}
    run_indexer(first.database, first.index)
    assert (first.index.name(), index_fault(first.database, first.index)) == (wanted.hex, "")


def _pattern(url: str) -> str:
    return f"{urlsplit(url).path[1:]}-*"


def _replace_by_red(first: Installation) -> tuple[Elasticsearch, str]:
    """Replace the live index by one that is red."""
    name = first.index.name()
    client = engine(first.url)
    client.indices.delete(index=",".join(client.indices.get(index=_pattern(first.url))))
    return red_index(first.url, DatabaseInstallation(first.database), name)
