"""Audit rows and their seals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
works_with = "0002"

# The transaction must have its id before its row gets a number; chassis/audit/hash_chain.py explains why.
AUDIT_NUMBER = """
CREATE OR REPLACE FUNCTION audit_number() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN nextval('audit_numbers');
END $$
"""


def upgrade() -> None:
    number = sa.Column("number", BigNumber, primary_key=True)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE audit_numbers")
        op.execute(AUDIT_NUMBER)
        number = sa.Column("number", BigNumber, primary_key=True, server_default=sa.text("audit_number()"))
    op.create_table(
        "audit_acts",
        number,
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("institution", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("session", sa.String(64), nullable=False),
        sa.Column("act", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("object", sa.String(128), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=True),
        sa.Column("request_id", sa.String(64), nullable=False),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER SEQUENCE audit_numbers OWNED BY audit_acts.number")
    op.create_index("audit_acts_object", "audit_acts", ["kind", "object"])
    op.create_index("audit_acts_actor", "audit_acts", ["actor"])
    op.create_table(
        "audit_seals",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("first", BigNumber, nullable=False),
        sa.Column("last", BigNumber, nullable=False),
        sa.Column("count", BigNumber, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
