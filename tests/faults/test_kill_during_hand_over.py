"""A sender that is killed between the hand-over of a mail and its reply: no notice is lost, and none goes twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.context import Context, system
from chassis.database.db import Database
from chassis.ids import new_id
from chassis.security.encryption import make_master_key
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.notifications.handlers import follow_loans
from services.notifications.service import SERVICE
from services.notifications.tables import Attempt, Notice
from tests.conftest import CHECKOUT
from tests.fakes.mail_server import MailServer
from tests.fakes.notices import loan_copy
from tests.faults.killed_sender import address_of
from tests.migrated import MigratedDatabases
from tests.programs import start_program
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, add_institutions

TEST = system("test")
NOTICES, HELD = 30, 13
# Messages between two commits: 1 to 5, 6 to 10, 11 to 15.
TOGETHER = 5


@pytest.fixture
def database(migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Database]:
    with migrated.open(SERVICE, "sqlite", tmp_path) as database:
        add_institutions(database)
        yield database


def start(database: Database, port: int, key: Path) -> subprocess.Popen[bytes]:
    """Start a sender. It reads no settings of the tests."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    words = [database.url.render_as_string(), str(port), str(key)]
    return start_program(words, program="tests.faults.killed_sender:main", env=environment, cwd=CHECKOUT)


def lend(database: Database, count: int) -> list[UUID]:
    """Lend a book to each of some members, whose receipts wait. Returns the members."""
    members = [new_id() for _ in range(count)]
    for member in members:
        loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, due_on=date(2026, 11, 24))
        with database.transaction(TEST) as session:
            context = Context(institution=str(PADANG), actor="system:test")
            follow_loans(session, [(LoanOpened(loan=loan), context)])
    return members


def states(database: Database, table: type[Attempt] | type[Notice]) -> Counter[str]:
    with database.reading(TEST) as session:
        return Counter(session.scalars(select(table.state)))


def test_a_sender_killed_between_hand_over_and_reply_sends_nobody_twice_and_loses_nobody(
    database: Database, tmp_path: Path
) -> None:
    make_master_key(tmp_path / "master-key")
    members = lend(database, NOTICES)
    with MailServer(requires_login=False) as server:
        server.held = HELD
        with start(database, server.port, tmp_path / "master-key") as sender:
            assert server.is_holding.wait(60), "the server has the whole mail, and the sender waits for its reply"
            sender.kill()
        assert len(server.mails) == HELD
        assert states(database, Attempt) == {"accepted": 2 * TOGETHER, "started": TOGETHER}
        assert states(database, Notice) == {"sent": 10, "sending": TOGETHER, "waiting": NOTICES - 15}
        with start(database, server.port, tmp_path / "master-key") as sender:
            report, _ = sender.communicate(timeout=60)
        delivered = Counter(recipient for mail in server.mails for recipient in mail.recipients)
    assert json.loads(report) == {"recovered": TOGETHER}
    # Three of the five were delivered and two were not: SMTP cannot be asked, so staff see all five.
    assert states(database, Notice) == {"sent": NOTICES - TOGETHER, "unknown": TOGETHER}
    assert states(database, Attempt) == {"accepted": NOTICES - TOGETHER, "unknown": TOGETHER}
    assert set(delivered.values()) == {1}, "nobody gets it twice"
    assert len(delivered) == NOTICES - 2
    with database.reading(TEST) as session:
        unknown = set(session.scalars(select(Notice.member_id).where(Notice.state == "unknown")))
    assert {member for member in members if address_of(member) not in delivered} < unknown
