"""A full mailbox is tried for a day, and its address is not marked as refused."""

from __future__ import annotations

from datetime import date, timedelta

from chassis import clock
from services.notifications.channels.port import Outcome
from services.notifications.sending.decisions import next_try
from tests.fakes.notices import ACCEPTED, FakeChannel
from tests.services.notifications.conftest import Office
from tests.services.notifications.test_sender import MORNING, remind_overdue, sent


def test_a_full_mailbox_is_tried_for_a_day_and_its_address_stays_good(database):
    full = Outcome("temporary", reason="SMTP_552_5_2_2", is_mailbox_full=True)
    office = Office(database, channels=[FakeChannel("smtp", outcome=full), FakeChannel("sms", "phone")])
    member = office.owners.add(phone="+6281234567890")
    with clock.frozen(MORNING):
        remind_overdue(office, member, due_on=date(2026, 11, 20))
    moment = MORNING
    while not sent(office, 1):
        office.send_at(moment)
        moment += timedelta(minutes=15)
    tried = [moment for moment, _ in office.channels[0].tried]
    assert len(tried) > 6
    assert tried[-1] - tried[0] == timedelta(days=1)
    office.channels[0].outcome = ACCEPTED
    with clock.frozen(moment + timedelta(days=1)):
        remind_overdue(office, member, step=7, due_on=date(2026, 11, 15))
        office.send()
    assert len(sent(office)) == 1


def test_an_urgent_notice_with_another_channel_does_not_wait_a_day_for_a_full_mailbox():
    full = Outcome("temporary", reason="SMTP_552_5_2_2", is_mailbox_full=True)
    for is_quick in (True, False):
        third = next_try(full, tries=3, since=MORNING, is_quick=is_quick, now=MORNING + timedelta(minutes=6))
        assert (third is None) == is_quick
