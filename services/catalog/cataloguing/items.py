"""Items that cataloguers add to a record, with their entries in the accession register."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import Invalid, Refused
from chassis.ids import new_id, parse_id
from services.catalog.cataloguing.accession_numbers import SOURCES, take_numbers
from services.catalog.items.barcodes import refuse_wrong_barcodes, take_barcodes
from services.catalog.items.branches import find_branch
from services.catalog.items.edits import find_record, next_position, refuse_taken_barcode, refused_when_taken
from services.catalog.items.events import copy_json, digest_of, emit_items, with_version
from services.catalog.items.gone_items import take_back
from services.catalog.items.item_values import check_status, read_barcode, read_text, shelf_sort
from services.catalog.items.label_queue import queue_labels
from services.catalog.items.lending import lock_records, put_holdings
from services.catalog.queries import is_sandbox
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import Accession, GoneItem, Institution, Item

MOST_ITEMS = 500


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How items were acquired.

    source       one of accession_numbers.SOURCES
    acquired_on  ISO 8601; "" for today
    fund         such as APBD 2026
    supplier     who sold or gave them
    document     such as the number of a BAST
    amount       price of one item in the currency's unit in use; None when unknown
    asset_code   of the asset register, such as KIB E
    """

    source: str
    acquired_on: str = ""
    fund: str = ""
    supplier: str = ""
    document: str = ""
    amount: int | None = None
    currency: str = "IDR"
    asset_code: str = ""


@dataclass(frozen=True, slots=True)
class AddedItem:
    """A new item."""

    id: UUID
    version: int
    barcode: str
    accession_number: str


def add_items(
    session: Session,
    record_id: str,
    *,
    count: int,
    branch: str,
    acquisition: Acquisition,
    collection: str = "",
    room: str = "",
    status: str = "in_service",
    call_number: str = "",
    enumeration: str = "",
    barcodes: Sequence[str] = (),
    context: Context,
) -> list[AddedItem]:
    """Add items to a record of the caller's institution. They get an accession number and a queued label.

    An item whose barcode was in the institution before keeps its id, and its entry in the register as it is.

    branch    full code of a branch of the institution
    barcodes  as scanned, of the first items; the others get new ones
    raises    NotFound  RECORD_UNKNOWN
              Gone      RECORD_DELETED
              Invalid   ITEMS_OUT_OF_BOUNDS, BARCODES_TOO_MANY, BARCODE_INVALID, BARCODE_TWICE, BARCODE_MISREAD,
                        BRANCH_UNKNOWN, STATUS_UNKNOWN, ITEM_TEXT_INVALID, ACQUISITION_SOURCE_UNKNOWN,
                        ACQUISITION_INVALID
              Refused   BARCODE_TAKEN, BARCODE_NOT_RESERVED, SANDBOX_WITHOUT_CATALOGUE
    emits     ItemsChanged, RecordsChanged
    """
    institution_id, now = parse_id(context.institution), clock.now()
    if is_sandbox(session, institution_id):
        raise Refused("SANDBOX_WITHOUT_CATALOGUE")
    if not 1 <= count <= MOST_ITEMS:
        raise Invalid("ITEMS_OUT_OF_BOUNDS", given=count, most=MOST_ITEMS)
    scanned = _read_barcodes(barcodes, count)
    columns: dict[str, Any] = {
        "branch_id": find_branch(session, branch, institution_id),
        "collection": read_text(collection, "collection"),
        "room": read_text(room, "room"),
        "status": check_status(status),
        "call_number": read_text(call_number, "call_number"),
        "enumeration": read_text(enumeration, "enumeration"),
    }
    institution = session.get_one(Institution, institution_id)
    day = now.astimezone(ZoneInfo(institution.zone)).date()
    acquired = read_acquisition(acquisition, day)
    record = find_record(session, record_id, institution_id)
    lock_records(session, [record.record_number])
    record = find_record(session, record_id, institution_id)
    _refuse_taken(session, scanned, institution_id)
    returning = _gone_items(session, scanned, institution_id)
    refuse_wrong_barcodes(session, [barcode for barcode in scanned if barcode not in returning], institution_id)
    all_barcodes = [*scanned, *take_barcodes(session, institution_id, count - len(scanned))]
    position, facts = next_position(session, record.record_number), facts_of_packed(record.marc)
    rows: list[dict[str, Any]] = []
    copies: list[bytes] = []
    for place, barcode in enumerate(all_barcodes, start=position):
        item_id, version = returning.get(barcode) or (new_id(), 1)
        copy_number = str(place + 1) if place else ""
        row = {
            **columns,
            "institution_id": institution_id,
            "record_number": record.record_number,
            "barcode": barcode,
            "copy": copy_number,
            "call_sort": shelf_sort(columns["call_number"], columns["enumeration"], copy_number),
            "position": place,
            "is_own": True,
            **dict.fromkeys(("material", "chronology", "pieces", "access"), ""),
        }
        copy = copy_json(item_id, row, record_id=record.record_id, facts=facts)
        rows.append(row | {"id": item_id, "version": version, "last_published": digest_of(copy)})
        copies.append(with_version(copy, version))
    numbers, audited = _enter(session, institution, rows, acquired, day=day, context=context)
    with refused_when_taken(session, scanned, institution_id):
        session.execute(insert(Item), rows)
    take_back(session, [item_id for item_id, _ in returning.values()])
    queue_labels(session, [row["id"] for row in rows], institution_id)
    emit_items(session, copies, context=context)
    put_holdings(session, [record.record_number], at=now, context=context)
    audited |= {"count": count, "branch": branch, "numbers": [numbers[rows[0]["id"]], numbers[rows[-1]["id"]]]}
    audit.record(session, context, "catalog.add_items", kind="record", object_id=record.record_id, facts=audited)
    return [AddedItem(row["id"], row["version"], row["barcode"], numbers[row["id"]]) for row in rows]


def _read_barcodes(barcodes: Sequence[str], count: int) -> list[str]:
    scanned = [read_barcode(barcode) for barcode in barcodes]
    if len(scanned) > count:
        raise Invalid("BARCODES_TOO_MANY", given=len(scanned), most=count)
    twice = next((barcode for barcode in scanned if scanned.count(barcode) > 1), None)
    if twice is not None:
        raise Invalid("BARCODE_TWICE", barcode=twice)
    return scanned


def read_acquisition(given: Acquisition, day: date) -> dict[str, Any]:
    """Return the columns of accessions that tell how items were acquired.

    day     today in the institution's zone; nothing is acquired later
    raises  Invalid  ACQUISITION_SOURCE_UNKNOWN, ACQUISITION_INVALID, ITEM_TEXT_INVALID
    """
    if given.source not in SOURCES:
        raise Invalid("ACQUISITION_SOURCE_UNKNOWN", given=given.source[:40], known=[*SOURCES])
    try:
        acquired_on = date.fromisoformat(given.acquired_on) if given.acquired_on else day
    except ValueError:
        raise Invalid("ACQUISITION_INVALID", field="acquired_on", given=given.acquired_on[:40]) from None
    if acquired_on > day:
        raise Invalid("ACQUISITION_INVALID", field="acquired_on", given=given.acquired_on)
    if given.amount is not None and not 0 <= given.amount <= 10**12:
        raise Invalid("ACQUISITION_INVALID", field="price", given=str(given.amount))
    is_code = len(given.currency) == 3 and given.currency.isascii() and given.currency.isupper()
    if not is_code:
        raise Invalid("ACQUISITION_INVALID", field="currency", given=given.currency[:40])
    texts = {name: read_text(getattr(given, name), name) for name in ("fund", "supplier", "document", "asset_code")}
    price = {"amount": given.amount, "currency": given.currency}
    return {"source": given.source, "acquired_on": acquired_on.isoformat(), **price, **texts}


def _refuse_taken(session: Session, barcodes: Sequence[str], institution_id: UUID) -> None:
    taken = select(Item.barcode).where(Item.institution_id == institution_id, Item.barcode.in_(barcodes))
    if barcodes and (barcode := session.scalar(taken.limit(1))) is not None:
        refuse_taken_barcode(session, barcode, institution_id)


def _gone_items(session: Session, barcodes: Sequence[str], institution_id: UUID) -> dict[str, tuple[UUID, int]]:
    """Return barcode -> id and next version of the item that had it last and is gone."""
    if not barcodes:
        return {}
    of_barcodes = select(GoneItem.barcode, GoneItem.id, GoneItem.version).where(
        GoneItem.institution_id == institution_id, GoneItem.barcode.in_(barcodes)
    )
    rows = session.execute(of_barcodes.order_by(GoneItem.gone_at).with_for_update()).all()
    return {row.barcode: (row.id, row.version + 1) for row in rows}


def _enter(
    session: Session,
    institution: Institution,
    rows: Sequence[Any],
    acquired: dict[str, Any],
    *,
    day: date,
    context: Context,
) -> tuple[dict[UUID, str], dict[str, Any]]:
    """Enter items into the register; a returning item keeps its entry.

    returns  item id -> accession number; facts for the audit: the acquisition of new entries, and why entries of
             returning items were removed
    """
    ids = [row["id"] for row in rows]
    columns = (Accession.item_id, Accession.number, Accession.removal)
    entered = session.execute(select(*columns).where(Accession.item_id.in_(ids))).all()
    known = {row.item_id: row.number for row in entered}
    fresh = [row for row in rows if row["id"] not in known]
    numbers = take_numbers(session, institution, len(fresh), source=acquired["source"], day=day, context=context)
    entries = [
        {
            "item_id": row["id"], "institution_id": institution.id, "record_number": row["record_number"],
            "number": number.number, "series": number.series, "sequence": number.sequence,
            "entered_on": day.isoformat(), "branch_id": row["branch_id"], **acquired,
        }
        for row, number in zip(fresh, numbers, strict=True)
    ]  # fmt: skip
    if entries:
        session.execute(insert(Accession), entries)
    facts = dict(acquired) if entries else {}
    if entered:
        facts["returned"] = {row.number: row.removal for row in entered}
    return known | {entry["item_id"]: entry["number"] for entry in entries}, facts
