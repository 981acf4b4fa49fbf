"""Lending in one process: pairs of check-out and check-in a second, and the same statements by the driver alone.

    python -m bench.lending [DESKS] [SECONDS] [MEMBERS] [ITEMS] [PAST] [--postgres] [--profile]

The calls are those of the service inside one process, with their token, scope, key and transaction; every second act
returns what the first lent. The reference has the statements of such pairs, with their values, on a copy of the same
database: one thread and the driver, on PostgreSQL pgbench too, each transaction synced to the disk.
`bench.lending_http` measures whole editions.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import os
import pstats
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import event, insert

from bench import lending_rows
from bench.lending_rows import BENCH
from chassis.database.db import Database
from chassis.database.table_access import FUNCTION
from chassis.ids import new_id, new_id_text
from chassis.migrations.migrate import migrate
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel
from chassis.security.auth import Principal, TokenState, TokenVerifier
from chassis.service import Resources, load
from chassis.settings import Settings
from chassis.settings import load as load_settings
from chassis.urls import resolve
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from services.circulation.tables import Branch, Copy, Institution
from services.members.keys import Keys, public_keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings

INSTITUTION, BRANCH = UUID(int=1), UUID(int=2)
BARE_PAIRS = 500
PREFIX = "bench_lending_"


def main() -> None:
    arguments = _parser().parse_args()
    print(f"load {os.getloadavg()[0]:.1f}; Python {sys.version.split()[0]}; {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder, _settings(Path(folder), postgres=arguments.postgres) as settings:
        _run(Path(folder), settings, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.lending", description=__doc__)
    for name, value in (("desks", 8), ("seconds", 10), ("members", 100_000), ("items", 300_000), ("past", 1_000_000)):
        parser.add_argument(name, nargs="?", type=int, default=value, help=f"by default {value:,}")
    parser.add_argument("--postgres", action="store_true", help="on the PostgreSQL of `make services`, not on SQLite")
    parser.add_argument("--profile", action="store_true", help="print where one desk spends its CPU time, and end")
    return parser


@contextmanager
def _settings(folder: Path, *, postgres: bool) -> Iterator[Settings]:
    if not postgres:
        yield load_settings({"DATA": str(folder / "var")})
        return
    from tests import servers  # needs their packages
    from tests.servers import state

    state.refuse_settings_of_tests()
    names = [f"{PREFIX}{name}" for name in ("circulation", "members", "bare", "pgbench")]
    urls = {key: servers.urls()[key].replace("{service}", f"{PREFIX}{{service}}") for key in _URLS}
    try:
        for name in names[:2]:
            servers.drop_database(name)
            servers.ensure_database(name)
        yield load_settings({"DATA": str(folder / "var"), "ENVIRONMENT": "development", **urls})
    finally:
        for name in names:
            servers.drop_database(name)


_URLS = ("DATABASE_URL", "DATABASE_OWNER_URL")


def _run(folder: Path, settings: Settings, arguments: argparse.Namespace) -> None:
    for name in ("members", "circulation"):
        migrate(load(name), owner_url=settings.database_owner(name), app_url=settings.database(name))
    with (
        closing(load("members").open_database(settings)) as people,
        closing(load("circulation").open_database(settings)) as database,
    ):
        _fill(database, members=arguments.members, items=arguments.items, past=arguments.past)
        stub, token = _service(settings, people, database)
        desk = Desks(stub, token, members=arguments.members, items=arguments.items)
        if arguments.profile:
            _profile(desk)
            return
        copy = _copied(database, folder)
        log = _recorded(database, desk)
        if database.is_sqlite:
            _measure_sqlite(copy, log)
        else:
            _measure_postgres(settings, log)
            _measure_pgbench(settings, log, folder)
        desk.measure(desks=arguments.desks, seconds=arguments.seconds)


def _service(settings: Settings, people: Database, database: Database) -> tuple[Any, str]:
    """Start circulation in this process. Returns its stub and a token of a desk."""
    keys = Keys(people, settings.of(MembersSettings))
    token = keys.sign(Principal(new_id_text(), str(INSTITUTION), new_id_text(), scopes_of(["desk"])))
    with people.reading(BENCH) as session:
        state = TokenState({key.id: key.public_key for key in public_keys(session)}, frozenset())
    service = load("circulation")
    servicer = resolve(service.rpc)(Resources(settings=settings, database=database, service=service))
    inproc.register("circulation", servicer, resolve(service.adder), verifier=TokenVerifier(lambda: state))
    channel: Any = sync_channel("inproc:circulation", settings)
    return CirculationStub(channel), token


class Desks:
    """Desks that lend and take back through one stub, each item and member in turn."""

    def __init__(self, stub: Any, token: str, *, members: int, items: int) -> None:
        self._stub, self._token = stub, token
        self._members, self._items = members, items
        self._numbers = itertools.count()

    def pair(self) -> tuple[float, float]:
        """Lend an item and take it back. Returns the seconds of both; a refusal ends the benchmark."""
        number = next(self._numbers)
        item, member = f"B{number * 7 % self._items:07}", f"M{number * 13 % self._members:07}"
        check_out = wire.CheckOutRequest(member=member, item=item, branch="PUSAT")
        check_in = wire.CheckInRequest(item=item, branch="PUSAT")
        return self._seconds_of(self._stub.CheckOut, check_out), self._seconds_of(self._stub.CheckIn, check_in)

    def measure(self, *, desks: int, seconds: int) -> None:
        """Print pairs a second, CPU time and waits."""
        stop = time.monotonic() + seconds

        def work(_number: int) -> list[tuple[float, float]]:
            pairs = []
            while time.monotonic() < stop:
                pairs.append(self.pair())
            return pairs

        cpu = time.process_time()
        with ThreadPoolExecutor(desks) as threads:
            pairs = [pair for desk_pairs in threads.map(work, range(desks)) for pair in desk_pairs]
        cpu = (time.process_time() - cpu) / len(pairs)
        print(f"{desks} desks: {len(pairs) / seconds:,.0f} pairs a second; {cpu * 1e3:.2f} ms of CPU time a pair")
        for act, values in zip(("check-out", "check-in"), zip(*pairs, strict=True), strict=True):
            median, high = statistics.median(values), sorted(values)[int(len(values) * 0.95)]
            print(f"{act}: p50 {median * 1e3:.1f} ms, p95 {high * 1e3:.1f} ms")

    def _seconds_of(self, call: Any, request: Message) -> float:
        start = time.perf_counter()
        call(request, metadata=[("authorization", f"Bearer {self._token}"), ("idempotency-key", new_id_text())])
        return time.perf_counter() - start


def _profile(desk: Desks) -> None:
    """Print the functions of 500 pairs by their own CPU time."""
    for _ in range(50):
        desk.pair()
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    for _ in range(BARE_PAIRS):
        desk.pair()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


# Transactions: their statements with the driver's values.
Log = list[list[tuple[str, Any]]]


def _recorded(database: Database, desk: Desks) -> Log:
    """Return the transactions of some pairs, as the driver gets them."""
    log: Log = []

    def begin(_connection: Any) -> None:
        log.append([])

    def execute(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if not statement.startswith(("BEGIN", "SELECT set_config")):
            log[-1].append((statement, values))

    listeners = (("begin", begin), ("before_cursor_execute", execute))
    for name, listener in listeners:
        event.listen(database.writer, name, listener)
    try:
        for _ in range(BARE_PAIRS):
            desk.pair()
    finally:
        for name, listener in listeners:
            event.remove(database.writer, name, listener)
    return log


def _report_bare(name: str, log: Log, execute: Callable[[list[tuple[str, Any]]], None]) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    for statements in log:
        execute(statements)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    per_pair = sum(map(len, log)) / BARE_PAIRS
    print(
        f"{name}, the same {per_pair:.0f} statements a pair: {BARE_PAIRS / seconds:,.0f} pairs a second by one thread;"
        f" {cpu / BARE_PAIRS * 1e3:.2f} ms of CPU time a pair"
    )


def _copied(database: Database, folder: Path) -> Path:
    """Copy a database in which nothing is open: a file, or a database of PostgreSQL beside it. Returns the file."""
    path = folder / "bare.db"
    if not database.is_sqlite:
        from tests.servers import postgres, state

        database.writer.dispose()
        for name in ("bare", "pgbench"):
            template = f'CREATE DATABASE "{PREFIX}{name}" TEMPLATE "{database.url.database}"'
            postgres.sql(state.read("postgres"), template)
        return path
    with closing(sqlite3.connect(str(database.url.database))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(str(database.url.database), path)
    return path


def _measure_sqlite(path: Path, log: Log) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function(FUNCTION, 0, lambda: INSTITUTION.bytes)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")

    def execute(statements: list[tuple[str, Any]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement, values in statements:
            connection.execute(statement, values).fetchall()
        connection.execute("COMMIT")

    _report_bare("bare sqlite3", log, execute)
    connection.close()


def _measure_postgres(settings: Settings, log: Log) -> None:
    import psycopg

    url = settings.database("circulation").replace(f"{PREFIX}circulation", f"{PREFIX}bare").replace("+psycopg", "")
    with closing(psycopg.connect(url)) as connection:

        def execute(statements: list[tuple[str, Any]]) -> None:
            with connection.transaction():
                connection.execute("SELECT set_config('rangkiang.institution', %s, true)", [str(INSTITUTION)])
                for statement, values in statements:
                    connection.execute(statement, values)

        _report_bare("bare psycopg", log, execute)


def _measure_pgbench(settings: Settings, log: Log, folder: Path) -> None:
    """Let pgbench send the same transactions, in their order, in one script with the values in the text."""
    import psycopg

    from tests.servers import postgres

    url = settings.database("circulation").replace(f"{PREFIX}circulation", f"{PREFIX}pgbench").replace("+psycopg", "")
    script = folder / "pgbench.sql"
    with closing(psycopg.connect(url)) as connection, script.open("w") as file:
        cursor = psycopg.ClientCursor(connection)
        for statements in log:
            lines = ["BEGIN", f"SELECT set_config('rangkiang.institution', '{INSTITUTION}', true)"]
            lines += [cursor.mogrify(statement, values) for statement, values in statements]
            lines.append("COMMIT")
            file.write("".join(f"{line};\n" for line in lines))
    command = [str(postgres.binaries() / "pgbench"), "--no-vacuum", "--transactions=1", f"--file={script}", url]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    latency = re.search(r"latency average = ([\d.]+) ms", result.stdout)
    if result.returncode or latency is None:
        raise SystemExit(f"pgbench failed: {result.stderr.strip()[-500:]}")
    # The whole script is one transaction of pgbench; reading it, which takes longer, is not in its latency.
    seconds = float(latency[1]) / 1e3
    print(f"pgbench, the same statements: {BARE_PAIRS / seconds:,.0f} pairs a second by one client")


def _fill(database: Database, *, members: int, items: int, past: int) -> None:
    start = time.perf_counter()
    texts = {"name_id": "Pusat", "name_en": "Main", "zone": "Asia/Jakarta"}
    with database.transaction(BENCH) as session:
        session.execute(insert(Institution).values(id=INSTITUTION, version=1, code="PKS", kind="public", **texts))
        session.execute(insert(Branch).values(id=BRANCH, institution_id=INSTITUTION, code="PUSAT", **texts))
    copies = [new_id() for _ in range(items)]
    rows = (lending_rows.copy(number, row, INSTITUTION, BRANCH) for number, row in enumerate(copies))
    lending_rows.add(database, Copy, rows)
    borrowers = lending_rows.add_borrowers(database, INSTITUTION, members)
    lending_rows.add_past_loans(
        database, past, institution=INSTITUTION, branch=BRANCH, copies=copies, borrowers=borrowers
    )
    print(f"filled in {time.perf_counter() - start:.0f} s: {members:,} members, {items:,} items, {past:,} past loans")


if __name__ == "__main__":
    main()
