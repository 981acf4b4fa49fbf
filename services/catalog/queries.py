"""Queries of the catalogue's tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from chassis.branches import full_code
from chassis.database.column_types import read_time
from chassis.database.db import Database
from chassis.errors import Gone, NotFound
from chassis.ids import parse_or_nil
from chassis.institutions import SANDBOX
from chassis.sentences import LocalText
from services.catalog.tables import (
    Branch,
    ClassCaption,
    Institution,
    Item,
    ItemState,
    LendingRules,
    Record,
    Source,
    Work,
    decompress,
)

IS_NO_SANDBOX = ~Institution.code.startswith(SANDBOX, autoescape=True)


def select_records(*, deleted: bool = False) -> Select[*tuple[Any, ...]]:
    """Select records: number, id, version, marc, holdings, updated_at, deleted_at, codes of source and institution.

    deleted  select deleted records too
    """
    columns = (
        Record.number, Record.id, Record.version, Record.marc, Record.holdings, Record.updated_at, Record.deleted_at,
        Source.code.label("source"), Institution.code.label("institution"),
    )  # fmt: skip
    statement = (
        select(*columns)
        .join(Source, Source.id == Record.source_id)
        .join(Institution, Institution.id == Record.institution_id)
    )
    return statement.where(IS_NO_SANDBOX) if deleted else statement.where(Record.deleted_at.is_(None))


def record(session: Session, record_id: UUID) -> Row[*tuple[Any, ...]]:
    """Return the row of select_records for one record.

    raises  NotFound  RECORD_NOT_FOUND
            Gone      RECORD_DELETED
    """
    row = session.execute(select_records().where(Record.id == record_id)).first()
    if row is None:
        deleted_at = session.scalar(select(Record.deleted_at).where(Record.id == record_id))
        if deleted_at is not None:
            raise Gone("RECORD_DELETED", record=str(record_id), deleted_at=deleted_at.date().isoformat())
        raise NotFound("RECORD_NOT_FOUND", record=str(record_id))
    return row


def list_records(session: Session, *, after: int, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """List live records with a number above `after`, by number: number, id, updated_at."""
    return session.execute(
        select(Record.number, Record.id, Record.updated_at)
        .where(Record.number > after, Record.deleted_at.is_(None))
        .order_by(Record.number)
        .limit(limit)
    ).all()


def list_deleted(session: Session, *, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """List the records that were deleted last, newest first: number, id, updated_at, deleted_at."""
    columns = select(Record.number, Record.id, Record.updated_at, Record.deleted_at)
    columns = columns.join(Institution, Institution.id == Record.institution_id).where(IS_NO_SANDBOX)
    newest = columns.where(Record.deleted_at.is_not(None)).order_by(Record.deleted_at.desc(), Record.number)
    return session.execute(newest.limit(limit)).all()


def highest_number(session: Session) -> int:
    """Return the highest record number, including deleted records; 0 without records."""
    return session.scalar(select(func.max(Record.number))) or 0


def record_numbers(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """Return numbers of records by id as typed; an id that no record has is left out."""
    uuids = {text: parse_or_nil(text) for text in ids}
    rows = session.execute(select(Record.id, Record.number).where(Record.id.in_(set(uuids.values())))).all()
    numbers = {row.id: row.number for row in rows}
    return {text: numbers[record_id] for text, record_id in uuids.items() if record_id in numbers}


def marc_and_work(session: Session, numbers: Sequence[int]) -> dict[int, tuple[bytes, int | None]]:
    """Return (packed MARC record, number of its work) by record number; without deleted records."""
    statement = select(Record.number, Record.marc, Record.work_number)
    rows = session.execute(statement.where(Record.number.in_(numbers), Record.deleted_at.is_(None)))
    return {row.number: (row.marc, row.work_number) for row in rows}


def work_number(session: Session, work_id: UUID) -> int:
    """Return a work's number; for a merged work, the number of the work that it was merged into.

    work_id  id of the work or of one of its records
    raises   NotFound  WORK_NOT_FOUND
    """
    number = session.scalar(select(func.coalesce(Work.merged_into, Work.number)).where(Work.id == work_id))
    if number is None:
        number = session.scalar(select(Record.work_number).where(Record.id == work_id, Record.deleted_at.is_(None)))
    if number is None:
        raise work_not_found(work_id)
    return int(number)


def work_not_found(work_id: UUID) -> NotFound:
    return NotFound("WORK_NOT_FOUND", work=str(work_id))


def items(session: Session, record_number: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a record's items by branch, then in shelf order, with their state and the rules of their institution."""
    return session.execute(
        select(
            Item.id,
            Item.barcode,
            Item.call_number,
            Item.collection,
            Item.material,
            Item.status,
            Item.copy,
            Item.room,
            Item.enumeration,
            Item.chronology,
            Item.pieces,
            Item.access,
            Institution.code.label("institution"),
            Branch.code.label("branch"),
            Branch.id.label("branch_id"),
            Branch.name_id,
            Branch.name_en,
            ItemState.state,
            ItemState.due_on,
            LendingRules.rules,
        )
        .join(Branch, Branch.id == Item.branch_id)
        .join(Institution, Institution.id == Item.institution_id)
        .join(ItemState, ItemState.item_id == Item.id, isouter=True)
        .join(LendingRules, LendingRules.institution_id == Item.institution_id, isouter=True)
        .where(Item.record_number == record_number)
        .order_by(Branch.code, Item.call_sort, Item.position)
    ).all()


def institutions(session: Session, *, code: str = "") -> Sequence[Institution]:
    """List all institutions but sandboxes by code, or only the one with the given code.

    raises  NotFound  INSTITUTION_NOT_FOUND
    """
    statement = select(Institution).order_by(Institution.code)
    if not code:
        return session.scalars(statement.where(IS_NO_SANDBOX)).all()
    rows = session.scalars(statement.where(Institution.code == code)).all()
    if not rows:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=code)
    return rows


def is_sandbox(session: Session, institution_id: UUID) -> bool:
    """Return whether an institution is a sandbox, whose records are stored as deleted."""
    code = session.scalar(select(Institution.code).where(Institution.id == institution_id))
    return (code or "").startswith(SANDBOX)


def branches(session: Session, *, institution: str = "", code: str = "") -> Sequence[tuple[Branch, str]]:
    """List branches with their institution's code, by both codes; only those of `institution` when given.

    Without `institution` the branches of sandboxes are left out.

    code    return only this branch of that institution
    raises  NotFound  INSTITUTION_NOT_FOUND, BRANCH_UNKNOWN
    """
    statement = select(Branch, Institution.code).join(Institution, Institution.id == Branch.institution_id)
    if institution:
        if session.scalar(select(Institution.id).where(Institution.code == institution)) is None:
            raise NotFound("INSTITUTION_NOT_FOUND", institution=institution)
        statement = statement.where(Institution.code == institution)
    else:
        statement = statement.where(IS_NO_SANDBOX)
    if code:
        statement = statement.where(Branch.code == code)
    rows = [(row[0], row[1]) for row in session.execute(statement.order_by(Institution.code, Branch.code))]
    if code and not rows:
        raise NotFound("BRANCH_UNKNOWN", given=full_code(institution, code))
    return rows


class Brief(NamedTuple):
    """A record in a list. id: as text; brief and holdings: UTF-8 JSON, ready for an answer."""

    id: str
    brief: bytes
    holdings: bytes


def briefs(database: Database, numbers: Sequence[int]) -> dict[int, Brief]:
    """Return brief records by number, without deleted ones; one SELECT.

    Every search calls this. The SQL is text, because SQLAlchemy takes longer to build the statement than the database
    to run it.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    if not numbers:
        return {}
    if database.is_sqlite:
        rows = database.rows(_BRIEFS.format("id", f"IN ({','.join('?' * len(numbers))})"), numbers)
        return {
            number: Brief(_id_text(record_id), decompress(brief), decompress(holdings))
            for number, record_id, brief, holdings in rows
        }
    # A list is passed and an id read as text, because that is faster in the driver than lists and UUIDs.
    array = f"{{{','.join(map(str, numbers))}}}"
    rows = database.rows(_BRIEFS.format("id::text", "= ANY(%s::bigint[])"), (array,))
    return {
        number: Brief(record_id, decompress(brief), decompress(holdings)) for number, record_id, brief, holdings in rows
    }


class PackedRecord(NamedTuple):
    """The columns of select_records that a live record has in an export format. id: as text."""

    id: str
    version: int
    marc: bytes
    holdings: bytes
    updated_at: datetime
    source: str
    institution: str
    deleted_at: None = None


def packed_records(database: Database, numbers: Sequence[int]) -> dict[int, PackedRecord]:
    """Return records by number, without deleted ones; one SELECT, as text for the reason that briefs has.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    if not numbers:
        return {}
    if database.is_sqlite:
        rows = database.rows(_PACKED.format("record.id", f"IN ({','.join('?' * len(numbers))})"), numbers)
    else:
        rows = database.rows(_PACKED.format("record.id::text", "= ANY(%s)"), (list(numbers),))
    records = {}
    for number, record_id, version, marc, holdings, at, *codes in rows:
        id_text = record_id if isinstance(record_id, str) else _id_text(record_id)
        records[number] = PackedRecord(id_text, version, decompress(marc), decompress(holdings), read_time(at), *codes)
    return records


def work_ids(database: Database, numbers: Sequence[int]) -> dict[int, str]:
    """Return ids of works, as text, by number; one SELECT.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    statement = "SELECT number, id FROM works WHERE number "
    if database.is_sqlite:
        rows = database.rows(f"{statement} IN ({','.join('?' * len(numbers))})", numbers)
        return {number: _id_text(work_id) for number, work_id in rows}
    return {number: str(work_id) for number, work_id in database.rows(f"{statement} = ANY(%s)", (list(numbers),))}


def titles_with_prefix(database: Database, beginning: str, limit: int) -> list[tuple[str, bytes]]:
    """Return (id, brief record) of records whose folded title has this prefix, in order.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    bounds = beginning, beginning + _AFTER, limit
    if database.is_sqlite:
        rows = database.rows(_TITLES.format("id", *_IN_SQLITE), bounds)
        return [(_id_text(record_id), decompress(brief)) for record_id, brief in rows]
    rows = database.rows(_TITLES.format("id::text", *_IN_POSTGRESQL), bounds)
    return [(record_id, decompress(bytes(brief))) for record_id, brief in rows]


def headings_with_prefix(database: Database, kind: str, beginning: str, limit: int) -> list[str]:
    """Return headings of a kind with this folded prefix, in order. Raises Unavailable DATABASE_UNAVAILABLE."""
    marks = _IN_SQLITE if database.is_sqlite else _IN_POSTGRESQL
    rows = database.rows(_HEADINGS.format(*marks), (kind, beginning, beginning + _AFTER, limit))
    return [text for (text,) in rows]


def preferred_headings(database: Database, kind: str, beginning: str, limit: int) -> list[str]:
    """Return the headings to use instead of unused forms with this prefix, each once, in the order of the forms.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    marks = _IN_SQLITE if database.is_sqlite else _IN_POSTGRESQL
    rows = database.rows(_PREFERRED.format(*marks), (kind, beginning, beginning + _AFTER, limit))
    return list(dict.fromkeys(text for (text,) in rows))


def authority_forms(database: Database, limit: int) -> list[str]:
    """Return at most `limit` sort keys of forms of authors and subjects, including headings.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    return [sort for (sort,) in database.rows(_FORMS.format("?" if database.is_sqlite else "%s"), (limit,))]


def other_forms(database: Database, forms: list[str]) -> list[tuple[str, str]]:
    """Return pairs (sort key of a form, another form of the same heading), the heading first.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    if database.is_sqlite:
        return database.rows(_OTHER_FORMS.format(f"IN ({','.join('?' * len(forms))})"), forms)
    return database.rows(_OTHER_FORMS.format("= ANY(%s)"), (forms,))


def _id_text(raw: bytes) -> str:
    """Format a UUID without a UUID object, in a third of the time; a search does this ten times."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_AFTER = "\U0010ffff"  # sorts after every text with the prefix
_IN_SQLITE, _IN_POSTGRESQL = ("?",) * 4, ("%s",) * 4
_TITLES = (
    "SELECT {}, brief FROM records WHERE title_sort >= {} AND title_sort < {} AND deleted_at IS NULL"
    " ORDER BY title_sort, number LIMIT {}"
)
_HEADINGS = "SELECT text FROM headings WHERE kind = {} AND sort >= {} AND sort < {} ORDER BY sort, text LIMIT {}"
_PREFERRED = """
SELECT used.text FROM authority_forms form
JOIN authority_forms used ON used.authority_number = form.authority_number AND used.relation = 'heading'
WHERE form.relation = 'see' AND form.kind = {} AND form.sort >= {} AND form.sort < {} ORDER BY form.sort LIMIT {}
"""
_FORMS = """
SELECT form.sort FROM authority_forms form
WHERE form.kind IN ('author', 'subject') AND form.relation <> 'see_also' LIMIT {}
"""
_OTHER_FORMS = """
SELECT form.sort, other.text FROM authority_forms form
JOIN authority_forms other ON other.authority_number = form.authority_number AND other.position <> form.position
WHERE form.kind IN ('author', 'subject') AND form.relation <> 'see_also' AND other.relation <> 'see_also'
AND form.sort {} ORDER BY other.position, other.authority_number
"""
_PACKED = """
SELECT number, {}, record.version, marc, holdings, record.updated_at, source.code, institution.code
FROM records record JOIN sources source ON source.id = source_id
JOIN institutions institution ON institution.id = record.institution_id
WHERE deleted_at IS NULL AND number {}"""
_BRIEFS = "SELECT number, {}, brief, holdings FROM records WHERE deleted_at IS NULL AND number {}"


def place_names(session: Session) -> dict[tuple[str, str], LocalText]:
    """Return names of places by facet and value: ("institution", "SOLOK"), ("branch", "SOLOK/PUSAT")."""
    names = {
        ("institution", code): LocalText(name_id, name_en)
        for code, name_id, name_en in session.execute(
            select(Institution.code, Institution.name_id, Institution.name_en)
        )
    }
    for code, branch, name_id, name_en in session.execute(
        select(Institution.code, Branch.code, Branch.name_id, Branch.name_en).join(
            Institution, Institution.id == Branch.institution_id
        )
    ):
        names["branch", f"{code}/{branch}"] = LocalText(name_id, name_en)
    return names


class OwnClass(NamedTuple):
    """A library's caption of a class, and its statements of words (see record.class_table.parse_words)."""

    caption: LocalText
    words: tuple[str, ...]


def own_classes(session: Session) -> dict[str, OwnClass]:
    """Return key of the class table -> the libraries' own row; of several institutions, the first by code."""
    rows = session.execute(
        select(ClassCaption.notation, ClassCaption.name_id, ClassCaption.name_en, ClassCaption.words)
        .join(Institution, Institution.id == ClassCaption.institution_id)
        .order_by(Institution.code.desc())
    )
    return {row.notation: OwnClass(LocalText(row.name_id, row.name_en), tuple(row.words.splitlines())) for row in rows}


def class_captions(session: Session) -> dict[str, LocalText]:
    """Return key of the class table -> the libraries' own caption; of several institutions, the first by code."""
    return {key: row.caption for key, row in own_classes(session).items()}
