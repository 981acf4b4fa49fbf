"""Tasks, the files that staff upload for them, and what an import changed, so that it can be undone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Compressed, Table


class Task(Table):
    """Long work of an institution, with its progress and its result (services.catalog.tasks).

    kind        name of a function in services.catalog.jobs.TASKS
    arguments   JSON object: what the function reads
    state       "waiting", "running", "done", "failed" or "cancelled"
    done, total progress; the total is 0 while it is unknown
    report      JSON object: counts, until now or final
    error       JSON object with the reason and the facts of a failed task; "" for another one
    is_command  a command of an operator does it, in its own process
    starts      how often a process has begun it
    """

    __tablename__ = "tasks"
    __table_args__ = (Index("tasks_by_institution", "institution_id", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    kind: Mapped[str] = mapped_column(String(32))
    arguments: Mapped[str]
    actor: Mapped[str] = mapped_column(String(128))
    is_command: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))
    step: Mapped[str] = mapped_column(String(32))
    done: Mapped[int]
    total: Mapped[int]
    report: Mapped[str]
    error: Mapped[str]
    starts: Mapped[int]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]


class TaskFinding(Table):
    """What a task found about one record of its input, or about one that it left as it is.

    record     place of the record in the file, from 1; 0 for a record of the catalogue
    position   of its first byte
    title      of the record; "" when it cannot be read
    detail     what is wrong; of a record of the catalogue, its id
    is_rejected  the record is not taken
    """

    __tablename__ = "task_findings"
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    record: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    position: Mapped[int]
    title: Mapped[str]
    detail: Mapped[str]
    is_rejected: Mapped[bool]


class Upload(Table):
    """A file that staff have uploaded. size: in bytes; None while it is not complete."""

    __tablename__ = "uploads"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    size: Mapped[int | None]
    created_at: Mapped[datetime]


class UploadPart(Table):
    """A part of an uploaded file, from number 0; all but the last have the same size."""

    __tablename__ = "upload_parts"
    upload_id: Mapped[UUID] = mapped_column(ForeignKey("uploads.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ImportChange(Table):
    """What a record was before an import run changed it. A record that the run created has no row.

    is_offer  the library edits the record, and the run made an offer
    version   of a record that the run deleted
    before    marc.Record.pack() of its content, None of a deleted record; or of the offer before, None without one
    imported  of an edited record: fingerprint of what imports had brought before
    format, raw   original bytes of a repaired record, as in OriginalRecord
    """

    __tablename__ = "import_changes"
    run: Mapped[int] = mapped_column(ForeignKey("import_runs.number"), primary_key=True, autoincrement=False)
    record_number: Mapped[int] = mapped_column(
        ForeignKey("records.number"), primary_key=True, autoincrement=False, index=True
    )
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    is_offer: Mapped[bool]
    version: Mapped[int | None]
    before: Mapped[bytes | None] = mapped_column(Compressed)
    imported: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    format: Mapped[str | None] = mapped_column(String(16))
    raw: Mapped[bytes | None]
