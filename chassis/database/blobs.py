"""Files of institutions, such as logos, in a table of the service that owns them: ADR 0037.

Every process of a service reads the same table, and a backup of the database includes it. The content of an id never
changes, so caches may keep it for ever. Files are public; the service decides who may add and drop them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, LargeBinary, String, Table, delete, func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.db import chassis_tables
from chassis.database.sql import insert_for
from chassis.errors import NotFound, Refused

MOST_BYTES = 64 * 1024 * 1024  # of all files of an institution, including files that were dropped within the last day
# A dropped file stays readable for a day, because cached pages may name it.
KEPT = timedelta(days=1)

blobs = Table(
    "blobs",
    chassis_tables,
    # SHA-256 of the widest rendition, hexadecimal
    Column("id", String(64), primary_key=True),
    Column("institution_id", Id, primary_key=True),
    # in pixels; 0 for vector graphics, which have no width
    Column("width", BigNumber, primary_key=True, autoincrement=False),
    Column("media_type", String(64), nullable=False),
    Column("size", BigNumber, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("added_at", UtcTime, nullable=False),
    # NULL while the file is in use
    Column("dropped_at", UtcTime, nullable=True),
)


@dataclass(frozen=True, slots=True)
class Rendition:
    """One form of a file. width: in pixels, 0 for vector graphics."""

    media_type: str
    content: bytes
    width: int = 0


def id_of(renditions: Sequence[Rendition]) -> str:
    """Return the id of a file, which depends only on its content; the first rendition is the widest."""
    return hashlib.sha256(renditions[0].content).hexdigest()


def put(session: Session, institution_id: UUID, renditions: Sequence[Rendition]) -> str:
    """Store a file, or use the row of the same file. Returns its id.

    renditions  at least one, the widest first, with different widths
    raises      Refused  FILES_FULL
    """
    _forget_dropped(session, institution_id)
    file_id, now = id_of(renditions), clock.now()
    rows = [
        {
            "id": file_id,
            "institution_id": institution_id,
            "width": rendition.width,
            "media_type": rendition.media_type,
            "size": len(rendition.content),
            "content": rendition.content,
            "added_at": now,
            "dropped_at": None,
        }
        for rendition in renditions
    ]
    owned = select(func.coalesce(func.sum(blobs.c.size), 0)).where(
        blobs.c.institution_id == institution_id, blobs.c.id != file_id
    )
    if session.execute(owned).scalar_one() + sum(len(rendition.content) for rendition in renditions) > MOST_BYTES:
        raise Refused("FILES_FULL", most_mb=MOST_BYTES // 1024**2)
    statement = insert_for(session, blobs).on_conflict_do_update(
        index_elements=[column.name for column in blobs.primary_key], set_={"dropped_at": None}
    )
    for row in rows:
        session.execute(statement, row)
    return file_id


def get(session: Session, file_id: str, *, width: int = 0) -> Rendition:
    """Return the narrowest rendition that has at least this width, or else the widest.

    width   in pixels; 0 for the widest
    raises  NotFound  FILE_NOT_FOUND
    """
    forms = select(blobs.c.institution_id, blobs.c.width).where(blobs.c.id == file_id)
    sizes = sorted((row.width, row.institution_id) for row in session.execute(forms))
    if not sizes:
        raise NotFound("FILE_NOT_FOUND")
    wide_enough = [form for form in sizes if width and form[0] >= width]
    form_width, institution_id = (wide_enough or sizes[-1:])[0]
    row = session.execute(
        select(blobs.c.media_type, blobs.c.content).where(
            blobs.c.id == file_id, blobs.c.institution_id == institution_id, blobs.c.width == form_width
        )
    ).one()
    return Rendition(row.media_type, bytes(row.content), form_width)


def drop(session: Session, institution_id: UUID, file_ids: Collection[str]) -> None:
    """Mark files as dropped: they are deleted after a day, unless `put` stores them again."""
    now = clock.now()
    of_institution = (blobs.c.institution_id == institution_id, blobs.c.id.in_(file_ids))
    session.execute(update(blobs).where(*of_institution, blobs.c.dropped_at.is_(None)).values(dropped_at=now))
    _forget_dropped(session, institution_id)


def _forget_dropped(session: Session, institution_id: UUID) -> None:
    """Delete the institution's files that were dropped more than a day ago."""
    old = clock.now() - KEPT
    session.execute(delete(blobs).where(blobs.c.institution_id == institution_id, blobs.c.dropped_at < old))
