"""Published events that did not reach a handler are found at night, and published again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert, select

import chassis.bus.outbox
from chassis import clock
from chassis.bus.inbox import record_deliveries
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.ids import earliest_id
from chassis.operations.diagnosis import check_gaps
from chassis.rpc import inproc
from chassis.rpc.gaps import close_gaps
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import resolve
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.catalog.service import SERVICE as CATALOG
from services.circulation.service import SERVICE as CIRCULATION
from tests.migrated import MigratedDatabases

TEST = system("test")
HOUR = timedelta(hours=1)


class Library:
    """Circulation publishes LoanOpened; the catalogue's handler `loans_opened` gets it."""

    def __init__(self, circulation: Resources, catalog: Resources) -> None:
        self.circulation, self.catalog = circulation, catalog

    def publish(self, *, hours_ago: float, body: str = "{}") -> UUID:
        moment = clock.now() - hours_ago * HOUR
        event_id = UUID(int=earliest_id(moment).int + 1)
        row = {
            "id": event_id, "type": LoanOpened.DESCRIPTOR.full_name, "body": body, "aggregate_id": "a", "version": 1,
            "institution": "", "actor": "", "occurred_at": moment, "traceparent": "", "published_at": moment,
        }  # fmt: skip
        with self.circulation.database.transaction(TEST) as session:
            session.execute(insert(outbox).values(row))
        return event_id

    def handle(self, event_id: UUID) -> None:
        with self.catalog.database.transaction(TEST) as session:
            assert record_deliveries(session, [("loans_opened", event_id)])

    def unpublished(self) -> list[UUID]:
        with self.circulation.database.reading(TEST) as session:
            return list(session.scalars(select(outbox.c.id).where(outbox.c.published_at.is_(None))))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def library(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.delenv("BUS_URL", raising=False)
    if request.param == "postgresql":
        request.getfixturevalue("servers")
        monkeypatch.setenv("DATABASE_URL", migrated.urls()["DATABASE_URL"])
    opened = {}
    with ExitStack() as stack:
        for service in (CIRCULATION, CATALOG):
            database = stack.enter_context(migrated.open(service, request.param, tmp_path))
            opened[service.name] = Resources(settings=load(), database=database, service=service)
        catalog = replace(opened["catalog"], service=replace(CATALOG, consumers=CATALOG.consumers[:1]))
        inproc.register("circulation", resolve(CIRCULATION.rpc)(opened["circulation"]), resolve(CIRCULATION.adder))
        library = Library(opened["circulation"], catalog)
        yield library
        inproc.unregister("circulation")


def begin_to_compare(library: Library) -> None:
    with clock.frozen(clock.now() - timedelta(days=30)):
        assert close_gaps(library.catalog) == 0


def found(library: Library) -> list[bool]:
    return [finding.ok for finding in check_gaps(library.catalog.settings, library.catalog.service)]


def test_a_published_event_that_was_not_handled_is_published_again(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    begin_to_compare(library)
    library.handle(library.publish(hours_ago=5))
    lost = library.publish(hours_ago=4)
    assert found(library) == [False]
    with caplog.at_level(logging.ERROR):
        assert close_gaps(library.catalog) == 1
    (line,) = caplog.records
    assert {name: getattr(line, name) for name in ("message", "handler", "owner", "count", "published_again")} == {
        "message": "events_missing",
        "handler": "loans_opened",
        "owner": "circulation",
        "count": 1,
        "published_again": 1,
    }
    assert library.unpublished() == [lost]
    assert close_gaps(library.catalog) == 0


def test_an_event_whose_content_is_gone_is_named(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    begin_to_compare(library)
    library.publish(hours_ago=4, body="")
    assert close_gaps(library.catalog) == 1
    assert caplog.records[-1].__dict__["published_again"] == 0
    assert library.unpublished() == []


def test_events_that_may_still_wait_or_came_before_the_handler_are_not_missing(library: Library) -> None:
    library.publish(hours_ago=4)
    assert (found(library), close_gaps(library.catalog)) == ([True], 0)
    begin_to_compare(library)  # which began above
    assert (found(library), close_gaps(library.catalog)) == ([True], 0)
    library.publish(hours_ago=2)
    with clock.frozen(clock.now() + timedelta(minutes=30)):
        assert close_gaps(library.catalog) == 0


def test_more_events_than_a_page_are_compared(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_to_compare(library)
    monkeypatch.setattr(chassis.bus.outbox, "MOST_IDS", 2)
    lost = [library.publish(hours_ago=10 - number) for number in range(5)]
    assert close_gaps(library.catalog) == 5
    assert sorted(library.unpublished()) == lost
