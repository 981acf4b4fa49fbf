"""Events of the catalogue and of members: delivered twice, in any order, and while an item is on loan."""

from __future__ import annotations

import re
import threading
import uuid

import pytest
from sqlalchemy import select

from chassis.context import Context
from chassis.service import Resources
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, InstitutionsChanged, ItemCopy, ItemsChanged
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1.events_pb2 import SnapshotRequest
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1.events_pb2 import MemberErased, MembersChanged
from services.circulation import borrowers, handlers
from services.circulation.jobs import forget_borrowers
from services.circulation.service import SERVICE
from services.circulation.tables import Borrower, BorrowerNumber, Branch, Copy, Loan, Suspension
from tests.migrated import stored_bytes
from tests.services.circulation.library import BRANCHES, PKS, TEST, at, reasons

HANDLING = Context(institution=str(PKS), actor="system:test")


@pytest.fixture(autouse=True)
def monday():
    with at("2026-03-02T09:00:00+07:00"):
        yield


def deliver(library, handler, *events):
    """Deliver each event twice."""
    for event in (*events, *events):
        with library.database.transaction(TEST) as session:
            handler(session, event, HANDLING)


def items(*versions, **fields):
    given = {"institution_id": str(PKS), "branch_id": str(BRANCHES["pusat"]), "status": "in_service"} | fields
    return [ItemsChanged(items=[ItemCopy(**given, version=version, title=f"Title {version}")]) for version in versions]


def test_the_newest_fact_of_an_item_stays_in_any_order(library):
    item_id = str(uuid.uuid4())
    deliver(library, handlers.copy_items, *items(2, 1, 3, 2, id=item_id, barcode="B1"))
    assert [(row.version, row.title) for row in library.rows(Copy)] == [(3, "Title 3")]


def test_an_item_that_goes_or_gets_another_barcode_while_it_is_out_keeps_its_loan(library):
    item_id, member = str(uuid.uuid4()), library.member()
    deliver(library, handlers.copy_items, *items(1, id=item_id, barcode="B1"))
    loan = library.check_out(member, "B1").loan
    deliver(library, handlers.copy_items, *items(2, id=item_id, barcode="B2"))
    with at("2026-03-02T10:00:00+07:00"):
        assert reasons(lambda: library.check_out(library.member(), "B2")) == {"ITEM_ON_LOAN"}
    deliver(library, handlers.copy_items, *items(3, id=item_id, barcode="B2", gone=True))
    with at("2026-03-03T09:00:00+07:00"):
        assert reasons(lambda: library.check_out(member, "B2")) == {"ITEM_ON_LOAN", "ITEM_NOT_IN_SERVICE"}
        reply = library.check_in("B2")
        assert (reply.loan.id, [note.reason for note in reply.notes]) == (loan.id, ["ITEM_NOT_IN_SERVICE"])
    with at("2026-03-03T09:00:50+07:00"):
        again = library.check_in("B2")
        assert (again.repeated, again.loan.id, again.next, again.notes) == (True, loan.id, reply.next, reply.notes)
    with at("2026-03-03T10:00:00+07:00"):
        assert reasons(lambda: library.check_in("B2")) == {"COPY_UNKNOWN"}
        assert library.check_in(item_id).next == "shelve"


def test_the_branches_of_an_institution_change_with_its_version(library):
    branches = [BranchCopy(id=str(BRANCHES["pusat"]), code="utama", name=LocalText(id="Utama"), zone="Asia/Makassar")]
    changed = InstitutionCopy(id=str(PKS), version=2, code="PKS", kind="public", zone="Asia/Jakarta", branches=branches)
    older = InstitutionCopy(id=str(PKS), version=1, code="OLD", kind="public", zone="Asia/Jakarta")
    events = [InstitutionsChanged(institutions=[institution]) for institution in (changed, older)]
    deliver(library, handlers.copy_institutions, *events)
    (branch,) = library.rows(Branch, Branch.id == BRANCHES["pusat"])
    assert (branch.code, branch.zone) == ("utama", "Asia/Makassar")
    reply = library.check_out(library.member(), library.item(), branch="PKS/utama")
    assert (reply.loan.branch, reply.loan.zone) == ("PKS/utama", "Asia/Makassar")


def test_members_keep_their_newest_numbers_and_a_merged_members_loans_move(library):
    merged = library.member_copy()
    kept = library.member_copy()
    deliver(library, handlers.copy_members, MembersChanged(members=[merged, kept]))
    number, item = merged.numbers[0], library.item()
    loan = library.check_out(number, item).loan
    merge = library.member_copy(id=merged.id, version=2, numbers=[], merged_into=kept.id)
    joined = library.member_copy(id=kept.id, version=2, numbers=[kept.numbers[0], number])
    deliver(library, handlers.copy_members, MembersChanged(members=[merge, joined]), MembersChanged(members=[merged]))
    assert [str(row.borrower_id) for row in library.rows(Loan)] == [kept.id]
    request = wire.GetBorrowerRequest(member=number)
    borrower = library.call("GetBorrower", request)
    assert (borrower.member_id, [open_loan.id for open_loan in borrower.loans]) == (kept.id, [loan.id])
    assert library.call("GetBorrower", wire.GetBorrowerRequest(member=merged.id)).member_id == kept.id


def test_an_erased_member_leaves_every_loan_and_no_late_fact_brings_it_back(library):
    member = library.member_copy()
    late, unknown = library.member_copy(id=member.id, version=7), str(uuid.uuid4())
    deliver(library, handlers.copy_members, MembersChanged(members=[member]))
    item = library.item()
    library.check_out(member.numbers[0], item)
    erased = MemberErased(id=member.id, version=8), MemberErased(id=unknown, version=3)
    deliver(library, handlers.erase_member, *erased)
    deliver(library, handlers.copy_members, MembersChanged(members=[late, library.member_copy(id=unknown, version=2)]))
    assert [row.borrower_id for row in library.rows(Loan)] == [None]
    assert {row.is_erased for row in library.rows(Borrower)} == {True}
    with library.database.reading(TEST) as session:
        assert {(str(erasure.id), erasure.version) for erasure in borrowers.erasures(session)} == {
            (member.id, 8),
            (unknown, 3),
        }
    assert not library.rows(BorrowerNumber)
    with at("2026-03-20T09:00:00+07:00"):
        assert not library.check_in(item).HasField("suspension")


def test_the_snapshot_has_what_is_not_in_and_the_policies(library):
    out, travelling = library.item(), library.item()
    library.item()
    loan = library.check_out(library.member(), out).loan
    library.check_in(travelling, branch="papua")
    reply = library.call("Snapshot", SnapshotRequest(), institution="*")
    assert {(copy.loan_id, copy.state) for copy in reply.loans} == {(loan.id, "on_loan"), ("", "transit")}
    assert len(reply.policies) == 2
    assert not reply.cursor


def test_borrowers_leave_loans_fourteen_days_after_the_return_unless_they_keep_a_history(library):
    items = [library.item() for _ in range(3)]
    keeping, other = library.member(keeps_history=True), library.member()
    kept = library.check_out(keeping, items[0]).loan
    forgotten = library.check_out(other, items[1]).loan
    still_out = library.check_out(other, items[2]).loan
    with at("2026-03-12T09:00:00+07:00"):
        library.check_in(items[0])
        assert library.check_in(items[1]).suspension.days == 3
    resources = Resources(library.settings, library.database, SERVICE)
    with at("2026-03-26T08:59:00+07:00"):
        forget_borrowers(resources, threading.Event())
        assert all(row.borrower_id for row in library.rows(Loan))
    with at("2026-03-26T09:00:01+07:00"):
        forget_borrowers(resources, threading.Event())
    named = {str(row.id) for row in library.rows(Loan) if row.borrower_id}
    assert named == {kept.id, still_out.id}
    assert forgotten.id not in named
    assert {row.loan_id for row in library.rows(Suspension)} == {uuid.UUID(kept.id), None}
    assert library.execute(select(Loan.id).where(Loan.borrower_id.is_(None)))


@pytest.mark.parametrize("library", ["sqlite"], indirect=True)
def test_the_files_keep_no_card_number_of_an_erased_member(library):
    member = library.member_copy(numbers=["QZ-77310-QZ"], group="XII Qzanadra")
    deliver(library, handlers.copy_members, MembersChanged(members=[member]))
    assert b"Qzanadra" in stored_bytes(library.database)
    deliver(library, handlers.erase_member, MemberErased(id=member.id, version=8))
    assert not re.search(b"QZ-77310-QZ|Qzanadra", stored_bytes(library.database))
