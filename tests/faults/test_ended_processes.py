"""A process that ends inside a command or under `up` is named or replaced; what it was doing continues."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conditions import eventually
from tests.faults.imports import Store, assert_complete, embedded, kill_session, session_of, write_records

RECORDS = 2_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with embedded(tmp_path) as store:
        yield store


def decoders(leader: int) -> list[int]:
    """Ids of the decoding processes of an import."""
    return [pid for pid in session_of(leader) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


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
