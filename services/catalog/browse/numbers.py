"""Lists of classes, ISBNs and ISSNs, which partners scan: positions of terms, and entries from a position."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.catalog.analysis import isbn13
from services.catalog.browse.class_counts import MOST_CLASSES
from services.catalog.index.matches import And
from services.catalog.index.port import Index, Request
from services.catalog.index.stored_fields import FACET_FIELDS
from services.catalog.record.classes import NONE, notation, value_of
from services.catalog.tables import Record

# Kind of a list -> the field of the index that counts the records of an entry.
NUMBER_FIELDS = {"class": FACET_FIELDS["class_path"], "isbn": "isbn", "issn": "identifier"}
# Kind -> digits of its entries in records.standard_number.
_DIGITS = {"isbn": 13, "issn": 7}
_NO_DIGITS = re.compile(r"[^0-9]")


def number_sort(kind: str, term: str) -> str:
    """Return the sort key of a typed class, ISBN or ISSN; the beginning of a number is its lowest number."""
    if kind == "class":
        return value_of(term) or term.strip().upper()
    number = (isbn13(term) if kind == "isbn" else None) or _NO_DIGITS.sub("", term)
    return number[: _DIGITS[kind]].ljust(_DIGITS[kind], "0")


def numbers_from(
    session: Session, index: Index, kind: str, *, sort: str, back: bool, after_entry: bool, limit: int
) -> list[tuple[str, str, str]]:
    """List entries from a position, the nearest first: the sort key, the value in the index, and the text.

    A list of standard numbers has the first ISBN of each record; of a record without one, the first ISSN.
    after_entry  leave out the entry at the position
    """
    if kind != "class":
        return [
            (f"{number:0{_DIGITS[kind]}d}", *_texts(kind, number))
            for number in _standard_numbers(session, kind, sort, back, after_entry, limit)
        ]
    values: list[str] = []
    for value in _class_values(index, sort, back):
        # A class with zeros is listed once, as the widest: 800 has the value "8", and "80" and "800" are left out.
        if (value < sort if back else value > sort or (value == sort and not after_entry)) and _is_widest(value):
            values.append(value)
            if len(values) == limit:
                break
    return [(value, value, notation(value)) for value in values]


def _is_widest(value: str) -> bool:
    return value_of(notation(value)) == value


def _class_values(index: Index, sort: str, back: bool) -> Iterator[str]:
    """Yield the classes of the divisions from the position's on, in order; more than those from the position."""
    classes = _facet(index, "class")
    divisions = {value[:2] for value in classes if len(value) > 1}
    for division in sorted(divisions, reverse=back):
        if division > sort[:2] if back else division < sort[:2]:
            continue
        values = {value for value in _facet(index, "class_path", division) if value.startswith(division)}
        if division == min(other for other in divisions if other[0] == division[0]):
            values.add(division[0])
        yield from sorted(values, reverse=back)


def _facet(index: Index, facet: str, division: str = "") -> Iterable[str]:
    filters = {"class": (division,)} if division else {}
    request = Request(
        match=And(()), filters=filters, facets=(facet,), facet_size=MOST_CLASSES, facet_order="value", limit=0
    )
    return [value for value, _count in index.search(request).facets[facet] if value != NONE]


def _standard_numbers(
    session: Session, kind: str, sort: str, back: bool, after_entry: bool, limit: int
) -> Iterable[int]:
    bound = int(sort) if sort.isascii() and sort.isdigit() and len(sort) < 19 else 0
    column, length = Record.standard_number, _DIGITS[kind]
    of_kind = column >= 10**12 if kind == "isbn" else column < 10**length
    place = column < bound if back else column > bound if after_entry else column >= bound
    statement = select(column).where(of_kind, place, Record.deleted_at.is_(None)).distinct()
    return [*filter(None, session.scalars(statement.order_by(column.desc() if back else column).limit(limit)))]


def _texts(kind: str, number: int) -> tuple[str, str]:
    """Return the value in the index, and the text to show; an ISSN gets its check digit (ISO 3297)."""
    if kind == "isbn":
        return str(number), str(number)
    digits = f"{number:07d}"
    check = -sum((8 - place) * int(digit) for place, digit in enumerate(digits)) % 11
    whole = digits + ("x" if check == 10 else str(check))
    return whole, f"{whole[:4]}-{whole[4:].upper()}"
