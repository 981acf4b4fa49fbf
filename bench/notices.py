"""How fast notices are made from facts, and overdue notices are rendered and handed to an SMTP server.

    python -m bench.notices [10000]

Prints wall and CPU time of this process; the SMTP server is another process, and members answer from memory.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from chassis import clock
from chassis.context import system
from chassis.db import Database
from chassis.ids import new_id
from chassis.inbox import record_delivery
from chassis.sealing import MasterKey
from chassis.testing import migrated_database
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.circulation.v1.events_pb2 import LoanOverdue
from rangkiang.common.v1.text_pb2 import LocalText
from services.notifications import handlers
from services.notifications.channels.opening import open_channels
from services.notifications.institutions import copy_institutions
from services.notifications.sending.sender import Sender
from services.notifications.service import SERVICE
from services.notifications.templates.store import render
from tests.fakes.notices import FakeOwners, loan_fact

BENCH = system("bench")
INSTITUTION = UUID("0192f3a4-0000-7000-8000-000000000001")
_SERVER = """
import asyncio, sys
from aiosmtpd.smtp import SMTP
class Sink:
    count = 0
    async def handle_DATA(self, server, session, envelope):
        Sink.count += 1
        return "250 taken"
async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), loop=loop), "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    async with server:
        await server.serve_forever()
asyncio.run(serve())
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    owners = FakeOwners()
    morning = datetime(2026, 11, 21, 2, tzinfo=UTC)
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database(SERVICE, f"sqlite:///{folder}/notifications.db") as database,
    ):
        _add_institution(database)
        facts = [_fact(owners.add(), morning) for _ in range(count)]
        with clock.frozen(morning), _measured("facts handled", count):
            for fact in facts:
                with database.transaction(BENCH) as session:
                    if record_delivery(session, "loan-overdue", new_id()):
                        handlers.warn(session, fact, BENCH)
        with _smtp_server(Path(folder)) as port:
            channels = open_channels(f"smtp://127.0.0.1:{port}?tls=none&from=perpustakaan@example.org&rate=100000")
            master = MasterKey.new()
            sender = Sender(database, owners, channels, read_master=lambda: master, render=render)
            with clock.frozen(morning), _measured("notices handed over", count):
                while not sender.run_round():
                    pass
            for channel in channels:
                channel.close()
        with database.reading(BENCH) as session:
            print(dict(session.connection().exec_driver_sql("SELECT state, count(*) FROM notices GROUP BY 1").all()))


def _add_institution(database: Database) -> None:
    name = LocalText(id="Perpustakaan Kota", en="City Library")
    copy = InstitutionCopy(id=str(INSTITUTION), version=1, code="KOTA", name=name, kind="public", zone="Asia/Jakarta")
    with database.transaction(BENCH) as session:
        copy_institutions(session, [copy])


def _fact(member: UUID, morning: datetime) -> LoanOverdue:
    due_on = (morning - timedelta(days=7)).date()
    return LoanOverdue(loan=loan_fact(member, INSTITUTION, due_on=due_on), step=7, days=7, zone="Asia/Jakarta")


@contextmanager
def _measured(what: str, count: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{count} {what}: {wall:.1f} s ({count / wall:.0f}/s); CPU of this process {cpu:.1f} s ({count / cpu:.0f}/s)")


@contextmanager
def _smtp_server(folder: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    script = folder / "smtp_server.py"
    script.write_text(_SERVER)
    with subprocess.Popen([sys.executable, str(script), str(port)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield port
        finally:
            server.kill()


if __name__ == "__main__":
    main()
