"""Offers: what imports bring for records that are edited here, to be taken, in whole or in part, or refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import audit
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid, NotFound, Refused
from chassis.ids import parse_id, parse_or_nil
from services.catalog.cataloguing.history import Difference, differences_of, take_differences
from services.catalog.cataloguing.records import SavedRecord, open_record, refuse_outdated, save
from services.catalog.marc.record import Record as Marc
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import EditedRecord, Record

USUALLY_LISTED, MOST_LISTED = 20, 100


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer for a record. version: of the record; differences: from the record to what the import brought."""

    id: UUID
    record_id: UUID
    version: int
    title: str
    offered_at: datetime
    differences: list[Difference]


def list_offers(session: Session, *, cursor: str, limit: int, context: Context) -> tuple[list[Offer], str]:
    """Return open offers of the caller's institution, the oldest first, and the cursor of the next page.

    raises  Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    most = limit or USUALLY_LISTED
    statement = _OFFERS.where(EditedRecord.institution_id == parse_id(context.institution))
    if cursor:
        statement = statement.where(EditedRecord.offer_id > read_cursor(cursor, "offers", UUID)[0])
    rows = session.execute(statement.order_by(EditedRecord.offer_id).limit(most + 1)).all()
    following = write_cursor("offers", rows[most - 1].offer_id) if len(rows) > most else ""
    return [_offer(row) for row in rows[:most]], following


def get_offer(session: Session, offer_id: str, *, context: Context) -> Offer:
    """Return an open offer of the caller's institution. Raises NotFound OFFER_NOT_FOUND."""
    return _offer(_row(session, offer_id, context))


def take_offer(
    session: Session, offer_id: str, chosen: Collection[str], *, version: int, context: Context
) -> SavedRecord:
    """Take an offer, as a new version of its record. The offer is then closed.

    chosen   ids of differences to take; empty for all
    version  of the record that the caller has read
    raises   NotFound  OFFER_NOT_FOUND
             Outdated  VERSION_OUTDATED
             Refused   OFFER_CHANGED: the record no longer has one of these differences
    emits    RecordsChanged, ItemsChanged
    """
    row = open_record(session, str(_row(session, offer_id, context).record_id), context=context)
    offer = get_offer(session, offer_id, context=context)  # under the lock
    refuse_outdated(row, version)
    unknown = sorted(set(chosen) - {difference.id for difference in offer.differences})
    if unknown:
        raise Refused("OFFER_CHANGED", differences=unknown)
    taken = [difference for difference in offer.differences if not chosen or difference.id in chosen]
    marc = take_differences(Marc.unpack(row.marc), Marc.unpack(row.offer), taken)
    saved = save(session, row, marc, act="take", context=context) if taken else SavedRecord(row.id, row.version)
    _close(session, row.number)
    return saved


def refuse_offer(session: Session, offer_id: str, *, context: Context) -> None:
    """Close an offer without a change of its record; the same content is not offered again.

    raises  NotFound  OFFER_NOT_FOUND
    """
    row = open_record(session, str(_row(session, offer_id, context).record_id), context=context)
    _row(session, offer_id, context)
    _close(session, row.number)
    audit.record(session, context, "catalog.refuse_offer", kind="record", object_id=row.id)


_OFFERS = (
    select(
        *(Record.id.label("record_id"), Record.version, Record.marc),
        *(EditedRecord.offer_id, EditedRecord.offer, EditedRecord.offered_at),
    )
    .join(EditedRecord, EditedRecord.record_number == Record.number)
    .where(EditedRecord.offer_id.is_not(None), Record.deleted_at.is_(None))
)


def _row(session: Session, offer_id: str, context: Context) -> Any:
    of_institution = EditedRecord.institution_id == parse_id(context.institution)
    row = session.execute(_OFFERS.where(EditedRecord.offer_id == parse_or_nil(offer_id), of_institution)).first()
    if row is None:
        raise NotFound("OFFER_NOT_FOUND", offer=offer_id[:64])
    return row


def _offer(row: Any) -> Offer:
    return Offer(
        id=row.offer_id,
        record_id=row.record_id,
        version=row.version,
        title=facts_of_packed(row.marc).title,
        offered_at=row.offered_at,
        differences=differences_of(Marc.unpack(row.marc), Marc.unpack(row.offer)),
    )


def _close(session: Session, number: int) -> None:
    closed = {"offer_id": None, "offer": None, "offered_at": None}
    session.execute(update(EditedRecord).where(EditedRecord.record_number == number).values(closed))
