"""Loans of members, copied from circulation: counted on their page, and a reason against erasure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import grpc
import pytest
from sqlalchemy import func, select, text

from chassis import clock
from chassis.context import READER
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel
from chassis.service import Resources
from rangkiang.circulation.v1 import circulation_pb2_grpc
from rangkiang.circulation.v1.events_pb2 import (
    LoanCopy,
    LoanOpened,
    LoanRenewed,
    LoanReturned,
    SnapshotReply,
    SnapshotRequest,
)
from rangkiang.members.v1 import cards_pb2, events_pb2
from rangkiang.members.v1 import people_pb2 as wire
from services.members import handlers
from services.members.jobs import delete_old_rows
from services.members.people import loans
from services.members.rpc.snapshots import copy_loans
from services.members.service import SERVICE
from services.members.tables import MemberLoan
from tests.services.members.conftest import PKS, TEST, UNAND, Office
from tests.services.members.desk import Desk, error_of, reasons


def loan(member: str, version: int = 1, *, days: int = 7, loan_id: str = "") -> LoanCopy:
    """A loan of an item, due some days from today in Jakarta."""
    today = (clock.now() + timedelta(hours=7)).date()
    return LoanCopy(
        loan_id=loan_id or str(uuid.uuid4()), institution_id=str(PKS), item_id=str(uuid.uuid4()), member_id=member,
        state_version=version, state="on_loan", due_on=(today + timedelta(days=days)).isoformat(),
    )  # fmt: skip


def deliver(office: Office, *events: Any) -> None:
    for event in events:
        deliver_together(office, event)


def deliver_together(office: Office, *events: Any) -> None:
    with office.database.transaction(TEST) as session:
        handlers.copy_loans(session, [(event, READER) for event in events])


def counts(desk: Desk, member: str) -> tuple[int, int]:
    details = desk.get(member)
    return details.open_loans, details.overdue_loans


@dataclass
class Circulation(circulation_pb2_grpc.CirculationServicer):
    """A snapshot of two loans a page."""

    loans: list[LoanCopy] = field(default_factory=list)

    def Snapshot(self, request: SnapshotRequest, _context: grpc.ServicerContext) -> SnapshotReply:
        start = int(request.cursor or 0)
        end = start + 2
        return SnapshotReply(loans=self.loans[start:end], cursor=str(end) if end < len(self.loans) else "")


@pytest.fixture
def circulation() -> Iterator[Circulation]:
    servicer = Circulation()
    inproc.register("circulation", servicer, circulation_pb2_grpc.add_CirculationServicer_to_server)
    yield servicer
    inproc.unregister("circulation")


def test_loans_are_counted_whatever_order_their_facts_come_in_and_however_often(office: Office) -> None:
    desk = Desk(office)
    member = desk.register()
    ends: dict[Any, tuple[int, int]] = {}
    for order in permutations((LoanOpened, LoanRenewed, LoanReturned)):
        first, renewed = loan(member.id, 1, days=-1), loan(member.id, 2)
        renewed.loan_id = returned_id = first.loan_id
        returned = loan(member.id, 3, loan_id=returned_id)
        states = {LoanOpened: first, LoanRenewed: renewed, LoanReturned: returned}
        for kind in order:
            deliver(office, kind(loan=states[kind]), kind(loan=states[kind]))
        ends[order] = counts(desk, member.id)
        for state in states.values():
            state.loan_id = str(uuid.UUID(int=uuid.UUID(returned_id).int + 1))
        deliver_together(office, *(kind(loan=states[kind]) for kind in order for _ in range(2)))
        ends[order, "together"] = counts(desk, member.id)
    assert set(ends.values()) == {(0, 0)}
    late, early = loan(member.id, days=-1), loan(member.id, days=0)
    deliver(office, LoanOpened(loan=late), LoanOpened(loan=early), LoanOpened(loan=late))
    assert counts(desk, member.id) == (2, 1)
    deliver(office, LoanRenewed(loan=loan(member.id, 2, loan_id=late.loan_id)))
    deliver(office, LoanOpened(loan=late))
    assert counts(desk, member.id) == (2, 0)


def test_erasure_waits_for_every_loan_also_of_merged_members(office: Office) -> None:
    desk = Desk(office)
    kept, merged, other = desk.register("Ali"), desk.register("Aly"), desk.register("Umar")
    of_merged, of_kept = loan(merged.id), loan(kept.id)
    deliver(office, LoanOpened(loan=of_merged), LoanOpened(loan=of_kept))
    merge = desk.call("MergeMembers", wire.MergeMembersRequest(id=kept.id, merged_id=merged.id))
    # Circulation had not learned of the merge yet.
    late = loan(merged.id)
    deliver(office, LoanOpened(loan=late))
    assert (counts(desk, kept.id), counts(desk, other.id)) == ((3, 0), (0, 0))
    erase = wire.EraseMemberRequest(id=kept.id)
    error = error_of(lambda: desk.call("EraseMember", erase))
    assert [(refusal.reason, refusal.facts) for refusal in error.refusals] == [("ERASURE_OPEN_LOANS", {"count": 3})]
    desk.call("UndoMerge", wire.UndoMergeRequest(id=kept.id, merge_id=merge.merge_id))
    # As in circulation, which has moved them, loans stay with the member who was kept.
    assert (counts(desk, kept.id), counts(desk, merged.id)) == ((3, 0), (0, 0))
    for loan_copy in (of_kept, of_merged, late):
        loan_copy.state_version = 2
        deliver(office, LoanReturned(loan=loan_copy))
    assert not reasons(lambda: desk.call("EraseMember", erase))


def test_returned_loans_name_nobody_and_are_forgotten_after_a_month(office: Office) -> None:
    member = Desk(office).register()
    returned, out = loan(member.id), loan(member.id)
    deliver(office, LoanReturned(loan=returned), LoanOpened(loan=out))
    resources = Resources(settings=office.settings, database=office.database, service=SERVICE)
    with office.database.reading(TEST) as session:
        assert session.get_one(MemberLoan, UUID(returned.loan_id)).member_id is None
    with clock.frozen(clock.now() + loans.KEPT + timedelta(hours=1)):
        delete_old_rows(resources, None)  # type: ignore[arg-type]
    with office.database.reading(TEST) as session:
        assert session.scalars(select(MemberLoan.loan_id)).all() == [UUID(out.loan_id)]


def test_a_snapshot_fills_and_mends_the_loans(office: Office, circulation: Circulation) -> None:
    desk = Desk(office)
    member = desk.register()
    lost, newer = loan(member.id), loan(member.id, 5)
    with clock.frozen(clock.now() - timedelta(hours=1)):
        deliver(office, LoanOpened(loan=lost), LoanOpened(loan=newer))
    recent = loan(member.id)
    deliver(office, LoanOpened(loan=recent))
    stale = loan(member.id, 4, days=-3, loan_id=newer.loan_id)
    in_transit = LoanCopy(institution_id=str(PKS), item_id=str(uuid.uuid4()), state="transit", state_version=2)
    circulation.loans = [stale, in_transit, loan(member.id, days=-2), loan(member.id), loan(member.id)]
    resources = Resources(settings=office.settings, database=office.database, service=SERVICE)
    channel = sync_channel("inproc:circulation", office.settings, caller="members")
    for _ in range(2):
        assert copy_loans(resources, channel) == 4
        # The newer, three of the snapshot, and the one that came while it was read; not the one that it lacks.
        assert counts(desk, member.id) == (5, 1)
    with office.database.reading(TEST) as session:
        assert not loans.is_empty(session)
        assert session.scalar(select(func.count()).where(MemberLoan.returned_at.is_not(None))) == 1


def test_circulation_learns_of_one_member_by_id_or_number(office: Office) -> None:
    desk = Desk(office, "desk")
    request = wire.RegisterMemberRequest(aliases=[wire.Alias(kind="nim", code="0012")])
    member = desk.register("Siti Rahma", request=request, phone="081266001122")

    def read(code: str, caller: Desk = desk) -> Any:
        return caller.call("GetMemberFact", events_pb2.GetMemberFactRequest(member=code)).member

    found = read(member.id)
    assert (found.id, list(found.numbers), found.version) == (member.id, [member.number, "0012"], 1)
    assert "Siti" not in str(found)
    assert read(member.number) == read(" 0012\r") == found
    desk.call("IssueCard", cards_pb2.IssueCardRequest(id=member.id, act="lost"))
    assert reasons(lambda: read(member.number)) == ["MEMBER_NOT_FOUND"]
    assert reasons(lambda: read("12")) == ["MEMBER_NOT_FOUND"]
    stranger = Desk(office, "desk", institution=UNAND)
    assert [reasons(lambda code=code: read(code, stranger)) for code in (member.id, "0012")] == [
        ["MEMBER_NOT_FOUND"], ["MEMBER_NOT_FOUND"],
    ]  # fmt: skip
    assert reasons(lambda: read(member.id, Desk(office, "cataloguer"))) == ["SCOPE_NEEDED"]


def test_a_merge_publishes_the_new_member_of_the_loans(office: Office) -> None:
    desk = Desk(office)
    kept, merged = desk.register("Ali"), desk.register("Aly")
    desk.call("MergeMembers", wire.MergeMembersRequest(id=kept.id, merged_id=merged.id))
    with office.database.reading(TEST) as session:
        bodies = session.scalars(text("SELECT body FROM outbox ORDER BY id DESC LIMIT 2")).all()
    of_kept, of_merged = (json.loads(body)["members"][0] for body in bodies)
    assert (of_merged["id"], of_merged["merged_into"]) == (merged.id, kept.id)
    assert set(of_kept["numbers"]) == {kept.number, merged.number}
    member_copy = desk.call("GetMemberFact", events_pb2.GetMemberFactRequest(member=merged.id)).member
    assert (member_copy.merged_into, list(member_copy.numbers)) == (kept.id, [])
    assert desk.call("GetMemberFact", events_pb2.GetMemberFactRequest(member=merged.number)).member.id == kept.id


def test_the_last_answer_says_whether_the_history_of_loans_is_kept(office: Office) -> None:
    desk = Desk(office)
    member = desk.register()
    version = 1
    for purpose, given, keeps in (("news", True, False), ("loan_history", True, True), ("loan_history", False, False)):
        consent = wire.Consent(purpose=purpose, text_version="2026-11", given=given, how="desk")
        request = wire.ChangeMemberRequest(id=member.id, version=version, consents=[consent])
        version = desk.call("ChangeMember", request).member.version
        member_copy = desk.call("GetMemberFact", events_pb2.GetMemberFactRequest(member=member.id)).member
        assert (member_copy.version, member_copy.keeps_history) == (version, keeps)


def test_a_renewal_of_an_erased_member_does_not_stop_the_loans_of_others(office: Office) -> None:
    desk = Desk(office)
    member = desk.register("Yusmaniar").id
    nobody = LoanRenewed(loan=loan("", version=2))
    deliver_together(office, nobody, LoanOpened(loan=loan(member)))
    assert counts(desk, member) == (1, 0)
    with office.database.reading(TEST) as session:
        assert session.get_one(MemberLoan, UUID(nobody.loan.loan_id)).member_id is None
