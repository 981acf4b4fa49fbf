"""Lending: pairs of check-out and check-in.  usage: python -m bench.lending [desks] [seconds] [members] [items] [past]

The calls are those of the service inside one process, with their token, scope, key and transaction; every second act
returns what the first lent. The reference in the same run is bare sqlite3: transactions of nine statements of the same
kinds, by one writer, each synced to the disk.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import insert

from chassis import clock
from chassis.auth import Principal, TokenState, TokenVerifier
from chassis.context import system
from chassis.db import Database
from chassis.ids import new_id, new_id_text
from chassis.migrate import migrate
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel
from chassis.service import Resources, load
from chassis.settings import load as load_settings
from chassis.urls import resolve
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from services.circulation.tables import Borrower, BorrowerNumber, Branch, Copy, Institution, Loan
from services.members.keys import Keys, public_keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings

INSTITUTION, BRANCH = UUID(int=1), UUID(int=2)
BENCH = system("bench")
ROWS_AT_ONCE = 20_000


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:]]
    desks, seconds, members, items, past = numbers + [8, 10, 100_000, 300_000, 1_000_000][len(numbers) :]
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), desks=desks, seconds=seconds, members=members, items=items, past=past)


def _run(folder: Path, *, desks: int, seconds: int, members: int, items: int, past: int) -> None:
    settings = load_settings({"DATA": str(folder / "var")})
    for name in ("members", "circulation"):
        migrate(load(name), owner_url=settings.database_owner(name), app_url=settings.database(name))
    with (
        closing(load("members").open_database(settings)) as people,
        closing(load("circulation").open_database(settings)) as database,
    ):
        _fill(database, members=members, items=items, past=past)
        keys = Keys(people, settings.of(MembersSettings))
        token = keys.sign(Principal(new_id_text(), str(INSTITUTION), new_id_text(), scopes_of(["desk"])))
        with people.reading(BENCH) as session:
            state = TokenState({key.id: key.public_key for key in public_keys(session)}, frozenset())
        service = load("circulation")
        servicer = resolve(service.rpc)(Resources(settings=settings, database=database, service=service))
        inproc.register("circulation", servicer, resolve(service.adder), verifier=TokenVerifier(lambda: state))
        stub = CirculationStub(sync_channel("inproc:circulation", settings))
        _measure(stub, token, desks=desks, seconds=seconds, members=members, items=items)
    _measure_bare(folder / "bare.db", seconds=seconds)


def _measure(stub: Any, token: str, *, desks: int, seconds: int, members: int, items: int) -> None:
    numbers, stop = itertools.count(), time.monotonic() + seconds

    def seconds_of(call: Any, request: Message) -> float:
        start = time.perf_counter()
        call(request, metadata=[("authorization", f"Bearer {token}"), ("idempotency-key", new_id_text())])
        return time.perf_counter() - start

    def desk(_number: int) -> list[tuple[float, float]]:
        pairs = []
        while time.monotonic() < stop:
            number = next(numbers)
            item, member = f"B{number * 7 % items:07}", f"M{number * 13 % members:07}"
            check_out = wire.CheckOutRequest(member=member, item=item, branch="PUSAT")
            check_in = wire.CheckInRequest(item=item, branch="PUSAT")
            pairs.append((seconds_of(stub.CheckOut, check_out), seconds_of(stub.CheckIn, check_in)))
        return pairs

    cpu = time.process_time()
    with ThreadPoolExecutor(desks) as threads:  # a refusal at any desk ends the benchmark
        pairs = [pair for desk_pairs in threads.map(desk, range(desks)) for pair in desk_pairs]
    cpu = time.process_time() - cpu
    print(
        f"{desks} desks: {len(pairs) / seconds:,.0f} pairs a second; {cpu / len(pairs) * 1e3:.2f} ms of CPU time a pair"
    )
    for act, values in zip(("check-out", "check-in"), zip(*pairs, strict=True), strict=True):
        median, high = statistics.median(values), sorted(values)[int(len(values) * 0.95)]
        print(f"{act}: p50 {median * 1e3:.1f} ms, p95 {high * 1e3:.1f} ms")


def _measure_bare(path: Path, *, seconds: int) -> None:
    """Print how many transactions of nine statements bare sqlite3 does, one writer, WAL and FULL."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (id BLOB PRIMARY KEY, version INTEGER, body TEXT)")
    ids = [os.urandom(16) for _ in range(1000)]
    connection.executemany("INSERT INTO rows VALUES (?, 1, '')", [(row,) for row in ids])
    stop, count = time.monotonic() + min(seconds, 5), 0
    while time.monotonic() < stop:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT * FROM rows WHERE id = ?", (ids[count % 1000],)).fetchone()
        for _ in range(3):
            connection.execute("UPDATE rows SET version = version + 1 WHERE id = ?", (ids[count % 1000],))
        for _ in range(5):
            connection.execute("INSERT INTO rows VALUES (?, 1, ?)", (os.urandom(16), "x" * 300))
        connection.execute("COMMIT")
        count += 1
    connection.close()
    print(f"bare sqlite3: {count / min(seconds, 5):,.0f} transactions a second")


def _fill(database: Database, *, members: int, items: int, past: int) -> None:
    start = time.perf_counter()
    texts = {"name_id": "Pusat", "name_en": "Main", "zone": "Asia/Jakarta"}
    with database.transaction(BENCH) as session:
        session.execute(insert(Institution).values(id=INSTITUTION, version=1, code="PKS", kind="public", **texts))
        session.execute(insert(Branch).values(id=BRANCH, institution_id=INSTITUTION, code="PUSAT", **texts))
    copies = [new_id() for _ in range(items)]
    borrowers = [new_id() for _ in range(members)]
    _insert(database, Borrower, (_borrower(number, row) for number, row in enumerate(borrowers)))
    numbers = (
        {"institution_id": INSTITUTION, "number": f"M{number:07}", "borrower_id": row}
        for number, row in enumerate(borrowers)
    )
    _insert(database, BorrowerNumber, numbers)
    _insert(database, Copy, (_copy(number, row) for number, row in enumerate(copies)))
    _insert(database, Loan, (_loan(number, copies, borrowers) for number in range(past)))
    print(f"filled in {time.perf_counter() - start:.0f} s: {members:,} members, {items:,} items, {past:,} past loans")


def _insert(database: Database, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(itertools.islice(rows, ROWS_AT_ONCE)):
        with database.transaction(BENCH) as session:
            session.execute(insert(table.__table__), batch)


def _borrower(number: int, row: UUID) -> dict[str, Any]:
    return {
        "id": row, "institution_id": INSTITUTION, "version": 1, "card": f"M{number:07}", "category": "umum",
        "expires_on": None, "blocks": [], "age_band": "26-45", "sex": "female", "region": "13.72.01", "group": "",
        "is_organisation": False, "merged_into": None, "is_erased": False, "keeps_history": False, "lending_version": 0,
    }  # fmt: skip


def _copy(number: int, row: UUID) -> dict[str, Any]:
    return {
        "id": row, "institution_id": INSTITUTION, "version": 1, "barcode": f"B{number:07}", "record_id": row,
        "title": f"Buku {number}", "call_number": "899.221 NAV r", "enumeration": "", "branch_id": BRANCH,
        "collection": "circulation", "room": "", "status": "in_service", "ddc_class": "899", "language": "ind",
        "audience": "", "year": 1990, "is_gone": False, "state": "in", "state_version": 0, "transit_to": None,
        "act": "", "act_at": None, "act_branch_id": None, "act_loan_id": None,
    }  # fmt: skip


def _loan(number: int, copies: list[UUID], borrowers: list[UUID]) -> dict[str, Any]:
    lent_at = clock.now() - timedelta(days=20 + number % 1000)
    due_at = lent_at + timedelta(days=7)
    return {
        "id": uuid.uuid4(), "institution_id": INSTITUTION, "version": 2, "copy_id": copies[number % len(copies)],
        "borrower_id": borrowers[number % len(borrowers)], "branch_id": BRANCH, "lent_at": lent_at, "due_at": due_at,
        "due_on": due_at.date(), "unit": "day", "renewals": 0, "policy_version": 0, "policy_row": {}, "days": [],
        "keep_history": True, "returned_at": due_at, "returned_branch_id": BRANCH,
    }  # fmt: skip


if __name__ == "__main__":
    main()
