"""Renewals, lists of loans, and why a loan is due when it is."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.audit import acts
from chassis.bus.outbox import outbox
from chassis.context import Context
from chassis.errors import Invalid, NotFound
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.borrowers import erase_member
from services.circulation.calendars_store import save_calendar
from services.circulation.loans import lists
from services.circulation.tables import Branch, DailyCount, RefusalCount
from tests.conditions import eventually
from tests.services.circulation.library import BRANCHES, PKS, TEST, UNAND, at, reasons, timestamp

MEMBER_SCOPES = frozenset({"self"})


@pytest.fixture(autouse=True)
def monday():
    with at("2026-03-02T09:00:00+07:00"):
        yield


def close(library, branch: str, *days: str) -> None:
    """Close a branch on some days."""
    save(library, branch, {"closed": [{"from": day, "to": day, "why": "Nyepi"} for day in days]})


def save(library, branch: str, document: dict[str, Any]) -> None:
    """Give a branch its first calendar."""
    with library.database.transaction(TEST) as session:
        row = session.get(Branch, BRANCHES[branch])
        save_calendar(session, row, version=0, document=document, context=Context(institution=str(PKS), actor="test"))


def own(library, method: str, request: Any, member_id: str) -> Any:
    return library.call(method, request, actor=member_id, scopes=MEMBER_SCOPES)


def test_a_renewal_counts_from_the_due_day_once_and_leaves_event_audit_and_count(library):
    loan = library.check_out(library.member(), library.item()).loan
    with at("2026-03-05T09:00:00+07:00"):
        renewed = library.renew(loan.id).loan
        assert (renewed.due_on, renewed.renewals, renewed.renewals_left) == ("2026-03-16", 1, 0)
        assert reasons(lambda: library.renew(loan.id)) == {"RENEWALS_USED_UP"}
        waived = library.renew(loan.id, override=["RENEWALS_USED_UP"], reason="Thesis").loan
        assert waived.due_on == "2026-03-23"
    loans = [json.loads(row.body)["loan"] for row in library.execute(select(outbox.c.body).order_by(outbox.c.id))]
    assert [(loan["due_on"], loan["state_version"]) for loan in loans] == [
        ("2026-03-09", "1"), ("2026-03-16", "2"), ("2026-03-23", "3"),
    ]  # fmt: skip
    assert [row.kind for row in library.rows(DailyCount)].count("renewal") == 2


def test_an_overdue_loan_and_one_of_a_blocked_member_are_not_renewed(library):
    member = library.member_copy()
    library.tell_members(member)
    loan = library.check_out(member.numbers[0], library.item()).loan
    library.tell_members(library.member_copy(id=member.id, version=2, blocks=[{"reason": "lost_card", "ends_on": ""}]))
    with at("2026-03-10T09:00:00+07:00"):
        assert reasons(lambda: library.renew(loan.id)) == {"MEMBER_BLOCKED", "RENEWAL_OVERDUE"}


def test_a_loan_that_is_overdue_by_more_than_its_period_is_refused_for_that_alone_until_it_is_waived(library):
    loan = library.check_out(library.member(), library.item()).loan
    with at("2026-03-20T09:00:00+07:00"):
        assert reasons(lambda: library.renew(loan.id)) == {"RENEWAL_OVERDUE"}
        waived = lambda: library.renew(loan.id, override=["RENEWAL_OVERDUE"], reason="Thesis")  # noqa: E731
        assert reasons(waived) == {"RENEWAL_NOT_LATER"}


def test_a_refused_renewal_is_counted_at_the_branch_of_its_loan_on_the_day_there(library):
    member, item = library.member(), library.item(branch="papua")
    loan = library.check_out(member, item, branch="papua").loan.id
    library.renew(loan)
    with at("2026-03-03T23:30:00+07:00"):  # in Papua it is half past one of the next day
        assert reasons(lambda: library.renew(loan)) == {"RENEWALS_USED_UP"}
        library.call("RenewAll", wire.RenewAllRequest(member=member))
    (row,) = library.rows(RefusalCount)
    assert (row.reason, row.branch, row.date.isoformat(), row.count) == ("RENEWALS_USED_UP", "papua", "2026-03-04", 2)


def test_all_loans_are_renewed_that_can_be_and_the_others_say_why(library):
    member, items = library.member(), [library.item() for _ in range(3)]
    loans = [library.check_out(member, item).loan.id for item in items]
    library.renew(loans[0])
    reply = library.call("RenewAll", wire.RenewAllRequest(member=member), key="k1")
    results = {
        renewal.loan.id: (renewal.is_renewed, [refusal.reason for refusal in renewal.refusals])
        for renewal in reply.renewals
    }
    assert results == {
        loans[0]: (False, ["RENEWALS_USED_UP"]),
        loans[1]: (True, []),
        loans[2]: (True, []),
    }
    assert library.call("RenewAll", wire.RenewAllRequest(member=member), key="k1") == reply
    again = library.call("RenewAll", wire.RenewAllRequest(member=member))
    assert not any(renewal.is_renewed for renewal in again.renewals)
    library.check_in(items[1])
    assert reasons(lambda: library.renew(loans[1])) == {"LOAN_ENDED"}


def test_each_list_and_each_borrower_that_staff_read_is_in_the_audit(library):
    card = library.member()
    loan = library.check_out(card, library.item()).loan
    library.check_out(card, library.item())
    member = library.call("GetBorrower", wire.GetBorrowerRequest(member=card)).member_id
    first = library.call("ListLoans", wire.ListLoansRequest(branch="PKS/pusat", limit=1))
    for fields in (
        {"member": card, "with_returned": True},
        {"item": loan.item.barcode, "is_overdue": True},
        {"group": "1372015203880001"},
        {"cursor": first.cursor},
    ):
        library.call("ListLoans", wire.ListLoansRequest(**fields))
    assert reasons(lambda: library.call("GetBorrower", wire.GetBorrowerRequest(member="1372015203880001")))
    is_look = acts.c.act.in_(("circulation.read_borrower", "circulation.list_loans"))
    looks = select(acts.c.act, acts.c.kind, acts.c.object, acts.c.facts).where(is_look)
    eventually(lambda: len(library.execute(looks)) == 6)
    pks = ("circulation.list_loans", "institution", str(PKS))
    assert [(*row[:3], json.loads(row.facts)) for row in library.execute(looks.order_by(acts.c.number))] == [
        ("circulation.read_borrower", "member", member, {}),
        (*pks, {"branch": "PKS/pusat", "shown": 1}),
        ("circulation.list_loans", "member", member, {"with_returned": True, "shown": 2}),
        (*pks, {"item": loan.item.barcode, "is_overdue": True, "shown": 0}),
        (*pks, {"shown": 0}),
        (*pks, {"is_continued": True, "shown": 1}),
    ]


def test_members_see_and_renew_their_own_loans_and_the_audit_does_not_name_them(library):
    member = library.member_copy()
    library.tell_members(member)
    loan = library.check_out(member.numbers[0], library.item()).loan
    foreign = library.check_out(library.member(), library.item()).loan
    listed = own(library, "ListOwnLoans", wire.ListOwnLoansRequest(), member.id)
    assert [listed_loan.id for listed_loan in listed.loans] == [loan.id]
    assert [list(renewal_refusal.refusals) for renewal_refusal in listed.renewal_refusals] == [[]]
    with pytest.raises(NotFound, match="LOAN_UNKNOWN"):
        own(library, "RenewOwnLoan", wire.RenewOwnLoanRequest(id=foreign.id), member.id)
    assert own(library, "RenewOwnLoan", wire.RenewOwnLoanRequest(id=loan.id), member.id).loan.renewals == 1
    reply = own(library, "RenewOwnLoans", wire.RenewOwnLoansRequest(), member.id)
    assert [refusal.reason for refusal in reply.renewals[0].refusals] == ["RENEWALS_USED_UP"]
    listed = own(library, "ListOwnLoans", wire.ListOwnLoansRequest(), member.id)
    assert [reason.reason for reason in listed.renewal_refusals[0].refusals] == ["RENEWALS_USED_UP"]
    assert member.id not in str(library.execute(select(acts)))
    assert library.execute(select(outbox.c.actor).where(outbox.c.actor == "member"))
    assert {row.channel for row in library.rows(DailyCount, DailyCount.kind == "renewal")} == {"self"}


def test_loans_are_listed_by_member_branch_group_and_overdue_page_by_page(library):
    member, classmate = library.member(group="7A"), library.member(group="7A")
    loans = [library.check_out(member, library.item()).loan for _ in range(2)]
    elsewhere = library.check_out(classmate, library.item(), branch="papua").loan

    def listed(**fields: Any) -> list[str]:
        return [loan.id for loan in library.call("ListLoans", wire.ListLoansRequest(**fields)).loans]

    assert set(listed(member=member)) == {loan.id for loan in loans}
    assert listed(branch="PKS/papua") == [elsewhere.id]
    assert len(listed(group="7A")) == 3
    assert listed(item=elsewhere.item.barcode) == [elsewhere.id]
    assert not listed(is_overdue=True)
    first = library.call("ListLoans", wire.ListLoansRequest(limit=2))
    rest = library.call("ListLoans", wire.ListLoansRequest(limit=2, cursor=first.cursor))
    assert (first.total, rest.cursor) == (3, "")
    assert len({listed_loan.id for listed_loan in (*first.loans, *rest.loans)}) == 3
    with pytest.raises(Invalid, match="CURSOR_INVALID"):
        listed(cursor="x")
    with at("2026-03-12T09:00:00+07:00"):
        page = library.call("ListLoans", wire.ListLoansRequest(is_overdue=True))
        assert {listed_loan.overdue_days for listed_loan in page.loans} == {3}
        library.check_in(elsewhere.item.barcode, branch="papua")
        assert elsewhere.id not in listed()
        assert elsewhere.id in listed(with_returned=True)
    assert not library.call("ListLoans", wire.ListLoansRequest(), institution=str(UNAND)).loans


def test_a_loan_says_which_rule_and_which_days_decided(library):
    close(library, "pusat", "2026-03-09", "2026-03-10")
    loan = library.check_out(library.member(), library.item()).loan
    reply = library.call("ExplainLoan", wire.ExplainLoanRequest(id=loan.id))
    assert (reply.loan.due_on, reply.row.period, reply.policy_version) == ("2026-03-11", 7, 0)
    assert [(day.date, day.is_open) for day in reply.days] == [
        ("2026-03-09", False), ("2026-03-10", False), ("2026-03-11", True),
    ]  # fmt: skip
    assert [step.en for step in reply.steps] == [
        "Rules version 0, the row of category *, collection *, branch *.",
        "Lent on 2 March 2026 for 7 days.",
        "9 March 2026 is closed: Nyepi.",
        "10 March 2026 is closed: Nyepi.",
        "It is due on 11 March 2026.",
    ]


def test_a_weekday_on_which_the_branch_never_opens_needs_no_reason(library):
    weekly = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
    save(library, "pusat", {"weekly": weekly})
    with at("2026-03-08T09:00:00+07:00"):
        loan = library.check_out(library.member(), library.item()).loan
    steps = library.call("ExplainLoan", wire.ExplainLoanRequest(id=loan.id)).steps
    assert [step.en for step in steps][2:] == [
        "15 March 2026 is closed by the weekly hours.", "It is due on 16 March 2026.",
    ]  # fmt: skip


def test_a_borrower_has_a_limit_and_reasons_and_an_item_its_state(library):
    member, item = library.member(), library.item()
    library.check_out(member, item)
    borrower = library.call("GetBorrower", wire.GetBorrowerRequest(member=member))
    assert (borrower.open_loans, borrower.loan_limit, list(borrower.refusals)) == (1, 3, [])
    shown = library.call("FindItem", wire.FindItemRequest(item=item))
    assert (shown.state, shown.status, shown.loan.card) == ("on_loan", "in_service", member)
    with at("2026-03-12T09:00:00+07:00"):
        library.check_in(item, branch="papua")
        borrower = library.call("GetBorrower", wire.GetBorrowerRequest(member=member))
        assert [refusal.reason for refusal in borrower.refusals] == ["MEMBER_SUSPENDED"]
        assert borrower.suspension.ends_on == "2026-03-14"
        shown = library.call("FindItem", wire.FindItemRequest(item=item))
        assert (shown.state, shown.to, shown.HasField("loan")) == ("transit", "PKS/pusat", False)


def test_a_list_of_what_changed_since_a_time_has_each_change_once_in_its_order(library):
    with at("2026-03-02T09:00:00+07:00"):
        early, other = (library.check_out(library.member(), library.item()).loan for _ in range(2))
    with at("2026-03-02T10:00:00+07:00") as since:
        late = library.check_out(library.member(), library.item()).loan
        renewed = library.renew(early.id).loan
    with at("2026-03-02T11:00:00+07:00"):
        returned = library.check_in(other.item.barcode).loan
    assert renewed.updated_at.ToDatetime(UTC) == since

    def page(cursor: str = "", **fields: Any) -> Any:
        request = wire.ListLoansRequest(updated_since=timestamp(since), limit=2, cursor=cursor, **fields)
        return library.call("ListLoans", request)

    first = page()
    second = page(first.cursor)
    assert first.total == 3
    assert [loan.id for loan in first.loans] == sorted([early.id, late.id])
    assert [(loan.id, loan.HasField("returned_at"), loan.updated_at) for loan in second.loans] == [
        (other.id, True, returned.updated_at)
    ]
    assert second.cursor == ""
    assert [loan.id for loan in page(item=late.item.barcode).loans] == [late.id]
    by_due_day = library.call("ListLoans", wire.ListLoansRequest(limit=1)).cursor
    assert reasons(lambda: page(by_due_day)) == {"CURSOR_INVALID"}


def test_loans_are_counted_up_to_a_number(library, monkeypatch):
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    member = library.member()
    for number in (1, 2, 3):
        library.check_out(member, library.item())
        counted = library.call("ListLoans", wire.ListLoansRequest(member=member, limit=1))
        assert (counted.total, counted.has_more) == (min(number, 2), number > 2)


def test_a_loan_that_loses_its_borrower_is_changed(library):
    with at("2026-03-02T09:00:00+07:00"):
        member = library.member_copy()
        library.tell_members(member)
        loan = library.check_out(member.numbers[0], library.item()).loan
    with at("2026-03-02T10:00:00+07:00") as since, library.database.transaction(TEST) as session:
        erase_member(session, UUID(member.id), version=2)
    reply = library.call("ListLoans", wire.ListLoansRequest(updated_since=timestamp(since)))
    assert [(changed.id, changed.member_id) for changed in reply.loans] == [(loan.id, "")]
