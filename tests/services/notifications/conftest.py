"""A migrated database of notifications for one test, with an institution in each zone and a sender with doubles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.message import Message as Event
from sqlalchemy import select

from chassis import clock
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.security.encryption import MasterKey
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from services.notifications.institutions import copy_institutions
from services.notifications.sending.sender import Sender
from services.notifications.service import SERVICE
from services.notifications.tables import Attempt, Message, Notice
from services.notifications.templates.store import render
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.notices import FakeChannel, FakeOwners
from tests.migrated import MigratedDatabases
from tests.services.notifications.partners import NOON, Partners, opened

TEST = system("test")
PADANG = UUID("0192f3a4-0000-7000-8000-000000000001")
JAYAPURA = UUID("0192f3a4-0000-7000-8000-000000000002")
PADANG_BRANCH = UUID("0192f3a4-0000-7000-8000-000000000011")
JAYAPURA_BRANCH = UUID("0192f3a4-0000-7000-8000-000000000012")
_CONSUMERS = {consumer.event: consumer for consumer in SERVICE.consumers}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Database]:
    """The database of notifications at its newest revision, a library in Padang (WIB) and one in Jayapura (WIT)."""
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        add_institutions(database)
        yield database


def add_institutions(database: Database) -> None:
    places = [
        (PADANG, PADANG_BRANCH, "PDG", "Asia/Jakarta"),
        (JAYAPURA, JAYAPURA_BRANCH, "JAP", "Asia/Jayapura"),
    ]
    copies = [
        InstitutionCopy(
            id=str(institution_id),
            version=1,
            code=code,
            name=LocalText(id=f"Perpustakaan {code}", en=f"{code} Library"),
            kind="public",
            zone=zone,
            branches=[BranchCopy(id=str(branch_id), code="PUSAT", name=LocalText(id="Pusat", en="Central"), zone=zone)],
        )
        for institution_id, branch_id, code, zone in places
    ]
    with database.transaction(TEST) as session:
        copy_institutions(session, copies)


@dataclass
class Office:
    """Notifications with members and channels that are doubles."""

    database: Database
    owners: FakeOwners = field(default_factory=FakeOwners)
    channels: list[FakeChannel] = field(default_factory=lambda: [FakeChannel()])
    master: MasterKey = field(default_factory=MasterKey.new)
    public_url: str = ""
    # Most tests send each receipt at once.
    visit: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.owners.database = self.database
        self.sender = self.new_sender()

    def new_sender(self) -> Sender:
        return Sender(
            self.database,
            self.owners,
            self.channels,
            read_master=lambda: self.master,
            render=render,
            public_url=self.public_url,
            visit=self.visit,
        )

    def deliver(self, *events: Event, institution: UUID = PADANG) -> None:
        """Hand an event to its handler, as the bus does; many events to a handler that takes many."""
        context = Context(institution=str(institution), actor="system:test")
        consumer = _CONSUMERS[type(events[0])]
        handler = resolve(consumer.handler)
        with self.database.transaction(TEST) as session:
            if consumer.takes_many:
                handler(session, [(event, context) for event in events])
            else:
                handler(session, *events, context)

    def send(self, *, rounds: int = 50) -> float:
        """Send until nothing is left for now. Returns the seconds until the next work."""
        for _ in range(rounds):
            seconds = self.sender.run_round()
            if seconds:
                return seconds
        raise AssertionError(f"{rounds} rounds and there is still work")

    def send_at(self, moment: datetime) -> float:
        with clock.frozen(moment):
            return self.send()

    def notices(self, **values: Any) -> list[Notice]:
        with self.database.reading(TEST) as session:
            query = select(Notice).filter_by(**values).order_by(Notice.id)
            rows = list(session.scalars(query))
            session.expunge_all()
        return rows

    def states(self) -> list[tuple[str, str, str]]:
        return [(row.kind, row.state, row.reason) for row in self.notices()]

    def messages(self) -> list[Message]:
        with self.database.reading(TEST) as session:
            rows = list(session.scalars(select(Message).order_by(Message.id)))
            session.expunge_all()
        return rows

    def attempts(self) -> list[Attempt]:
        with self.database.reading(TEST) as session:
            rows = list(session.scalars(select(Attempt).order_by(Attempt.id)))
            session.expunge_all()
        return rows


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


def _opened(kind: str, migrated: MigratedDatabases, folder: Path) -> Iterator[Partners]:
    with opened(migrated, kind, folder) as partners, clock.frozen(NOON):
        yield partners


@pytest.fixture
def partners(migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Partners]:
    yield from _opened("sqlite", migrated, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def both(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Partners]:
    """For tests whose statements differ between the databases."""
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    yield from _opened(request.param, migrated, tmp_path)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server
