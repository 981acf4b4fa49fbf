"""The ledger that staff read: filters, pages, texts, sending again, channels; the print list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from pypdfium2 import PdfDocument
from sqlalchemy import select

from chassis import clock
from chassis.context import Context
from chassis.errors import Invalid, NotFound, Refused
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanOverdue
from rangkiang.notifications.v1 import notices_pb2 as wire
from rangkiang.notifications.v1 import print_pb2
from services.notifications import ledger
from services.notifications.handlers import follow_loans
from services.notifications.ledger import NoticeFilter
from services.notifications.notices import settle
from services.notifications.sending import letters
from services.notifications.tables import Notice
from services.notifications.templates.letter_pdf import PAPERS, print_letters
from tests.fakes.notices import ACCEPTED, FakeChannel, FakeOwners, loan_copy
from tests.services.notifications.conftest import JAYAPURA, PADANG, PADANG_BRANCH, Office
from tests.services.notifications.partners import PKS, Partners

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)
DESK = Context(institution=str(PADANG), actor="desk")
STRANGER = Context(institution=str(JAYAPURA), actor="desk")


def lend(office: Office, member: UUID, **values):
    office.deliver(LoanOpened(loan=loan_copy(member, PADANG, branch_id=PADANG_BRANCH, **values)))


def remind_overdue(office: Office, member: UUID, **values):
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, due_on=date(2026, 11, 20), **values)
    office.deliver(LoanOverdue(loan=loan, step=1, days=1, zone="Asia/Jakarta"))


@pytest.fixture(autouse=True)
def morning():
    with clock.frozen(MORNING):
        yield


def test_notices_are_listed_by_member_state_and_kind_page_by_page(office):
    members = [office.owners.add() for _ in range(3)]
    for member in members:
        lend(office, member)
        remind_overdue(office, member)
    with office.database.reading(DESK) as session:
        first = ledger.list_notices(session, PADANG, NoticeFilter(limit=4))
        second = ledger.list_notices(session, PADANG, NoticeFilter(limit=4, cursor=first.cursor))
        ids = [row.id for page in (first, second) for row, _ in page.rows]
        assert (first.total, len(set(ids)), second.cursor) == (6, 6, "")
        of_member = ledger.list_notices(session, PADANG, NoticeFilter(member=str(members[0]), kind="overdue"))
        assert [row.kind for row, _ in of_member.rows] == ["overdue"]
        with pytest.raises(Invalid, match="NOTICE_STATE_UNKNOWN"):
            ledger.list_notices(session, PADANG, NoticeFilter(state="lost"))
    with office.database.reading(STRANGER) as session:
        assert ledger.list_notices(session, JAYAPURA, NoticeFilter()).total == 0
        with pytest.raises(NotFound):
            ledger.find_notice(session, JAYAPURA, str(ids[0]))


def test_staff_read_the_text_that_was_sent(office):
    lend(office, office.owners.add())
    office.send()
    (notice,) = office.notices()
    with office.database.reading(DESK) as session:
        found, message = ledger.find_notice(session, PADANG, str(notice.id))
        _, text = ledger.open_message(session, message, office.master)
        assert "Merantau ke Deli" in text
        assert [attempt.state for attempt in ledger.attempts_of(session, found.message_id)] == ["accepted"]


def test_a_failed_notice_is_sent_again_and_a_sent_one_is_not(office):
    member = office.owners.add(email="")
    remind_overdue(office, member)
    lend(office, office.owners.add())
    office.send()
    office.owners.people[member].email = "siti@example.org"
    printed, sent = office.notices()
    with office.database.transaction(DESK) as session:
        ledger.resend(session, PADANG, str(printed.id), context=DESK)
    with office.database.transaction(DESK) as session, pytest.raises(Refused, match="NOTICE_NOT_RESENDABLE"):
        ledger.resend(session, PADANG, str(sent.id), context=DESK)
    office.send()
    assert [row.state for row in office.notices()] == ["sent", "sent"]


def test_channels_say_how_they_do(office):
    lend(office, office.owners.add())
    office.send()
    with office.database.reading(DESK) as session:
        (health,) = ledger.channel_health(session, PADANG, ["smtp"])
    assert (health.state, health.waiting, health.refused_addresses) == ("well", 0, 0)
    assert list(health.days) == [wire.ChannelDay(day="2026-11-21", state="accepted", count=1)]


def test_letters_are_listed_by_class_or_street_printed_and_handed_over(office):
    people = [
        office.owners.add(email="", name="Budi", group="VII B", address="Jl. Merdeka No. 12, Padang"),
        office.owners.add(email="", name="Ani", group="VII A", address="Jl. Merdeka 3\nPadang"),
    ]
    for member in people:
        remind_overdue(office, member, title="Merantau ke Deli")
        remind_overdue(office, member, title="Robohnya Surau Kami")
    office.send()
    with office.database.reading(DESK) as session:
        waiting = letters.printable(session, PADANG).by_member
        session.expunge_all()
    by_class = letters.list_letters(waiting, office.owners.people, by="group")
    by_street = letters.list_letters(waiting, office.owners.people, by="street")
    folded = letters.fold_letters(PADANG, by_class)
    places = {letter.place: office.owners.place(letter.place) for letter in folded}
    with office.database.reading(DESK) as session:
        printed = letters.render_letters(session, PADANG, folded, places_named=places)
    assert len(printed) == 2
    for paper in PAPERS:
        text = "".join(
            page.get_textpage().get_text_range() for page in PdfDocument(print_letters(printed, paper=paper))
        )
        assert "Robohnya Surau Kami" in " ".join(text.split())
    with pytest.raises(Invalid, match="PAPER_UNKNOWN"):
        letters.check_paper("a5")
    ids = [notice.id for letter in by_class for notice in letter.notices]
    assert [(letter.group, letter.contact.name) for letter in by_class] == [("VII A", "Ani"), ("VII B", "Budi")]
    assert {letter.group for letter in by_street} == {"Jl. Merdeka"}
    with office.database.transaction(STRANGER) as session:
        assert letters.hand_over(session, JAYAPURA, ids, context=STRANGER) == 0
    with office.database.transaction(DESK) as session:
        assert letters.hand_over(session, PADANG, ids, context=DESK) == 4
    assert {row.state for row in office.notices()} == {"printed"}


def test_a_member_whose_address_cannot_be_read_has_no_letter_and_the_notice_waits(office):
    damaged, other = office.owners.add(email="", name="Budi"), office.owners.add(email="", name="Ani")
    for member in (damaged, other):
        remind_overdue(office, member)
    office.send()
    office.owners.people[damaged].is_unreadable = True
    with office.database.reading(DESK) as session:
        waiting = letters.printable(session, PADANG).by_member
        session.expunge_all()
    assert set(waiting) == {damaged, other}
    listed = letters.list_letters(waiting, office.owners.people, by="group")
    assert [letter.contact.name for letter in listed] == ["Ani"]
    assert {row.state for row in office.notices()} == {"print"}


def test_a_message_over_the_second_channel_is_counted_there(database):
    office = Office(database, channels=[FakeChannel("smtp"), FakeChannel("sms", "phone", outcome=ACCEPTED)])
    member = office.owners.add(email="", phone="+6281234567890")
    remind_overdue(office, member)
    office.send()
    with database.reading(replace(DESK)) as session:
        smtp, sms = ledger.channel_health(session, PADANG, ["smtp", "sms"])
    assert (list(smtp.days), [day.count for day in sms.days]) == ([], [1])


def test_the_print_list_asks_other_services_outside_of_transactions(partners: Partners):
    owners = FakeOwners(database=partners.database)
    partners.servicer.owners = owners
    member = owners.add(email="", address="Jl. Merdeka No. 1")
    loan = loan_copy(member, PKS, due_on=date(2026, 11, 20), title="Robohnya Surau Kami")
    with partners.database.transaction(DESK) as session:
        overdue = LoanOverdue(loan=loan, step=1, days=1, zone="Asia/Jakarta")
        follow_loans(session, [(overdue, Context(institution=str(PKS)))])
        settle(session, session.scalars(select(Notice.id)).all(), "print")
    metadata = partners.caller("notices.write")
    reply = partners.stub.PrintLetters(print_pb2.PrintLettersRequest(by="street", paper="58mm"), metadata=metadata)
    assert (reply.letters, len(reply.notice_ids)) == (1, 1)
    assert "(0751) 123456" in PdfDocument(reply.pdf)[0].get_textpage().get_text_range()
