"""Callbacks of providers before, during and after the sender writes the outcome of an attempt."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from sqlalchemy import event

from chassis import clock
from chassis.database.db import Database
from rangkiang.members.v1.events_pb2 import MemberErased
from services.notifications.conversations.callbacks import Status
from services.notifications.conversations.statuses import record_status
from services.notifications.service import SERVICE
from tests.fakes.notices import FakeChannel
from tests.services.notifications.conftest import (
    TEST,
    Office,
    add_institutions,
)
from tests.services.notifications.test_sender import MORNING, lend, remind, sent


@dataclass(eq=False)
class CallbackChannel(FakeChannel):
    """A channel whose callback comes before its answer, or after `call`."""

    database: Database | None = None
    status: str = ""

    def send(self, message):
        outcome = super().send(message)
        if self.status:
            self.call(message.id)
        return outcome

    def call(self, message_id, status=""):
        status_message = Status("1", "p", message_id, status or self.status, clock.now(), 131026)
        with self.database.transaction(TEST) as session:
            assert record_status(session, status_message, channel=self.name, day=MORNING.date())


@pytest.mark.parametrize("is_early", [False, True])
def test_a_message_that_its_provider_could_not_deliver_goes_to_the_next_channel(database, is_early):
    channels = [CallbackChannel("whatsapp", "phone", database=database), FakeChannel()]
    office = Office(database, channels=channels)
    channels[0].status = "failed" if is_early else ""
    with clock.frozen(MORNING):
        remind(office, office.owners.add(phone="+6281234567890"))
        office.send()
        if not is_early:
            channels[0].call(sent(office)[0].id, "failed")
            office.send()
    assert [(row.channel, row.state) for row in office.attempts()] == [("whatsapp", "failed"), ("smtp", "accepted")]
    assert office.states() == [("due_soon", "sent", "")]


def test_a_receipt_that_no_channel_could_deliver_has_failed_and_may_be_sent_again(database):
    channel = CallbackChannel("whatsapp", "phone", database=database)
    office = Office(database, channels=[channel])
    with clock.frozen(MORNING):
        lend(office, office.owners.add(email="", phone="+6281234567890"))
        office.send()
        channel.call(sent(office)[0].id, "failed")
        office.send()
    assert office.states() == [("loan_receipt", "failed", "NO_ADDRESS")]


def test_a_callback_before_the_answer_of_the_provider_stays(database):
    channel = CallbackChannel("whatsapp", "phone", database=database, status="delivered")
    office = Office(database, channels=[channel])
    with clock.frozen(MORNING):
        remind(office, office.owners.add(phone="+6281234567890"))
        office.send()
    assert [row.state for row in office.attempts()] == ["delivered"]
    assert office.states() == [("due_soon", "delivered", "")]


def after_each_statement(database, call):
    """Call a function with each statement of this thread, between it and the next."""
    thread = threading.get_ident()

    @event.listens_for(database.writer, "after_cursor_execute")
    def _call(_connection, _cursor, statement, _parameters, _context, _many):
        if threading.get_ident() == thread:
            call(statement)


@pytest.mark.servers
@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_a_callback_that_comes_while_the_answer_is_written_stays(servers, migrated, tmp_path, status):
    with migrated.open(SERVICE, "postgresql", tmp_path) as database:
        add_institutions(database)
        whatsapp = CallbackChannel("whatsapp", "phone", database=database)
        office = Office(database, channels=[whatsapp])
        callback = threading.Thread(target=lambda: whatsapp.call(sent(office)[0].id, status))

        def call_back(statement):
            if whatsapp.sent and callback.ident is None and "FROM attempts" in statement:
                callback.start()
                # It has ended, or waits for a row that the sender has locked.
                callback.join(timeout=1)

        after_each_statement(database, call_back)
        with clock.frozen(MORNING):
            remind(office, office.owners.add(phone="+6281234567890"))
            office.sender.run_round()
            callback.join()
        (attempt,), (message,), (notice,) = office.attempts(), office.messages(), office.notices()
    assert attempt.state == status
    assert (message.state, notice.state) == (("open", "sending") if status == "failed" else (status, status))


@pytest.mark.servers
def test_a_member_who_is_erased_while_the_answer_is_written_stays_erased(servers, migrated, tmp_path):
    with migrated.open(SERVICE, "postgresql", tmp_path) as database:
        add_institutions(database)
        office = Office(database)
        member = office.owners.add()
        erasure = threading.Thread(target=lambda: office.deliver(MemberErased(id=str(member), version=9)))

        def erase(statement):
            if sent(office) and erasure.ident is None and "FROM attempts" in statement:
                erasure.start()
                erasure.join(timeout=1)

        after_each_statement(database, erase)
        with clock.frozen(MORNING):
            lend(office, member)
            office.sender.run_round()
            erasure.join()
        assert [(row.state, row.reason) for row in office.notices()] == [("dropped", "MEMBER_ERASED")]
        assert [row.state for row in office.messages()] == ["dropped"]
