"""Works, headings, authorities, captions and the query log; more columns of items and records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.database.table_access import protect_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BY_CODE_POINT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
WALLED = ("authorities", "class_captions")


def upgrade() -> None:
    _works()
    _columns()
    _browsing()
    _searches()
    for table in WALLED:
        protect_rows(op, table, public_read=True)


def _text(name: str, length: int | None = None, *, added: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="" if added else None)


def _number(name: str, *constraints: sa.schema.SchemaItem, key: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, BigNumber, *constraints, primary_key=key, nullable=nullable, autoincrement=False)


def _columns() -> None:
    op.add_column("sources", _text("item_map", added=True))
    op.add_column("records", _number("work_number", nullable=True))
    op.add_column("records", sa.Column("work_keys", sa.LargeBinary))
    for name in ("title_sort", "author_sort"):
        op.add_column("records", sa.Column(name, BY_CODE_POINT, nullable=False, server_default=""))
    op.create_index("records_by_work", "records", ["work_number"])
    op.create_index("records_by_title", "records", ["title_sort"])
    op.create_index("records_by_author", "records", ["author_sort"])
    op.add_column("records", _number("standard_number", nullable=True))
    op.create_index("records_by_standard_number", "records", ["standard_number"])
    op.add_column("items", sa.Column("call_sort", BY_CODE_POINT, nullable=False, server_default=""))
    op.add_column("items", _text("room", 64, added=True))
    for name in ("enumeration", "chronology", "pieces"):
        op.add_column("items", _text(name, added=True))
    op.create_index("items_on_shelf", "items", ["branch_id", "call_sort", "record_number"])


def _works() -> None:
    op.create_table(
        "works",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=True),
        sa.Column("id", Id, nullable=False, unique=True),
        _number("merged_into", sa.ForeignKey("works.number"), nullable=True),
    )
    op.create_index("works_by_merged", "works", ["merged_into"])
    op.create_table("work_keys", _number("key", key=True), _number("work_number"))
    op.create_table(
        "work_rulings",
        sa.Column("id", Id, primary_key=True),
        _number("record_number", sa.ForeignKey("records.number")),
        _number("work_number", sa.ForeignKey("works.number")),
        _text("ruling", 16),
        _text("reason"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_work_rulings_record_number", "work_rulings", ["record_number"])


def _browsing() -> None:
    op.create_table(
        "headings",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("sort", BY_CODE_POINT, primary_key=True),
        sa.Column("text", BY_CODE_POINT, primary_key=True),
    )
    op.create_table(
        "authorities",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=True),
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("source_id", Id, sa.ForeignKey("sources.id"), nullable=False),
        _text("control_key"),
        _text("kind", 16),
        _text("heading"),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("marc", sa.LargeBinary, nullable=False),
        _number("version"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("source_id", "control_key"),
    )
    op.create_table(
        "authority_forms",
        _number("authority_number", sa.ForeignKey("authorities.number"), key=True),
        _number("position", key=True),
        _text("kind", 16),
        _text("relation", 16),
        sa.Column("text", BY_CODE_POINT, nullable=False),
        sa.Column("sort", BY_CODE_POINT, nullable=False),
    )
    op.create_index("authority_forms_in_order", "authority_forms", ["kind", "sort"])
    op.create_table(
        "class_captions",
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("notation", sa.String(32), primary_key=True),
        _text("name_id"),
        _text("name_en"),
    )


def _searches() -> None:
    op.create_table(
        "searches",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=True),
        _text("day", 10),
        _text("query", 500),
        _number("total"),
        _number("clicked"),
        _text("language", 2),
    )
    op.create_index("searches_by_day", "searches", ["day"])
