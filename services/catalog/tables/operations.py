"""Operation of the catalogue: imports, the index queue, rebuilds of the index, the query log, the installation's id."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from chassis import clock
from services.catalog.tables.base import Table


class ImportRun(Table):
    """One import of one source, with its position, so that it can continue after a kill -9.

    deleted   number of records that their source has marked as deleted
    missing   number of records deleted because they are not in a complete load
    kept      number of items out whose records it deleted: they are withdrawn when they are returned
    findings  JSON of importing.findings: warnings and rejected records by reason
    """

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
    deleted: Mapped[int] = mapped_column(server_default="0")
    missing: Mapped[int] = mapped_column(server_default="0")
    kept: Mapped[int] = mapped_column(server_default="0")
    findings: Mapped[str] = mapped_column(server_default="[]")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImportSeen(Table):
    """Records that an unfinished run read and left unchanged: a second record with the same key is another record."""

    __tablename__ = "import_seen"
    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class RejectedRecord(Table):
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
    """Records to write to the index; a row is deleted by (number, version) after the write.

    queued_at  time of the first change that the index may not have; later changes do not replace it. None in rows of a
               release without the column
    """

    __tablename__ = "index_queue"
    record_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
    queued_at: Mapped[datetime | None] = mapped_column(default=clock.now)


class Installation(Table):
    """One row: the id of this installation, which is in the markers of its indexes and in dumps of the database.

    works_rules  works.keys.RULES with which the keys of all records were computed
    regrouped    while records are regrouped: number of the last record with keys of the newer rules
    epoch        another one after each restore of a backup, so that cursors of changes from before it are refused
    """

    __tablename__ = "installation"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    works_rules: Mapped[int] = mapped_column(server_default="1")
    regrouped: Mapped[int] = mapped_column(server_default="0")
    epoch: Mapped[UUID | None]


class IndexRebuild(Table):
    """A request for a new index and its progress; the holder of the index lease carries it out.

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


MOST_CHARACTERS = 500  # of the column; query_log stores fewer


class Search(Table):
    """A search of one day, or an opened hit of a search; without data about the reader.

    query    as query_log stores it; `total` of the empty query counts the searches of the day that were not stored
    total    number of hits; for an opened hit at least its rank
    clicked  rank of the hit that was opened, from 1 on the first page; 0: this row is the search itself
    """

    __tablename__ = "searches"
    __table_args__ = (Index("searches_by_day", "day"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    day: Mapped[str] = mapped_column(String(10))
    query: Mapped[str] = mapped_column(String(MOST_CHARACTERS))
    total: Mapped[int]
    clicked: Mapped[int]
    language: Mapped[str] = mapped_column(String(2))
