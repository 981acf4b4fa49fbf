"""Preferences and devices of members, refused addresses, and the state and counts of channels."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table


class Preference(Table):
    """An answer of a member. The most specific answer decides; without answers everything is allowed.

    kind, channel  "all" for every kind or channel
    """

    __tablename__ = "preferences"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    institution_id: Mapped[UUID]
    allowed: Mapped[bool]
    changed_at: Mapped[datetime]


class PushDevice(Table):
    """A browser in which a member allows notices.

    endpoint_hash  SHA-256 of the endpoint, a random URL that only the browser and its push service know
    sealed         the subscription (JSON), sealed under the key of the member's texts
    name           name for the member: "Chrome, Android"
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
    """An address that a provider refused permanently. Nothing is sent to it unless staff resend a notice of the member.

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
    """The number of attempts over a channel that ended in a state, on one day in the institution's zone."""

    __tablename__ = "channel_days"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(16), primary_key=True)
    count: Mapped[int]


class ChannelState(Table):
    """The state of a channel as the sender measures it, for the whole installation.

    circuit   "closed", "open" or "half-open"
    failures  number of consecutive failures
    reason    reason of the last failure
    at        time of the last write of this row
    """

    __tablename__ = "channel_states"
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    circuit: Mapped[str] = mapped_column(String(16))
    failures: Mapped[int]
    reason: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
