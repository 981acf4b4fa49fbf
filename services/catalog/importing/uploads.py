"""Files that staff upload for an import: parts in the database, which each process of the service reads (ADR 0052)."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.errors import Invalid, KeyReused, NotFound, Refused
from chassis.ids import new_id, parse_id, parse_or_nil
from services.catalog.importing.file_kinds import HEAD_BYTES, kind_of
from services.catalog.tables import Task, Upload, UploadPart
from services.catalog.tasks import OPEN, arguments_of, open_tasks

PART_BYTES = 1 << 20
MOST_BYTES = 200 * PART_BYTES
MOST_UPLOADS = 10  # of an institution
KEPT, KEPT_INCOMPLETE = timedelta(days=7), timedelta(days=1)
_CONTEXT = system("uploads")


def start_upload(session: Session, *, institution: str) -> UUID:
    """Begin an upload; with MOST_UPLOADS files the oldest goes that no open task reads, a complete one first.

    raises  Refused  UPLOADS_TOO_MANY
    """
    institution_id = parse_id(institution)
    stored = select(Upload.id).where(Upload.institution_id == institution_id).order_by(Upload.size.is_(None), Upload.id)
    ids = session.scalars(stored).all()
    if len(ids) >= MOST_UPLOADS:
        reading = {upload_of(task) for task in open_tasks(session, institution_id)}
        oldest = next((upload_id for upload_id in ids if upload_id not in reading), None)
        if oldest is None:
            raise Refused("UPLOADS_TOO_MANY", most=MOST_UPLOADS)
        delete_upload(session, oldest)
    upload_id = new_id()
    session.add(Upload(id=upload_id, institution_id=institution_id, size=None, created_at=clock.now()))
    session.flush()
    return upload_id


def upload_of(task: Task) -> UUID:
    """Return the id of the file of a check, which has the id of the task, or of an import, which follows its check."""
    follows = arguments_of(task).get("follows")
    return UUID(follows) if follows else task.id


def add_part(session: Session, upload_id: str, *, number: int, content: bytes, institution: str) -> None:
    """Store a part; the same part again changes nothing.

    raises  NotFound   UPLOAD_NOT_FOUND
            Invalid    UPLOAD_PART_INVALID; one of file_kinds.REASONS: the first part shows that no MARC can follow
            KeyReused  IDEMPOTENCY_KEY_REUSED: the part of another file
    """
    upload = _find(session, upload_id, institution)
    of_part = (UploadPart.upload_id == upload.id, UploadPart.number == number)
    stored = session.scalar(select(UploadPart.content).where(*of_part))
    if stored is not None or upload.size is not None:
        if stored is None or bytes(stored) != content:
            raise _key_reused(upload)
        return
    if not (0 <= number < MOST_BYTES // PART_BYTES and 0 < len(content) <= PART_BYTES):
        raise Invalid("UPLOAD_PART_INVALID", number=number, bytes=len(content))
    if number == 0 and (reason := kind_of(content[:HEAD_BYTES])):
        raise Invalid(reason)
    row = {"upload_id": upload.id, "number": number, "institution_id": upload.institution_id, "content": content}
    insert_ignore(session, UploadPart, [row])


def finish_upload(session: Session, upload_id: str, *, parts: int, size: int, institution: str) -> UUID:
    """End an upload whose parts are all there. Returns its id.

    raises  NotFound  UPLOAD_NOT_FOUND
            Invalid   UPLOAD_EMPTY, UPLOAD_INCOMPLETE
    """
    upload = _find(session, upload_id, institution)
    columns = select(func.count(), func.coalesce(func.sum(func.length(UploadPart.content)), 0))
    stored = session.execute(columns.where(UploadPart.upload_id == upload.id)).one()
    if not size:
        raise Invalid("UPLOAD_EMPTY")
    if tuple(stored) != (parts, size):
        raise Invalid("UPLOAD_INCOMPLETE", bytes=int(stored[1]), size=size)
    upload.size = size
    session.flush()
    return upload.id


def is_finished(session: Session, upload_id: str, *, size: int, institution: str) -> bool:
    """Return whether an upload is complete.

    raises  NotFound   UPLOAD_NOT_FOUND
            KeyReused  IDEMPOTENCY_KEY_REUSED: it is complete with another size
    """
    upload = _find(session, upload_id, institution)
    if upload.size not in (None, size):
        raise _key_reused(upload)
    return upload.size is not None


def delete_upload(session: Session, upload_id: UUID) -> None:
    session.execute(delete(UploadPart).where(UploadPart.upload_id == upload_id))
    session.execute(delete(Upload).where(Upload.id == upload_id))


def delete_old_uploads(session: Session) -> None:
    """Delete files that no open task reads: complete ones after KEPT, others after KEPT_INCOMPLETE."""
    now = clock.now()
    is_old = (Upload.created_at < now - KEPT) | (Upload.size.is_(None) & (Upload.created_at < now - KEPT_INCOMPLETE))
    reading = {upload_of(task) for task in session.scalars(select(Task).where(Task.state.in_(OPEN)))}
    for upload_id in set(session.scalars(select(Upload.id).where(is_old))) - reading:
        delete_upload(session, upload_id)


def _key_reused(upload: Upload) -> KeyReused:
    return KeyReused("IDEMPOTENCY_KEY_REUSED", used_at=clock.utc_text(upload.created_at))


def _find(session: Session, upload_id: str, institution: str) -> Upload:
    of_institution = (Upload.id == parse_or_nil(upload_id), Upload.institution_id == parse_or_nil(institution))
    upload = session.scalars(select(Upload).where(*of_institution)).first()
    if upload is None:
        raise NotFound("UPLOAD_NOT_FOUND", id=upload_id[:80])
    return upload


class UploadedFile(io.RawIOBase):
    """A complete upload as a stream of bytes, with one part in memory.

    raises  NotFound  UPLOAD_NOT_FOUND: it was deleted
    """

    def __init__(self, database: Database, upload_id: UUID) -> None:
        with database.reading(_CONTEXT) as session:
            size = session.scalar(select(Upload.size).where(Upload.id == upload_id))
        if size is None:
            raise NotFound("UPLOAD_NOT_FOUND", id=str(upload_id))
        self._database, self._id, self._size = database, upload_id, size
        self._at = 0
        self._part: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, start = divmod(self._at, PART_BYTES)
        if self._at >= self._size:
            return 0
        if self._part[0] != number:
            with self._database.reading(_CONTEXT) as session:
                of_part = (UploadPart.upload_id == self._id, UploadPart.number == number)
                content = session.scalar(select(UploadPart.content).where(*of_part))
            if content is None:
                raise NotFound("UPLOAD_NOT_FOUND", id=str(self._id))
            self._part = number, bytes(content)
        data = self._part[1][start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
