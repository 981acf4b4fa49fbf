"""Notifications with two institutions as its callers see it, for tests of callbacks and webhooks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.addresses import networks
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.http.outgoing import OutgoingClient
from chassis.ids import new_id
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel
from chassis.security.auth import Principal
from chassis.security.encryption import MasterKey, make_master_key
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy, NumberedRecord, RecordChangesNumbered
from rangkiang.circulation.v1.events_pb2 import LoanCopy, LoanOpened, LoanReturned
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.notifications.v1 import conversations_pb2 as wire
from rangkiang.notifications.v1 import webhooks_pb2
from rangkiang.notifications.v1.notifications_pb2_grpc import NotificationsStub
from services.notifications import handlers
from services.notifications.conversations.answers import Owner
from services.notifications.institutions import copy_institutions
from services.notifications.service import SERVICE
from services.notifications.webhooks import delivery
from tests.fakes.whatsapp_cloud import APP_SECRET, PHONE_NUMBER_ID, TOKEN, VERIFY_TOKEN, sign
from tests.migrated import MigratedDatabases

TEST = system("test")
PKS = UUID("0192f3a4-0000-7000-8000-000000000001")
UNAND = UUID("0192f3a4-0000-7000-8000-000000000002")
NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
SITI = Owner(UUID("0192f3a4-5b6c-7d8e-9f05-23456789abcd"), PKS, "id")
NUMBER = "6281234567890"
# Scopes of a partner who may have every event.
ALL = ("webhooks.manage", "facts.loans", "facts.members")
MEMBER = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"


@dataclass
class Partners:
    """Notifications as its callers see it."""

    database: Database
    resources: Resources
    master: MasterKey
    stub: Any
    servicer: Any
    principals: dict[str, Principal]
    lost: set[str] = field(default_factory=set)

    def read_scopes(self, ids: Collection[str]) -> dict[str, frozenset[str]]:
        """The scopes of callers, as members reports them: those of all their tokens without `lost`; none left, ended.

        `lost` has ids of callers, and "id scope" for a single scope.
        """
        held: dict[str, frozenset[str]] = {}
        for principal in self.principals.values():
            kept = {scope for scope in principal.scopes if not self.lost & {principal.id, f"{principal.id} {scope}"}}
            if principal.id in ids and kept:
                held[principal.id] = held.get(principal.id, frozenset()) | kept
        return held

    def caller(
        self, *scopes: str, institution: UUID = PKS, session: str = "", actor: str = ""
    ) -> list[tuple[str, str]]:
        """Metadata of a caller with these scopes, and a key for its write; of a client unless `actor` is an account."""
        token = f"token-{len(self.principals)}"
        client = session or str(new_id())
        self.principals[token] = Principal(actor or client, str(institution), client, frozenset(scopes))
        return [("authorization", f"Bearer {token}"), ("idempotency-key", str(new_id()))]


class _Verifier:
    def __init__(self, principals: dict[str, Principal]) -> None:
        self._principals = principals

    def verify(self, authorization: str) -> Principal:
        return self._principals[authorization.removeprefix("Bearer ")]


@contextmanager
def opened(migrated: MigratedDatabases, kind: str, folder: Path, **variables: str) -> Iterator[Partners]:
    """Open it on "sqlite" or "postgresql"."""
    (folder / "app-secret").write_text(APP_SECRET)
    (folder / "verify-token").write_text(VERIFY_TOKEN)
    settings = load(
        {
            "DATA": str(folder / "var"),
            "WHATSAPP_APP_SECRET_FILE": str(folder / "app-secret"),
            "WHATSAPP_VERIFY_TOKEN_FILE": str(folder / "verify-token"),
            "MASTER_KEY_FILE": str(folder / "master-key"),
            "OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
            "CHANNELS": f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN} print:",
            "PUSH_PRIVATE_NETWORKS": "127.0.0.0/8",
            **variables,
        }
    )
    master = make_master_key(folder / "master-key")
    with migrated.open(SERVICE, kind, folder) as database:
        with database.transaction(TEST) as session:
            copy_institutions(session, [_institution(PKS, "PKS"), _institution(UNAND, "UNAND")])
        resources = Resources(settings=settings, database=database, service=SERVICE)
        principals: dict[str, Principal] = {}
        servicer = resolve(SERVICE.rpc)(resources)
        verifier: Any = _Verifier(principals)
        inproc.register("notifications", servicer, resolve(SERVICE.adder), verifier=verifier)
        stub = NotificationsStub(sync_channel("inproc:notifications", settings))
        try:
            yield Partners(database, resources, master, stub, servicer, principals)
        finally:
            inproc.unregister("notifications")


def _institution(institution_id: UUID, code: str) -> InstitutionCopy:
    name = LocalText(id=f"Perpustakaan {code}", en=f"{code} Library")
    return InstitutionCopy(id=str(institution_id), version=1, code=code, name=name, kind="public", zone="Asia/Jakarta")


def receive(partners: Partners, body: bytes) -> wire.ReceiveWhatsAppReply:
    reply: wire.ReceiveWhatsAppReply = partners.stub.ReceiveWhatsApp(
        wire.ReceiveWhatsAppRequest(body=body, signature=sign(body))
    )
    return reply


def lend(
    partners: Partners, *, loan_id: str = "", version: int = 1, institution: UUID = PKS, returned: bool = False
) -> str:
    """Hand on the event of a loan of MEMBER, or of its return. Returns the loan's id."""
    loan = LoanCopy(
        loan_id=loan_id or str(new_id()),
        institution_id=str(institution),
        item_id=str(new_id()),
        state_version=version,
        member_id=MEMBER,
        due_on="2026-12-01",
        branch_id=str(new_id()),
        title="Rahasia <b>Judul</b>",
        barcode="KS0015001",
    )
    loan.due_at.FromDatetime(NOON + timedelta(days=7))
    context = Context(institution=str(institution), actor="system:test")
    with partners.database.transaction(TEST) as session:
        event = LoanReturned(loan=loan) if returned else LoanOpened(loan=loan)
        handlers.follow_loans(session, [(event, context)])
    return loan.loan_id


def change_records(
    partners: Partners, count: int = 0, *, deleted: int = 0, first: int = 1, institution: UUID = PKS
) -> list[str]:
    """Hand on the event of changed and of deleted records. Returns the ids of all."""
    records = [
        NumberedRecord(
            id=str(new_id()),
            version=2,
            change_number=first + at,
            is_deleted=at >= count,
            title="" if at >= count else f"Judul {at}",
        )
        for at in range(count + deleted)
    ]
    event = RecordChangesNumbered(institution_id=str(institution), institution="PKS", epoch="e", records=records)
    with partners.database.transaction(TEST) as session:
        handlers.follow_records(session, event, Context(institution=str(institution), actor="system:test"))
    return [record.id for record in records]


def subscribe(
    partners: Partners, url: str, *kinds: str, scopes: tuple[str, ...] = ALL, institution: UUID = PKS, session: str = ""
) -> webhooks_pb2.CreateWebhookReply:
    request = webhooks_pb2.CreateWebhookRequest(url=url, kinds=kinds or ["loan.opened", "loan.returned"])
    metadata = partners.caller(*scopes, institution=institution, session=session)
    reply: webhooks_pb2.CreateWebhookReply = partners.stub.CreateWebhook(request, metadata=metadata)
    return reply


def disable(partners: Partners, webhook_id: str, metadata: list[tuple[str, str]]) -> webhooks_pb2.Webhook:
    """Stop a webhook with its current version."""
    current = partners.stub.GetWebhook(webhooks_pb2.GetWebhookRequest(id=webhook_id), metadata=metadata).webhook
    request = webhooks_pb2.ChangeWebhookRequest(id=webhook_id, version=current.version, is_active=False)
    stopped: webhooks_pb2.Webhook = partners.stub.ChangeWebhook(request, metadata=metadata).webhook
    return stopped


def deliver(partners: Partners) -> int:
    client = OutgoingClient(allowed=networks("127.0.0.0/8"), total_seconds=3)
    return delivery.run_round(partners.database, partners.master, client, partners.read_scopes)


def listed(partners: Partners, **caller: Any) -> list[webhooks_pb2.Webhook]:
    scopes = caller.pop("scopes", ("webhooks.manage", "reports.read"))
    metadata = partners.caller(*scopes, **caller)
    return list(partners.stub.ListWebhooks(webhooks_pb2.ListWebhooksRequest(), metadata=metadata).webhooks)
