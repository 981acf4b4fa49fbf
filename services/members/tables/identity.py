"""Institutions (copies of the catalogue's rows), accounts, sessions, clients and signing keys."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from chassis.institutions import InstitutionColumns
from services.members.tables.base import Table


class Institution(InstitutionColumns, Table):
    """An institution, copied from the catalogue."""

    kind: Mapped[str] = mapped_column(String(32))


class Account(Table):
    """An account for sign-in, of a member of staff or of a member. A member's account has the member's id.

    user           user name of staff, in lower case, or a member's card number
    password_hash  argon2id; "" until the first password is set
    totp_secret    of the second factor, sealed under the master key; empty without one
    totp_counter   counter of the last used code, so that no code is used twice
    closed_at      set for staff without roles, and for members who were merged or erased
    roles_version  grows with each change of the roles; roles_at is the time of the last change
    """

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("institution_id", "user"), Index("accounts_user", "user"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    user: Mapped[str] = mapped_column(String(64))
    name: Mapped[str]
    is_member: Mapped[bool]
    password_hash: Mapped[str]
    password_at: Mapped[datetime | None]
    totp_secret: Mapped[bytes]
    totp_counter: Mapped[int]
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    roles_version: Mapped[int] = mapped_column(server_default="1")
    roles_at: Mapped[datetime | None]


class AccountRole(Table):
    """A role of an account, with the person who gave it."""

    __tablename__ = "account_roles"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)
    institution_id: Mapped[UUID]
    granted_by: Mapped[str] = mapped_column(String(128))
    granted_at: Mapped[datetime]


class Session(Table):
    """A session of a browser or a program.

    secret_hash  SHA-256 of the secret in the cookie
    ended_at     from this moment its tokens are revoked
    is_shared    of a computer that others use too, where it ends sooner
    """

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("secret_hash"),
        Index("sessions_account", "account_id"),
        Index("sessions_ended", "ended_at"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    secret_hash: Mapped[bytes]
    began_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    is_shared: Mapped[bool] = mapped_column(server_default=false())


class Client(Table):
    """A program of another system that calls the API with a role.

    requests_a_minute, requests_a_day, records_a_day  its plan; None for the default of its role
    version  grows with each change of the plan; changed_at is the time of the last change
    """

    __tablename__ = "clients"
    __table_args__ = (UniqueConstraint("institution_id", "name"), Index("clients_revoked", "revoked_at"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(32))
    secret_hash: Mapped[bytes]
    added_by: Mapped[str] = mapped_column(String(128))
    added_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    requests_a_minute: Mapped[int | None]
    requests_a_day: Mapped[int | None]
    records_a_day: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default="1")
    changed_at: Mapped[datetime | None]


class ClientUsage(Table):
    """What a client requested on a day, by protocol.

    day  in Western Indonesian Time
    """

    __tablename__ = "client_usage"
    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    protocol: Mapped[str] = mapped_column(String(16), primary_key=True)
    institution_id: Mapped[UUID]
    requests: Mapped[int]
    records: Mapped[int]
    refusals: Mapped[int]


class RevokedToken(Table):
    """An access token that its client revoked. The row is needed until the token has expired.

    id  claim `jti` of the token
    """

    __tablename__ = "revoked_tokens"
    __table_args__ = (Index("revoked_tokens_time", "revoked_at"), Index("revoked_tokens_client", "client_id"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    client_id: Mapped[UUID]
    revoked_at: Mapped[datetime]


class Link(Table):
    """A one-time link with which staff set their password.

    totp_secret  the new second factor, sealed under the master key; empty until the page of the link shows it
    """

    __tablename__ = "links"
    secret_hash: Mapped[bytes] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    totp_secret: Mapped[bytes]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PasswordCode(Table):
    """A one-time code with which a member sets a password; a new one replaces it.

    code_hash  of a code that is sent: empty until the sender of notices requests it
    """

    __tablename__ = "slips"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    id: Mapped[UUID | None]
    code_hash: Mapped[bytes]
    made_by: Mapped[str] = mapped_column(String(128))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    tries_left: Mapped[int]


class FailedAttempts(Table):
    """Failed sign-ins of one account, or from one address.

    key  keyed hash of the user name, the address or both, because nobody needs to read them here
    """

    __tablename__ = "failed_attempts"
    __table_args__ = (Index("failed_attempts_last", "last_at"),)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]


class SigningKey(Table):
    """A key of access tokens. The oldest that is not retired signs; the others verify.

    retired_at   when another key signs; after a rotation this is in the future until every process knows the new key
    private_key  Ed25519, sealed under the master key
    """

    __tablename__ = "signing_keys"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    public_key: Mapped[bytes]
    private_key: Mapped[bytes]
    made_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class MasterKey(Table):
    """The fingerprint of the master key under which this database is sealed.

    printed_at  when `keys paper` printed a copy
    """

    __tablename__ = "master_keys"
    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    made_at: Mapped[datetime]
    printed_at: Mapped[datetime | None]
