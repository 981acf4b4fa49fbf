"""Accession numbers of items that have none, such as items that imports brought: in parts, in order of arrival.

Numbers that the source has are taken as they are, where its item map names them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid
from chassis.ids import parse_id
from services.catalog.cataloguing import accession_numbers
from services.catalog.cataloguing.accession_numbers import LONGEST_NUMBER, AccessionNumber
from services.catalog.cataloguing.items import Acquisition, read_acquisition
from services.catalog.items.branches import find_branch
from services.catalog.items.item_maps import USUAL, ItemMap, read_map
from services.catalog.items.item_values import LONGEST
from services.catalog.items.parsing import register_texts_of
from services.catalog.marc.record import Record
from services.catalog.tables import Accession, Institution, Item, ItemOverride, Source
from services.catalog.tables import Record as StoredRecord
from services.catalog.texts import shorten

MOST_NUMBERED = 2_000
_FIRST = UUID(int=0)
IMPORTED = "import"  # the series of numbers that came in by imports
_PLAIN_PRICE = re.compile(r"([0-9]{1,12})(?:[.,][0-9]{1,2})?\Z")
_GROUPED_PRICE = re.compile(r"([0-9]{1,3}(?:[.,][0-9]{3}){1,3})(?:[.,][0-9]{2})?\Z")


@dataclass(frozen=True, slots=True)
class Numbering:
    """What one part has done.

    numbered      items that got an entry
    taken         of them, those that keep the number of their source
    remaining     items that have no number yet
    cursor        of the next part; "" when all is done
    not_followed  numbers of sources after which new ones do not go on; see accession_numbers.follow_imported
    """

    numbered: int
    taken: int
    remaining: int
    cursor: str
    not_followed: Sequence[str] = ()


def number_items(
    session: Session,
    *,
    branch: str = "",
    acquisition: Acquisition,
    cursor: str = "",
    limit: int = MOST_NUMBERED,
    context: Context,
) -> Numbering:
    """Enter items of the caller's institution that have no number into the register, the first to arrive first.

    The first parts take the numbers that sources have, so that no new number comes before them; the others give new
    ones. Repeated from the beginning, it goes on with what is left.

    branch       full code; "" for all branches
    acquisition  of what the source does not say
    cursor       that of the part before; "" to begin
    limit        items of a part, 1 to MOST_NUMBERED
    raises       Invalid  ITEMS_OUT_OF_BOUNDS, CURSOR_INVALID, BRANCH_UNKNOWN, ACQUISITION_SOURCE_UNKNOWN,
                          ACQUISITION_INVALID, ITEM_TEXT_INVALID
    """
    institution, now = session.get_one(Institution, parse_id(context.institution)), clock.now()
    if not 1 <= limit <= MOST_NUMBERED:
        raise Invalid("ITEMS_OUT_OF_BOUNDS", given=limit, most=MOST_NUMBERED)
    day = now.astimezone(ZoneInfo(institution.zone)).date()
    acquired = read_acquisition(acquisition, day)
    is_giving, after = read_cursor(cursor, "numbering", bool, UUID) if cursor else (False, _FIRST)
    # Another part waits here, and then finds other items.
    accession_numbers.lock_series(session, institution, day)
    conditions = [
        Item.institution_id == institution.id,
        ~Item.is_leaving,
        ~exists().where(Accession.item_id == Item.id),
    ]
    if branch:
        conditions.append(Item.branch_id == find_branch(session, branch, institution.id))
    barcode = func.coalesce(ItemOverride.source_barcode, Item.barcode).label("source_barcode")
    statement = select(Item.id, Item.branch_id, Item.record_number, barcode)
    statement = statement.join(ItemOverride, ItemOverride.item_id == Item.id, isouter=True)
    statement = statement.where(*conditions, Item.id > after).order_by(Item.id).limit(limit)
    # Locked, so that nobody removes them or moves them to another record before their entry is written.
    rows = session.execute(statement.with_for_update(of=Item)).all()
    texts, not_followed = _texts_of_sources(session, rows), list[str]()
    if is_giving:
        numbers = accession_numbers.take_numbers(
            session, institution, len(rows), source=acquired["source"], day=day, context=context
        )
        entered = list(zip(rows, numbers, strict=True))
    else:
        own = _own_numbers(session, institution.id, texts)
        not_followed = accession_numbers.follow_imported(
            session, institution, [*own.values()], day=day, context=context
        )
        numbers = accession_numbers.take_imported(session, institution, [*own.values()], series=IMPORTED)
        by_item = dict(zip(own, numbers, strict=True))
        entered = [(row, by_item[row.id]) for row in rows if row.id in by_item]
    if entered:
        entries = [
            _entry(row, number, acquired, _facts(texts[row.id], day), day=day, is_taken=not is_giving)
            | {"institution_id": institution.id}
            for row, number in entered
        ]
        session.execute(insert(Accession), entries)
        of_items = update(Item).where(Item.id.in_([row.id for row, _ in entered])).values(changed_at=now)
        session.execute(of_items.execution_options(synchronize_session=False))
        audited = {**acquired, "count": len(entered), "are_taken": not is_giving, "branch": branch}
        audited["numbers"] = [entered[0][1].number, entered[-1][1].number]
        audit.record(
            session, context, "catalog.number_items", kind="institution", object_id=institution.id, facts=audited
        )
    remaining = session.scalar(select(func.count()).select_from(Item).where(*conditions)) or 0
    following = ""
    if len(rows) == limit:
        following = write_cursor("numbering", is_giving, rows[-1].id)
    elif not is_giving and remaining:
        following = write_cursor("numbering", True, _FIRST)
    return Numbering(len(entered), 0 if is_giving else len(entered), remaining, following, tuple(not_followed))


def _entry(
    row: Any, number: AccessionNumber, acquired: dict[str, Any], own: dict[str, Any], *, day: date, is_taken: bool
) -> dict[str, Any]:
    """Return columns of accessions. An item with the number of its source was entered there when it was acquired."""
    entered_on = own.get("acquired_on", "") if is_taken else ""
    return {
        "item_id": row.id, "record_number": row.record_number, "branch_id": row.branch_id, "number": number.number,
        "series": number.series, "sequence": number.sequence, "entered_on": entered_on or day.isoformat(),
        **acquired, **own,
    }  # fmt: skip


def _texts_of_sources(session: Session, rows: Sequence[Any]) -> dict[UUID, dict[str, str]]:
    """Return item -> what the record of its source says about its acquisition."""
    of_records = select(StoredRecord.number, StoredRecord.marc, StoredRecord.source_id)
    records = session.execute(of_records.where(StoredRecord.number.in_({row.record_number for row in rows}))).all()
    of_sources = select(Source.id, Source.item_map).where(Source.id.in_({record.source_id for record in records}))
    maps: dict[UUID, ItemMap] = {
        source.id: read_map(source.item_map) if source.item_map else USUAL for source in session.execute(of_sources)
    }
    read = {record.number: register_texts_of(Record.unpack(record.marc), maps[record.source_id]) for record in records}
    return {row.id: read[row.record_number].get(row.source_barcode or "", {}) for row in rows}


def _own_numbers(session: Session, institution_id: UUID, texts: dict[UUID, dict[str, str]]) -> dict[UUID, str]:
    """Return item -> the number of its source; a number that another item has is not taken."""
    wanted: dict[str, UUID] = {}
    for item_id, values in texts.items():
        number = values.get("accession_number", "")
        if number and len(number) <= LONGEST_NUMBER:
            wanted.setdefault(number, item_id)
    of_institution = select(Accession.number).where(Accession.institution_id == institution_id)
    used = set(session.scalars(of_institution.where(Accession.number.in_([*wanted])))) if wanted else set()
    return {item_id: number for number, item_id in wanted.items() if number not in used}


def _facts(texts: dict[str, str], day: date) -> dict[str, Any]:
    """Return the columns of accessions that a source says, without what cannot be read."""
    facts: dict[str, Any] = {}
    if supplier := texts.get("supplier"):
        facts["supplier"] = shorten(supplier, LONGEST["supplier"])
    try:
        acquired_on = date.fromisoformat(texts.get("acquired_on", ""))
    except ValueError:
        acquired_on = None
    if acquired_on is not None and acquired_on <= day:
        facts["acquired_on"] = acquired_on.isoformat()
    price = texts.get("price", "").removeprefix("Rp").replace(" ", "")
    match = _PLAIN_PRICE.match(price) or _GROUPED_PRICE.match(price)
    if match is not None:
        facts["amount"] = int(re.sub("[.,]", "", match[1]))
    return facts
