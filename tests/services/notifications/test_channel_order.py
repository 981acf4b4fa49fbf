"""Which channels a notice is tried over: those of its institution that serve the address, in the order of CHANNELS."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from chassis import clock
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanOverdue
from services.notifications.channels.port import Outcome
from tests.fakes.notices import FakeChannel, loan_copy
from tests.services.notifications.conftest import JAYAPURA, PADANG, PADANG_BRANCH, Office

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB


def lend(office: Office, member: UUID, *, institution: UUID = PADANG) -> None:
    office.deliver(LoanOpened(loan=loan_copy(member, institution)), institution=institution)


def remind_overdue(office: Office, member: UUID, *, due_on: date) -> None:
    loan = loan_copy(member, PADANG, branch_id=PADANG_BRANCH, due_on=due_on)
    office.deliver(LoanOverdue(loan=loan, step=1, days=1, zone="Asia/Jakarta"))


def test_an_address_that_no_channel_serves_is_not_a_missing_address(office):
    phone_only = office.owners.add(email="", phone="+6281234567890")
    with clock.frozen(MORNING):
        lend(office, phone_only)
        remind_overdue(office, phone_only, due_on=date(2026, 11, 20))
        office.send()
    assert office.states() == [("loan_receipt", "dropped", "NO_CHANNEL"), ("overdue", "print", "NO_CHANNEL")]


@pytest.mark.parametrize("names", [("smtp", "whatsapp", "sms"), ("sms", "whatsapp", "smtp"), ("whatsapp", "smtp")])
def test_channels_are_tried_in_the_order_of_the_setting(database, names):
    refusing = Outcome("permanent", reason="REFUSED")
    tried: list[str] = []

    class Noting(FakeChannel):
        def send(self, message):
            tried.append(self.name)
            return super().send(message)

    channels = [Noting(name, "email" if name == "smtp" else "phone", outcome=refusing) for name in names]
    office = Office(database, channels=channels)
    member = office.owners.add(phone="+6281234567890")
    with clock.frozen(MORNING):
        remind_overdue(office, member, due_on=date(2026, 11, 20))
        office.send()
    assert tuple(tried) == names
    assert office.states() == [("overdue", "print", "REFUSED")]


def test_an_institution_sends_over_its_own_number_and_over_no_number_of_another(database):
    channels = [FakeChannel(f"wa-{code.lower()}", "phone", institution=code) for code in ("JAP", "PDG")]
    office = Office(database, channels=channels)
    with clock.frozen(MORNING):
        for institution in (PADANG, JAYAPURA):
            lend(office, office.owners.add(email="", phone="+6281234567890"), institution=institution)
        office.send()
    assert [attempt.institution_id for attempt in office.attempts() if attempt.channel == "wa-pdg"] == [PADANG]
    assert [attempt.institution_id for attempt in office.attempts() if attempt.channel == "wa-jap"] == [JAYAPURA]
