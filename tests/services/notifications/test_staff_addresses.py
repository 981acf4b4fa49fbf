"""Tests of templates go to the caller's own address, after its owner has typed the code that was sent to it."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.audit import acts
from chassis.errors import Error, Invalid, Refused, TooMany
from chassis.ids import new_id
from rangkiang.notifications.v1 import templates_pb2 as wire
from services.notifications.channels.port import Outcome
from services.notifications.jobs import forget_old_rows
from services.notifications.tables import StaffAddress
from tests.fakes.notices import FakeChannel
from tests.services.notifications.partners import NOON, PKS, TEST, UNAND, Partners

ROSMIATI = str(new_id())
OWN, STRANGER = "rosmiati@example.id", "orang.lain@example.com"


@pytest.fixture
def partners(both: Partners) -> Partners:
    return both


@pytest.fixture
def mail(partners: Partners) -> FakeChannel:
    mail = FakeChannel("smtp")
    partners.servicer.channels = (mail, FakeChannel("whatsapp", "phone"), FakeChannel("print", "none"))
    return mail


def send(partners: Partners, *, actor: str = ROSMIATI, institution=PKS, channel: str = "email", **fields: str) -> str:
    request = wire.SendTestRequest(kind="due_soon", channel=channel, language="id", **fields)
    metadata = partners.caller("templates.write", "templates.read", institution=institution, actor=actor)
    return str(partners.stub.SendTest(request, metadata=metadata).state)


def state(partners: Partners, *, actor: str = ROSMIATI) -> str:
    request = wire.GetTemplateRequest(kind="due_soon", channel="email", language="id")
    return str(partners.stub.GetTemplate(request, metadata=partners.caller("templates.read", actor=actor)).test_address)


def code_in(channel: FakeChannel) -> str:
    match = re.search(r"\b\d{6}\b", channel.sent[-1][1].text)
    assert match is not None
    return match[0]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def kinds(channel: FakeChannel) -> list[tuple[str, str]]:
    return [(message.kind, message.address) for _, message in channel.sent]


def test_a_test_goes_to_an_address_only_after_its_code_was_typed(partners, mail):
    with pytest.raises(Invalid, match="NOTICE_TEST_ADDRESS_MISSING"):
        send(partners)
    assert state(partners) == ""
    assert send(partners, to=OWN) == "code_sent"
    assert state(partners) == "asked"
    with pytest.raises(Invalid, match="NOTICE_TEST_ADDRESS_MISSING"):
        send(partners)
    assert send(partners, code=code_in(mail)) == "accepted"
    assert send(partners) == "accepted"
    assert state(partners) == "confirmed"
    assert kinds(mail) == [("test_code", OWN), ("due_soon", OWN), ("due_soon", OWN)]
    code_message = mail.sent[0][1]
    assert "Perpustakaan PKS" in code_message.text
    assert "Merantau" not in code_message.text + code_message.subject  # nothing of a template
    assert mail.sent[1][1].subject.startswith("[Uji coba] ")


def test_the_confirmed_address_belongs_to_one_account_of_one_institution(partners, mail):
    send(partners, to=OWN)
    code = code_in(mail)
    for caller in ({"actor": str(new_id())}, {"institution": UNAND}):
        with pytest.raises(Invalid, match="NOTICE_TEST_CODE"):
            send(partners, code=code, **caller)
    send(partners, code=code)
    for caller in ({"actor": str(new_id())}, {"institution": UNAND}):
        with pytest.raises(Invalid, match="NOTICE_TEST_ADDRESS_MISSING"):
            send(partners, **caller)


def test_another_address_gets_only_a_code_and_the_earlier_one_no_more_tests(partners, mail):
    send(partners, to=OWN)
    send(partners, code=code_in(mail))
    assert send(partners, to=STRANGER) == "code_sent"
    with pytest.raises(Invalid, match="NOTICE_TEST_ADDRESS_MISSING"):
        send(partners)
    assert kinds(mail)[-1] == ("test_code", STRANGER)


def test_a_code_is_wrong_five_times_and_then_useless(partners, mail):
    send(partners, to=OWN)
    code = code_in(mail)
    for _ in range(5):
        with pytest.raises(Invalid, match="NOTICE_TEST_CODE"):
            send(partners, code=wrong(code))
    with pytest.raises(Invalid, match="NOTICE_TEST_CODE"):
        send(partners, code=code)
    send(partners, to=OWN)
    assert send(partners, code=code_in(mail)) == "accepted"


def test_a_code_is_valid_for_fifteen_minutes_and_once(partners, mail):
    send(partners, to=OWN)
    code = code_in(mail)
    with clock.frozen(NOON + timedelta(minutes=15)):
        assert state(partners) == ""
        with pytest.raises(Invalid, match="NOTICE_TEST_CODE"):
            send(partners, code=code)
    send(partners, code=code)
    with pytest.raises(Invalid, match="NOTICE_TEST_CODE"):
        send(partners, code=code)


def test_codes_and_tests_are_limited_for_each_hour_and_audited_without_the_address(partners, mail):
    for _ in range(5):
        send(partners, to=OWN)
    with pytest.raises(TooMany, match="NOTICE_TESTS_TOO_MANY"):
        send(partners, to=STRANGER)
    send(partners, code=code_in(mail))
    for _ in range(9):
        send(partners)
    with pytest.raises(TooMany, match="NOTICE_TESTS_TOO_MANY"):
        send(partners)
    with clock.frozen(NOON + timedelta(minutes=61)):
        assert send(partners) == "accepted"
    with partners.database.reading(TEST) as session:
        audited = session.execute(select(acts.c.act, acts.c.actor, acts.c.facts)).all()
    assert {row.actor for row in audited} == {ROSMIATI}
    assert {row.act for row in audited} == {"notifications.ask_test_code", "notifications.send_test"}
    assert "example" not in str(audited)


def test_a_phone_number_is_confirmed_by_the_template_for_codes(partners, mail):
    assert send(partners, channel="whatsapp", to="0812 3456 7890") == "code_sent"
    whatsapp = partners.servicer.channels[1]
    message = whatsapp.sent[-1][1]
    assert message.address == "+6281234567890"
    assert (message.template.name, message.template.parameters) == ("kode_kata_sandi", (code_in(whatsapp),))
    assert send(partners, channel="whatsapp", code=code_in(whatsapp)) == "accepted"
    with pytest.raises(Invalid, match="NOTICE_TEST_ADDRESS_MISSING"):
        send(partners)  # a phone number is no address for mails


def test_a_provider_that_refuses_the_code_is_shown(partners, mail):
    mail.outcome = Outcome("permanent", reason="REFUSED")
    assert send(partners, to=OWN) == "permanent"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [({"to": "not an address"}, Invalid), ({"to": "a@b.id\r\nBcc: x@y.id"}, Invalid), ({"channel": "sms"}, Refused),
     ({"channel": "print"}, Refused), ({"code": "9" * 16}, Invalid)],
)  # fmt: skip
def test_an_invalid_address_code_or_channel_is_refused(partners, mail, fields, refusal):
    with pytest.raises(refusal):
        send(partners, **fields)
    assert not mail.sent


def test_addresses_are_sealed_and_forgotten_when_they_are_not_used(partners, mail):
    def kept() -> int:
        with partners.database.reading(TEST) as session:
            return len(list(session.scalars(select(StaffAddress))))

    send(partners, to=STRANGER, actor=str(new_id()))
    send(partners, to=OWN)
    send(partners, code=code_in(mail))
    with partners.database.reading(TEST) as session:
        assert not [row for row in session.scalars(select(StaffAddress)) if b"example" in row.sealed]
    for passed, left in ((timedelta(hours=23), 2), (timedelta(days=2), 1), (timedelta(days=179), 1)):
        with clock.frozen(NOON + passed):
            forget_old_rows(partners.resources, threading.Event())
        assert kept() == left
    with clock.frozen(NOON + timedelta(days=181)):
        forget_old_rows(partners.resources, threading.Event())
        assert kept() == 0
        with pytest.raises(Error):
            send(partners)
