"""Entries of the accession register by period, branch and source, with the facts of their records, and totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from chassis.branches import full_code
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid, NotFound
from chassis.ids import parse_id, parse_or_nil
from chassis.sentences import LocalText
from services.catalog.cataloguing.accession_numbers import SOURCES
from services.catalog.formats.citation import citation
from services.catalog.items.branches import find_branch
from services.catalog.marc.record import Record, by_tag, pick, pick_all
from services.catalog.record.classes import class_of
from services.catalog.record.headings import tidy
from services.catalog.tables import Accession, AccessionCorrection, AccessionGap, Branch, GoneItem, Institution, Item
from services.catalog.tables import Record as StoredRecord
from services.catalog.texts import shorten

USUALLY_LISTED, MOST_LISTED = 20, 500
_LONGEST = 500  # characters of a fact of a record
_A, _B, _C = frozenset("a"), frozenset("b"), frozenset("c")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries: all of an institution when every value is empty.

    first, last  days of the entry in the register, ISO 8601; both inclusive
    branch       full code of the branch at which the item was entered
    source       one of accession_numbers.SOURCES
    number       an accession number, as written
    """

    first: str = ""
    last: str = ""
    branch: str = ""
    source: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    amount: int
    currency: str


class Bibliography(NamedTuple):
    """What the register has of the record of an item; "" for what the record has not."""

    title: str = ""
    author: str = ""
    edition: str = ""
    publisher: str = ""
    place: str = ""
    year: str = ""
    class_number: str = ""
    pages: str = ""
    illustrations: str = ""
    height: str = ""
    bibliography: str = ""
    isbn: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the register; see tables.Accession.

    id          of the item
    price       None when it is unknown
    branch      full code of the branch at which the item was entered; "" when it is unknown
    barcode, call_number, collection   of the item; "" after its removal
    removed_on  ISO 8601, in the institution's zone; "" for an item in the catalogue
    """

    id: UUID
    version: int
    number: str
    entered_on: str
    acquired_on: str
    source: str
    fund: str
    supplier: str
    document: str
    price: Price | None
    asset_code: str
    branch: str
    record_id: UUID
    barcode: str
    call_number: str
    collection: str
    removal: str
    removed_on: str
    book: Bibliography


class Totals(NamedTuple):
    """Sums of all entries of a filter.

    items          entries, with removed items
    removed        of them, items that are no longer in the catalogue
    without_price  entries without a price
    prices         sum for each currency
    """

    items: int
    removed: int
    without_price: int
    prices: list[Price]


@dataclass(frozen=True, slots=True)
class Correction:
    """See tables.AccessionCorrection; changes are (fact, before, after)."""

    version: int
    corrected_at: Any
    actor: str
    reason: str
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Change:
    fact: str
    before: str
    after: str


_ENTRIES = (
    select(
        *Accession.__table__.columns,
        StoredRecord.id.label("record_id"),
        StoredRecord.marc,
        Institution.code.label("institution"),
        Institution.zone,
        Branch.code.label("branch"),
        Item.barcode,
        Item.call_number,
        Item.collection,
    )
    .join(StoredRecord, StoredRecord.number == Accession.record_number)
    .join(Institution, Institution.id == Accession.institution_id)
    .join(Branch, Branch.id == Accession.branch_id, isouter=True)
    .join(Item, Item.id == Accession.item_id, isouter=True)
)
_PLACE = (Accession.entered_on, Accession.series, Accession.sequence)


def list_entries(
    session: Session, wanted: Filter, *, cursor: str = "", limit: int = 0, context: Context
) -> tuple[list[Entry], str]:
    """Return entries of the caller's institution in order of the register, and the cursor of the next page.

    limit   1 to MOST_LISTED; 0 for USUALLY_LISTED
    raises  Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID, PERIOD_INVALID, BRANCH_UNKNOWN, ACQUISITION_SOURCE_UNKNOWN
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    statement, most = _ENTRIES.where(*_conditions(session, wanted, context)), limit or USUALLY_LISTED
    if cursor:
        statement = statement.where(tuple_(*_PLACE) > tuple(read_cursor(cursor, "accessions", str, str, int)))
    rows = session.execute(statement.order_by(*_PLACE).limit(most + 1)).all()
    last = rows[most - 1] if len(rows) > most else None
    following = write_cursor("accessions", last.entered_on, last.series, last.sequence) if last else ""
    return _entries(session, rows[:most]), following


def total(session: Session, wanted: Filter, *, context: Context) -> Totals:
    """Return the sums of all entries of a filter.

    raises  Invalid  PERIOD_INVALID, BRANCH_UNKNOWN, ACQUISITION_SOURCE_UNKNOWN
    """
    columns = (
        Accession.currency,
        func.count().label("items"),
        func.count(Accession.removed_at).label("removed"),
        func.count(Accession.amount).label("priced"),
        func.sum(Accession.amount).label("amount"),
    )
    statement = select(*columns).where(*_conditions(session, wanted, context)).group_by(Accession.currency)
    rows = session.execute(statement.order_by(Accession.currency)).all()
    return Totals(
        items=sum(row.items for row in rows),
        removed=sum(row.removed for row in rows),
        without_price=sum(row.items - row.priced for row in rows),
        prices=[Price(int(row.amount), row.currency) for row in rows if row.priced],
    )


def library_name(session: Session, *, context: Context) -> LocalText:
    """Return the name of the caller's institution."""
    institution = session.get_one(Institution, parse_id(context.institution))
    return LocalText(institution.name_id, institution.name_en)


def get_entry(session: Session, entry_id: str, *, context: Context) -> tuple[Entry, list[Correction]]:
    """Return an entry of the caller's institution with its corrections, the newest first.

    raises  NotFound  ACCESSION_NOT_FOUND
    """
    of_institution = Accession.institution_id == parse_id(context.institution)
    row = session.execute(_ENTRIES.where(of_institution, Accession.item_id == parse_or_nil(entry_id))).first()
    if row is None:
        raise NotFound("ACCESSION_NOT_FOUND", accession=entry_id[:64])
    of_entry = select(AccessionCorrection).where(AccessionCorrection.item_id == row.item_id)
    corrections = session.scalars(of_entry.order_by(AccessionCorrection.version.desc()))
    return _entries(session, [row])[0], [
        Correction(
            version=correction.version,
            corrected_at=correction.corrected_at,
            actor=correction.actor,
            reason=correction.reason,
            changes=[Change(fact, *values) for fact, values in orjson.loads(correction.changes).items()],
        )
        for correction in corrections
    ]


def list_gaps(
    session: Session, *, first: str = "", last: str = "", cursor: str = "", limit: int = 0, context: Context
) -> tuple[list[AccessionGap], str]:
    """Return numbers that were not given, by the day of their entry, and the cursor of the next page.

    raises  Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID, PERIOD_INVALID
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    place, most = (AccessionGap.entered_on, AccessionGap.id), limit or USUALLY_LISTED
    conditions = [AccessionGap.institution_id == parse_id(context.institution)]
    conditions += _within(AccessionGap.entered_on, first, last)
    if cursor:
        conditions.append(tuple_(*place) > tuple(read_cursor(cursor, "accession_gaps", str, UUID)))
    rows = session.scalars(select(AccessionGap).where(*conditions).order_by(*place).limit(most + 1)).all()
    is_last = len(rows) <= most
    following = "" if is_last else write_cursor("accession_gaps", rows[most - 1].entered_on, rows[most - 1].id)
    return [*rows[:most]], following


def _conditions(session: Session, wanted: Filter, context: Context) -> list[Any]:
    institution_id = parse_id(context.institution)
    conditions: list[Any] = [Accession.institution_id == institution_id]
    conditions += _within(Accession.entered_on, wanted.first, wanted.last)
    if wanted.branch:
        conditions.append(Accession.branch_id == find_branch(session, wanted.branch, institution_id))
    if wanted.source:
        if wanted.source not in SOURCES:
            raise Invalid("ACQUISITION_SOURCE_UNKNOWN", given=wanted.source[:40], known=[*SOURCES])
        conditions.append(Accession.source == wanted.source)
    if wanted.number:
        conditions.append(Accession.number == wanted.number.strip())
    return conditions


def _within(column: Any, first: str, last: str) -> list[Any]:
    """Return the conditions of a period.

    raises  Invalid  PERIOD_INVALID: no day of ISO 8601, or the last before the first
    """
    days = []
    for name, text in (("entered_from", first), ("entered_to", last)):
        try:
            days.append(date.fromisoformat(text).isoformat() if text else "")
        except ValueError:
            raise Invalid("PERIOD_INVALID", field=name, given=text[:40]) from None
    if all(days) and days[1] < days[0]:
        raise Invalid("PERIOD_INVALID", field="entered_to", given=days[1])
    return [*([column >= days[0]] if days[0] else []), *([column <= days[1]] if days[1] else [])]


def _entries(session: Session, rows: Iterable[Any]) -> list[Entry]:
    rows = list(rows)
    books: dict[UUID, Bibliography] = {}
    removed = [row.item_id for row in rows if row.barcode is None and row.removed_at is not None]
    of_gone = select(GoneItem.id, GoneItem.barcode).where(GoneItem.id.in_(removed))
    barcodes = {row.id: row.barcode for row in session.execute(of_gone)} if removed else {}
    entries = []
    for row in rows:
        if row.record_id not in books:
            books[row.record_id] = read_bibliography(row.marc)
        removed_on = ""
        if row.removed_at is not None:
            removed_on = row.removed_at.astimezone(ZoneInfo(row.zone)).date().isoformat()
        entries.append(
            Entry(
                id=row.item_id,
                price=None if row.amount is None else Price(row.amount, row.currency),
                branch=full_code(row.institution, row.branch) if row.branch else "",
                barcode=row.barcode or barcodes.get(row.item_id) or "",
                call_number=row.call_number or "",
                collection=row.collection or "",
                removed_on=removed_on,
                book=books[row.record_id],
                **{
                    name: row._mapping[name]
                    for name in (
                        "version", "number", "entered_on", "acquired_on", "source", "fund", "supplier", "document",
                        "asset_code", "record_id", "removal",
                    )
                },
            )
        )  # fmt: skip
    return entries


def read_bibliography(marc: bytes) -> Bibliography:
    """Read the facts of a stored record from records.marc."""
    record = Record.unpack(marc)
    tags, cited = by_tag(record.fields), citation(record)
    authors = cited.by_role("author") or cited.names
    description = next(iter(tags.get("300", ())), ["300", "  "])
    facts = {
        "title": cited.whole_title,
        "author": authors[0].text if authors else "",
        "edition": cited.edition,
        "publisher": cited.publisher,
        "place": cited.place,
        "year": cited.year,
        "class_number": class_of(tags),
        "pages": tidy(" ".join(pick(description, _A))),
        "illustrations": tidy(" ".join(pick(description, _B))),
        "height": tidy(" ".join(pick(description, _C))),
        "bibliography": tidy(next(pick_all(tags, "504", _A), "")),
        "isbn": next(iter(cited.isbn), ""),
    }
    return Bibliography(**{name: shorten(text, _LONGEST) for name, text in facts.items()})
