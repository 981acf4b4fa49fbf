"""SIGKILL during an export, then the same command again: the file equals that of an uninterrupted export."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.faults import killed_export
from tests.faults.imports import Store, cluster, embedded, kill_session, wait_until_found, write_records

KILLED_EXPORT = "tests.faults.killed_export:main"
THREE_PAGES = 1_200
SEED = 20261125
REQUESTS = {
    "everything": ("--format", "mods"),
    "a search": ("--format", "ris", "--filter", "language=ind", "--query", "-subject:geografi"),
}


@pytest.fixture(scope="module")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A catalogue of generated records on SQLite and tantivy."""
    folder: Path = tmp_path_factory.mktemp("export")
    with embedded(folder) as store:
        yield with_records(store, folder)


@pytest.fixture(scope="module")
def cluster_store(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The same catalogue on PostgreSQL and Elasticsearch."""
    folder: Path = tmp_path_factory.mktemp("export")
    with cluster(folder) as store:
        yield with_records(store, folder)


def with_records(store: Store, folder: Path) -> Store:
    path, _ = write_records(folder, THREE_PAGES)
    store.import_(path)
    wait_until_found(store, THREE_PAGES)
    return store


def export(store: Store, to: Path, *words: str) -> dict[str, int]:
    return store.run("export", "--to", str(to), *words)


def assert_completed(store: Store, folder: Path, request: str, points: Iterable[str]) -> None:
    expected, words = folder / "expected", REQUESTS[request]
    summary = export(store, expected, *words)
    assert summary["written"] > THREE_PAGES / 4
    actual = folder / "actual"
    for point in points:
        process = store.start(point, "export", "--to", str(actual), "--json", *words, program=KILLED_EXPORT)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            kill_session(process)
        assert process.returncode == -signal.SIGKILL, errors.decode()[-3000:]
    assert export(store, actual, *words) == summary
    assert actual.read_bytes() == expected.read_bytes()
    assert [path.name for path in folder.iterdir() if "state" in path.name] == []


def test_an_export_killed_at_any_point_is_completed_by_the_same_command(embedded_store: Store, tmp_path: Path) -> None:
    assert_completed(embedded_store, tmp_path, "everything", killed_export.POINTS)


def test_a_killed_export_of_a_search_is_completed(embedded_store: Store, tmp_path: Path) -> None:
    assert_completed(embedded_store, tmp_path, "a search", ["page.flushed"])


def test_a_killed_export_is_completed_in_the_cluster(cluster_store: Store, tmp_path: Path) -> None:
    assert_completed(cluster_store, tmp_path, "a search", ["page.not_kept", "page.flushed"])


def test_an_export_killed_at_random_times_is_completed(embedded_store: Store, tmp_path: Path) -> None:
    expected, actual, rng = tmp_path / "expected", tmp_path / "actual", random.Random(SEED)
    summary = export(embedded_store, expected, "--format", "mods")
    for _ in range(2):
        process = embedded_store.start("export", "--to", str(actual), "--format", "mods")
        time.sleep(rng.uniform(0.1, 1.2))
        process.kill()
        process.communicate(timeout=10)
    assert export(embedded_store, actual, "--format", "mods") == summary
    assert actual.read_bytes() == expected.read_bytes()
