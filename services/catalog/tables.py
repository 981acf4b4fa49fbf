"""The catalogue's tables."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.db import BigNumber, Id, UtcTime


class Table(DeclarativeBase):
    type_annotation_map = {UUID: Id, datetime: UtcTime, bytes: LargeBinary, int: BigNumber}


class Institution(Table):
    """A library in its own right: the tenant."""

    __tablename__ = "institutions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_id: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str] = mapped_column(String(32))
    npp: Mapped[str] = mapped_column(String(32))
    isil: Mapped[str] = mapped_column(String(16))
    zone: Mapped[str] = mapped_column(String(64))


class Branch(Table):
    """A place of an institution where items stand; unconfirmed when only an import has named it."""

    __tablename__ = "branches"
    __table_args__ = (UniqueConstraint("institution_id", "code"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    code: Mapped[str] = mapped_column(String(64))
    name_id: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str] = mapped_column(String(32))
    npp: Mapped[str] = mapped_column(String(32))
    isil: Mapped[str] = mapped_column(String(16))
    zone: Mapped[str] = mapped_column(String(64))
    confirmed: Mapped[bool]


class Source(Table):
    """Where records come from: one institution's feed."""

    __tablename__ = "sources"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    code: Mapped[str] = mapped_column(String(64), unique=True)


class Record(Table):
    """A bibliographic record. `marc` is the truth; brief and holdings are made from it and from the items.

    number       small and dense, for the index and for breaking ties
    control_key  the import key within the source (conventions.md)
    fingerprint  SHA-256 of what conventions.md calls equal
    marc         marc.Record.pack()
    brief        UTF-8 JSON ready for an answer (document.brief)
    holdings     UTF-8 JSON list, an entry a branch, ready for an answer (document.holdings)
    run          number of the import run that last wrote it
    """

    __tablename__ = "records"
    __table_args__ = (UniqueConstraint("source_id", "control_key"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    source_id: Mapped[UUID] = mapped_column(ForeignKey("sources.id"))
    control_key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    marc: Mapped[bytes]
    brief: Mapped[bytes]
    holdings: Mapped[bytes]
    version: Mapped[int]
    run: Mapped[int]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class Item(Table):
    """One physical piece."""

    __tablename__ = "items"
    __table_args__ = (UniqueConstraint("institution_id", "barcode"), Index("items_by_record", "record_number"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"))
    branch_id: Mapped[UUID] = mapped_column(ForeignKey("branches.id"))
    barcode: Mapped[str | None] = mapped_column(String(64))
    call_number: Mapped[str]
    collection: Mapped[str] = mapped_column(String(32))
    material: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(32))
    copy: Mapped[str]
    position: Mapped[int]


class ImportRun(Table):
    """One import of one source; where it stands, so that it can go on after a kill -9."""

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
    """Records an unfinished run has met and left unchanged: a second one under the same key is another record."""

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


class IndexQueue(Table):
    """Records whose document in the index is behind; a row is deleted by (number, version) once written there."""

    __tablename__ = "index_queue"
    record_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


class IndexRebuild(Table):
    """A wish for a new index and how far it is; the holder of the index lease fulfils it.

    state  "wanted", "running", "done" or "failed"
    """

    __tablename__ = "index_rebuilds"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    reached: Mapped[int]
    written: Mapped[int]
    total: Mapped[int]
    error: Mapped[str]
    finished_at: Mapped[datetime | None]
