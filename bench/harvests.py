"""Measures records per second of OAI-PMH, in each format, and what change numbers cost an import.

    python -m bench.harvests 10000      # records

One client reads all pages of 1,000 records from `up --workers 1`, without compression; the database is SQLite.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from services.catalog import index_queue
from services.catalog.harvest.numbering import number_at_end
from services.catalog.service import SERVICE
from tests.faults.imports import embedded, kill_session, write_records
from tests.faults.test_import_beside_up import Up
from tests.migrated import copied_database
from tests.services.catalog.conftest import Importer

PREFIXES = ("oai_dc", "marc21", "mods")
TOKEN = re.compile(rb"<resumptionToken[^>]*>([^<]+)<")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, _ = write_records(folder, count)
        with_numbers, without = _import_seconds(folder / "a", path), 0.0
        with _no_numbers():
            without = _import_seconds(folder / "b", path)
        print(f"import, CPU: {without:.2f} s without numbers, {with_numbers:.2f} s with them", flush=True)
        with embedded(folder) as store:
            store.environment |= {"RATE_LIMIT": "0", "WORKERS": "1"}
            store.import_(path)
            library = Up(store)
            try:
                for prefix in PREFIXES:
                    records, size, seconds = _harvest(library.address, prefix)
                    print(f"{prefix}: {records / seconds:,.0f} records/s, {size / seconds / 1e6:.1f} MB/s", flush=True)
            finally:
                kill_session(library.process)


def _harvest(address: str, prefix: str) -> tuple[int, int, float]:
    """Return records, bytes and seconds of a harvest."""
    records = size = 0
    arguments: dict[str, Any] = {"metadataPrefix": prefix}
    with httpx.Client(base_url=address, timeout=60, verify=False, headers={"Accept-Encoding": "identity"}) as client:
        client.get("/oai?verb=Identify").raise_for_status()
        start = time.perf_counter()
        while arguments:
            response = client.get("/oai", params={"verb": "ListRecords", **arguments}).raise_for_status()
            records += response.content.count(b"<header")
            size += len(response.content)
            found = TOKEN.search(response.content)
            arguments = {"resumptionToken": found[1].decode()} if found else {}
        return records, size, time.perf_counter() - start


def _import_seconds(folder: Path, path: Path) -> float:
    """Import in this process; return its seconds of CPU time."""
    folder.mkdir()
    with copied_database(SERVICE, folder) as database:
        start = time.process_time()
        Importer(database)(path, source="BENCH")
        return time.process_time() - start


@contextlib.contextmanager
def _no_numbers() -> Iterator[None]:
    index_queue.number_at_end = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        index_queue.number_at_end = number_at_end


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
