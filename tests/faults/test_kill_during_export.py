"""kill -9 during an export, then the same command again: the file is what an undisturbed export would have made."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.faults import dying_export
from tests.faults.imports import Store, cluster, embedded, stopped, written

DYING = (sys.executable, "-m", "tests.faults.dying_export")
FOUR_PAGES = 2_200
SEED = 20261125
ASKED = {
    "everything": ("--format", "mods"),
    "a search": ("--format", "ris", "--filter", "language=ind", "--query", "-subject:geografi"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A catalogue of generated records on SQLite and tantivy."""
    folder: Path = tmp_path_factory.mktemp("export")
    with embedded(folder) as store:
        yield filled(store, folder)


@pytest.fixture(scope="module")
def large(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The same on PostgreSQL and Elasticsearch."""
    folder: Path = tmp_path_factory.mktemp("export")
    with cluster(folder) as store:
        yield filled(store, folder)


def filled(store: Store, folder: Path) -> Store:
    path, _ = written(folder, FOUR_PAGES)
    store.import_(path)
    return store


def export(store: Store, to: Path, *words: str) -> dict[str, int]:
    process = store.start("export", "--to", str(to), "--json", *words)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints.decode()[-3000:]
    told: dict[str, int] = json.loads(said.splitlines()[-1])
    return told


def is_made_good(store: Store, folder: Path, asked: str, points: Iterable[str]) -> None:
    whole, words = folder / "whole", ASKED[asked]
    told = export(store, whole, *words)
    assert told["written"] > FOUR_PAGES / 4
    broken = folder / "broken"
    for point in points:
        process = store.start(point, "export", "--to", str(broken), "--json", *words, program=DYING)
        try:
            _, complaints = process.communicate(timeout=60)
        finally:
            stopped(process)
        assert process.returncode == -signal.SIGKILL, complaints.decode()[-3000:]
    assert export(store, broken, *words) == told
    assert broken.read_bytes() == whole.read_bytes()
    assert [path.name for path in folder.iterdir() if "state" in path.name] == []


def test_an_export_killed_anywhere_is_made_good_by_the_same_command(small: Store, tmp_path: Path) -> None:
    is_made_good(small, tmp_path, "everything", dying_export.POINTS)


def test_so_is_the_export_of_a_search(small: Store, tmp_path: Path) -> None:
    is_made_good(small, tmp_path, "a search", ["page.flushed"])


def test_so_it_is_in_the_cluster(large: Store, tmp_path: Path) -> None:
    is_made_good(large, tmp_path, "a search", ["page.not_kept", "page.flushed"])


def test_an_export_killed_at_any_moment_is_made_good(small: Store, tmp_path: Path) -> None:
    whole, broken, moments = tmp_path / "whole", tmp_path / "broken", random.Random(SEED)
    told = export(small, whole, "--format", "mods")
    for _ in range(2):
        process = small.start("export", "--to", str(broken), "--format", "mods")
        time.sleep(moments.uniform(0.5, 1.8))
        process.kill()
        process.communicate(timeout=10)
    assert export(small, broken, "--format", "mods") == told
    assert broken.read_bytes() == whole.read_bytes()
