"""Holdings reflect circulation's state, for any order and repetition of events and imports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import delete, select

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.operations.health import Finding
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel
from chassis.service import Resources
from chassis.settings import load as load_settings
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationServicer, add_CirculationServicer_to_server
from rangkiang.circulation.v1.events_pb2 import (
    LoanCopy,
    LoanOpened,
    LoanReturned,
    PoliciesChanged,
    ReadHere,
    SnapshotReply,
    SnapshotRequest,
)
from services.catalog.checks import item_states
from services.catalog.handlers import keep_rules, keep_states
from services.catalog.items.states import follow_rules, put_states
from services.catalog.record.page import load_record_page
from services.catalog.rpc import snapshots
from services.catalog.rpc.snapshots import copy_states
from services.catalog.service import SERVICE
from services.catalog.tables import Branch, IndexQueue, Institution, Item, ItemState, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer

CONTEXT = system("test")


@pytest.fixture
def items(database: Database, import_: Importer) -> dict[str, Item]:
    """A record with two items, whose index queue is empty."""
    import_([book("1", items=[("PST", "A"), ("PST", "B")])])
    with database.transaction(CONTEXT) as session:
        session.execute(delete(IndexQueue))
        return {str(item.barcode): item for item in session.scalars(select(Item))}


def loan(item: Item, version: int, state: str = "on_loan", due_on: str = "2026-12-03") -> LoanCopy:
    return LoanCopy(
        item_id=str(item.id),
        institution_id=str(item.institution_id),
        state=state,
        state_version=version,
        due_on=due_on,
    )


def tell(database: Database, lent: LoanCopy) -> None:
    tell_together(database, lent)


def tell_together(database: Database, *loans: LoanCopy) -> None:
    events = [LoanOpened(loan=lent) if lent.state == "on_loan" else LoanReturned(loan=lent) for lent in loans]
    with database.transaction(CONTEXT) as session:
        keep_states(session, [(event, CONTEXT) for event in events])


def holding(database: Database) -> dict[str, Any]:
    """The only holding of the only record: available, answer and due_on."""
    with database.reading(READER) as session:
        (entry,) = orjson.loads(session.scalars(select(Record.holdings)).one())
    return {name: entry[name] for name in ("available", "answer", "due_on") if name in entry}


def versions(database: Database) -> Any:
    with database.reading(READER) as session:
        return session.execute(select(Record.version, Record.updated_at)).one()


def queued(database: Database) -> dict[int, int]:
    """Take the queue of the index."""
    with database.transaction(CONTEXT) as session:
        rows = {row.record_number: row.version for row in session.scalars(select(IndexQueue))}
        session.execute(delete(IndexQueue))
    return rows


def test_holdings_say_until_when_the_last_item_is_out(database: Database, items: dict[str, Item]) -> None:
    before = versions(database)
    tell(database, loan(items["A"], 1, due_on="2026-12-10"))
    assert holding(database) == {"available": 1, "answer": "can_be_borrowed"}
    assert queued(database) == {}
    for _ in range(2):
        tell(database, loan(items["B"], 1, due_on="2026-12-03"))
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}
    assert queued(database) == {1: 2}
    tell(database, loan(items["B"], 2, due_on="2026-12-20"))
    assert holding(database)["due_on"] == "2026-12-10"
    assert queued(database) == {}
    tell(database, loan(items["A"], 2, "transit", ""))
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-20"}
    tell(database, loan(items["A"], 3, "in", ""))
    assert holding(database) == {"available": 1, "answer": "can_be_borrowed"}
    assert queued(database) == {1: 3}
    assert versions(database) == before
    with database.reading(READER) as session:
        record_id = session.scalars(select(Record.id)).one()
        assert load_record_page(session, record_id).version == before.version


def test_an_older_fact_that_arrives_later_changes_nothing(database: Database, items: dict[str, Item]) -> None:
    tell(database, loan(items["A"], 2, "in", ""))
    tell(database, loan(items["A"], 1))
    assert holding(database) == {"available": 2, "answer": "can_be_borrowed"}


def test_of_many_facts_the_newest_of_each_item_counts(database: Database, items: dict[str, Item]) -> None:
    first, second = items["A"], items["B"]
    tell_together(database, loan(first, 2, "in", ""), loan(second, 1, due_on="2026-12-10"), loan(first, 1))
    assert holding(database) == {"available": 1, "answer": "can_be_borrowed"}
    tell_together(database, loan(second, 2, due_on="2026-12-20"), loan(first, 3), loan(second, 1))
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}
    assert queued(database) == {1: 2}


def test_an_import_forgets_no_loan(database: Database, items: dict[str, Item], import_: Importer) -> None:
    for item in items.values():
        tell(database, loan(item, 1))
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "B")])])
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}
    assert queued(database) == {1: 3}
    import_([book("1", "Kemarau")])
    import_([book("1", "Kemarau", items=[("PST", "A")])])
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}


def test_a_fact_may_arrive_before_its_item(database: Database, items: dict[str, Item], import_: Importer) -> None:
    import_([book("1")])
    tell(database, loan(items["A"], 1))
    import_([book("1", items=[("PST", "A")])])
    assert holding(database)["answer"] == "out_until"


def test_a_loan_decides_only_while_the_item_is_in_service(database: Database, items: dict[str, Item]) -> None:
    with database.transaction(CONTEXT) as session:
        for item in session.scalars(select(Item)):
            item.status = "missing"
    tell(database, loan(items["A"], 1))
    assert holding(database) == {"available": 0, "answer": "not_available"}


def test_the_policy_says_what_is_only_read_here(database: Database, items: dict[str, Item], import_: Importer) -> None:
    with database.reading(READER) as session:
        institution, branch = session.scalars(select(Institution.id)).one(), session.scalars(select(Branch.id)).one()

    def put(version: int, *rules: tuple[str, str, bool]) -> None:
        changed = PoliciesChanged(
            institution_id=str(institution),
            version=version,
            read_here_only=[
                ReadHere(collection=collection, branch_id=branch_id, is_read_here_only=is_read_here)
                for collection, branch_id, is_read_here in rules
            ],
        )
        for _ in range(2):
            with database.transaction(CONTEXT) as session:
                keep_rules(session, changed, CONTEXT)
        follow_rules(database, CONTEXT, threading.Event())

    before = versions(database)
    put(2, ("", "", True))
    assert holding(database) == {"available": 0, "answer": "read_here_only"}
    assert queued(database) == {1: 2}
    put(1, ("", "", False))
    assert holding(database)["answer"] == "read_here_only"
    put(3, ("", "", True), ("", str(branch), False))
    assert holding(database)["answer"] == "can_be_borrowed"
    assert versions(database) == before
    put(4, ("", str(branch), True))
    import_([book("2", "Kemarau", items=[("PST", "C")])])
    with database.reading(READER) as session:
        answers = [orjson.loads(row)[0]["answer"] for row in session.scalars(select(Record.holdings))]
    assert answers == ["read_here_only"] * 2


def test_a_snapshot_fills_what_is_missing(database: Database, items: dict[str, Item]) -> None:
    tell(database, loan(items["A"], 2, "in", ""))
    unknown = Item(id=UUID(int=7), institution_id=items["A"].institution_id)
    loans = [loan(items["A"], 1), loan(items["B"], 1), *(loan(unknown, version) for version in range(1, 8))]
    assert put_states(database, loans, CONTEXT) == 9
    assert holding(database) == {"available": 1, "answer": "can_be_borrowed"}
    with database.reading(READER) as session:
        states = {row.item_id: (row.state, row.state_version) for row in session.scalars(select(ItemState))}
    assert states == {items["A"].id: ("in", 2), items["B"].id: ("on_loan", 1), unknown.id: ("on_loan", 7)}


class Circulation(CirculationServicer):
    """Gives circulation's snapshot in pages; `meanwhile` happens when one is requested."""

    def __init__(self, pages: list[list[LoanCopy]], meanwhile: Callable[[], None] = lambda: None) -> None:
        self.pages, self.meanwhile = pages, meanwhile

    def Snapshot(self, request: SnapshotRequest, _context: Any) -> SnapshotReply:
        number = int(request.cursor or 0)
        self.meanwhile()
        is_last = number + 1 == len(self.pages)
        return SnapshotReply(loans=self.pages[number], cursor="" if is_last else str(number + 1))


def refill(database: Database, circulation: Circulation) -> int:
    resources = Resources(settings=load_settings(), database=database, service=SERVICE)
    inproc.register("circulation", circulation, add_CirculationServicer_to_server)
    with sync_channel("inproc:circulation", resources.settings, caller="catalog") as channel:
        count = copy_states(resources, channel)
    inproc.unregister("circulation")
    return count


def test_an_item_that_a_snapshot_does_not_name_is_on_the_shelf(database: Database, items: dict[str, Item]) -> None:
    tell(database, loan(items["A"], 5))
    tell(database, loan(items["B"], 3, due_on="2026-12-10"))
    assert refill(database, Circulation([[], [loan(items["B"], 3, due_on="2026-12-10")]])) == 1
    assert holding(database) == {"available": 1, "answer": "can_be_borrowed"}
    assert queued(database) == {1: 3}
    tell(database, loan(items["A"], 6))
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}


def doctor(database: Database, circulation: CirculationServicer) -> Finding:
    """What doctor says of the states, while circulation serves in this process."""
    settings = load_settings({"CIRCULATION_URL": "inproc:served"})
    inproc.register("served", circulation, add_CirculationServicer_to_server)
    try:
        (finding,) = item_states(Resources(settings=settings, database=database, service=SERVICE))
    finally:
        inproc.unregister("served")
    return finding


def test_doctor_finds_items_whose_states_differ_from_those_of_circulation(
    database: Database, items: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ON_ITS_WAY_SECONDS", 0.01)
    tell(database, loan(items["A"], 5))
    assert doctor(database, Circulation([[loan(items["A"], 5)], []])).ok
    for pages in ([[]], [[loan(items["A"], 6)]], [[loan(items["A"], 5)], [loan(items["B"], 1)]]):
        finding = doctor(database, Circulation(pages))
        assert not finding.ok
        differing = items["B" if len(pages) == 2 else "A"].id
        assert finding.message.en == (f"The states of 1 items in the catalogue differ from circulation: {differing}.")
        assert "rangkiang resync catalog" in finding.advice.en


def test_doctor_names_no_item_whose_fact_is_on_its_way(
    database: Database, items: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ON_ITS_WAY_SECONDS", 0.01)
    lent = loan(items["A"], 1)
    looks: list[int] = []

    def arrive() -> None:
        if looks:
            tell(database, lent)
        looks.append(1)

    circulation = Circulation([[lent], []], meanwhile=arrive)
    assert doctor(database, circulation).ok
    assert len(looks) == 4


def test_an_act_while_a_snapshot_is_read_stays(database: Database, items: dict[str, Item]) -> None:
    tell(database, loan(items["A"], 5))

    def lend() -> None:
        tell(database, loan(items["A"], 7))
        tell(database, loan(items["B"], 1))

    refill(database, Circulation([[]], meanwhile=lend))
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}


def test_an_import_and_a_loan_at_once_lose_nothing(
    database: Database, items: dict[str, Item], import_: Importer
) -> None:
    loans = [loan(items[barcode], version) for version in range(1, 21) for barcode in "AB"]
    lender = threading.Thread(target=lambda: [tell(database, lent) for lent in loans])
    lender.start()
    for number in range(10):
        import_([book("1", f"Kemarau {number}", items=[("PST", "A"), ("PST", "B")])])
    lender.join()
    assert holding(database) == {"available": 0, "answer": "out_until", "due_on": "2026-12-03"}
