"""SIGKILL during an import, then the same command again: every record is there once, and the counts are right."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import iso
from tests.conditions import eventually
from tests.faults.imports import (
    Store,
    assert_complete,
    cluster,
    embedded,
    kill_session,
    queue_again,
    session_of,
    write_records,
)
from tests.faults.killed_import import BATCH

KILLED_IMPORT = "tests.faults.killed_import:main"
THREE_BATCHES = 2 * BATCH + 20
MANY_RECORDS = 1_500
SEED = 20261125
LINGER_SECONDS = 10


# In the order in which one import after the other reaches them.
POINTS = (
    "source.before_first_batch",
    "batch.before_put",
    "batch.before_commit",
    "batch.after_commit",
    "end.before_commit",
)
CLUSTER = pytest.param("cluster", marks=pytest.mark.servers)


@pytest.fixture(params=["embedded", CLUSTER])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "cluster":
        request.getfixturevalue("servers")
    with (cluster if request.param == "cluster" else embedded)(tmp_path) as store:
        yield store


def run_until_killed(store: Store, point: str, *words: str) -> None:
    """Run this command and assert that it is killed at the point."""
    process = store.start(point, *words, program=KILLED_IMPORT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        kill_session(process)
    assert process.returncode == -signal.SIGKILL, errors.decode()[-3000:]


def assert_counts(summary: dict[str, Any], *, count: int) -> None:
    assert summary["read"] == count
    assert summary["created"] + summary["unchanged"] == count
    assert (summary["updated"], summary["put_aside"]) == (0, 0)


@pytest.mark.timeout(240)
def test_an_import_killed_at_each_named_point_is_completed_by_the_same_command(store: Store, tmp_path: Path) -> None:
    path, records = write_records(tmp_path, THREE_BATCHES)
    # Each run continues where the one before was killed, and reaches its point: the last batch remains to the end.
    for point in POINTS:
        run_until_killed(store, point, "import", str(path), "--source", "UJI", "--new-source", "--json")
    summary = store.import_(path)
    assert_counts(summary, count=THREE_BATCHES)
    # An import that was killed before its end continues with its counts.
    assert summary["created"] == THREE_BATCHES
    assert_complete(store, records)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("store", "points"),
    [
        (
            "embedded",
            ("index.before_write", "index.after_write", "index.before_dequeue_commits", "index.after_dequeue"),
        ),
        pytest.param("cluster", ("index.after_write", "index.before_dequeue_commits"), marks=pytest.mark.servers),
    ],
    indirect=["store"],
    ids=["embedded", "cluster"],
)
def test_an_indexer_killed_at_each_named_point_leaves_out_no_record(
    store: Store, tmp_path: Path, points: tuple[str, ...]
) -> None:
    path, records = write_records(tmp_path, THREE_BATCHES)
    # The index exists before: while it is built, nothing is taken from the queue.
    first = tmp_path / "awal.mrc"
    first.write_bytes(iso(records[:BATCH]))
    store.import_(first)
    run_until_killed(store, "end.after_commit", "import", str(path), "--source", "UJI", "--new-source", "--json")
    # The queue is filled once, so that no point hides what the one before has lost: only the last one takes from it.
    queue_again(store)
    for point in points:
        run_until_killed(store, point, "jobs")
    summary = store.import_(path)
    assert_counts(summary, count=THREE_BATCHES)
    # An import that was killed after its end is repeated.
    assert summary["created"] == 0
    assert_complete(store, records)


def test_an_import_killed_three_times_at_random_is_completed(store: Store, tmp_path: Path) -> None:
    path, records = write_records(tmp_path, MANY_RECORDS)
    rng = random.Random(SEED)
    kills = 0
    for attempt in range(3):
        process = store.start_import(path)
        # Well before the end.
        time.sleep(rng.uniform(0.2, 1.0))
        if attempt % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(timeout=10)
        kills += process.returncode == -signal.SIGKILL
        # The processes that it started end soon after it.
        eventually(lambda leader=process.pid: session_of(leader) == [], seconds=LINGER_SECONDS)
        process.communicate(timeout=10)
    assert kills
    assert_counts(store.import_(path), count=MANY_RECORDS)
    assert_complete(store, records)
