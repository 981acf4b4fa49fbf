"""Sources of records: their institution, their item map, their last import, and whether they are in use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import in_parts
from chassis.errors import Invalid, NotFound, Refused
from services.catalog.importing.backfill import reread_items
from services.catalog.items.item_maps import USUAL, ItemMap, read_map
from services.catalog.tables import EditedRecord, ImportRun, Institution, Record, Source
from services.catalog.tables.institutions import IMPORT

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
NEAR_NAMES, LIKENESS = 3, 0.5
OF_DESKS = "desk:"  # begins the codes of sources of brief records that desks add


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """A source. item_map: its own map as TOML, "" without one; records: number of records not deleted.

    imported_at                 when its last import ended, or began if unfinished; None without an import
    is_finished                 whether that import has ended
    read, warnings, put_aside   counts of that import
    findings                    JSON of importing.findings of that import
    dropped_at                  when its records were deleted together; None for a source in use
    owner                       IMPORT or HERE
    """

    code: str
    institution: str
    item_map: str
    records: int
    imported_at: datetime | None = None
    is_finished: bool = True
    read: int = 0
    warnings: int = 0
    put_aside: int = 0
    findings: str = "[]"
    dropped_at: datetime | None = None
    owner: str = IMPORT


def check_own_source(session: Session, code: str, *, is_new: bool, institution: str) -> None:
    """Check the source of an upload, as check_source does, and that it belongs to the institution.

    institution  id of the caller's institution
    raises       Invalid  also CODE_INVALID
                 Refused  SOURCE_OF_OTHERS
    """
    if not CODE.fullmatch(code):
        raise Invalid("CODE_INVALID", given=code[:80])
    check_source(session, code, is_new=is_new, owner=institution)


def check_source(session: Session, code: str, *, is_new: bool, owner: str = "") -> None:
    """Check the source of an import, so that a mistyped code does not load a library a second time.

    is_new  the operator allows a new source
    owner   id of the institution whose source it must be, when it exists; "" for any
    raises  Invalid  SOURCE_UNKNOWN, with similar codes; SOURCE_DROPPED
            Refused  SOURCE_OF_OTHERS
    """
    row = session.execute(select(Source.institution_id, Source.dropped_at).where(Source.code == code)).first()
    if row is not None and owner and str(row.institution_id) != owner:
        raise Refused("SOURCE_OF_OTHERS", source=code)
    if is_new or (row is not None and row.dropped_at is None):
        return
    if row is not None:
        raise Invalid("SOURCE_DROPPED", source=code, dropped_at=clock.utc_text(row.dropped_at))
    names = session.scalars(select(Source.code).where(Source.dropped_at.is_(None)).order_by(Source.code)).all()
    names = [name for name in names if not name.startswith(OF_DESKS)]
    by_folded = {name.casefold(): name for name in names}
    near = get_close_matches(code.casefold(), by_folded, n=NEAR_NAMES, cutoff=LIKENESS)
    near_names = [by_folded[name] for name in near] or names[:NEAR_NAMES]
    raise Invalid("SOURCE_UNKNOWN", source=code, near=[*near_names])


def use_again(session: Session, source_id: UUID) -> None:
    """Use a dropped source again; its deleted records can then no longer be restored together."""
    dropped = (Source.id == source_id, Source.dropped_at.is_not(None))
    session.execute(update(Source).where(*dropped).values(dropped_at=None))


def refuse_dropped(session: Session, source_id: UUID, code: str) -> None:
    """Refuse to store a batch of a source that was dropped while its import ran. The caller has locked the source.

    raises  Refused  SOURCE_DROPPED
    """
    dropped_at = session.scalar(select(Source.dropped_at).where(Source.id == source_id))
    if dropped_at is not None:
        raise Refused("SOURCE_DROPPED", source=code, dropped_at=clock.utc_text(dropped_at))


def item_map_of(session: Session, source: str) -> ItemMap:
    """Return the item map of a source: its own, else the usual one; the usual one for a new source.

    raises  Invalid  ITEM_MAP when the stored map is not valid
    """
    text = session.scalar(select(Source.item_map).where(Source.code == source))
    return read_map(text) if text else USUAL


def sources(session: Session) -> list[SourceSummary]:
    """List all sources by code, with their last import."""
    counted = (
        select(Record.source_id, func.count().label("records"))
        .where(Record.deleted_at.is_(None))
        .group_by(Record.source_id)
        .subquery()
    )
    last = select(func.max(ImportRun.number)).group_by(ImportRun.source_id)
    run = select(ImportRun).where(ImportRun.number.in_(last)).subquery()
    rows = session.execute(
        select(
            *(Source.code, Institution.code.label("institution"), Source.item_map, Source.dropped_at, Source.owner),
            func.coalesce(counted.c.records, 0).label("records"),
            func.coalesce(run.c.finished_at, run.c.started_at).label("imported_at"),
            or_(run.c.started_at.is_(None), run.c.finished_at.is_not(None)).label("is_finished"),
            *(func.coalesce(run.c[name], 0).label(name) for name in ("read", "warnings", "put_aside")),
            func.coalesce(run.c.findings, "[]").label("findings"),
        )
        .join(Institution, Institution.id == Source.institution_id)
        .outerjoin(counted, counted.c.source_id == Source.id)
        .outerjoin(run, run.c.source_id == Source.id)
        .order_by(Source.code)
    )
    return [SourceSummary(**row._mapping) for row in rows]


def source(session: Session, code: str) -> SourceSummary:
    """Return one source.

    raises  NotFound  SOURCE_NOT_FOUND
    """
    summary = next((item for item in sources(session) if item.code == code), None)
    if summary is None:
        raise _source_unknown(code)
    return summary


def set_item_map(
    database: Database, context: Context, *, code: str, text: str, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """Store an item map for a source and read the items of its records again.

    text         TOML; "" for the usual item map
    on_progress  is called after each batch with the number of records read
    returns      the number of records whose items changed
    raises       Invalid   ITEM_MAP; then nothing is changed
                 NotFound  SOURCE_NOT_FOUND
    """
    item_map = read_map(text) if text else USUAL
    with database.transaction(context) as session:
        changed = session.execute(update(Source).where(Source.code == code).values(item_map=text).returning(Source.id))
        source_id = changed.scalar()
    if source_id is None:
        raise _source_unknown(code)
    return reread_items(database, context, source_id=source_id, item_map=item_map, on_progress=on_progress)


def set_owner(session: Session, code: str, owner: str, *, context: Context) -> None:
    """Say who owns the records of a source: IMPORT, whose records replace earlier ones, or HERE.

    With IMPORT, open offers for records that nobody has edited end: the next import replaces the records.

    raises  NotFound  SOURCE_NOT_FOUND
    """
    source_id = session.scalar(update(Source).where(Source.code == code).values(owner=owner).returning(Source.id))
    if source_id is None:
        raise _source_unknown(code)
    if owner == IMPORT:
        _end_offers(session, source_id)
    facts = {"source": code, "owner": owner}
    audit.record(session, context, "catalog.set_owner", kind="source", object_id=source_id, facts=facts)


def _end_offers(session: Session, source_id: UUID) -> None:
    """Delete the rows of offers for records without versions."""
    histories = (
        select(EditedRecord.record_number, EditedRecord.history).join(Record).where(Record.source_id == source_id)
    )
    unedited = [
        row.record_number for row in session.execute(histories.execution_options(yield_per=500)) if row.history == b"[]"
    ]
    for numbers in in_parts(unedited):
        session.execute(delete(EditedRecord).where(EditedRecord.record_number.in_(numbers)))


def _source_unknown(code: str) -> NotFound:
    return NotFound("SOURCE_NOT_FOUND", source=code)
