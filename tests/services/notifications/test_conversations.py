"""WhatsApp conversations: signed callbacks in any order, words answered as the member, other messages for staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from chassis import clock
from chassis.addresses import networks
from chassis.errors import Forbidden, Invalid, NotFound, Refused, Unavailable
from chassis.ids import new_id
from chassis.sentences import LocalText
from rangkiang.notifications.v1 import conversations_pb2 as wire
from services.notifications.channels.opening import open_channels
from services.notifications.conversations import store
from services.notifications.conversations.answers import Answerer, Owner, OwnLoan
from services.notifications.members import hash_address
from services.notifications.preferences import allows, answers_of
from services.notifications.rpc.answering import end_begun_answers, send_answers
from services.notifications.tables import (
    Conversation,
    InboundMessage,
    Preference,
)
from tests.fakes.notices import FakeChannel
from tests.fakes.payloads import PAYLOADS
from tests.fakes.whatsapp_cloud import (
    PHONE_NUMBER_ID,
    TOKEN,
    VERIFY_TOKEN,
    WhatsAppCloud,
    message_callback,
    sign,
)
from tests.services.notifications.partners import NOON, NUMBER, PKS, SITI, TEST, UNAND, Partners, receive


@dataclass
class Circulation:
    """Members and circulation with behaviour: loans of one member, renewed once for a key."""

    owners: dict[str, Owner] = field(default_factory=lambda: {f"+{NUMBER}": SITI})
    loans: list[OwnLoan] = field(
        default_factory=lambda: [
            OwnLoan("Laskar Pelangi", date(2026, 11, 26)),
            OwnLoan("Tenggelamnya Kapal van der Wijck", date(2026, 11, 30)),
        ]
    )
    keys: set[str] = field(default_factory=set)
    is_away: bool = False

    def institutions_of(self, phone: str) -> set[UUID]:
        return {self.owners[phone].institution_id} if phone in self.owners else set()

    def find_owner(self, phone: str, institution_id: UUID) -> Owner | None:
        if self.is_away:
            raise Unavailable("SERVICE_UNAVAILABLE", service="members")
        owner = self.owners.get(phone)
        return owner if owner is not None and owner.institution_id == institution_id else None

    def list_loans(self, owner: Owner) -> Sequence[OwnLoan]:
        assert owner == SITI
        return self.loans

    def renew_loans(self, owner: Owner, *, key: str) -> Sequence[OwnLoan]:
        assert owner == SITI
        if key not in self.keys:
            self.keys.add(key)
            first = OwnLoan(self.loans[0].title, self.loans[0].due_on + timedelta(days=7))
            why = LocalText("Sudah dipesan orang lain.", "Somebody else has a hold on it.")
            self.loans = [first, OwnLoan(self.loans[1].title, self.loans[1].due_on, why)]
        return self.loans


def write(partners: Partners, text: str, *, number: str = NUMBER) -> None:
    body = message_callback(f"wamid.{new_id()}", number, text, at=int(clock.now().timestamp()))
    assert receive(partners, body).messages == 1


def answer(partners: Partners, circulation: Circulation) -> None:
    """Answer what was written to a number of PKS."""
    channel = FakeChannel("whatsapp", "phone", institution="PKS")
    Answerer(partners.database, circulation, partners.master, {"whatsapp": channel}).run_round()


def listed(partners: Partners, *, institution: UUID = PKS, state: str = "") -> list[wire.Conversation]:
    metadata = partners.caller("notices.write", institution=institution)
    reply = partners.stub.ListConversations(wire.ListConversationsRequest(state=state), metadata=metadata)
    return list(reply.conversations)


def texts(partners: Partners) -> list[str]:
    [conversation] = listed(partners)
    return [message.text for message in conversation.messages if not message.is_inbound]


def test_a_callback_without_the_right_signature_is_refused(partners: Partners) -> None:
    body = message_callback("wamid.1", NUMBER, "PINJAMAN", at=1)
    for signature in ("", "sha256=", sign(body + b" "), sign(body, "another secret"), sign(body).upper(), "é"):
        with pytest.raises(Forbidden):
            partners.stub.ReceiveWhatsApp(wire.ReceiveWhatsAppRequest(body=body, signature=signature))
    with partners.database.reading(TEST) as session:
        assert session.scalar(select(InboundMessage)) is None


def test_the_address_of_callbacks_is_verified_by_its_word(partners: Partners) -> None:
    partners.stub.VerifyWhatsApp(wire.VerifyWhatsAppRequest(mode="subscribe", token=VERIFY_TOKEN))
    for mode, token in (("subscribe", "wrong"), ("unsubscribe", VERIFY_TOKEN), ("subscribe", "")):
        with pytest.raises(Forbidden):
            partners.stub.VerifyWhatsApp(wire.VerifyWhatsAppRequest(mode=mode, token=token))


def test_loans_are_answered_as_the_member_who_wrote(partners: Partners) -> None:
    write(partners, "pinjaman")
    answer(partners, Circulation())
    [text] = texts(partners)
    assert text.splitlines() == [
        "Pinjaman Anda: 2",
        "• Laskar Pelangi – kembalikan paling lambat 26 November 2026",
        "• Tenggelamnya Kapal van der Wijck – kembalikan paling lambat 30 November 2026",
    ]
    [conversation] = listed(partners)
    assert (conversation.state, conversation.member_id) == ("done", str(SITI.member_id))


def test_a_renewal_says_what_was_renewed_and_why_the_rest_was_not(partners: Partners) -> None:
    write(partners, "renew")
    answer(partners, Circulation())
    [text] = texts(partners)
    assert text.splitlines() == [
        "Renewed: 1 of 2",
        "• Laskar Pelangi – now due 3 December 2026",
        "• Tenggelamnya Kapal van der Wijck – still due 30 November 2026. Somebody else has a hold on it.",
    ]


def test_a_callback_that_comes_twice_is_answered_once(both: Partners) -> None:
    body = message_callback("wamid.same", NUMBER, "PERPANJANG", at=int(NOON.timestamp()))
    assert receive(both, body).messages == 1
    assert receive(both, body).messages == 0
    circulation = Circulation()
    answer(both, circulation)
    assert receive(both, body).messages == 0
    answer(both, circulation)
    assert len(texts(both)) == 1
    assert len(circulation.keys) == 1


def test_stop_ends_notices_over_whatsapp_alone(both: Partners) -> None:
    write(both, "BERHENTI")
    answer(both, Circulation())
    with both.database.reading(TEST) as session:
        [row] = session.scalars(select(Preference))
        assert (row.member_id, row.kind, row.channel, row.allowed) == (SITI.member_id, "all", "whatsapp", False)
    assert "BERHENTI" not in texts(both)[0]


def test_stop_ends_also_what_the_member_has_allowed_before(both: Partners) -> None:
    own = {"member_id": SITI.member_id, "institution_id": PKS, "allowed": True, "changed_at": NOON}
    with both.database.transaction(TEST) as session:
        for kind, channel in (("overdue", "whatsapp"), ("due_soon", "all"), ("slip", "email")):
            session.execute(insert(Preference).values(kind=kind, channel=channel, **own))
    write(both, "BERHENTI")
    answer(both, Circulation())
    with both.database.reading(TEST) as session:
        answers = answers_of(session, [SITI.member_id])[SITI.member_id]
    kinds = ("overdue", "due_soon", "loan_receipt")
    assert {kind: allows(answers, kind, "whatsapp") for kind in kinds} == dict.fromkeys(kinds, False)
    assert {kind: allows(answers, kind, "email") for kind in kinds} == dict.fromkeys(kinds, True)


def test_words_of_a_number_without_exactly_one_membership_are_for_staff(partners: Partners) -> None:
    circulation = Circulation(owners={})
    for word in ("PINJAMAN", "PERPANJANG", "BERHENTI"):
        write(partners, word)
    answer(partners, circulation)
    [conversation] = listed(partners, state="open")
    assert conversation.member_id == ""
    assert [message.text for message in conversation.messages if message.is_inbound] == [
        "PINJAMAN",
        "PERPANJANG",
        "BERHENTI",
    ]
    assert len(texts(partners)) == 1, "that staff will answer is said once"
    with partners.database.reading(TEST) as session:
        assert session.scalar(select(Preference)) is None


def test_anything_else_is_handed_to_staff_with_the_last_ten_messages(both: Partners) -> None:
    for number in range(14):
        with clock.frozen(NOON + timedelta(minutes=number)):
            write(both, f"Pesan {number}: apakah hari Sabtu buka?")
            answer(both, Circulation())
    [conversation] = listed(both, state="open")
    assert len(conversation.messages) == 10
    assert conversation.messages[-1].text.startswith("Pesan 13")
    assert conversation.address == f"+{NUMBER}"
    assert listed(both, institution=UNAND) == []


def test_nothing_of_a_conversation_is_readable_in_the_database(partners: Partners) -> None:
    write(partners, "Rahasia saya: nomor 12345")
    with partners.database.reading(TEST) as session:
        [row] = session.scalars(select(InboundMessage))
        assert row.sealed is not None
        assert b"Rahasia" not in row.sealed
        assert NUMBER.encode() not in row.sealed
    answer(partners, Circulation())
    with partners.database.reading(TEST) as session:
        [row] = session.scalars(select(InboundMessage))
        assert row.sealed is None
        [conversation] = session.scalars(select(Conversation))
        assert NUMBER.encode() not in conversation.sealed_address


def test_an_erased_member_leaves_no_conversation(partners: Partners) -> None:
    write(partners, "Apakah buka?")
    answer(partners, Circulation())
    with partners.database.transaction(TEST) as session:
        store.erase_member(session, SITI.member_id)
    assert listed(partners) == []


def test_while_members_is_away_messages_wait_in_order(partners: Partners) -> None:
    circulation = Circulation(is_away=True)
    write(partners, "PINJAMAN")
    with pytest.raises(Unavailable):
        answer(partners, circulation)
    assert listed(partners) == []
    circulation.is_away = False
    answer(partners, circulation)
    assert len(texts(partners)) == 1


@dataclass
class RefusingCirculation(Circulation):
    """Members cannot read the number of one person, and circulation refuses another."""

    def find_owner(self, phone: str, institution_id: UUID) -> Owner | None:
        if phone == "+8881234567":
            raise Invalid("PHONE_INVALID", field="phone")
        return super().find_owner(phone, institution_id)

    def renew_loans(self, owner: Owner, *, key: str) -> Sequence[OwnLoan]:
        raise NotFound("MEMBER_NOT_FOUND", id=key)


def test_a_message_that_is_refused_is_for_staff_and_holds_no_other(partners: Partners) -> None:
    write(partners, "PINJAMAN", number="8881234567")
    write(partners, "PERPANJANG")
    write(partners, "PINJAMAN")
    answer(partners, RefusingCirculation())
    conversations = {row.address: [message.state for message in row.messages] for row in listed(partners)}
    assert conversations["+8881234567"] == ["received", "waiting"]
    assert conversations[f"+{NUMBER}"] == ["received", "waiting", "answered", "waiting"]


def test_a_message_that_cannot_be_read_is_shown_to_staff_and_holds_no_other(
    both: Partners, caplog: pytest.LogCaptureFixture
) -> None:
    write(both, "PINJAMAN", number="6281200000001")
    with both.database.transaction(TEST) as session:
        session.execute(update(InboundMessage).values(sealed=b"x" * 60))
    write(both, "PINJAMAN")
    for _ in range(2):
        answer(both, Circulation())
    assert [record.message for record in caplog.records].count("message_unreadable") == 1
    unreadable, readable = sorted(listed(both), key=lambda entry: entry.address)
    assert (unreadable.address, unreadable.state, readable.address) == ("", "open", f"+{NUMBER}")
    assert ["tidak dapat dibaca" in message.text for message in unreadable.messages] == [True]
    # Nobody can be reached there: a reply of staff fails, and holds no other answer.
    reply = wire.ReplyConversationRequest(id=unreadable.id, text="Silakan menulis lagi.")
    both.stub.ReplyConversation(reply, metadata=both.caller("notices.write"))
    with WhatsAppCloud(open_windows={NUMBER}) as cloud:
        url = f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN}&host={cloud.host}&tls=none"
        [channel] = open_channels(url, allowed_networks=networks("127.0.0.0/8"))
        assert send_answers(both.resources, {"whatsapp": channel}, both.master) == 2
        assert len(cloud.accepted) == 1
    states = {entry.address: [message.state for message in entry.messages] for entry in listed(both)}
    assert states == {"": ["received", "failed"], f"+{NUMBER}": ["answered", "sent"]}


def test_an_answer_that_is_refused_for_now_does_not_hold_those_of_other_numbers(partners: Partners) -> None:
    other = "6281111111111"
    for number in (NUMBER, other):
        write(partners, "BANTUAN", number=number)
    answer(partners, Circulation())
    with WhatsAppCloud(open_windows={NUMBER, other}) as cloud:
        url = f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN}&host={cloud.host}&tls=none"
        [channel] = open_channels(url, allowed_networks=networks("127.0.0.0/8"))
        cloud.errors = [(400, 131056)]
        assert send_answers(partners.resources, {"whatsapp": channel}, partners.master) == 1
        assert [document["to"] for document in cloud.accepted] == [other]
        assert send_answers(partners.resources, {"whatsapp": channel}, partners.master) == 1


def test_forty_payloads_stay_text_in_a_conversation(partners: Partners) -> None:
    circulation = Circulation()
    for payload in PAYLOADS:
        circulation.loans = [OwnLoan(payload, date(2026, 11, 26))]
        write(partners, "PINJAMAN")
        answer(partners, circulation)
        lines = texts(partners)[-1].splitlines()
        assert len(lines) == 2
        assert lines[1].endswith(" – kembalikan paling lambat 26 November 2026")


def test_staff_answer_within_a_day_and_not_after(both: Partners) -> None:
    write(both, "Apakah hari Sabtu buka?")
    answer(both, Circulation())
    [conversation] = listed(both)
    request = wire.ReplyConversationRequest(id=conversation.id, text="Buka pukul 8–12.")
    with pytest.raises(NotFound):
        both.stub.ReplyConversation(request, metadata=both.caller("notices.write", institution=UNAND))
    metadata = both.caller("notices.write")
    assert both.stub.ReplyConversation(request, metadata=metadata).state == "done"
    assert both.stub.ReplyConversation(request, metadata=metadata).state == "done"
    assert texts(both)[1:] == ["Buka pukul 8–12."]
    with clock.frozen(NOON + timedelta(hours=24)), pytest.raises(Refused) as refusal:
        both.stub.ReplyConversation(request, metadata=both.caller("notices.write"))
    assert refusal.value.reason == "WINDOW_CLOSED"


def test_answers_go_out_once_and_wait_while_whatsapp_is_away(partners: Partners) -> None:
    write(partners, "PINJAMAN")
    answer(partners, Circulation())
    with WhatsAppCloud(open_windows={NUMBER}) as cloud:
        url = f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN}&host={cloud.host}&tls=none"
        [channel] = open_channels(url, allowed_networks=networks("127.0.0.0/8"))
        cloud.errors = [(503, 131016)]
        with pytest.raises(Unavailable):
            send_answers(partners.resources, {"whatsapp": channel}, partners.master)
        assert send_answers(partners.resources, {"whatsapp": channel}, partners.master) == 1
        assert send_answers(partners.resources, {"whatsapp": channel}, partners.master) == 0
        assert [document["text"]["body"].splitlines()[0] for document in cloud.accepted] == ["Pinjaman Anda: 2"]
        assert cloud.accepted[0]["text"]["preview_url"] is False
    [conversation] = listed(partners)
    assert [message.state for message in conversation.messages] == ["answered", "sent"]


def test_an_answer_whose_process_died_is_unknown_and_shown_to_staff(both: Partners) -> None:
    write(both, "PINJAMAN")
    answer(both, Circulation())

    class Dying:
        def send(self, _message: object) -> None:
            raise KeyboardInterrupt

    dying: Any = Dying()
    with pytest.raises(KeyboardInterrupt):
        send_answers(both.resources, {"whatsapp": dying}, both.master)
    assert end_begun_answers(both.resources) == 1
    assert send_answers(both.resources, {"whatsapp": dying}, both.master) == 0, "nobody gets it twice"
    [conversation] = listed(both, state="open")
    assert [message.state for message in conversation.messages] == ["answered", "unknown"]


def test_a_word_that_waited_for_a_day_renews_nothing_and_is_for_staff(partners: Partners) -> None:
    write(partners, "PERPANJANG")
    circulation = Circulation()
    with clock.frozen(NOON + timedelta(hours=24)):
        answer(partners, circulation)
    [conversation] = listed(partners, state="open")
    assert [message.state for message in conversation.messages] == ["received"]
    assert not circulation.keys


def test_the_window_is_known_to_the_sender_of_notices(partners: Partners) -> None:
    write(partners, "Halo")
    answer(partners, Circulation())
    own = hash_address(partners.master, PKS, f"+{NUMBER}")
    with partners.database.reading(TEST) as session:
        assert store.open_windows(session, "whatsapp", [own, b"x" * 32]) == {own}
        with clock.frozen(NOON + timedelta(hours=25)):
            assert store.open_windows(session, "whatsapp", [own]) == set()
