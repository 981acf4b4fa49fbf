"""What members want, addresses that were refused, and counts by channel."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table


class Preference(Table):
    """An answer of a member; the most specific wins, and without one a kind goes over its usual channels.

    kind, channel  "all" for every one
    """

    __tablename__ = "preferences"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    institution_id: Mapped[UUID]
    allowed: Mapped[bool]
    changed_at: Mapped[datetime]


class PushDevice(Table):
    """A browser that a member has allowed to show notices.

    endpoint_hash  SHA-256 of the endpoint, a random address that only the browser and its push service know
    sealed         its subscription (JSON) under the member's key of texts
    name           as the member reads it: "Chrome, Android"
    """

    __tablename__ = "push_devices"
    __table_args__ = (
        UniqueConstraint("institution_id", "endpoint_hash"),
        Index("push_devices_member", "member_id", "made_at"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID]
    endpoint_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str] = mapped_column(String(60))
    made_at: Mapped[datetime]


class RefusedAddress(Table):
    """An address that a provider refused for good; nothing is sent there until the member has another one.

    address_hash  keyed hash
    """

    __tablename__ = "refused_addresses"
    __table_args__ = (Index("refused_addresses_member", "member_id"),)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    member_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class ChannelDay(Table):
    """How many attempts over a channel ended in a state, on one day of the institution; no person."""

    __tablename__ = "channel_days"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(16), primary_key=True)
    count: Mapped[int]


class ChannelState(Table):
    """How a channel of this installation does, as the sender sees it; of no institution.

    circuit   "closed", "open" or "half-open"
    failures  in a row
    reason    of the last failure
    at        when this was last written
    """

    __tablename__ = "channel_states"
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    circuit: Mapped[str] = mapped_column(String(16))
    failures: Mapped[int]
    reason: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
