"""Measures records per second of OAI-PMH, in each format; the floor is 3,000.

    python -m bench.harvests 10000      # records

One client reads all pages of 1,000 records from `up --workers 1`, without compression; the database is SQLite.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.faults.imports import embedded, kill_session, write_records
from tests.faults.test_import_beside_up import Up

PREFIXES = ("oai_dc", "marc21", "mods")
TOKEN = re.compile(rb"<resumptionToken[^>]*>([^<]+)<")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, _ = write_records(folder, count)
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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
