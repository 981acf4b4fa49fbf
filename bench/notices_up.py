"""Notices of an edition: overdue ones beside searches, and receipts while desks work."""

from __future__ import annotations

import argparse
import csv
import http.client
import itertools
import multiprocessing
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from bench import generate, parts, thread_times
from bench.lending_data import (
    BRANCH,
    CODE,
    INSTITUTION_FILE,
    Edition,
    barcodes_of,
    open_database,
    run_command,
    running_cluster,
)
from bench.lending_http import Desk, cpu_seconds, fetch_token
from bench.mail_sink import MailSink, smtp_url
from chassis import clock
from chassis.bus.local import deliveries
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.database.db import Database
from rangkiang.circulation.v1.events_pb2 import LoanOverdue
from services.catalog.marc import iso2709
from services.catalog.tables import IndexQueue
from services.circulation.tables import Borrower, Copy
from services.notifications.handlers import follow_loans
from services.notifications.tables import Member, Notice
from tests.fakes.notices import loan_copy

BENCH = system("bench")
LONGEST_WAIT_SECONDS = 900.0
SERVICES = ("catalog", "members", "circulation", "notifications")
# Loops for 2 ms, and sleeps for the seconds of its argument.
_WORK = """
import sys, time
while True:
    end = time.perf_counter() + 0.002
    while time.perf_counter() < end:
        sum(range(1_000))
    time.sleep(float(sys.argv[1]))
"""
ZONES = ("Asia/Jakarta", "Europe/Lisbon", "America/Los_Angeles", "Pacific/Auckland")


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    """Fill an edition with records and members who have an e-mail address, and measure it."""
    with ExitStack() as stack:
        sink = stack.enter_context(MailSink(folder))
        changes = {"CHANNELS": smtp_url(sink.port)} | (thread_times.naming_threads() if arguments.profile else {})
        environment, start_edition = _edition(stack, folder, changes, arguments)
        _load(folder, environment, arguments)
        edition = stack.enter_context(start_edition())
        databases = {name: stack.enter_context(closing(open_database(name, edition))) for name in SERVICES}
        start = time.perf_counter()
        parts.wait_until(lambda: _is_filled(databases, arguments))
        sent = sink.count()  # welcomes of the members
        with _searching(edition, arguments):
            time.sleep(arguments.seconds / 2)  # the first searches of a process take longer
        print(f"copied in {time.perf_counter() - start:.0f} s; {sent} mails to new members", flush=True)
        if "overdue" in arguments.only:
            _measure_overdue(edition, databases["notifications"], sink, arguments)
        if "desks" in arguments.only:
            _measure_desks(edition, databases["circulation"], sink, arguments)


def _edition(
    stack: ExitStack, folder: Path, changes: Mapping[str, str], arguments: argparse.Namespace
) -> tuple[Mapping[str, str], Callable[[], AbstractContextManager[Edition]]]:
    """Return the environment of commands, and what starts the edition. Its databases are migrated."""
    if arguments.edition == "embedded":
        environment = parts.environment_of(folder / "up")
        parts.migrate(environment)
        return environment, lambda: _embedded(folder / "up", environment, changes, arguments)
    from tests import servers
    from tests.servers import state
    from tests.servers.cluster import Cluster

    state.refuse_settings_of_tests()
    cluster = Cluster(prefix="bench_notices_")
    cluster.environment |= {"DATA": str(folder / "cluster"), "RATE_LIMIT": "0", "REQUESTS_AT_ONCE": "0"}
    cluster.environment |= {"LOG_LEVEL": "WARNING", **changes}
    for service in cluster.ports:
        servers.drop_database(cluster.prefix + service)  # of a run that was killed
    stack.callback(cluster.remove)
    cluster.migrate()
    return cluster.environment, lambda: running_cluster(cluster)


@contextmanager
def _embedded(
    data: Path, environment: Mapping[str, str], changes: Mapping[str, str], arguments: argparse.Namespace
) -> Iterator[Edition]:
    with parts.up(data, workers=arguments.workers, **changes) as server:
        yield Edition(server.address, environment, [server.pid])


def _zone() -> str:
    """Return a zone in which it is day, so that no notice waits for the end of the quiet hours."""
    return max(ZONES, key=lambda zone: -abs(datetime.now(ZoneInfo(zone)).hour - 13))


def _load(folder: Path, environment: Mapping[str, str], arguments: argparse.Namespace) -> None:
    start = time.perf_counter()
    institutions, members, records = (folder / name for name in ("institutions.toml", "members.csv", "records.mrc"))
    institutions.write_text(INSTITUTION_FILE.replace("Asia/Jakarta", _zone()))
    run_command(environment, "institutions", "load", str(institutions))
    records.write_bytes(b"".join(iso2709.encode(record) for record in generate.records(arguments.records)))
    run_command(environment, "import", str(records), "--source", "BENCH", "--new-source", "--institution", CODE)
    with members.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, delimiter=";")
        writer.writerow(["nomor", "nama", "email", "tgl lahir", "alamat", "kategori"])
        for number in range(arguments.count):
            address = f"m{number:06}@example.org"
            writer.writerow([f"M{number:06}", f"Siti Rahmawati {number}", address, "1/2/1980", "Jl. Pandan", "umum"])
    run_command(environment, "members", "import", str(members), "--institution", CODE)
    print(f"loaded {arguments.records:,} records, {arguments.count:,} members in {time.perf_counter() - start:.0f} s")


def _is_filled(databases: Mapping[str, Database], arguments: argparse.Namespace) -> bool:
    """Return whether every member is known everywhere, and no event and no notice waits."""
    counts = []
    for name, table in (("circulation", Borrower), ("notifications", Member)):
        with databases[name].reading(BENCH) as session:
            counts.append(session.scalar(select(func.count()).select_from(table)))
    waiting = 0
    for database in databases.values():
        with database.reading(BENCH) as session:
            if database.is_sqlite:
                waiting += session.scalar(select(func.count()).select_from(deliveries)) or 0
            unpublished = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            waiting += session.scalar(unpublished) or 0
    with databases["circulation"].reading(BENCH) as session:
        copies = session.scalar(select(func.count()).select_from(Copy)) or 0
    with databases["catalog"].reading(BENCH) as session:
        waiting += session.scalar(select(func.count()).select_from(IndexQueue)) or 0
    return counts == [arguments.count] * 2 and not waiting and copies >= arguments.records and _is_sent(databases)


def _is_sent(databases: Mapping[str, Database]) -> bool:
    with databases["notifications"].reading(BENCH) as session:
        return session.scalar(select(Notice.id).where(Notice.state.in_(("waiting", "sending"))).limit(1)) is None


def _measure_overdue(edition: Edition, database: Database, sink: MailSink, arguments: argparse.Namespace) -> None:
    with _searching(edition, arguments) as before:
        time.sleep(arguments.seconds)
    sent, cpu, threads = sink.count(), cpu_seconds(edition.pids), thread_times.read(edition.pids)
    count = _add_overdue(database)
    start = time.time()
    with _searching(edition, arguments) as beside:
        parts.wait_until(lambda: sink.count() >= sent + count, seconds=LONGEST_WAIT_SECONDS)
    seconds = sink.mails()[sent + count - 1][0] - start
    cpu = cpu_seconds(edition.pids) - cpu
    if arguments.profile:
        thread_times.report(threads, thread_times.read(edition.pids), count, unit="notice")
    with _searching(edition, arguments) as after:
        time.sleep(arguments.seconds)
    share = min(0.95, cpu / seconds)
    with _working(share), _searching(edition, arguments) as other:
        time.sleep(arguments.seconds)
    print(
        f"{count} overdue notices: the last was handed over after {seconds:.1f} s ({count / seconds:.0f}/s);"
        f" {cpu:.1f} s of CPU time of the edition, with searches"
    )
    names = ["all processes", *(f"process {number}" for number in range(1, arguments.workers + 1))]
    rounds = [_by_process(round_, arguments.workers) for round_ in (before, after, beside, other)]
    for name, *figures in zip(names, *rounds, strict=True):
        alone = [*figures[0], *figures[1]]
        for percentile, value in (("p50", _p50), ("p95", _p95)):
            first, last, busy, working = (1e3 * value(some) for some in figures)
            print(
                f"  searches, {name}, {percentile}: {first:.1f} and {last:.1f} ms alone, {busy:.1f} ms beside; ratio"
                f" {busy / 1e3 / value(alone):.2f} ({len(alone)} and {len(figures[2])} searches);"
                f" {working:.1f} ms beside another program that computes {share:.0%} of the time,"
                f" ratio {working / 1e3 / value(alone):.2f}",
                flush=True,
            )


def _by_process(seconds: Sequence[float], workers: int) -> list[Sequence[float]]:
    """Return all seconds, and then those of each process: searches are sent to each in turn."""
    return [seconds, *(seconds[number::workers] for number in range(workers))]


@contextmanager
def _working(share: float) -> Iterator[None]:
    """Let a process of its own compute for this share of the time, in pieces of 2 ms, beside the block."""
    process = subprocess.Popen([sys.executable, "-c", _WORK, str(0.002 * (1 - share) / share)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _add_overdue(database: Database) -> int:
    """Add an overdue notice of every member in one transaction. Returns their number."""
    with database.reading(BENCH) as session:
        members = session.execute(select(Member.id, Member.institution_id)).all()
    due_on = (clock.now() - timedelta(days=7)).date()
    with database.transaction(BENCH) as session:
        events = [
            LoanOverdue(loan=loan_copy(row.id, row.institution_id, due_on=due_on), step=7, days=7, zone=_zone())
            for row in members
        ]
        follow_loans(session, [(event, BENCH) for event in events])
    return len(members)


@contextmanager
def _searching(edition: Edition, arguments: argparse.Namespace) -> Iterator[list[float]]:
    """Search at a steady pace beside the block, in each process in turn; fill the list with the seconds of each."""
    stop, seconds = threading.Event(), []
    thread = threading.Thread(target=_search, args=(edition.address, arguments, stop, seconds))
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


def _search(address: str, arguments: argparse.Namespace, stop: threading.Event, seconds: list[float]) -> None:
    queries = itertools.cycle(generate.queries(2_000))
    with ExitStack() as stack:
        # The supervisor gives each process one of these connections.
        clients = [
            stack.enter_context(closing(http.client.HTTPConnection(address.partition("://")[2])))
            for _ in range(arguments.workers)
        ]
        # Not at equal distances, because then all searches would meet the same part of the sender's rounds.
        chance, due = random.Random(1), time.perf_counter()
        while not stop.is_set():
            client = clients[len(seconds) % len(clients)]
            start = time.perf_counter()
            client.request("GET", f"/api/v1/search?q={quote(next(queries))}")
            response = client.getresponse()
            response.read()
            if response.status != 200:
                raise SystemExit(f"a search was answered with {response.status}")
            seconds.append(time.perf_counter() - start)
            due = max(due + chance.uniform(0.5, 1.5) / arguments.searches, time.perf_counter())
            stop.wait(due - time.perf_counter())


def _measure_desks(edition: Edition, database: Database, sink: MailSink, arguments: argparse.Namespace) -> None:
    """Lend at desks in four rounds, with the mail server there and away in turn; receipts are those of the first."""
    barcodes, token = barcodes_of(database), fetch_token(edition)()
    rounds: dict[bool, list[float]] = {True: [], False: []}
    first: dict[str, float] = {}
    used = 0
    for number, is_there in enumerate((True, False, True, False)):
        if not is_there:
            sink.stop()
        elif number:
            sink.start()
        sent = sink.count()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            acts = process.submit(
                lend, edition.address, token, barcodes[used:], used, arguments.desks, arguments.pause, arguments.seconds
            ).result()
        used += len(acts)
        rounds[is_there] += [seconds for _, seconds, _ in acts]
        if number == 0:
            first = {address: moment for address, _, moment in acts}
            _wait_for_mails(sink, sent + len(first))
            came = {address: moment for moment, address in reversed(sink.mails()[sent:])}
            late = [came[address] - moment for address, moment in first.items()]
            print(
                f"{arguments.desks} desks, {len(acts) / arguments.seconds:.0f} check-outs a second: receipts handed"
                f" over after p50 {_p50(late):.2f} s, p95 {_p95(late):.2f} s, longest {max(late):.2f} s"
            )
    there, away = rounds[True], rounds[False]
    print(
        f"  check-outs, mail server there: p50 {1e3 * _p50(there):.1f} ms, p95 {1e3 * _p95(there):.1f} ms; away:"
        f" p50 {1e3 * _p50(away):.1f} ms, p95 {1e3 * _p95(away):.1f} ms; ratio of p95 {_p95(away) / _p95(there):.2f}"
        f" ({len(there)} and {len(away)} check-outs)",
        flush=True,
    )


def lend(
    address: str, token: str, barcodes: Sequence[str], first: int, desks: int, pause: float, seconds: float
) -> list[tuple[str, float, float]]:
    """Lend an item to a member in turn, at so many desks. Returns address, seconds and moment of each check-out."""
    place, stop = address.partition("://")[2], time.monotonic() + seconds
    numbers = itertools.count()

    def work(_desk: int) -> list[tuple[str, float, float]]:
        acts = []
        with closing(Desk(place, token)) as desk:
            while time.monotonic() < stop:
                number = next(numbers)
                if number >= len(barcodes):
                    raise SystemExit("no item is left: --records, or fewer --seconds")
                member = first + number
                body = {"member": f"M{member:06}", "item": barcodes[number], "branch": f"{CODE}/{BRANCH}"}
                taken = desk.post("check-outs", body, 201)
                acts.append((f"m{member:06}@example.org", taken, time.time()))
                time.sleep(max(0.0, pause - taken))
        return acts

    with ThreadPoolExecutor(desks) as threads:
        return [act for some in threads.map(work, range(desks)) for act in some]


def _wait_for_mails(sink: MailSink, count: int) -> None:
    parts.wait_until(lambda: sink.count() >= count, seconds=LONGEST_WAIT_SECONDS)


def _p50(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]
