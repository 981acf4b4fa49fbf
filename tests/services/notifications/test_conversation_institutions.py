"""The institution of a WhatsApp message: by its number, then by its sender; no other institution sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from chassis import clock
from chassis.addresses import networks
from chassis.errors import Forbidden
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.notifications.v1 import conversations_pb2 as wire
from rangkiang.notifications.v1 import notices_pb2
from services.notifications.channels.opening import open_channels
from services.notifications.channels.port import Channel, usable_by
from services.notifications.conversations.answers import Answerer, Owner, OwnLoan
from services.notifications.institutions import copy_institutions
from services.notifications.members import hash_address
from services.notifications.rpc.answering import send_answers
from services.notifications.tables import Attempt, InboundMessage, Message
from tests.fakes.whatsapp_cloud import (
    APP_SECRET,
    OTHER_NUMBERS,
    PHONE_NUMBER_ID,
    TOKEN,
    VERIFY_TOKEN,
    WhatsAppCloud,
    message_callback,
    sign,
    status_callback,
)
from tests.migrated import MigratedDatabases
from tests.services.notifications.partners import NOON, NUMBER, PKS, TEST, UNAND, Partners, opened

OF_PKS, OF_UNAND = OTHER_NUMBERS
STRANGER = "6281399990000"


@dataclass
class Memberships:
    """Members and circulation: who has a number, and one loan of each member, named after the institution."""

    owners: dict[str, list[Owner]] = field(default_factory=dict)

    def join(self, phone: str, *institutions: UUID) -> None:
        self.owners[f"+{phone}"] = [Owner(new_id(), institution, "id") for institution in institutions]

    def institutions_of(self, phone: str) -> set[UUID]:
        return {owner.institution_id for owner in self.owners.get(phone, [])}

    def find_owner(self, phone: str, institution_id: UUID) -> Owner | None:
        own = [owner for owner in self.owners.get(phone, []) if owner.institution_id == institution_id]
        return own[0] if len(own) == 1 else None

    def list_loans(self, owner: Owner) -> list[OwnLoan]:
        return [OwnLoan({PKS: "Buku PKS", UNAND: "Buku UNAND"}[owner.institution_id], date(2026, 12, 1))]

    def renew_loans(self, owner: Owner, *, key: str) -> list[OwnLoan]:
        return self.list_loans(owner)


@dataclass
class Line:
    """Two institutions with a number each, and a number of both, at WhatsApp's Cloud API."""

    partners: Partners
    cloud: WhatsAppCloud
    channels: tuple[Channel, ...]
    members: Memberships = field(default_factory=Memberships)

    @property
    def by_name(self) -> dict[str, Channel]:
        return {channel.name: channel for channel in self.channels}

    def write(self, text: str, *, number: str = PHONE_NUMBER_ID, sender: str = STRANGER, secret: str = "") -> int:
        """Write to a number of the libraries. Returns how many messages were stored."""
        self.cloud.open_windows.add(sender)
        at = int(clock.now().timestamp())
        body = message_callback(f"wamid.{new_id()}", sender, text, at=at, number=number)
        return self.call_back(body, secret=secret or secret_of(number)).messages

    def call_back(self, body: bytes, *, secret: str) -> wire.ReceiveWhatsAppReply:
        request = wire.ReceiveWhatsAppRequest(body=body, signature=sign(body, secret))
        reply: wire.ReceiveWhatsAppReply = self.partners.stub.ReceiveWhatsApp(request)
        return reply

    def answer(self) -> list[tuple[str, str]]:
        """Process what was written. Returns the new answers: number of the library and text."""
        before = len(self.cloud.accepted)
        while Answerer(self.partners.database, self.members, self.partners.master, self.by_name).run_round():
            pass
        while send_answers(self.partners.resources, self.by_name, self.partners.master):
            pass
        documents = [document["text"]["body"] for document in self.cloud.accepted[before:]]
        return list(zip(self.cloud.senders[before:], documents, strict=True))

    def seen_by(self, institution: UUID) -> list[str]:
        """What people wrote, as the staff of an institution read it."""
        metadata = self.partners.caller("notices.write", institution=institution)
        reply = self.partners.stub.ListConversations(wire.ListConversationsRequest(), metadata=metadata)
        return [line.text for row in reply.conversations for line in row.messages if line.is_inbound]


def secret_of(number: str) -> str:
    return {OF_PKS: "secret-of-pks", OF_UNAND: "secret-of-unand"}.get(number, APP_SECRET)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def line(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Line]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with WhatsAppCloud() as cloud:
        urls = [f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN}&host={cloud.host}&tls=none"]
        for number, code in ((OF_PKS, "PKS"), (OF_UNAND, "UNAND")):
            (tmp_path / f"{code}-secret").write_text(secret_of(number))
            (tmp_path / f"{code}-verify").write_text(f"verify-{code}")
            urls.append(
                f"whatsapp://{number}?institution={code}&token={OTHER_NUMBERS[number]}&host={cloud.host}&tls=none"
                f"&secret-file={tmp_path}/{code}-secret&verify-token-file={tmp_path}/{code}-verify"
            )
        setting = " ".join([*urls, "print:"])
        with opened(migrated, request.param, tmp_path, CHANNELS=setting) as partners, clock.frozen(NOON):
            opened_channels = open_channels(setting, allowed_networks=networks("127.0.0.0/8"))
            yield Line(partners, cloud, opened_channels[:3])


def test_a_message_to_the_number_of_an_institution_reaches_that_institution_alone(line: Line) -> None:
    line.members.join(NUMBER, PKS)
    line.write("Halo, apakah buka?", number=OF_UNAND)
    line.write("PINJAMAN", number=OF_UNAND, sender=NUMBER)
    answers = line.answer()
    assert {number for number, _ in answers} == {OF_UNAND}
    assert all(text.startswith("Terima kasih. Pesan Anda") for _, text in answers), "no loans of another institution"
    assert line.seen_by(UNAND) == ["Halo, apakah buka?", "PINJAMAN"]
    assert line.seen_by(PKS) == []


def test_nobody_is_asked_about_a_sandbox_or_writes_to_one(line: Line) -> None:
    sandbox = InstitutionCopy(id=str(new_id()), version=1, code="SANDBOX-7A20C4", kind="public", zone="Asia/Jakarta")
    with line.partners.database.transaction(TEST) as session:
        copy_institutions(session, [sandbox])
    line.members.join(NUMBER, PKS, UUID(sandbox.id))
    line.write("PINJAMAN", sender=NUMBER)
    line.write("Halo, apakah buka?")
    [(_, question), (_, loans)] = line.answer()
    assert "Buku PKS" in loans
    assert "SANDBOX" not in question


def test_the_sender_of_an_unclear_message_is_asked_and_nobody_sees_it_before_the_reply(line: Line) -> None:
    line.write("Halo, apakah buka?")
    [(number, question)] = line.answer()
    assert number == PHONE_NUMBER_ID
    assert question.splitlines()[-2:] == ["PKS – Perpustakaan PKS", "UNAND – Perpustakaan UNAND"]
    assert line.seen_by(PKS) == line.seen_by(UNAND) == []
    with clock.frozen(NOON + timedelta(minutes=1)):
        line.write(" unand ")
        texts = [text for _, text in line.answer()]
    assert texts[0].startswith("Terima kasih. Pesan Anda")
    assert texts[1].startswith("Baik, pesan Anda kami sampaikan kepada Perpustakaan UNAND.")
    assert (line.seen_by(PKS), line.seen_by(UNAND)) == ([], ["Halo, apakah buka?", " unand "])


def test_a_member_of_two_institutions_names_one_and_may_change_it(line: Line) -> None:
    line.members.join(NUMBER, PKS, UNAND)
    line.write("pinjaman", sender=NUMBER)
    assert "PKS – Perpustakaan PKS" in line.answer()[0][1]
    for minute, code, other in ((1, "PKS", "UNAND"), (5, "UNAND", "PKS")):
        with clock.frozen(NOON + timedelta(minutes=minute)):
            line.write(code, sender=NUMBER)
            line.answer()
        with clock.frozen(NOON + timedelta(minutes=minute + 1)):
            line.write("pinjaman", sender=NUMBER)
            [(_, text)] = line.answer()
        assert f"Buku {code}" in text
        assert f"Buku {other}" not in text
    assert line.seen_by(PKS) == ["pinjaman", "PKS", "pinjaman"]
    assert line.seen_by(UNAND) == ["UNAND", "pinjaman"]
    with clock.frozen(NOON + timedelta(hours=25)):
        line.write("pinjaman", sender=NUMBER)
        assert "PKS – Perpustakaan PKS" in line.answer()[0][1], "asked again a day later"


def test_a_member_of_one_institution_and_two_members_of_one_are_clear(line: Line) -> None:
    line.members.join(NUMBER, UNAND)
    line.members.join("6281300001111", PKS, PKS)
    line.write("pinjaman", sender=NUMBER)
    line.write("Halo", sender="6281300001111")
    answers = [text for _, text in line.answer()]
    assert "Buku UNAND" in answers[0]
    assert answers[1].startswith("Terima kasih. Pesan Anda")
    assert (line.seen_by(PKS), line.seen_by(UNAND)) == (["Halo"], ["pinjaman"])


def wrote(line: Line, institution: UUID, sender: str) -> None:
    """A notice of an institution was sent to a number over the shared channel."""
    message_id = new_id()
    with line.partners.database.transaction(TEST) as session:
        session.execute(
            insert(Message).values(
                id=message_id, institution_id=institution, member_id=None, kind="due_soon", is_digest=False,
                day=None, language="id", state="sent", reason="", channel="whatsapp", tries=0, next_at=NOON, since=NOON,
                sealed=None, made_at=NOON,
            )
        )  # fmt: skip
        session.execute(
            insert(Attempt).values(
                id=new_id(), institution_id=institution, message_id=message_id, channel="whatsapp", provider_id="w",
                address_hash=hash_address(line.partners.master, institution, f"+{sender}"), state="accepted", reason="",
                started_at=NOON, ended_at=None,
            )
        )  # fmt: skip


def test_a_reply_goes_to_the_only_institution_that_wrote_and_is_unclear_after_another_wrote_too(line: Line) -> None:
    wrote(line, UNAND, STRANGER)
    line.write("Terima kasih, anak saya sudah mengembalikannya")
    line.answer()
    assert (len(line.seen_by(UNAND)), line.seen_by(PKS)) == (1, [])
    other = "6281300002222"
    line.members.join(other, PKS)
    wrote(line, UNAND, other)
    line.write("Sudah dikembalikan", sender=other)
    [(_, question)] = line.answer()
    assert "PKS – Perpustakaan PKS" in question
    assert (len(line.seen_by(UNAND)), line.seen_by(PKS)) == (1, [])


def test_a_sender_is_asked_once_for_a_burst_and_three_times_in_a_day(line: Line) -> None:
    for _ in range(3):
        line.write("Halo")
    assert len(line.answer()) == 1
    questions = []
    for minute in range(1, 8):
        with clock.frozen(NOON + timedelta(minutes=minute)):
            line.write("Saya sedang cuti dan membalas nanti.")
            questions += line.answer()
    assert len(questions) == 2
    assert line.seen_by(PKS) == line.seen_by(UNAND) == []


def test_a_question_waits_while_whatsapp_is_away_and_holds_no_other_number(line: Line) -> None:
    line.write("Halo")
    line.write("Halo UNAND", number=OF_UNAND)
    line.cloud.errors = [(503, 131016)]
    assert Answerer(line.partners.database, line.members, line.partners.master, line.by_name).run_round() == 1
    assert (line.cloud.accepted, line.seen_by(UNAND)) == ([], ["Halo UNAND"])
    assert sorted(number for number, _ in line.answer()) == [PHONE_NUMBER_ID, OF_UNAND]


def test_many_questions_that_wait_for_whatsapp_hold_no_other_number(line: Line) -> None:
    for second in range(101):
        with clock.frozen(NOON + timedelta(seconds=second)):
            line.write("Halo")
    with clock.frozen(NOON + timedelta(minutes=2)):
        line.write("Halo UNAND", number=OF_UNAND)
        line.cloud.errors = [(503, 131016)]
        assert Answerer(line.partners.database, line.members, line.partners.master, line.by_name).run_round() == 1
    assert (line.cloud.accepted, line.seen_by(UNAND)) == ([], ["Halo UNAND"])


def test_messages_for_an_institution_that_is_not_there_yet_wait_and_hold_no_other_number(line: Line) -> None:
    late = line.by_name["wa-unand"]
    late.institution = "BARU"
    line.write("Halo UNAND", number=OF_UNAND)
    line.write("Halo PKS", number=OF_PKS)
    line.answer()
    assert (line.seen_by(PKS), line.seen_by(UNAND)) == (["Halo PKS"], [])
    late.institution = "UNAND"
    line.answer()
    assert (line.seen_by(PKS), line.seen_by(UNAND)) == (["Halo PKS"], ["Halo UNAND"])


def test_a_secret_signs_only_for_its_own_numbers(line: Line) -> None:
    for number in (PHONE_NUMBER_ID, OF_UNAND):
        assert line.write("Halo", number=number, secret=secret_of(OF_PKS)) == 0
    assert line.write("Halo", number="210000000000009") == 0, "a number that is not in CHANNELS"
    with pytest.raises(Forbidden):
        line.write("Halo", secret="secret-of-nobody")
    wrote(line, UNAND, STRANGER)
    forged = status_callback("w", "delivered", at=int(NOON.timestamp()), number=OF_PKS)
    assert line.call_back(forged, secret=secret_of(OF_PKS)).statuses == 0
    real = status_callback("w", "delivered", at=int(NOON.timestamp()))
    assert line.call_back(real, secret=APP_SECRET).statuses == 1
    with line.partners.database.reading(TEST) as session:
        assert session.scalar(select(InboundMessage)) is None


def test_the_address_is_verified_by_the_word_of_any_number(line: Line) -> None:
    for token in (VERIFY_TOKEN, "verify-PKS", "verify-UNAND"):
        line.partners.stub.VerifyWhatsApp(wire.VerifyWhatsAppRequest(mode="subscribe", token=token))
    for token in ("", "verify-"):
        with pytest.raises(Forbidden):
            line.partners.stub.VerifyWhatsApp(wire.VerifyWhatsAppRequest(mode="subscribe", token=token))


def test_an_institution_sends_over_its_own_and_the_shared_number_and_sees_no_other_channel(line: Line) -> None:
    assert [channel.name for channel in usable_by("PKS", line.channels)] == ["whatsapp", "wa-pks"]
    metadata = line.partners.caller("notices.read", institution=UNAND)
    reply = line.partners.stub.GetChannelStatus(notices_pb2.GetChannelStatusRequest(), metadata=metadata)
    assert [channel.name for channel in reply.channels] == ["whatsapp", "wa-unand", "print"]
