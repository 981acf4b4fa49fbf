"""Notices forget loans 14 days after the return; a restored database sends nothing twice and erases again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.ids import new_id
from chassis.security.encryption import MasterKey, MemberKey
from chassis.service import Erasure
from rangkiang.circulation.v1.events_pb2 import LoanDueSoon, LoanOpened, LoanReturned
from rangkiang.members.v1.events_pb2 import MemberCopy, MemberErased, MemberRegistered, MembersChanged
from services.notifications import members
from services.notifications.checks import notices, samples
from services.notifications.conversations.callbacks import Inbound
from services.notifications.conversations.inbound import Pending, add_inbound, end_pending, set_aside
from services.notifications.conversations.store import add_message
from services.notifications.jobs import forget_loans, forget_old_rows, settle_restored
from services.notifications.members import hash_address
from services.notifications.tables import ChannelState, Conversation, ConversationMessage, InboundMessage, Member
from tests.fakes.notices import loan_copy
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, TEST, Office

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)


def lend_and_return(office: Office, member: UUID) -> None:
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH)
    office.deliver(LoanOpened(loan=loan))
    office.send()
    back = loan_copy(member, PADANG, loan_id=UUID(loan.loan_id), version=2, state="in", branch_id=PADANG_BRANCH)
    office.deliver(LoanReturned(loan=back))
    office.send()


def test_14_days_after_the_return_loan_title_and_text_are_gone_unless_the_member_keeps_them(office):
    forgets, keeps = office.owners.add(), office.owners.add()
    keeper = MemberCopy(id=str(keeps), version=1, institution_id=str(PADANG), keeps_history=True)
    with clock.frozen(MORNING):
        office.deliver(MembersChanged(members=[keeper]))
        for member in (forgets, keeps):
            lend_and_return(office, member)
    stop = threading.Event()
    assert forget_loans(office.database, MORNING - timedelta(seconds=1), stop) == 0
    assert forget_loans(office.database, MORNING, stop) == 2
    gone, kept = office.notices(member_id=forgets), office.notices(member_id=keeps)
    assert {(row.loan_id, row.item_id, row.title) for row in gone} == {(None, None, "")}
    assert {row.subject_key for row in gone} == {f"forgotten:{row.id}" for row in gone}, "a subject key names the loan"
    assert {row.title for row in kept} == {"Merantau ke Deli"}
    sealed = {row.member_id: row.sealed for row in office.messages()}
    assert sealed[forgets] is None
    assert sealed[keeps] is not None


def history(office: Office, member: UUID, *, version: int, keeps: bool) -> None:
    copied = MemberCopy(id=str(member), version=version, institution_id=str(PADANG), keeps_history=keeps)
    office.deliver(MembersChanged(members=[copied]))


def forget(office: Office, moment: datetime) -> None:
    with clock.frozen(moment):
        forget_old_rows(SimpleNamespace(database=office.database), threading.Event())


@pytest.mark.parametrize("days", [20, 60])
def test_a_member_who_ends_the_history_later_has_no_loans_in_older_notices(office, days):
    """After 60 days the marks of the loans are deleted too."""
    member, other = office.owners.add(), office.owners.add()
    with clock.frozen(MORNING):
        for person in (member, other):
            history(office, person, version=1, keeps=True)
            lend_and_return(office, person)
    forget(office, MORNING + timedelta(days=days))
    assert {row.title for row in office.notices()} == {"Merantau ke Deli"}
    later = MORNING + timedelta(days=days)
    with clock.frozen(later):
        history(office, member, version=2, keeps=False)
        # This loan is open: it stays on its notice until 14 days after its return.
        office.deliver(LoanOpened(loan=loan_copy(member, PADANG, title="Salah Asuhan")))
    forget(office, later)
    assert sorted((row.title, row.loan_id is None) for row in office.notices(member_id=member)) == [
        ("", True), ("", True), ("Salah Asuhan", False)
    ]  # fmt: skip
    assert [message.sealed for message in office.messages() if message.member_id == member] == [None, None]
    assert {row.title for row in office.notices(member_id=other)} == {"Merantau ke Deli"}


@pytest.mark.parametrize("days", [20, 60])
def test_a_history_whose_end_a_replica_of_an_earlier_release_copied_is_forgotten_too(office, days):
    member = office.owners.add()
    with clock.frozen(MORNING):
        history(office, member, version=1, keeps=True)
        lend_and_return(office, member)
    forget(office, MORNING + timedelta(days=days))
    with office.database.transaction(TEST) as session:
        row = session.get_one(Member, member)
        row.version, row.keeps_history = 2, False
    forget(office, MORNING + timedelta(days=days + 1))
    assert {(row.title, row.loan_id) for row in office.notices()} == {("", None)}
    assert {message.sealed for message in office.messages()} == {None}


def test_the_history_of_a_merged_member_ends_when_the_kept_one_has_none(office):
    kept, merged = office.owners.add(), office.owners.add()
    with clock.frozen(MORNING):
        history(office, kept, version=1, keeps=False)
        history(office, merged, version=1, keeps=True)
        lend_and_return(office, merged)
    forget(office, MORNING + timedelta(days=60))
    values = {"institution_id": str(PADANG), "keeps_history": True, "merged_into": str(kept)}
    copied = MemberCopy(id=str(merged), version=2, **values)
    with clock.frozen(MORNING + timedelta(days=60)):
        office.deliver(MembersChanged(members=[copied]))
    forget(office, MORNING + timedelta(days=61))
    assert {row.title for row in office.notices(member_id=kept)} == {""}


def test_after_a_restore_what_may_have_been_sent_is_unknown_and_erased_members_are_erased_again(office):
    erased, other = office.owners.add(), office.owners.add()
    with clock.frozen(MORNING):
        for member in (erased, other):
            loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, due_on=date(2026, 11, 24))
            office.deliver(LoanDueSoon(loan=loan, days=3, zone="Asia/Jakarta"))
        erasures = (Erasure(erased, PADANG, 9),)
        settle_restored(SimpleNamespace(database=office.database, erasures=erasures))
        office.send()
    states = {(row.member_id, row.state, row.reason) for row in office.notices()}
    assert states == {(None, "dropped", "MEMBER_ERASED"), (other, "unknown", "RESTORED")}
    assert not office.channels[0].sent


def test_an_erased_member_is_in_no_subject_key(office):
    erased, other = office.owners.add(), office.owners.add()
    with clock.frozen(MORNING):
        for member in (erased, other):
            office.deliver(MemberRegistered(id=str(member), institution_id=str(PADANG), expires_on="2027-11-21"))
        office.deliver(MemberErased(id=str(erased), version=2))
    assert {row.subject_key.partition(":")[0] for row in office.notices()} == {"forgotten", "membership_registered"}
    assert not any(str(erased) in row.subject_key for row in office.notices())


@pytest.mark.parametrize("has_key", [True, False])
def test_a_text_can_be_read_when_the_member_s_row_came_while_its_key_was_made(office, monkeypatch, has_key):
    member = new_id()
    earlier = MemberKey.new(office.master, member=f"notices/{member}")[1] if has_key else None

    insert_unknown = members.insert_unknown

    def insert_second(session: Session, rows: Sequence[dict[str, Any]]) -> None:
        session.execute(insert(Member).values(**{**rows[0], "wrapped_key": earlier}))
        insert_unknown(session, rows)

    monkeypatch.setattr(members, "insert_unknown", insert_second)
    with office.database.transaction(TEST) as session:
        sealed = members.seal_text(members.keys_of(session, office.master, {member: PADANG})[member], "Salah Asuhan")
    monkeypatch.undo()
    with office.database.transaction(TEST) as session:
        key = members.keys_of(session, office.master, {member: PADANG}, make=False)[member]
        assert members.open_text(key, sealed) == "Salah Asuhan"


def test_messages_of_people_are_deleted_after_their_time(database):
    master, stop = MasterKey.new(), threading.Event()
    with clock.frozen(MORNING), database.transaction(TEST) as session:
        for number, is_answered in (("+628111", True), ("+628112", False)):
            inbound = Inbound("1", f"wamid.{number}", number, "Halo", MORNING)
            add_inbound(session, [inbound], channels={"1": "whatsapp"}, master=master)
            pending = Pending(inbound.provider_id, "whatsapp", number, "Halo", MORNING)
            add_message(
                session, master, pending, institution_id=PADANG, address_hash=hash_address(master, PADANG, number),
                member_id=None, language="id", is_answered=is_answered,
            )  # fmt: skip
        end_pending(session, "wamid.+628111")
    kept = {}
    for days in (29, 31, 91, 401):
        with clock.frozen(MORNING + timedelta(days=days)):
            forget_old_rows(SimpleNamespace(database=database), stop)
        with database.reading(TEST) as session:
            tables = (InboundMessage, Conversation, ConversationMessage)
            kept[days] = tuple(session.scalar(select(func.count()).select_from(table)) for table in tables)
    assert kept == {29: (2, 2, 2), 31: (0, 2, 2), 91: (0, 1, 1), 401: (0, 0, 0)}


def test_a_message_whose_sender_named_no_institution_is_deleted_after_a_week(database):
    master, stop = MasterKey.new(), threading.Event()
    with clock.frozen(MORNING), database.transaction(TEST) as session:
        add_inbound(session, [Inbound("1", "w", "+62811", "Halo", MORNING)], channels={"1": "whatsapp"}, master=master)
        set_aside(session, master, Pending("w", "whatsapp", "+62811", "Halo", MORNING))
    kept = {}
    for days in (6, 8):
        with clock.frozen(MORNING + timedelta(days=days)):
            forget_old_rows(SimpleNamespace(database=database), stop)
        with database.reading(TEST) as session:
            kept[days] = session.scalar(select(func.count()).select_from(InboundMessage))
    assert kept == {6: 1, 8: 0}


def test_doctor_says_what_is_late_unknown_or_waits_for_paper_and_metrics_count_it(office):
    resources = SimpleNamespace(database=office.database)
    assert [finding.ok for finding in notices(resources)] == [True]
    with clock.frozen(MORNING):
        loan = loan_copy(office.owners.add(), PADANG, branch_id=PADANG_BRANCH)
        office.deliver(LoanOpened(loan=loan))
    with clock.frozen(MORNING + timedelta(hours=2)):
        assert [finding.ok for finding in notices(resources)] == [False]
        values = {(sample.name, sample.labels.get("state", "")): sample.value for sample in samples(resources)}
    assert values["rangkiang_notices_open", "waiting"] == 1
    assert values["rangkiang_notices_late_seconds", ""] == 7200


def test_metrics_count_the_failures_of_a_channel(office):
    state = ChannelState(name="smtp", circuit="open", failures=5, reason="SMTP_UNREACHABLE", at=MORNING)
    with office.database.transaction(TEST) as session:
        session.add(state)
    counts = {sample.labels["channel"]: sample.value for sample in samples(SimpleNamespace(database=office.database))
              if sample.name == "rangkiang_channel_failures"}  # fmt: skip
    assert counts == {"smtp": 5}
