"""Barcodes of the institution's own pattern, and the counters that new items take their numbers from.

A barcode has 14 digits, as libraries print them in Codabar and Code 128: 3 for an item, four of the institution, eight
of the sequence and a check digit. A counter changes in the transaction of the act: no number comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.database.sql import insert_for
from chassis.errors import Invalid, Refused
from services.catalog.tables import Item, ItemSequence

BARCODES = "barcode"  # the name of their sequence
_ITEM_DIGIT, _SEQUENCE_DIGITS, _DIGITS = "3", 8, 14


def take_sequence(session: Session, institution_id: UUID, name: str, count: int) -> range:
    """Take the next numbers of a sequence; other acts wait for the end of this transaction."""
    insert = insert_for(session, ItemSequence).values(institution_id=institution_id, name=name, last=count)
    grown = {"last": ItemSequence.last + count}
    statement = insert.on_conflict_do_update(index_elements=["institution_id", "name"], set_=grown)
    last: int = session.scalars(statement.returning(ItemSequence.last)).one()
    return range(last - count + 1, last + 1)


def take_barcodes(session: Session, institution_id: UUID, count: int) -> list[str]:
    """Take new barcodes. Those that items of the institution have already, such as foreign ones, are left out."""
    barcodes: list[str] = []
    while len(barcodes) < count:
        sequences = take_sequence(session, institution_id, BARCODES, count - len(barcodes))
        fresh = [own_barcode(institution_id, sequence) for sequence in sequences]
        statement = select(Item.barcode).where(Item.institution_id == institution_id, Item.barcode.in_(fresh))
        taken = set(session.scalars(statement))
        barcodes += [barcode for barcode in fresh if barcode not in taken]
    return barcodes


def own_barcode(institution_id: UUID, sequence: int) -> str:
    """Return the barcode of a number of the sequence."""
    return with_check_digit(f"{_prefix(institution_id)}{sequence:0{_SEQUENCE_DIGITS}}")


def refuse_wrong_barcodes(session: Session, barcodes: Iterable[str], institution_id: UUID) -> None:
    """Refuse barcodes that look like those of the institution and are none. Foreign barcodes are not judged.

    raises  Invalid  BARCODE_MISREAD: the check digit is wrong
            Refused  BARCODE_NOT_RESERVED: neither an item nor a range has got this number
    """
    prefix = _prefix(institution_id)
    own = [text for text in barcodes if text.startswith(prefix) and len(text) == _DIGITS and _is_number(text)]
    if not own:
        return
    for barcode in own:
        if with_check_digit(barcode[:-1]) != barcode:
            raise Invalid("BARCODE_MISREAD", barcode=barcode)
    last = session.scalar(
        select(ItemSequence.last).where(ItemSequence.institution_id == institution_id, ItemSequence.name == BARCODES)
    )
    for barcode in own:
        if not 1 <= int(barcode[len(prefix) : -1]) <= (last or 0):
            raise Refused("BARCODE_NOT_RESERVED", barcode=barcode)


def with_check_digit(digits: str) -> str:
    """Add the check digit of Luhn (ISO/IEC 7812-1, Annex B): it finds each wrong digit and most swapped neighbours."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{digits}{-total % 10}"


def _prefix(institution_id: UUID) -> str:
    return f"{_ITEM_DIGIT}{institution_id.int % 10_000:04}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
