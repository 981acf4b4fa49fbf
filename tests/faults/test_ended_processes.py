"""A process that ends inside a command or under `up` is named or replaced, and its work continues."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conditions import eventually
from tests.faults.imports import Store, assert_complete, command_of, embedded, kill_session, session_of, write_records

RECORDS = 2_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with embedded(tmp_path) as store:
        yield store


def decoders(leader: int) -> list[int]:
    """Ids of the decoding processes of an import."""
    return [pid for pid in session_of(leader) if "multiprocessing.spawn" in command_of(pid)]


def test_an_import_whose_decoder_is_killed_says_so_and_the_same_command_completes_it(
    store: Store, tmp_path: Path
) -> None:
    path, records = write_records(tmp_path, RECORDS)
    process = store.start_import(path)
    try:
        eventually(lambda: decoders(process.pid), seconds=30)
        os.kill(decoders(process.pid)[0], signal.SIGKILL)
        output, errors = process.communicate(timeout=60)
    finally:
        kill_session(process)
    assert b"Traceback" not in errors
    assert (process.returncode, json.loads(output.splitlines()[-1])["error"]["reason"]) == (3, "DECODER_ENDED")
    assert store.import_(path)["read"] == RECORDS
    assert_complete(store, records)


def test_up_with_one_worker_replaces_it_when_a_cut_file_of_the_index_kills_it(store: Store, tmp_path: Path) -> None:
    path, _ = write_records(tmp_path, 300)
    store.import_(path)
    process = store.start("up", "--workers", "1", "--json", LOG_FORMAT="json", RATE_LIMIT="0")
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        total = searched(address)
        assert total
        for file in Path(store.environment["DATA"], "index").glob("*/*.*"):
            if file.suffix in (".idx", ".term", ".store", ".fast", ".pos"):
                os.truncate(file, 100)
        # Pages of the files are mapped: the worker that reads them gets SIGBUS.
        queries = (f"judul{number}" for number in itertools.count())
        eventually(lambda: searched(address, next(queries)) is None, seconds=30)
        eventually(lambda: searched(address) == total, seconds=60)
        assert process.poll() is None
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        kill_session(process)
    assert b'"event":"worker_died"' in errors
    assert b"Traceback" not in errors


def searched(address: str, query: str = "") -> int | None:
    """Number of hits; None without an answer."""
    try:
        response = httpx.get(f"{address}/api/v1/search", params={"q": query} if query else {}, timeout=10, verify=False)
    except httpx.HTTPError:
        return None
    return None if response.is_error or response.json().get("degraded") else int(response.json()["total"])
