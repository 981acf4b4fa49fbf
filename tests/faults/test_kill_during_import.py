"""kill -9 during an import, anywhere, then the same command again: everything is there, once, and the counts add up."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.imports import (
    Store,
    cluster,
    embedded,
    eventually,
    everything_is_there_once,
    queue_again,
    session_of,
    stopped,
    written,
)

DYING = (sys.executable, "-m", "tests.faults.dying_import")
THREE_BATCHES = 1_300
MANY = 5_000
SEED = 20261125
LINGER_SECONDS = 10


CLUSTER = pytest.param("cluster", marks=pytest.mark.servers)


@pytest.fixture(params=["embedded", CLUSTER])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "cluster":
        request.getfixturevalue("servers")
    with (cluster if request.param == "cluster" else embedded)(tmp_path) as store:
        yield store


def dies(store: Store, point: str, *words: str) -> None:
    """Run this and see it killed at the point."""
    process = store.start(point, *words, program=DYING)
    try:
        _, complaints = process.communicate(timeout=60)
    finally:
        stopped(process)
    assert process.returncode == -signal.SIGKILL, complaints.decode()[-3000:]


def adds_up(said: dict[str, Any], *, read: int) -> None:
    assert said["read"] == read
    assert said["created"] + said["unchanged"] == read
    assert (said["updated"], said["put_aside"]) == (0, 0)


@pytest.mark.parametrize(
    "point",
    [
        "source.before_first_batch",
        "batch.before_put",
        "batch.before_commit",
        "batch.after_commit",
        "end.before_commit",
        "end.after_commit",
    ],
)
def test_an_import_killed_at_a_named_point_is_made_good_by_the_same_command(
    store: Store, tmp_path: Path, point: str
) -> None:
    path, records = written(tmp_path, THREE_BATCHES)
    dies(store, point, "import", str(path), "--source", "UJI", "--json")
    said = store.import_(path)
    adds_up(said, read=THREE_BATCHES)
    # An import that was killed before its end goes on with its counts; one that had ended is repeated.
    assert said["created"] == (0 if point == "end.after_commit" else THREE_BATCHES)
    everything_is_there_once(store, records)


@pytest.mark.parametrize(
    ("store", "point"),
    [
        ("embedded", "index.before_write"),
        ("embedded", "index.after_write"),
        ("embedded", "index.before_dequeue_commits"),
        ("embedded", "index.after_dequeue"),
        pytest.param("cluster", "index.after_write", marks=pytest.mark.servers),
        pytest.param("cluster", "index.before_dequeue_commits", marks=pytest.mark.servers),
    ],
    indirect=["store"],
)
def test_an_indexer_killed_at_a_named_point_leaves_nothing_out(store: Store, tmp_path: Path, point: str) -> None:
    path, records = written(tmp_path, THREE_BATCHES)
    dies(store, "end.after_commit", "import", str(path), "--source", "UJI", "--json")
    queue_again(store)
    dies(store, point, "jobs")
    adds_up(store.import_(path), read=THREE_BATCHES)
    everything_is_there_once(store, records)


def test_an_import_killed_at_any_moment_three_times_over(store: Store, tmp_path: Path) -> None:
    path, records = written(tmp_path, MANY)
    moments = random.Random(SEED)
    killed = 0
    for attempt in range(3):
        process = store.start_import(path)
        # Past the start of Python, which takes a second, and well before the end.
        time.sleep(moments.uniform(0.7, 2.5))
        if attempt % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(timeout=10)
        killed += process.returncode == -signal.SIGKILL
        # Nothing that it started outlives it for long.
        eventually(lambda leader=process.pid: session_of(leader) == [], seconds=LINGER_SECONDS)
        process.communicate(timeout=10)
    assert killed
    adds_up(store.import_(path), read=MANY)
    everything_is_there_once(store, records)
