"""The sender: one digest a day, quiet hours, fallback, and nothing lost or sent twice after a crash."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from chassis import clock
from chassis.context import Context
from chassis.errors import Unavailable
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanDueSoon, LoanOpened, LoanOverdue, LoanRenewed, LoanReturned
from rangkiang.members.v1.contacts_pb2 import ConsentAnswer, GuardianContact
from rangkiang.members.v1.events_pb2 import MemberErased, SlipIssued
from services.notifications.channels.port import Outcome
from services.notifications.institutions import save_rules
from services.notifications.members import keys_of, open_text
from services.notifications.preferences import Answer, list_answers, opt_out, replace_answers
from services.notifications.sending.owners import PasswordCode
from tests.fakes.notices import ACCEPTED, AWAY, FakeChannel, loan_copy
from tests.services.notifications.conftest import (
    JAYAPURA,
    JAYAPURA_BRANCH,
    PADANG,
    PADANG_BRANCH,
    TEST,
    Office,
)

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB
DUE = date(2026, 11, 24)


def lend(office: Office, member: UUID, **values):
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, **values)
    office.deliver(LoanOpened(loan=loan))
    return loan


def remind(office: Office, member: UUID, *, days: int = 3, zone: str = "Asia/Jakarta", **values):
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, **values)
    office.deliver(LoanDueSoon(loan=loan, days=days, on="2026-11-21", zone=zone))
    return loan


def remind_overdue(office: Office, member: UUID, *, step: int = 1, **values):
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, **values)
    office.deliver(LoanOverdue(loan=loan, step=step, days=step, zone="Asia/Jakarta"))
    return loan


def give_back(office: Office, loan):
    office.deliver(LoanReturned(loan=loan_copy(
        UUID(loan.member_id), PADANG, loan_id=UUID(loan.loan_id), version=loan.state_version + 1, state="in",
        branch_id=PADANG_BRANCH,
    )))  # fmt: skip


def sent(office: Office, number: int = 0):
    return [message for _, message in office.channels[number].sent]


def test_a_receipt_goes_at_once_even_at_night_with_its_facts_and_no_member_in_the_subject(office):
    member = office.owners.add(name="Siti Rahmawati", email="siti@example.org")
    with clock.frozen(datetime(2026, 11, 20, 19, tzinfo=UTC)):  # 02.00 WIB
        lend(office, member)
        office.send()
    (message,) = sent(office)
    assert (message.address, message.kind) == ("siti@example.org", "loan_receipt")
    assert "Merantau ke Deli" in message.text
    assert "Selasa, 24 November 2026" in message.text
    assert "Siti" not in message.subject
    assert message.id == str(office.messages()[0].id)
    assert office.states() == [("loan_receipt", "sent", "")]
    assert [(row.state, row.channel) for row in office.attempts()] == [("accepted", "smtp")]


def test_reminders_of_a_member_fold_into_one_digest_in_order_of_date(office):
    member = office.owners.add()
    with clock.frozen(MORNING):
        remind(office, member, title="Buku kedua", due_on=date(2026, 11, 24))
        remind_overdue(office, member, title="Buku pertama", due_on=date(2026, 11, 20))
        office.send()
    (message,) = sent(office)
    assert message.kind == "loan_digest"
    assert message.text.index("Buku pertama") < message.text.index("Buku kedua")
    assert {row.state for row in office.notices()} == {"sent"}
    assert len({row.message_id for row in office.notices()}) == 1


def move(office: Office, loan, due_on: date):
    member, loan_id = UUID(loan.member_id), UUID(loan.loan_id)
    later = loan_copy(member, PADANG, loan_id=loan_id, version=loan.state_version + 1, branch_id=PADANG_BRANCH,
                      title=loan.title, due_on=due_on)  # fmt: skip
    office.deliver(LoanRenewed(loan=later, moved=True))


def test_books_whose_due_date_moved_are_one_digest_that_says_why(office):
    member = office.owners.add()
    with clock.frozen(MORNING):
        for title in ("Buku pertama", "Buku kedua"):
            loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, title=title)
            move(office, loan, date(2026, 11, 25))
        office.send()
    (message,) = sent(office)
    assert message.kind == "loan_digest"
    assert message.subject == "Batas kembali buku berubah – Perpustakaan PDG"
    assert message.text.count("batas kembali menjadi Rabu, 25 November 2026, karena perpustakaan tutup") == 2
    assert {(row.kind, row.state) for row in office.notices()} == {("due_date_moved", "sent")}


def test_a_moved_due_date_beside_a_reminder_asks_for_the_books(office):
    member = office.owners.add(language="en")
    with clock.frozen(MORNING):
        remind(office, member)
        move(office, loan_copy(member, PADANG, branch_id=PADANG_BRANCH), date(2026, 11, 25))
        office.send()
    (message,) = sent(office)
    assert message.subject == "Books to return – PDG Library"
    assert "now due on Wednesday, 25 November 2026, because the library is closed on the earlier date" in message.text


def test_a_moved_due_date_that_was_renewed_or_has_passed_before_sending_is_dropped(office):
    renewed, passed = (loan_copy(office.owners.add(), PADANG, branch_id=PADANG_BRANCH) for _ in range(2))
    with clock.frozen(MORNING):
        office.owners.is_away = True
        for loan in (renewed, passed):
            move(office, loan, date(2026, 11, 25))
        later = loan_copy(UUID(renewed.member_id), PADANG, loan_id=UUID(renewed.loan_id), version=3,
                          due_on=date(2026, 12, 2), branch_id=PADANG_BRANCH)  # fmt: skip
        office.deliver(LoanRenewed(loan=later))
    office.owners.is_away = False
    office.send_at(datetime(2026, 11, 26, 2, tzinfo=UTC))
    reasons = {row.reason for row in office.notices(kind="due_date_moved", state="dropped")}
    assert reasons == {"LOAN_RENEWED", "DAY_PASSED"}
    assert [message.kind for message in sent(office)] == ["renewal_receipt"]


def test_a_second_digest_of_a_day_waits_for_the_next_morning(office):
    member = office.owners.add()
    with clock.frozen(MORNING):
        remind(office, member)
        office.send()
        remind_overdue(office, member, due_on=date(2026, 11, 20))
        office.send()
    assert len(sent(office)) == 1
    assert office.notices(state="waiting")[0].due_at == datetime(2026, 11, 22, 0, tzinfo=UTC)  # 07.00 WIB
    office.send_at(datetime(2026, 11, 22, 0, tzinfo=UTC))
    assert len(sent(office)) == 2


@pytest.mark.parametrize(
    ("institution", "branch", "zone", "opening"),
    [
        (PADANG, PADANG_BRANCH, "Asia/Jakarta", datetime(2026, 11, 21, 0, tzinfo=UTC)),
        (JAYAPURA, JAYAPURA_BRANCH, "Asia/Jayapura", datetime(2026, 11, 20, 22, tzinfo=UTC)),
    ],
)
def test_digests_wait_in_the_quiet_hours_of_each_zone_across_midnight(office, institution, branch, zone, opening):
    member = office.owners.add()
    loan = loan_copy(member, institution, branch_id=branch)
    evening = opening - timedelta(hours=11)  # 20.00, before midnight
    with clock.frozen(evening):
        office.deliver(LoanDueSoon(loan=loan, days=3, zone=zone))
    for moment in (
        evening,
        opening - timedelta(hours=7, seconds=1),
        opening - timedelta(hours=7),
        opening - timedelta(seconds=1),
    ):
        office.send_at(moment)
        assert not sent(office)
    office.send_at(opening)
    assert len(sent(office)) == 1


def test_a_digest_that_was_refused_in_the_evening_is_not_tried_again_in_the_quiet_hours(office):
    evening = datetime(2026, 11, 21, 12, 55, tzinfo=UTC)  # 19.55 WIB
    office.channels[0].outcome = AWAY
    with clock.frozen(evening):
        remind(office, office.owners.add())
        office.send()
    office.channels[0].outcome = ACCEPTED
    for hours in (0.2, 3, 8, 11):
        office.send_at(evening + timedelta(hours=hours))
    assert len(office.channels[0].tried) == 1
    office.send_at(datetime(2026, 11, 22, 0, tzinfo=UTC))  # 07.00 WIB
    assert len(sent(office)) == 1


def test_an_institution_has_a_window_of_its_own(office):
    with office.database.transaction(TEST) as session:
        save_rules(session, PADANG, opens="10:00", closes="12:00", version=0, context=Context(institution=str(PADANG)))
    member = office.owners.add()
    with clock.frozen(MORNING):
        remind(office, member)
        office.send()
    assert not sent(office)
    office.send_at(datetime(2026, 11, 21, 3, tzinfo=UTC))  # 10.00 WIB
    assert len(sent(office)) == 1


def test_a_reminder_is_dropped_when_its_day_has_passed(office):
    member = office.owners.add()
    with clock.frozen(MORNING):
        remind(office, member)
    office.send_at(MORNING + timedelta(days=5))
    assert office.states() == [("due_soon", "dropped", "DAY_PASSED")]


def test_a_book_that_comes_back_while_its_notice_is_tried_again_is_dropped(office):
    member = office.owners.add()
    office.channels[0].outcome = AWAY
    with clock.frozen(MORNING):
        loan = remind(office, member)
        office.send()
        give_back(office, loan)
    office.channels[0].outcome = ACCEPTED
    office.send_at(MORNING + timedelta(minutes=2))
    assert office.notices(kind="due_soon")[0].reason == "LOAN_RETURNED"
    assert [message.kind for message in sent(office)] == ["return_receipt"]


def test_members_away_notices_wait(office):
    member = office.owners.add()
    office.owners.is_away = True
    with clock.frozen(MORNING):
        lend(office, member)
        with pytest.raises(Unavailable):
            office.send()
        assert office.states() == [("loan_receipt", "waiting", "")]
        office.owners.is_away = False
        office.send()
    assert len(sent(office)) == 1


def test_a_provider_that_is_away_for_an_hour_loses_nothing_and_keeps_the_order_of_each_member(office):
    members = [office.owners.add() for _ in range(3)]
    office.channels[0].outcome = AWAY
    moment = MORNING
    for number in range(4):
        with clock.frozen(moment):
            for member in members:
                lend(office, member, title=f"Jilid-{number}")
            office.send()
        moment += timedelta(minutes=15)
    office.channels[0].outcome = ACCEPTED
    for _ in range(30):
        moment += timedelta(minutes=10)
        office.send_at(moment)
    for member in members:
        address = office.owners.people[member].email
        texts = [message.text for message in sent(office) if message.address == address]
        assert [f"Jilid-{number}" in text for number, text in enumerate(texts)] == [True] * 4
    assert {row.state for row in office.notices()} == {"sent"}


def test_a_permanent_refusal_marks_the_address_and_goes_to_the_next_channel(database):
    office = Office(database, channels=[FakeChannel("smtp"), FakeChannel("sms", "phone")])
    member = office.owners.add(email="siti@example.org", phone="+6281234567890")
    office.channels[0].outcome = Outcome("permanent", reason="NO_SUCH_MAILBOX", is_address_bad=True)
    with clock.frozen(MORNING):
        remind(office, member)
        office.send()
        assert [message.address for message in sent(office, 1)] == ["+6281234567890"]
    assert [(row.channel, row.state) for row in office.attempts()] == [("smtp", "permanent"), ("sms", "accepted")]
    # The next day the mailbox is not tried again.
    with clock.frozen(MORNING + timedelta(days=1)):
        remind(office, member, days=1)
        office.send()
    assert [row.channel for row in office.attempts()] == ["smtp", "sms", "sms"]


def test_after_six_tries_the_next_channel_has_its_turn_and_after_the_last_a_letter(database):
    office = Office(database, channels=[FakeChannel("smtp", outcome=AWAY), FakeChannel("sms", "phone", outcome=AWAY)])
    member = office.owners.add(phone="+6281234567890")
    with clock.frozen(MORNING):
        remind_overdue(office, member, due_on=date(2026, 11, 20))
    moment = MORNING
    for _ in range(400):
        office.send_at(moment)
        moment += timedelta(minutes=30)
    tried = [row.channel for row in office.attempts()]
    assert tried == ["smtp"] * 6 + ["sms"] * 6
    assert office.states() == [("overdue", "print", "PROVIDER_AWAY")]


def test_nobody_without_an_address_is_forgotten(office):
    member = office.owners.add(email="")
    with clock.frozen(MORNING):
        lend(office, member)
        remind_overdue(office, member, due_on=date(2026, 11, 20))
        office.send()
    assert office.states() == [("loan_receipt", "dropped", "NO_ADDRESS"), ("overdue", "print", "NO_ADDRESS")]


def test_a_childs_notices_go_to_the_guardian_and_without_one_on_paper(office):
    guardian = GuardianContact(name="Ibu Ani", language="id", email="ani@example.org")
    child = office.owners.add(name="Budi", email="budi@example.org", is_child=True, guardian=guardian)
    alone = office.owners.add(is_child=True)
    with clock.frozen(MORNING):
        remind(office, child)
        remind(office, alone)
        office.send()
    (message,) = sent(office)
    assert message.address == "ani@example.org"
    assert "Ibu Ani" in message.text
    assert "Budi" in message.text
    assert [row.state for row in office.notices(member_id=alone)] == ["print"]


def test_preferences_decide_by_kind_and_channel(database):
    office = Office(database, channels=[FakeChannel("smtp"), FakeChannel("sms", "phone")])
    member = office.owners.add(phone="+6281234567890")
    with database.transaction(TEST) as session:
        answers = [Answer("all", "email", False), Answer("overdue", "all", False)]
        replace_answers(session, member, PADANG, answers)
    with clock.frozen(MORNING):
        remind(office, member)
        remind_overdue(office, member, due_on=date(2026, 11, 20))
        office.send()
    assert [message.kind for message in sent(office, 1)] == ["due_soon"]
    assert not sent(office)
    assert office.notices(kind="overdue")[0].reason == "NOT_WANTED"


def test_an_opt_out_of_digests_ends_what_they_hold_but_not_codes(office):
    member = office.owners.add()
    code_id = new_id()
    office.owners.codes[str(code_id)] = PasswordCode("7KQX-M2TD", "A-1")
    with office.database.transaction(TEST) as session:
        opt_out(session, member, PADANG, kind="all", channel="all")
    issued = SlipIssued(member_id=str(member), institution_id=str(PADANG), slip_id=str(code_id))
    issued.expires_at.FromDatetime(MORNING + timedelta(days=1))
    with clock.frozen(MORNING):
        remind(office, member)
        office.deliver(issued)
        office.send()
    (message,) = sent(office)
    assert message.kind == "slip"
    assert "7KQX-M2TD" in message.text
    assert message.codes == ("7KQX-M2TD",)
    assert office.messages()[0].sealed is None, "a code is stored nowhere"
    assert office.notices(kind="due_soon")[0].reason == "NOT_WANTED"


def test_a_member_who_ends_digests_by_a_link_sees_that_their_kinds_have_ended(office):
    member = office.owners.add()
    with office.database.transaction(TEST) as session:
        replace_answers(session, member, PADANG, [Answer("due_soon", "whatsapp", True)])
        opt_out(session, member, PADANG, kind="loan_digest", channel="all")
        answers = list_answers(session, member)
    # The page of preferences shows kinds, and saves what it shows.
    kinds = ("due_date_moved", "due_soon", "overdue")
    assert answers == [Answer(kind, "all", False) for kind in kinds]


def test_a_password_code_that_is_void_has_no_message(office):
    member = office.owners.add()
    issued = SlipIssued(member_id=str(member), institution_id=str(PADANG), slip_id=str(new_id()))
    issued.expires_at.FromDatetime(MORNING + timedelta(days=1))
    with clock.frozen(MORNING):
        office.deliver(issued)
        office.send()
    assert office.states() == [("slip", "dropped", "CODE_VOID")]


def test_texts_are_sealed_and_no_address_is_stored(office):
    member = office.owners.add(email="siti@example.org", consents=[ConsentAnswer(purpose="news", given=True)])
    with clock.frozen(MORNING):
        lend(office, member)
        office.send()
    (message,) = office.messages()
    assert b"Deli" not in message.sealed
    with office.database.transaction(TEST) as session:
        key = keys_of(session, office.master, {member: PADANG}, make=False)[member]
        assert "Merantau ke Deli" in open_text(key, message.sealed)
    dump = repr([vars(row) for row in (*office.messages(), *office.attempts(), *office.notices())])
    assert "siti@example.org" not in dump
    assert "Rahmawati" not in dump
    office.deliver(MemberErased(id=str(member), version=9))
    with office.database.transaction(TEST) as session:
        assert keys_of(session, office.master, {member: PADANG}) == {}
    assert office.messages()[0].sealed is None
