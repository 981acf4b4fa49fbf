"""Institutions, accounts, sessions, clients and signing keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
works_with = "0001"

PROTECTED = ("accounts", "account_roles", "sessions", "clients", "links", "slips")


def upgrade() -> None:
    _institutions()
    _accounts()
    _sessions()
    _clients()
    _one_time_secrets()
    _keys()
    for table in PROTECTED:
        protect_rows(op, table)


def _id(name: str = "id", *, key: bool = False, of: str = "") -> sa.Column[object]:
    references = [sa.ForeignKey(f"{of}.id")] if of else []
    return sa.Column(name, Id, *references, primary_key=key, nullable=False)


def _text(name: str, length: int | None = None, *, key: bool = False, unique: bool = False) -> sa.Column[str]:
    kind = sa.String(length) if length else sa.String()
    return sa.Column(name, kind, primary_key=key, nullable=False, unique=unique or None)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _bytes(name: str, *, key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=key, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, BigNumber, nullable=False)


def _institutions() -> None:
    op.create_table(
        "institutions",
        _id(key=True),
        _text("code", 32, unique=True),
        _text("name_id"),
        _text("name_en"),
        _text("kind", 32),
        _text("zone", 64),
        _number("version"),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        _id(key=True),
        _id("institution_id", of="institutions"),
        _text("user", 64),
        _text("name"),
        sa.Column("is_member", sa.Boolean, nullable=False),
        _text("password_hash"),
        _time("password_at", nullable=True),
        _bytes("totp_secret"),
        _number("totp_counter"),
        _time("created_at"),
        _time("last_sign_in_at", nullable=True),
        _time("closed_at", nullable=True),
        sa.UniqueConstraint("institution_id", "user"),
    )
    op.create_index("accounts_user", "accounts", ["user"])
    op.create_table(
        "account_roles",
        _id("account_id", key=True, of="accounts"),
        _text("role", 32, key=True),
        _id("institution_id"),
        _text("granted_by", 128),
        _time("granted_at"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        _id(key=True),
        _id("institution_id"),
        _id("account_id", of="accounts"),
        _bytes("secret_hash"),
        _time("began_at"),
        _time("last_seen_at"),
        _time("ended_at", nullable=True),
        sa.UniqueConstraint("secret_hash"),
    )
    op.create_index("sessions_account", "sessions", ["account_id"])
    op.create_index("sessions_ended", "sessions", ["ended_at"])


def _clients() -> None:
    op.create_table(
        "clients",
        _id(key=True),
        _id("institution_id", of="institutions"),
        _text("name", 64),
        _text("role", 32),
        _bytes("secret_hash"),
        _text("added_by", 128),
        _time("added_at"),
        _time("last_used_at", nullable=True),
        _time("revoked_at", nullable=True),
        sa.UniqueConstraint("institution_id", "name"),
    )
    op.create_index("clients_revoked", "clients", ["revoked_at"])


def _one_time_secrets() -> None:
    op.create_table(
        "links",
        _bytes("secret_hash", key=True),
        _id("institution_id"),
        _id("account_id", of="accounts"),
        _bytes("totp_secret"),
        _time("made_at"),
        _time("expires_at"),
        _time("used_at", nullable=True),
    )
    op.create_table(
        "slips",
        _id("member_id", key=True),
        _id("institution_id"),
        _bytes("code_hash"),
        _text("made_by", 128),
        _time("made_at"),
        _time("expires_at"),
        _number("tries_left"),
    )
    op.create_table("failed_attempts", _bytes("key", key=True), _number("count"), _time("last_at"))
    op.create_index("failed_attempts_last", "failed_attempts", ["last_at"])


def _keys() -> None:
    op.create_table(
        "signing_keys",
        _text("id", 32, key=True),
        _bytes("public_key"),
        _bytes("private_key"),
        _time("made_at"),
        _time("retired_at", nullable=True),
    )
    op.create_table(
        "master_keys",
        _text("fingerprint", 32, key=True),
        _time("made_at"),
        _time("printed_at", nullable=True),
    )
