"""Measures saves of records by cataloguers at once, and how soon a search finds what was saved.

    python -m bench.edits 100000 --editors 8     # records

Each editor reads a record as MARC-in-JSON, adds a note with a word of its own and saves it, once in each pause, at
`up --workers 2` on SQLite. Of every tenth save the time until a search for its word finds the record is measured.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
from sqlalchemy import select

from bench.lending_data import CODE
from chassis.context import READER
from chassis.database.db import Database
from services.catalog.tables import Record, Source
from tests.faults.imports import SOURCE, embedded, kill_session, write_records
from tests.faults.test_import_beside_up import Up

SAVES = 60  # of each editor
SAMPLED = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=int, nargs="?", default=10_000)
    parser.add_argument("--editors", type=int, default=8)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds of an editor between two saves")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, embedded(Path(name)) as store:
        store.environment |= {"RATE_LIMIT": "0"}
        path, _ = write_records(Path(name), arguments.records)
        store.run("sample", "load", seconds=300)
        words = ("import", str(path), "--source", SOURCE, "--new-source", "--institution", CODE)
        store.run(*words, seconds=1800)
        client = store.run("client", "create", "editors", "--institution", CODE, "--role", "manager")
        library = Up(store)
        try:
            ids = _ids(store.database_url, arguments.editors * SAVES)
            _measure(library.address, client, arguments.editors, arguments.pause, ids)
        finally:
            kill_session(library.process)


def _ids(url: str, count: int) -> list[str]:
    """Return the ids of records of the source, from its whole extent."""
    with closing(Database(url, pool_size=1)) as database, database.reading(READER) as session:
        ids = list(session.scalars(select(Record.id).join(Source).where(Source.code == SOURCE).order_by(Record.number)))
    return [str(record_id) for record_id in ids[:: max(1, len(ids) // count)][:count]]


def _measure(address: str, client: dict[str, str], editors: int, pause: float, ids: list[str]) -> None:
    body = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    with httpx.Client(base_url=f"{address}/api/v1", timeout=60, verify=False) as http:
        token = http.post("/tokens", json=body).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
    seconds: list[float] = []
    found: list[float] = []
    lock = threading.Lock()

    def edit(own: list[str]) -> None:
        with httpx.Client(base_url=f"{address}/api/v1", timeout=60, verify=False, headers=headers) as http:
            for number, record_id in enumerate(own):
                time.sleep(random.uniform(0, 2 * pause))
                read = http.get(f"/records/{record_id}.marcjson").raise_for_status()
                word = f"catatan{uuid.uuid4().hex[:12]}"
                record = read.json()
                record["fields"].append({"500": {"ind1": " ", "ind2": " ", "subfields": [{"a": word}]}})
                start = time.perf_counter()
                http.put(
                    f"/records/{record_id}",
                    json=record,
                    headers={"If-Match": read.headers["etag"], "Idempotency-Key": word},
                ).raise_for_status()
                saved = time.perf_counter()
                with lock:
                    seconds.append(saved - start)
                if number % SAMPLED:
                    continue
                while not http.get("/search", params={"q": word}).raise_for_status().json()["total"]:
                    time.sleep(0.02)
                with lock:
                    found.append(time.perf_counter() - saved)

    start = time.perf_counter()
    with ThreadPoolExecutor(editors) as pool:
        list(pool.map(edit, [ids[n::editors][:SAVES] for n in range(editors)]))
    span = time.perf_counter() - start
    cuts = statistics.quantiles(seconds, n=100)
    print(
        f"{len(seconds)} saves by {editors} editors in {span:.1f} s: p50 {cuts[49] * 1e3:.1f} ms, "
        f"p95 {cuts[94] * 1e3:.1f} ms; found by a search after p50 {statistics.median(found) * 1e3:.0f} ms, "
        f"at most {max(found) * 1e3:.0f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
