"""Card numbers: three digits of the institution, a serial number, and a check digit of Damm's algorithm.

Damm's check digit detects every single wrong digit and every swap of adjacent digits, and uses only decimal digits.
Luhn misses the swap of 0 and 9, and ISO 7064 MOD 11-2 needs an X, which keypads do not have. Only our own numbers have
the check digit; numbers of earlier systems are stored unchanged.
"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import insert_ignore
from services.members.tables import Card, NumberSeries

# The first digit is never 0, because spreadsheets remove leading zeros.
FIRST_PREFIX = 100
_SERIAL_DIGITS = 6
_SHORTEST = 3 + _SERIAL_DIGITS + 1
_OWN = re.compile(r"[1-9][0-9]{9,11}")
# Damm (2004), quasigroup of order 10 without fixed points.
_TABLE = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def check_digit(digits: str) -> str:
    """Return Damm's check digit of a decimal number."""
    row = 0
    for digit in digits:
        row = _TABLE[row][int(digit)]
    return str(row)


def is_valid(number: str) -> bool:
    """Return whether the check digit is right."""
    return number.isascii() and number.isdigit() and check_digit(number) == "0"


def is_mistyped(number: str) -> bool:
    """Return whether this looks like one of our numbers with a wrong digit."""
    return _OWN.fullmatch(number) is not None and not is_valid(number)


def lock(session: Session, institution_id: UUID) -> None:
    """Lock the institution's series, so that one transaction at a time checks and then stores a number or a NIK.

    On SQLite there is only one writer at a time anyway.
    """
    series = NumberSeries
    row = select(series.prefix).where(series.institution_id == institution_id).with_for_update()
    if session.scalar(row) is None:
        _begin_series(session, institution_id)
        session.scalar(row)


def take_numbers(session: Session, institution_id: UUID, count: int) -> list[str]:
    """Take the next numbers of an institution. Other transactions wait until this one ends; a rollback frees them."""
    series = NumberSeries
    step = (
        update(series)
        .where(series.institution_id == institution_id)
        .values(next=series.next + count)
        .returning(series.prefix, series.next)
    )
    row = session.execute(step).first()
    if row is None:
        _begin_series(session, institution_id)
        row = session.execute(step).one()
    prefix, end = row
    numbers = [_number(prefix, serial) for serial in range(end - count, end)]
    # A number of an earlier system may be the same.
    taken = select(Card.code).where(Card.institution_id == institution_id, Card.code.in_(numbers))
    clashes = set(session.scalars(taken))
    free = [number for number in numbers if number not in clashes]
    return free if not clashes else free + take_numbers(session, institution_id, len(clashes))


def _number(prefix: int, serial: int) -> str:
    digits = f"{prefix}{serial:0{_SERIAL_DIGITS}}"
    return digits + check_digit(digits)


def _begin_series(session: Session, institution_id: UUID) -> None:
    """Assign the next free prefix to an institution; parallel calls wait or try again with the next prefix."""
    series = NumberSeries
    for _ in range(5):
        highest = session.scalar(select(func.max(series.prefix))) or FIRST_PREFIX - 1
        insert_ignore(session, series, [{"institution_id": institution_id, "prefix": highest + 1, "next": 1}])
        if session.scalar(select(series.prefix).where(series.institution_id == institution_id)) is not None:
            return
