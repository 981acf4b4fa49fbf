"""Webhooks of partners' systems, and their events."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table

_WAITING = text("delivered_at IS NULL")


class Webhook(Table):
    """A subscription of a client, or of an institution when a member of staff made it.

    version         grows with each change by people, and when it is disabled
    client_id       id of the client, or of the staff account; in older rows of staff the id of a session, so they end
    made_by_staff   None in rows from before this column existed
    kinds           kinds of events
    with_members    events contain ids of members
    sealed_secret   key that signs requests, sealed under the master key
    sealed_former_secret  the key before the last change, which signs too until `former_secret_until`
    sealed_contact  e-mail address of the owner, who is notified when it is disabled; None without one
    state           "active" or "disabled"
    next_at         earliest moment of the next request; later after a failure
    failing_since   first failure after the last delivery
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("webhooks_institution", "institution_id", "state"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    client_id: Mapped[str] = mapped_column(String(128))
    made_by_staff: Mapped[bool | None]
    url: Mapped[str] = mapped_column(String(1_000))
    kinds: Mapped[list[str]] = mapped_column(JSON)
    with_members: Mapped[bool]
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    next_at: Mapped[datetime]
    last_delivered_at: Mapped[datetime | None]
    made_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    changed_at: Mapped[datetime | None]
    sealed_former_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_secret_until: Mapped[datetime | None]


class WebhookEvent(Table):
    """An event for one webhook, which is kept for 7 days.

    id            in order of arrival at this service; a replay takes it as its cursor
    delivered_at  None while the event waits
    attempts      the newest attempts, in order: at (ISO 8601), status (0 without a reply), milliseconds, reason
    """

    __tablename__ = "webhook_facts"
    __table_args__ = (
        Index("webhook_facts_waiting", "webhook_id", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("webhook_facts_made", "made_at"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    facts: Mapped[dict[str, Any]]
    member_id: Mapped[UUID | None] = mapped_column(index=True)
    occurred_at: Mapped[datetime]
    made_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
