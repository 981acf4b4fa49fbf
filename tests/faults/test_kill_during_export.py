"""kill -9 during an export, then the same command again: the file is what an undisturbed export would have made."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Iterator
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
CLUSTER = pytest.param("cluster", marks=pytest.mark.servers)


@pytest.fixture(scope="module", params=["embedded", CLUSTER])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A catalogue of generated records."""
    if request.param == "cluster":
        request.getfixturevalue("servers")
    folder: Path = tmp_path_factory.mktemp("export")
    with (cluster if request.param == "cluster" else embedded)(folder) as opened:
        path, _ = written(folder, FOUR_PAGES)
        opened.import_(path)
        yield opened


def export(store: Store, to: Path, *words: str) -> dict[str, int]:
    process = store.start("export", "--to", str(to), "--json", *words)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints.decode()[-3000:]
    told: dict[str, int] = json.loads(said.splitlines()[-1])
    return told


@pytest.mark.parametrize("asked", ASKED)
def test_an_export_killed_anywhere_is_made_good_by_the_same_command(store: Store, tmp_path: Path, asked: str) -> None:
    whole, words = tmp_path / "whole", ASKED[asked]
    told = export(store, whole, *words)
    assert told["written"] > FOUR_PAGES / 4
    broken = tmp_path / "broken"
    for point in dying_export.POINTS:
        process = store.start(point, "export", "--to", str(broken), "--json", *words, program=DYING)
        try:
            _, complaints = process.communicate(timeout=60)
        finally:
            stopped(process)
        assert process.returncode == -signal.SIGKILL, complaints.decode()[-3000:]
    assert export(store, broken, *words) == told
    assert broken.read_bytes() == whole.read_bytes()
    assert [each.name for each in tmp_path.iterdir() if "state" in each.name] == []


def test_an_export_killed_at_any_moment_is_made_good(store: Store, tmp_path: Path) -> None:
    whole, broken, moments = tmp_path / "whole", tmp_path / "broken", random.Random(SEED)
    told = export(store, whole, "--format", "mods")
    for _ in range(2):
        process = store.start("export", "--to", str(broken), "--format", "mods")
        time.sleep(moments.uniform(0.5, 1.8))
        process.kill()
        process.communicate(timeout=10)
    assert export(store, broken, "--format", "mods") == told
    assert broken.read_bytes() == whole.read_bytes()
