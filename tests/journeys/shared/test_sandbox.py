"""A developer works in a sandbox, which no reader sees, and of which nothing is left after the night."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.bus.inbox import inbox
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.database.blobs import blobs
from chassis.ids import earliest_id
from chassis.institutions import SANDBOX, delete_sandboxes, sandbox_end
from chassis.service import Resources, discover
from chassis.settings import load
from services.catalog.tables import IndexQueue, Institution, ItemState
from services.members import jobs as members_jobs
from tests.conditions import eventually
from tests.journeys.library import Library

TEST = system("test")
# Tables with rows of a sandbox in use.
EXPECTED = {
    "catalog": {"institutions", "branches", "records", "items", "item_states"},
    "members": {"institutions", "clients", "members", "cards"},
    "circulation": {"institutions", "copies", "borrowers", "loans"},
    "notifications": {"institutions", "members"},
}
# Tables of the catalogue that all institutions share. The index queue is empty whenever its records are in the index.
SHARED = ("institutions", "record_changes", "works", "work_keys", "headings")


class Program:
    """A program that works as a client."""

    def __init__(self, library: Library, client: dict[str, Any]) -> None:
        self._library = library
        token = self._token(client["client_id"], client["client_secret"])
        self._headers = {"Authorization": f"Bearer {token}"}

    def _token(self, client_id: str, secret: str) -> str:
        address = f"{self._library.address}/oauth/token"
        data = {"grant_type": "client_credentials"}
        response = httpx.post(address, data=data, auth=(client_id, secret), timeout=20, verify=False)
        assert response.status_code == 200, response.text
        token: str = response.json()["access_token"]
        return token

    def post(self, path: str, body: Any = None, *, key: str = "") -> httpx.Response:
        headers = {**self._headers, "Idempotency-Key": key or str(uuid.uuid4())}
        return httpx.post(f"{self._library.address}/api/v1{path}", json=body, headers=headers, timeout=20, verify=False)

    def get(self, path: str) -> Any:
        response = httpx.get(f"{self._library.address}/api/v1{path}", headers=self._headers, timeout=20, verify=False)
        return response.json()


@contextmanager
def services(library: Library) -> Iterator[list[Resources]]:
    """The databases of all services of a library."""
    with ExitStack() as stack:
        settings = load(library.environment)
        opened = []
        for service in discover():
            database = service.open_database(settings, pool_size=1)
            stack.callback(database.close)
            opened.append(Resources(settings=settings, database=database, service=service))
        yield opened


def own_rows(library: Library, sandbox: dict[str, Any]) -> dict[str, set[str]]:
    """The tables of each service with rows of a sandbox."""
    tables: dict[str, set[str]] = {}
    with services(library) as opened:
        with named(opened, "catalog").database.reading(TEST) as session:
            own = session.scalar(select(Institution.id).where(Institution.code == sandbox["institution"]))
        own = sandbox.setdefault("id", own)
        for resources in opened:
            with resources.database.reading(TEST) as session:
                for table in (blobs, *resources.service.tables.sorted_tables):
                    column = table.c.id if table.name == "institutions" else table.c.get("institution_id")
                    if column is not None and session.scalar(select(func.count()).where(column == own)):
                        tables.setdefault(resources.service.name, set()).add(table.name)
    return tables


def shared_rows(library: Library) -> dict[str, int]:
    """The numbers of rows in tables of the catalogue that all institutions share."""
    with services(library) as opened:
        catalog = named(opened, "catalog")
        with catalog.database.reading(TEST) as session:
            tables = catalog.service.tables.tables
            rows = {name: session.scalar(select(func.count()).select_from(tables[name])) or 0 for name in SHARED}
            # The night ends the sandboxes of other tests too.
            sandboxes = select(func.count()).where(Institution.code.startswith(SANDBOX))
            return rows | {"institutions": rows["institutions"] - (session.scalar(sandboxes) or 0)}


def is_indexed(library: Library) -> bool:
    """Whether the index has all documents."""
    with services(library) as opened, named(opened, "catalog").database.reading(TEST) as session:
        return not session.scalar(select(func.count()).select_from(IndexQueue))


def are_events_handled(library: Library, sandbox: dict[str, Any]) -> bool:
    """Whether every handler has handled all events of a sandbox, as in the hour after its client has ended."""
    with services(library) as opened:
        published = set()
        for resources in opened:
            with resources.database.reading(TEST) as session:
                own = select(outbox.c.type, outbox.c.id).where(outbox.c.institution == str(sandbox["id"]))
                published |= {(kind, event_id) for kind, event_id in session.execute(own)}
        for resources in opened:
            with resources.database.reading(TEST) as session:
                rows = session.execute(select(inbox.c.consumer, inbox.c.event_id))
                handled = {(consumer, event_id) for consumer, event_id in rows}
            for consumer in resources.service.consumers:
                ids = {event_id for kind, event_id in published if kind == consumer.event.DESCRIPTOR.full_name}
                if any((consumer.name, event_id) not in handled for event_id in ids):
                    return False
        return bool(published)


def states(library: Library, sandbox: dict[str, Any]) -> list[str]:
    """The states of the items of a sandbox that the catalogue has heard of."""
    with services(library) as opened, named(opened, "catalog").database.reading(TEST) as session:
        own = select(Institution.id).where(Institution.code == sandbox["institution"]).scalar_subquery()
        return sorted(session.scalars(select(ItemState.state).where(ItemState.institution_id == own)))


@pytest.fixture(scope="module")
def administrator(library: Library) -> Program:
    name = f"admin-{uuid.uuid4().hex[:8]}"
    command = ("client", "create", name, "--institution", "PKS", "--role", "administrator")
    return Program(library, library.command(*command))


def test_a_developer_lends_in_a_sandbox_and_nothing_of_it_is_left_after_the_night(
    library: Library, administrator: Program
) -> None:
    before, records = shared_rows(library), library.search()["total"]
    made = administrator.post("/sandbox", key="sandbox-1")
    assert made.status_code == 201, made.text
    sandbox = made.json()
    assert sandbox["institution"].startswith(SANDBOX)
    assert administrator.post("/sandbox", key="sandbox-1").json()["reason"] == "REPLY_NOT_KEPT"
    developer = Program(library, sandbox)
    assert developer.get("/account")["institution"] == sandbox["institution"]
    branch = sandbox["branch"]
    loan = {"member": sandbox["members"][0], "item": sandbox["items"][0], "branch": branch}
    eventually(lambda: developer.post("/check-outs", loan).status_code == 201)
    registered = developer.post("/members", {"name": "Wahyu Pengembang", "category": "umum"})
    assert registered.status_code == 201, registered.text
    returned = developer.post("/check-ins", {"item": sandbox["items"][0], "branch": branch})
    assert returned.status_code in (200, 201), returned.text
    loan = {"member": registered.json()["number"], "item": sandbox["items"][1], "branch": branch}
    eventually(lambda: developer.post("/check-outs", loan).status_code == 201)
    eventually(lambda: states(library, sandbox) == ["in", "on_loan"])
    # Another institution is not there, and the catalogue has no records of the sandbox.
    assert developer.get("/members?q=CONTOH-01")["hits"] == []
    assert developer.post("/fast-adds", {"barcode": "X1", "branch": branch, "title": "X"}).json()["reason"] == (
        "SANDBOX_WITHOUT_CATALOGUE"
    )
    written = own_rows(library, sandbox)
    assert {service: tables & EXPECTED[service] for service, tables in written.items()} == EXPECTED
    assert library.search()["total"] == records
    assert sandbox["institution"] not in library.get("/api/v1/branches").text + library.get("/api/v1/institutions").text
    assert library.search(sandbox["items"][0])["total"] == 0
    eventually(lambda: are_events_handled(library, sandbox))
    with services(library) as opened:
        for night in (timedelta(), timedelta(hours=27)):
            with clock.frozen(clock.now() + night):
                members_jobs.revoke_sandbox_clients(named(opened, "members"), threading.Event())
                for resources in opened:
                    delete_sandboxes(resources, threading.Event())
    assert own_rows(library, sandbox) == {}
    assert shared_rows(library) == before
    eventually(lambda: is_indexed(library))


def named(opened: list[Resources], name: str) -> Resources:
    return next(resources for resources in opened if resources.service.name == name)


def test_an_hour_before_the_end_the_client_gets_no_tokens(library: Library, administrator: Program) -> None:
    sandbox = administrator.post("/sandbox").json()
    end = clock.now() + timedelta(hours=27)
    with services(library) as opened, clock.frozen(end):
        members_jobs.revoke_sandbox_clients(named(opened, "members"), threading.Event())
    response = httpx.post(
        f"{library.address}/oauth/token", data={"grant_type": "client_credentials"},
        auth=(sandbox["client_id"], sandbox["client_secret"]), timeout=20, verify=False,
    )  # fmt: skip
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_there_are_ten_sandboxes_at_most(library: Library, administrator: Program) -> None:
    answers = [administrator.post("/sandbox") for _ in range(11)]
    assert answers[-1].status_code == 409, answers[-1].text
    assert answers[-1].json()["reason"] == "SANDBOXES_FULL"
    with services(library) as opened, clock.frozen(clock.now() + timedelta(hours=27)):
        for resources in opened:
            delete_sandboxes(resources, threading.Event())
    assert administrator.post("/sandbox").status_code == 201


@pytest.mark.parametrize(
    ("made_at", "end"),
    [
        ("2026-12-01T10:00:00+07:00", "2026-12-02T03:00:00+07:00"),
        ("2026-12-01T01:30:00+07:00", "2026-12-02T03:00:00+07:00"),
        ("2026-12-01T00:30:00+07:00", "2026-12-01T03:00:00+07:00"),
    ],
)
def test_a_sandbox_lives_until_the_next_night_and_at_least_two_hours(made_at: str, end: str) -> None:
    assert sandbox_end(earliest_id(datetime.fromisoformat(made_at))) == datetime.fromisoformat(end)
