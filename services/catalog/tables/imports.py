"""Imports: their progress and their rejected records."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class ImportRun(Table):
    """One import of one source, with its position, so that it can continue after a kill -9."""

    __tablename__ = "import_runs"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("sources.id"))
    inputs: Mapped[str]
    fingerprint: Mapped[bytes]
    done: Mapped[str]
    read: Mapped[int]
    created: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    put_aside: Mapped[int]
    warnings: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImportSeen(Table):
    """Records that an unfinished run met and left unchanged: a second one under the same key is another record."""

    __tablename__ = "import_seen"
    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class PutAside(Table):
    """A record that could not be loaded, with the reason and its bytes."""

    __tablename__ = "put_aside"
    __table_args__ = (UniqueConstraint("run", "path", "ordinal"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    run: Mapped[int] = mapped_column(ForeignKey("import_runs.number"))
    path: Mapped[str]
    ordinal: Mapped[int]
    position: Mapped[int]
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str]
    raw: Mapped[bytes]
