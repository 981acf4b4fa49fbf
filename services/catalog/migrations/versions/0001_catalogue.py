"""The first tables of the catalogue: institutions, branches, sources, records, items, imports, the index queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.database.table_access import protect_rows

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Institutions share the catalogue: everybody may read all rows, and each institution writes only its own rows.
WALLED = {"institutions": "id", "branches": "institution_id", "sources": "institution_id",
          "records": "institution_id", "items": "institution_id", "put_aside": "institution_id"}  # fmt: skip


def upgrade() -> None:
    _places()
    _records()
    _imports()
    _index()
    for table, column in WALLED.items():
        protect_rows(op, table, column=column, public_read=True)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _place(name: str, code: int, *more: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", Id, primary_key=True),
        _text("code", code),
        _text("name_id"),
        _text("name_en"),
        _text("kind", 32),
        _text("npp", 32),
        _text("isil", 16),
        _text("zone", 64),
        *more,
    )


def _institution() -> sa.Column[object]:
    return sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False)


def _places() -> None:
    _place("institutions", 32, sa.UniqueConstraint("code"))
    _place(
        "branches",
        64,
        _institution(),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.UniqueConstraint("institution_id", "code"),
    )
    op.create_table(
        "sources", sa.Column("id", Id, primary_key=True), _institution(), _text("code", 64), sa.UniqueConstraint("code")
    )


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=True),
        sa.Column("id", Id, nullable=False, unique=True),
        _institution(),
        sa.Column("source_id", Id, sa.ForeignKey("sources.id"), nullable=False),
        _text("control_key"),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("marc", sa.LargeBinary, nullable=False),
        sa.Column("brief", sa.LargeBinary, nullable=False),
        sa.Column("holdings", sa.LargeBinary, nullable=False),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("run", BigNumber, nullable=False),
        _moment("updated_at"),
        _moment("deleted_at", nullable=True),
        sa.UniqueConstraint("source_id", "control_key"),
    )
    op.create_table(
        "items",
        sa.Column("id", Id, primary_key=True),
        _institution(),
        sa.Column("record_number", BigNumber, sa.ForeignKey("records.number"), nullable=False),
        sa.Column("branch_id", Id, sa.ForeignKey("branches.id"), nullable=False),
        sa.Column("barcode", sa.String(64), nullable=True),
        _text("call_number"),
        _text("collection", 32),
        _text("material", 32),
        _text("status", 32),
        _text("copy"),
        sa.Column("position", BigNumber, nullable=False),
        sa.UniqueConstraint("institution_id", "barcode"),
    )
    op.create_index("items_by_record", "items", ["record_number"])


def _imports() -> None:
    op.create_table(
        "import_runs",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=True),
        sa.Column("source_id", Id, sa.ForeignKey("sources.id"), nullable=False),
        _text("inputs"),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        _text("done"),
        *(
            sa.Column(name, BigNumber, nullable=False)
            for name in ("read", "created", "updated", "unchanged", "put_aside", "warnings")
        ),
        _moment("started_at"),
        _moment("finished_at", nullable=True),
    )
    op.create_table(
        "import_seen",
        sa.Column("run", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("record_number", BigNumber, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "put_aside",
        sa.Column("id", Id, primary_key=True),
        _institution(),
        sa.Column("run", BigNumber, sa.ForeignKey("import_runs.number"), nullable=False),
        _text("path"),
        sa.Column("ordinal", BigNumber, nullable=False),
        sa.Column("position", BigNumber, nullable=False),
        _text("reason", 64),
        _text("detail"),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("run", "path", "ordinal"),
    )


def _index() -> None:
    op.create_table(
        "index_queue",
        sa.Column("record_number", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("version", BigNumber, nullable=False),
    )
    op.create_table(
        "index_rebuilds",
        sa.Column("id", Id, primary_key=True),
        _moment("asked_at"),
        _text("state", 16),
        sa.Column("reached", BigNumber, nullable=False),
        sa.Column("written", BigNumber, nullable=False),
        sa.Column("total", BigNumber, nullable=False),
        _text("error"),
        _moment("finished_at", nullable=True),
    )
