"""Notices, conversations, devices and webhooks of the library in the pictures."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.ids import new_id
from chassis.security.encryption import MasterKey, make_master_key
from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.channels.opening import open_channels
from services.notifications.channels.port import Outcome
from services.notifications.conversations import store
from services.notifications.conversations.inbound import Pending
from services.notifications.members import hash_address
from services.notifications.notices import make_notice
from services.notifications.push_devices import Subscription, add_device
from services.notifications.sending.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import ChannelDay, Notice, Webhook, WebhookEvent
from services.notifications.templates.store import render
from services.notifications.webhooks.delivery import SEALED_FOR
from tests.fakes.accounts import TEST
from tests.fakes.lending import TITLES
from tests.fakes.notices import FakeChannel, FakeOwners, loan_copy
from tests.fakes.push_service import PushService
from tests.fakes.running import running

TEMPLATE = "/notices/templates/due_soon/email/id"
_NO_MAILBOX = Outcome("permanent", reason="ADDRESS_REFUSED", is_address_bad=True)
_QUESTIONS = (
    ("+6281266001101", "Apakah hari Sabtu buka? Saya mau mengembalikan buku.", timedelta(minutes=12)),
    ("+6281266001102", "Assalamualaikum, kartu anggota saya hilang. Bagaimana cara menggantinya?", timedelta(hours=3)),
    ("+6281266001103", "Terima kasih banyak, Bu.", timedelta(hours=30)),
)


def add_notices(institution: UUID, ids: dict[str, str], *, branch: UUID) -> dict[str, str]:
    """Add notices in several states, and rows of the other tables.

    ids      of members: "member" is reached, the address of "blocked" is refused, "other" has no address
    returns  ids of a notice, a conversation and a webhook
    """
    notifications = running["notifications"]
    master = make_master_key(notifications.settings.of(NotificationsSettings).master_key)
    owners, mail = FakeOwners(), FakeChannel("smtp")
    for name, values in (
        ("member", {"name": "Siti Rahmawati", "email": "siti@contoh.example"}),
        ("blocked", {"name": "Syamsul Bahri", "email": "syamsul@contoh.example"}),
        ("other", {"name": "Rahmawati Siti Aminah", "address": "Jl. Imam Bonjol No. 2, Kota Solok"}),
    ):
        owners.people[UUID(ids[name])] = MemberContact(id=ids[name], language="id", **values)
    mail.answers["syamsul@contoh.example"] = _NO_MAILBOX
    with clock.frozen(_yesterday_morning()), notifications.database.transaction(TEST) as session:
        for name in ("member", "blocked", "other"):
            _make_notices(session, UUID(ids[name]), institution, branch)
    with notifications.database.transaction(TEST) as session:
        _add_days(session, institution)
        _add_phone(session, master, UUID(ids["member"]), institution)
        conversation = _add_conversations(session, master, institution)
        webhook = _add_webhook(session, master, institution)
    sender = Sender(
        notifications.database, owners, [mail, *open_channels("print:")], read_master=lambda: master, render=render,
        public_url="https://perpustakaan.example",
    )  # fmt: skip
    with clock.frozen(_yesterday_morning()):
        while not sender.run_round():
            pass
    with notifications.database.reading(TEST) as session:
        sent = select(Notice.id).where(Notice.member_id == UUID(ids["member"]), Notice.state == "sent")
        notice = session.scalars(sent.limit(1)).one()
    return {"notice": str(notice), "conversation": conversation, "webhook": webhook}


def _yesterday_morning() -> datetime:
    """A moment in the sending hours, which no quiet hours follow."""
    return datetime.combine(clock.now().date() - timedelta(days=1), time(3), UTC)


def _make_notices(session: Session, member: UUID, institution: UUID, branch: UUID) -> None:
    today = clock.now().date()
    for kind, title, days, zone in (
        ("loan_receipt", TITLES[0], 7, ""),
        ("return_receipt", TITLES[1], 7, ""),
        ("due_soon", TITLES[0], 2, "Asia/Jakarta"),
        ("overdue", TITLES[2], -9, "Asia/Jakarta"),
    ):
        loan = loan_copy(member, institution, title=title, due_on=today + timedelta(days=days), branch_id=branch)
        facts: dict[str, Any] = {"zone": zone} if zone else {"returned_at": clock.now().isoformat()}
        make_notice(
            session, kind, key=loan.loan_id, institution_id=str(institution), member_id=str(member), loan=loan,
            day=loan.due_on, facts=facts, zone=zone,
        )  # fmt: skip


def _add_days(session: Session, institution: UUID) -> None:
    """Count what a month of sending leaves."""
    today = clock.now().date()
    for ago in range(1, 30):
        counts = {"accepted": 20 + ago * 7 % 23, "failed": 3 if ago % 9 == 0 else 0}
        for channel, share in (("console", 2), ("print", 1)):
            for state, count in counts.items():
                if count:
                    values = {"institution_id": institution, "channel": channel, "state": state}
                    session.add(ChannelDay(day=_before(today, ago), count=count * share, **values))


def _before(day: date, days: int) -> date:
    return day - timedelta(days=days)


def _add_phone(session: Session, master: MasterKey, member: UUID, institution: UUID) -> None:
    with PushService() as service:
        keys = json.loads(service.subscription)["keys"]
    phone = Subscription("https://push.example/phone", keys["p256dh"], keys["auth"])
    add_device(session, master, phone, member_id=member, institution_id=institution, name="Chrome, Android")


def _add_conversations(session: Session, master: MasterKey, institution: UUID) -> str:
    """Add questions; return the id of the conversation of the first one."""
    first = ""
    for number, text, ago in _QUESTIONS:
        pending = Pending(f"wamid.{new_id()}", "whatsapp", number, text, clock.now() - ago)
        row = store.add_message(
            session, master, pending, institution_id=institution, member_id=None, language="id", is_answered=False,
            address_hash=hash_address(master, institution, number),
        )  # fmt: skip
        first = first or str(row.id)
    return first


def _add_webhook(session: Session, master: MasterKey, institution: UUID) -> str:
    """Add a webhook that fails, with deliveries; return its id."""
    now, webhook_id = clock.now(), new_id()
    session.add(
        Webhook(
            id=webhook_id, institution_id=institution, client_id=str(new_id()), kinds=["loan.opened", "loan.returned"],
            url="https://perpustakaan.mahaputra.example/rangkiang/peristiwa", with_members=False,
            sealed_secret=master.seal(b"x", use=SEALED_FOR), sealed_contact=None, state="active", reason="HTTP_500",
            failures=3, failing_since=now, next_at=now, last_delivered_at=now, made_at=now, made_by_staff=None,
        )
    )  # fmt: skip
    session.flush()
    failed = [{"at": now.isoformat(), "status": 500, "milliseconds": 412, "reason": "HTTP_500"}] * 3
    for number in range(12):
        session.add(
            WebhookEvent(
                id=new_id(), institution_id=institution, webhook_id=webhook_id,
                kind="loan.returned" if number % 3 == 0 else "loan.opened", facts={}, member_id=None, occurred_at=now,
                made_at=now, delivered_at=now if number < 10 else None,
                attempts=failed if number == 10 else None,
            )
        )  # fmt: skip
    return str(webhook_id)
