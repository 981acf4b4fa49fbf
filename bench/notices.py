"""Notices: events handled, overdue notices beside searches, receipts while desks work, and a mail server that is away.

    python -m bench.notices [--only events hand-over overdue desks] [--count 10000] [--workers 2]
    python -m bench.notices --only overdue --edition cluster     # on PostgreSQL, after `make services`

Every part has its reference in the same run: bare sqlite3 transactions for events, the standard library's client for
mails, and the same searches and check-outs without notices, or with the mail server there. `events` and `hand-over` run
in this process, with members who answer from memory; the others measure an edition (bench.notices_up).
"""

from __future__ import annotations

import argparse
import os
import smtplib
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from google.protobuf.json_format import MessageToJson
from sqlalchemy import func, select

from bench import notices_up
from bench.mail_sink import MailSink, smtp_url
from chassis import clock
from chassis.bus import Event
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id
from chassis.operations.testing import migrated_database
from chassis.security.encryption import MasterKey
from chassis.service import Resources
from chassis.settings import load as load_settings
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.circulation.v1.events_pb2 import LoanOverdue
from rangkiang.common.v1.text_pb2 import LocalText
from services.notifications.channels.opening import open_channels
from services.notifications.institutions import copy_institutions
from services.notifications.sending.sender import Sender
from services.notifications.service import SERVICE
from services.notifications.tables import Notice
from services.notifications.templates.store import render
from tests.fakes.notices import FakeOwners, loan_copy

BENCH = system("bench")
INSTITUTION = UUID("0192f3a4-0000-7000-8000-000000000001")
MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB
PARTS = ("events", "hand-over", "overdue", "desks")
# What an event writes at least: the mark of its loan, the notice, its inbox row; and its delivery is deleted.
BARE = (
    "CREATE TABLE deliveries (id BLOB PRIMARY KEY, body TEXT)",
    "CREATE TABLE inbox (consumer TEXT, id BLOB, at TEXT, PRIMARY KEY (consumer, id))",
    "CREATE TABLE marks (id BLOB PRIMARY KEY, version INTEGER, due_on TEXT)",
    "CREATE TABLE notices (id BLOB PRIMARY KEY, key TEXT UNIQUE, member BLOB, loan BLOB, facts TEXT, due_at TEXT)",
    "CREATE INDEX notices_member ON notices (member, id)",
    "CREATE INDEX notices_loan ON notices (loan)",
    "CREATE INDEX notices_due ON notices (due_at, id)",
)
TOGETHER = 100


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.edition == "cluster":
        arguments.workers = 1  # one gateway
    print(f"load {os.getloadavg()[0]:.1f}; Python {sys.version.split()[0]}; {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"events", "hand-over"} & set(arguments.only):
            _measure_in_process(folder, arguments.count, arguments.only)
        if {"overdue", "desks"} & set(arguments.only):
            notices_up.measure(folder, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.notices", description=__doc__.partition("\n\n    ")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--count", type=int, default=10_000, help="events, and notices")
    parser.add_argument("--edition", choices=("embedded", "cluster"), default="embedded", help="of overdue and desks")
    parser.add_argument("--workers", type=int, default=2, help="processes of `up`, which are searched in turn")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--searches", type=float, default=20, help="a second, of one client")
    parser.add_argument("--desks", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds of a desk between two check-outs; 0: none")
    parser.add_argument("--seconds", type=float, default=20, help="of each round of desks, and of searches alone")
    parser.add_argument(
        "--profile", action="store_true", help="CPU time of the edition by thread, beside overdue notices"
    )
    return parser


def _measure_in_process(folder: Path, count: int, only: Sequence[str]) -> None:
    owners = FakeOwners()
    settings = load_settings({"DATA": str(folder / "var")})
    with migrated_database(SERVICE, f"sqlite:///{folder}/notifications.db") as database:
        resources = Resources(settings=settings, database=database, service=SERVICE)
        _add_institution(database)
        with clock.frozen(MORNING), closing(Deliveries(resources)) as deliveries:
            LocalBus([resources]).publish([_event(owners.add()) for _ in range(count)])
            with _measured("events handled", count) as seconds:
                while deliveries.run_due(threading.Event()):
                    pass
        if "events" in only:
            bare = _bare_events(folder / "bare.db", count)
            print(f"  the same rows with bare sqlite3: {bare:.1f} s; ratio {seconds[0] / bare:.1f}", flush=True)
        if "hand-over" in only:
            _measure_hand_over(folder, database, owners, count)


def _measure_hand_over(folder: Path, database: Database, owners: FakeOwners, count: int) -> None:
    master = MasterKey.new()
    with MailSink(folder) as sink:
        channels = open_channels(smtp_url(sink.port))
        sender = Sender(database, owners, channels, read_master=lambda: master, render=render)
        with clock.frozen(MORNING), _measured("notices handed over", count) as seconds:
            while not sender.run_round():
                pass
        for channel in channels:
            channel.close()
        bare = hand_over_bare(sink, count)
        print(f"  the same mails with smtplib: {bare:.1f} s; ratio {seconds[0] / bare:.1f}", flush=True)
    with database.reading(BENCH) as session:
        states = session.execute(select(Notice.state, func.count()).group_by(Notice.state)).all()
    print({row.state: row[1] for row in states})


def hand_over_bare(sink: MailSink, count: int) -> float:
    """Hand the last mail over so many times, over one connection. Returns the seconds."""
    mail = sink.last_mail()
    start = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        for number in range(count):
            client.sendmail("perpustakaan@example.org", [f"{number}@example.org"], mail)
    return time.perf_counter() - start


def _bare_events(file: Path, count: int) -> float:
    """Write what events write, with prepared SQL and nothing else. Returns the seconds."""
    ids = [new_id().bytes for _ in range(count)]
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *BARE):
            database.execute(statement)
        database.executemany("INSERT INTO deliveries VALUES (?, ?)", [(notice_id, "x" * 500) for notice_id in ids])
        start = time.perf_counter()
        for begin in range(0, count, TOGETHER):
            database.execute("BEGIN IMMEDIATE")
            for notice_id in ids[begin : begin + TOGETHER]:
                database.execute("SELECT body FROM deliveries WHERE id = ?", (notice_id,)).fetchone()
                database.execute("INSERT INTO marks VALUES (?, 1, '2026-11-14')", (notice_id,))
                row = (
                    notice_id,
                    f"overdue:{notice_id.hex()}",
                    notice_id,
                    notice_id,
                    '{"step": 7, "zone": "Asia/Jakarta"}',
                    "2026-11-21",
                )
                database.execute("INSERT INTO notices VALUES (?, ?, ?, ?, ?, ?)", row)
                database.execute("INSERT INTO inbox VALUES ('loan-overdue', ?, '2026-11-21')", (notice_id,))
                database.execute("DELETE FROM deliveries WHERE id = ?", (notice_id,))
            database.execute("COMMIT")
        return time.perf_counter() - start


def _add_institution(database: Database) -> None:
    name = LocalText(id="Perpustakaan Kota", en="City Library")
    copy = InstitutionCopy(id=str(INSTITUTION), version=1, code="KOTA", name=name, kind="public", zone="Asia/Jakarta")
    with database.transaction(BENCH) as session:
        copy_institutions(session, [copy])


def _event(member: UUID) -> Event:
    loan = loan_copy(member, INSTITUTION, due_on=(MORNING - timedelta(days=7)).date())
    event = LoanOverdue(loan=loan, step=7, days=7, zone="Asia/Jakarta")
    return Event(
        id=new_id(), type=LoanOverdue.DESCRIPTOR.full_name, body=MessageToJson(event, preserving_proto_field_name=True),
        aggregate_id=loan.loan_id, version=1, institution=str(INSTITUTION), actor="system:bench", occurred_at=MORNING,
    )  # fmt: skip


@contextmanager
def _measured(what: str, count: int) -> Iterator[list[float]]:
    """Print the time of the block, and add its seconds to the list that it yields."""
    seconds: list[float] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield seconds
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    seconds.append(wall)
    print(f"{count} {what}: {wall:.1f} s ({count / wall:.0f}/s); CPU of this process {cpu:.1f} s ({count / cpu:.0f}/s)")


if __name__ == "__main__":
    main()
