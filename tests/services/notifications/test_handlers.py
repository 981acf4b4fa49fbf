"""Events make notices: once, in any order, and not after their reason has ended."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations
from uuid import UUID

import pytest

from chassis import clock
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import (
    LoanDueSoon,
    LoanOpened,
    LoanOverdue,
    LoanRenewed,
    LoanReturned,
    SuspensionEnded,
    SuspensionStarted,
)
from rangkiang.members.v1.events_pb2 import (
    MemberCopy,
    MemberErased,
    MemberRegistered,
    MembersChanged,
    MembershipExpiring,
    SlipIssued,
)
from tests.fakes.notices import loan_copy
from tests.migrated import stored_bytes
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, Office

NOON = datetime(2026, 11, 21, 5, tzinfo=UTC)  # 12.00 WIB
NIGHT = datetime(2026, 11, 20, 19, tzinfo=UTC)  # 02.00 WIB of the 21st
DUE = date(2026, 11, 24)
ZONE = "Asia/Jakarta"


@pytest.fixture(autouse=True)
def noon():
    with clock.frozen(NOON):
        yield


def loan(office: Office, **values):
    member = values.pop("member", None) or office.owners.add()
    return loan_copy(member, PADANG, branch_id=PADANG_BRANCH, **values)


def test_each_fact_makes_its_notice_however_often_it_arrives(office):
    lent = loan(office)
    code = SlipIssued(member_id=lent.member_id, institution_id=str(PADANG), slip_id=str(new_id()))
    code.expires_at.FromDatetime(NOON.replace(day=22))
    events = [
        LoanOpened(loan=lent),
        LoanDueSoon(loan=lent, days=3, on="2026-11-21", zone=ZONE),
        SuspensionStarted(loan=lent, begins_on="2026-11-21", ends_on="2026-11-25", days=5),
        MemberRegistered(id=lent.member_id, version=1, institution_id=str(PADANG), expires_on="2027-11-21"),
        code,
        MembershipExpiring(
            member_id=lent.member_id, version=1, institution_id=str(PADANG), expires_on="2026-12-21", days=30
        ),
    ]
    for event in [*events, *events]:
        office.deliver(event)
    assert sorted(kind for kind, _, _ in office.states()) == [
        "due_soon",
        "loan_receipt",
        "membership_expiring",
        "membership_registered",
        "slip",
        "suspension_started",
    ]
    (receipt,) = office.notices(kind="loan_receipt")
    assert (receipt.title, receipt.day, receipt.due_at, receipt.state) == ("Merantau ke Deli", DUE, NOON, "waiting")


def test_a_reminder_that_is_made_at_night_waits_for_the_morning(office):
    with clock.frozen(NIGHT):
        office.deliver(LoanDueSoon(loan=loan(office), days=3, on="2026-11-21", zone=ZONE))
    (reminder,) = office.notices()
    assert reminder.due_at == datetime(2026, 11, 21, 0, tzinfo=UTC)  # 07.00 WIB


def test_a_return_drops_reminders_and_makes_a_receipt(office):
    lent = loan(office)
    office.deliver(LoanOverdue(loan=lent, step=1, days=1, on="2026-11-25", zone=ZONE))
    back = loan(office, member=lent.member_id, loan_id=lent.loan_id, version=2, state="in")
    office.deliver(LoanReturned(loan=back))
    assert office.states() == [("overdue", "dropped", "LOAN_RETURNED"), ("return_receipt", "waiting", "")]


def test_the_end_of_a_suspension_drops_its_notice_also_from_the_print_list_and_a_later_one_has_its_own(office):
    member, other = office.owners.add(email="", phone=""), office.owners.add()
    days = {"begins_on": "2026-11-21", "ends_on": "2026-11-25", "days": 5}
    office.deliver(SuspensionStarted(loan=loan(office, member=member), **days))
    office.deliver(SuspensionStarted(loan=loan(office, member=other), **days))
    office.send()
    office.deliver(SuspensionStarted(loan=loan(office, member=member), **days | {"ends_on": "2026-11-27", "days": 7}))
    ended = SuspensionEnded(member_id=str(member))
    office.deliver(ended)
    office.deliver(SuspensionStarted(loan=loan(office, member=member), **days))
    assert [(str(notice.member_id), notice.state, notice.reason) for notice in office.notices()] == [
        (str(member), "dropped", "SUSPENSION_ENDED"),
        (str(other), "sent", ""),
        (str(member), "dropped", "SUSPENSION_ENDED"),
        (str(member), "waiting", ""),
    ]


def test_a_renewal_drops_reminders_of_the_earlier_day(office):
    lent = loan(office)
    office.deliver(LoanDueSoon(loan=lent, days=3, on="2026-11-21", zone=ZONE))
    later = loan(office, member=lent.member_id, loan_id=lent.loan_id, version=2, due_on=date(2026, 12, 1))
    office.deliver(LoanRenewed(loan=later))
    office.deliver(LoanDueSoon(loan=lent, days=1, on="2026-11-23", zone=ZONE))  # of the earlier day, late
    assert office.states() == [("due_soon", "dropped", "LOAN_RENEWED"), ("renewal_receipt", "waiting", "")]


def moved(office: Office, lent, day: date, *, version: int = 2):
    lent = loan(office, member=lent.member_id, loan_id=lent.loan_id, version=version, due_on=day)
    return LoanRenewed(loan=lent, moved=True)


def test_a_due_date_that_moved_off_a_closed_day_makes_a_notice_once_and_no_receipt(office):
    lent = loan(office)
    office.deliver(LoanDueSoon(loan=lent, days=3, on="2026-11-21", zone=ZONE))
    with clock.frozen(NIGHT):
        for _ in range(2):
            office.deliver(moved(office, lent, date(2026, 12, 1)))
    assert office.states() == [("due_soon", "dropped", "DUE_DATE_MOVED"), ("due_date_moved", "waiting", "")]
    (notice,) = office.notices(kind="due_date_moved")
    assert notice.day == date(2026, 12, 1)
    assert notice.due_at == datetime(2026, 11, 21, 0, tzinfo=UTC)  # 07.00 WIB


def test_only_the_last_of_two_new_due_dates_makes_a_notice_in_any_order(database):
    for order in permutations(range(2)):
        office = Office(database)
        lent = loan(office)
        moves = [moved(office, lent, date(2026, 11, 25)), moved(office, lent, date(2026, 11, 26), version=3)]
        for number in order:
            office.deliver(moves[number])
        waiting = [row.day for row in office.notices(loan_id=UUID(lent.loan_id), state="waiting")]
        assert waiting == [date(2026, 11, 26)], order


def test_a_return_drops_the_notice_of_a_moved_due_date(office):
    lent = loan(office)
    office.deliver(moved(office, lent, date(2026, 11, 25)))
    back = loan(office, member=lent.member_id, loan_id=lent.loan_id, version=3, state="in")
    office.deliver(LoanReturned(loan=back))
    office.deliver(moved(office, lent, date(2026, 11, 25)))
    assert office.states() == [("due_date_moved", "dropped", "LOAN_RETURNED"), ("return_receipt", "waiting", "")]


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_reminder_of_the_new_due_date_stays_in_any_order_and_is_the_only_one(database, is_moved):
    for order in permutations(range(2)):
        office = Office(database)
        lent = loan(office)
        later = loan(office, member=lent.member_id, loan_id=lent.loan_id, version=2, due_on=date(2026, 11, 25))
        events = [
            LoanRenewed(loan=later, moved=is_moved),
            LoanDueSoon(loan=later, days=3, on="2026-11-22", zone=ZONE),
        ]
        for number in order:
            office.deliver(events[number])
        waiting = {row.kind for row in office.notices(loan_id=UUID(lent.loan_id), state="waiting")}
        assert waiting == {"due_soon"} if is_moved else {"due_soon", "renewal_receipt"}, order


def test_the_newest_step_of_the_ladder_replaces_earlier_ones_that_wait(office):
    lent = loan(office)
    for step in (7, 1, 14):
        office.deliver(LoanOverdue(loan=lent, step=step, days=step, on="2026-12-08", zone=ZONE))
    waiting = [(row.facts["step"], row.state, row.reason) for row in office.notices()]
    assert waiting == [(7, "dropped", "NEWER_NOTICE"), (14, "waiting", "")]


@pytest.mark.parametrize("is_together", [False, True])
def test_in_any_order_of_arrival_a_returned_loan_has_no_reminder(database, is_together):
    for order in permutations(range(4)):
        office = Office(database)
        lent = loan(office)
        back = loan(office, member=lent.member_id, loan_id=lent.loan_id, version=2, state="in")
        deliveries = [
            LoanOpened(loan=lent),
            LoanDueSoon(loan=lent, days=3, on="2026-11-21", zone=ZONE),
            LoanOverdue(loan=lent, step=1, days=1, on="2026-11-25", zone=ZONE),
            LoanReturned(loan=back),
        ]
        if is_together:
            office.deliver(*(deliveries[number] for number in order))
        else:
            for number in order:
                office.deliver(deliveries[number])
        waiting = [row.kind for row in office.notices(loan_id=UUID(lent.loan_id), state="waiting")]
        assert waiting == ["return_receipt"], order


def test_events_of_many_loans_that_are_handled_together_each_have_their_notice(office):
    lent, late, back, merged, erased = (loan(office, version=2) for _ in range(5))
    kept = office.owners.add()
    office.deliver(LoanDueSoon(loan=late, days=3, on="2026-11-21", zone=ZONE))
    moved = MemberCopy(id=merged.member_id, version=2, institution_id=str(PADANG), merged_into=str(kept))
    office.deliver(MembersChanged(members=[moved]))
    office.deliver(MemberErased(id=erased.member_id, version=3))
    office.deliver(
        LoanOpened(loan=lent),
        LoanOverdue(loan=late, step=7, days=7, on="2026-12-01", zone=ZONE),
        LoanReturned(loan=back),
        LoanOpened(loan=merged),
        LoanOpened(loan=erased),
        LoanOpened(loan=lent),
    )
    assert [(row.kind, row.state, str(row.member_id)) for row in office.notices()] == [
        ("due_soon", "dropped", late.member_id),
        ("loan_receipt", "waiting", lent.member_id),
        ("overdue", "waiting", late.member_id),
        ("return_receipt", "waiting", back.member_id),
        ("loan_receipt", "waiting", str(kept)),
    ]


def test_a_newer_password_code_replaces_an_earlier_one_that_waits(office):
    member = office.owners.add()
    for code_id in (new_id(), new_id()):
        event = SlipIssued(member_id=str(member), institution_id=str(PADANG), slip_id=str(code_id))
        event.expires_at.FromDatetime(NOON.replace(day=22))
        office.deliver(event)
    assert [(row.state, row.reason) for row in office.notices()] == [("dropped", "NEWER_NOTICE"), ("waiting", "")]


def test_a_merged_members_waiting_notices_go_with_it(office):
    lent, kept = loan(office), office.owners.add()
    office.deliver(LoanOpened(loan=lent))
    merged = MemberCopy(id=lent.member_id, version=2, institution_id=str(PADANG), merged_into=str(kept))
    office.deliver(MembersChanged(members=[merged]))
    assert [row.member_id for row in office.notices()] == [kept]


def test_an_erased_member_is_on_no_notice_and_gets_none_again(office):
    lent = loan(office)
    office.deliver(LoanOpened(loan=lent))
    office.deliver(MemberErased(id=lent.member_id, version=3))
    office.deliver(LoanDueSoon(loan=lent, days=3, on="2026-11-21", zone=ZONE))
    (notice,) = office.notices()
    assert (notice.member_id, notice.loan_id, notice.title, notice.state) == (None, None, "", "dropped")
    assert notice.reason == "MEMBER_ERASED"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_files_keep_no_title_of_an_erased_member(office):
    lent = loan(office, title="Hikayat Qzanadra")
    office.deliver(LoanOpened(loan=lent))
    assert b"Qzanadra" in stored_bytes(office.database)
    office.deliver(MemberErased(id=lent.member_id, version=3))
    assert b"Qzanadra" not in stored_bytes(office.database)
