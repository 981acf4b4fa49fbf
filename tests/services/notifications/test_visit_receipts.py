"""Receipts of one visit, which takes two minutes, are one message."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from chassis import clock
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanRenewed, LoanReturned
from rangkiang.members.v1.events_pb2 import SlipIssued
from services.notifications.preferences import opt_out
from services.notifications.sending.owners import PasswordCode
from services.notifications.sending.queue import VISIT
from tests.fakes.notices import ACCEPTED, AWAY, FakeChannel, loan_copy
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, TEST, Office

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB


def visited(database: Any, **values: Any) -> Office:
    return Office(database, visit=VISIT, **values)


def lend(office: Office, member: UUID, title: str, **values: Any) -> UUID:
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, title=title, **values)
    office.deliver(LoanOpened(loan=loan))
    return UUID(loan.loan_id)


def give_back(office: Office, member: UUID, title: str) -> None:
    loan = loan_copy(member, PADANG, version=2, state="in", branch_id=PADANG_BRANCH, title=title)
    office.deliver(LoanReturned(loan=loan))


def renew(office: Office, member: UUID, title: str) -> None:
    loan = loan_copy(member, PADANG, version=2, branch_id=PADANG_BRANCH, title=title, due_on=date(2026, 12, 8))
    office.deliver(LoanRenewed(loan=loan))


def texts(office: Office) -> list[str]:
    return [message.text for _, message in office.channels[0].sent]


def test_loans_returns_and_renewals_of_a_visit_are_one_message_two_minutes_after_the_first(database):
    office = visited(database)
    member = office.owners.add()
    with clock.frozen(MORNING):
        give_back(office, member, "Salah Asuhan")
    with clock.frozen(MORNING + timedelta(seconds=50)):
        lend(office, member, "Merantau ke Deli")
        lend(office, member, "Robohnya Surau Kami")
        renew(office, member, "Laskar Pelangi")
        office.send()
    assert texts(office) == []
    office.send_at(MORNING + VISIT)
    [text] = texts(office)
    lines = [line for line in text.splitlines() if "–" in line]
    assert [line.split("– ")[1].split(",")[0] for line in lines if "Pelangi" in line] == ["diperpanjang"]
    assert sum("dipinjam, mohon dikembalikan paling lambat Selasa, 24 November 2026" in line for line in lines) == 2
    assert sum("Salah Asuhan – sudah kami terima kembali" in line for line in lines) == 1
    [message] = office.messages()
    assert (message.kind, message.is_digest, message.day, message.state) == ("visit_receipt", False, None, "sent")
    assert {notice.state for notice in office.notices()} == {"sent"}
    assert {notice.message_id for notice in office.notices()} == {message.id}


def test_one_receipt_keeps_its_own_text_and_the_next_visit_is_another_message(database):
    office = visited(database)
    member, other = office.owners.add(), office.owners.add()
    with clock.frozen(MORNING):
        lend(office, member, "Merantau ke Deli")
        lend(office, other, "Salah Asuhan")
    with clock.frozen(MORNING + VISIT):
        lend(office, member, "Laskar Pelangi")
    office.send_at(MORNING + timedelta(minutes=10))
    assert sorted(message.kind for message in office.messages()) == ["loan_receipt"] * 3
    assert len(texts(office)) == 3


def test_a_code_does_not_wait_for_the_receipts_of_a_visit(database):
    office = visited(database)
    member = office.owners.add()
    with clock.frozen(MORNING):
        lend(office, member, "Merantau ke Deli")
        issued = SlipIssued(slip_id="0192f3a4-0000-7000-8000-0000000000aa", member_id=str(member))
        issued.institution_id = str(PADANG)
        issued.expires_at.FromDatetime(MORNING + timedelta(hours=24))
        office.owners.codes[issued.slip_id] = PasswordCode("K7PM2XQR", "1371000018")
        office.deliver(issued)
        office.send()
        assert [message.kind for message in office.messages()] == ["slip"]


def test_a_book_that_comes_back_in_the_same_visit_is_only_returned(database):
    office = visited(database)
    member = office.owners.add()
    with clock.frozen(MORNING):
        loan_id = lend(office, member, "Merantau ke Deli")
        lend(office, member, "Laskar Pelangi")
        back = loan_copy(
            member, PADANG, loan_id=loan_id, version=2, state="in", branch_id=PADANG_BRANCH, title="Merantau ke Deli"
        )
        office.deliver(LoanReturned(loan=back))
    office.send_at(MORNING + VISIT)
    [text] = texts(office)
    assert text.count("Merantau ke Deli") == 1
    assert "Merantau ke Deli – sudah kami terima kembali" in text


def test_a_visit_whose_channel_is_away_stays_one_message(database):
    office = visited(database, channels=[FakeChannel(outcome=AWAY)])
    member = office.owners.add()
    with clock.frozen(MORNING):
        for title in ("Merantau ke Deli", "Laskar Pelangi"):
            lend(office, member, title)
    office.send_at(MORNING + VISIT)
    office.channels[0].outcome = ACCEPTED
    office.send_at(MORNING + VISIT + timedelta(minutes=5))
    assert len(texts(office)) == len(office.messages()) == 1
    assert {notice.state for notice in office.notices()} == {"sent"}


def test_a_member_who_ends_receipts_with_the_link_of_such_a_message_gets_none(database):
    office = visited(database)
    member = office.owners.add()
    with database.transaction(TEST) as session:
        opt_out(session, member, PADANG, kind="visit_receipt", channel="all")
    with clock.frozen(MORNING):
        lend(office, member, "Merantau ke Deli")
        give_back(office, member, "Salah Asuhan")
    office.send_at(MORNING + VISIT)
    assert {(state, reason) for _, state, reason in office.states()} == {("dropped", "NOT_WANTED")}
