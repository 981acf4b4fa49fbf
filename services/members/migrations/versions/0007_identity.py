"""Institutions, accounts, sessions, clients and signing keys, as in release 0.4.0, the first with members."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.table_access import protect_rows
from chassis.migrations.columns import bytes_, flag, id_, index, number, text, time

revision = "0007"
down_revision = None
branch_labels = None
depends_on = None
works_with = "0007"  # no release has earlier revisions

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


def _institutions() -> None:
    op.create_table(
        "institutions",
        id_(key=True),
        text("code", 32, unique=True),
        text("name_id"),
        text("name_en"),
        text("kind", 32),
        text("zone", 64),
        number("version"),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        id_(key=True),
        id_("institution_id", of="institutions"),
        text("user", 64),
        text("name"),
        flag("is_member"),
        text("password_hash"),
        time("password_at", nullable=True),
        bytes_("totp_secret"),
        number("totp_counter"),
        time("created_at"),
        time("last_sign_in_at", nullable=True),
        time("closed_at", nullable=True),
        number("roles_version", default="1"),
        time("roles_at", nullable=True),
        sa.UniqueConstraint("institution_id", "user"),
    )
    index("accounts_user", "accounts", ["user"])
    op.create_table(
        "account_roles",
        id_("account_id", key=True, of="accounts"),
        text("role", 32, key=True),
        id_("institution_id"),
        text("granted_by", 128),
        time("granted_at"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        id_(key=True),
        id_("institution_id"),
        id_("account_id", of="accounts"),
        bytes_("secret_hash"),
        time("began_at"),
        time("last_seen_at"),
        time("ended_at", nullable=True),
        sa.Column("is_shared", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("secret_hash"),
    )
    index("sessions_account", "sessions", ["account_id"])
    index("sessions_ended", "sessions", ["ended_at"])


def _clients() -> None:
    op.create_table(
        "clients",
        id_(key=True),
        id_("institution_id", of="institutions"),
        text("name", 64),
        text("role", 32),
        bytes_("secret_hash"),
        text("added_by", 128),
        time("added_at"),
        time("last_used_at", nullable=True),
        time("revoked_at", nullable=True),
        sa.UniqueConstraint("institution_id", "name"),
    )
    index("clients_revoked", "clients", ["revoked_at"])


def _one_time_secrets() -> None:
    op.create_table(
        "links",
        bytes_("secret_hash", key=True),
        id_("institution_id"),
        id_("account_id", of="accounts"),
        bytes_("totp_secret"),
        time("made_at"),
        time("expires_at"),
        time("used_at", nullable=True),
    )
    op.create_table(
        "slips",
        id_("member_id", key=True),
        id_("institution_id"),
        bytes_("code_hash"),
        text("made_by", 128),
        time("made_at"),
        time("expires_at"),
        number("tries_left"),
        id_("id", nullable=True),
    )
    op.create_table("failed_attempts", bytes_("key", key=True), number("count"), time("last_at"))
    index("failed_attempts_last", "failed_attempts", ["last_at"])


def _keys() -> None:
    op.create_table(
        "signing_keys",
        text("id", 32, key=True),
        bytes_("public_key"),
        bytes_("private_key"),
        time("made_at"),
        time("retired_at", nullable=True),
    )
    op.create_table(
        "master_keys",
        text("fingerprint", 32, key=True),
        time("made_at"),
        time("printed_at", nullable=True),
    )
