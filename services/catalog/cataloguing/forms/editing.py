"""What the page of a record's edit shows: its form, its text, its faults, and what others have changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.errors import Invalid
from chassis.ids import parse_or_nil
from services.catalog import queries
from services.catalog.cataloguing import history, records
from services.catalog.cataloguing.faults import Fault, divide_faults, without_faults
from services.catalog.cataloguing.forms.definitions import FORMS, RecordForm, material_of
from services.catalog.cataloguing.forms.marc_text import BadLine, read_text
from services.catalog.cataloguing.forms.record_form import compose, new_record, place_for
from services.catalog.cataloguing.history import Difference, pairs_of
from services.catalog.marc.record import Field, Record, is_control
from services.catalog.tables import Source
from services.catalog.tables.institutions import IMPORT

# Control numbers, dates and items of the record that is copied.
NOT_COPIED = frozenset(("001", "003", "005", "010", "016", "035", "852", "876", "877", "878", "952", "990", "995"))
LONGEST_TEXT = 1_000_000
# More than a record may have, so that a text that is too long is shown and not lost.
MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class TypedRecord:
    """A record as it was typed: the values of a form and the text that they belong to, or a text alone."""

    base: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class EditedRecord:
    """A record to edit.

    version      the newest; 0 for a new record
    is_imported  belongs to imports until it is saved
    source       code of its source
    new          the faults for which a save is refused; `old`: those that the stored content has too
    bad_lines    lines of the typed text that are no field; then `record` lacks them
    theirs       what others have changed since the version that was read
    """

    record: Record
    form: RecordForm
    version: int = 0
    is_imported: bool = False
    source: str = ""
    new: Sequence[Fault] = ()
    old: Sequence[Fault] = ()
    bad_lines: Sequence[BadLine] = ()
    theirs: Sequence[Difference] = ()


def open_record(
    session: Session,
    *,
    record_id: str,
    copy_of: str,
    material: str,
    typed: TypedRecord | None,
    version: int,
    context: Context,
) -> EditedRecord:
    """Return a record with what was typed so far.

    record_id  of a record of the caller's institution; "" for a new one
    copy_of    of a record from which a new one begins
    material   of the form; "" for the one that fits
    version    that `typed` was made from
    raises     NotFound  RECORD_UNKNOWN, RECORD_NOT_FOUND
               Gone      RECORD_DELETED
               Invalid   MATERIAL_UNKNOWN, RECORD_TOO_LARGE, FIELDS_TOO_MANY
    """
    if material and material not in FORMS:
        raise Invalid("MATERIAL_UNKNOWN", material=material[:40], known=[*FORMS])
    row: Any = records.find_record(session, record_id, context=context) if record_id else None
    stored = None if row is None else Record.unpack(row.marc)
    bad_lines: list[BadLine] = []
    if typed is not None:
        record, bad_lines = _read(typed, material)
    elif stored is not None:
        record = stored
    elif copy_of:
        record = without_faults(copied(Record.unpack(queries.record(session, parse_or_nil(copy_of)).marc)))
    else:
        record = new_record(FORMS[material or "book"], today=clock.now().date())
    theirs: list[Difference] = []
    if stored is not None and typed is not None and version < records.content_version(row) and not bad_lines:
        read = next((earlier.record for earlier in history.versions(row.history, row.marc, below=version + 1)), None)
        theirs = history.differences_of(read or record, stored)
        # The time of a merge grows with the square of the fields; the save refuses so many.
        if read is not None and len(record.fields) <= records.MOST_FIELDS:
            record = merge(read, record, stored)
    added, old = divide_faults(record, stored)
    owner = None if row is None else session.scalars(select(Source.owner).where(Source.id == row.source_id)).one()
    return EditedRecord(
        record=record,
        form=FORMS[material or material_of(record)],
        version=0 if row is None else row.version,
        is_imported=owner == IMPORT and row.history is None,
        source="" if row is None else row.source,
        new=added,
        old=old,
        bad_lines=bad_lines,
        theirs=theirs,
    )


def merge(base: Record, mine: Record, theirs: Record) -> Record:
    """Return what `theirs` becomes with the changes from `base` to `mine`; where both changed a field, mine is kept."""
    fields = list(theirs.fields)
    successors = {_key(before): after for before, after in _changes(base, theirs) if before is not None}
    for before, after in _changes(base, mine):
        current = before if before is None or before in fields else successors.get(_key(before))
        if current is None or current not in fields:
            if after is not None and after not in fields:
                fields.insert(place_for(after[0], [field[0] for field in fields]), after)
            continue
        place = fields.index(current)
        if after is None:
            # Removed here; what somebody has changed in it meanwhile stays.
            fields[place : place + 1] = [] if current is before or current == before else [current]
        elif before is not None and is_control(after) and len(before) == len(after) == len(current):
            fields[place] = [after[0], _by_position(before[1], after[1], current[1])]
        else:
            fields[place] = after
    return Record(_by_position(base.leader, mine.leader, theirs.leader), fields)


def _changes(left: Record, right: Record) -> list[tuple[Field | None, Field | None]]:
    """Return (field before, field after) of what differs; None for no field."""
    return [pair for *_, segment in pairs_of(left.fields, right.fields) for pair in segment if pair[0] != pair[1]]


def _key(field: Field) -> tuple[str, ...]:
    return tuple(field)


def _by_position(base: str, mine: str, theirs: str) -> str:
    """Merge texts of fixed positions; of other lengths mine is kept, if it was changed."""
    if mine == base:
        return theirs
    if not len(base) == len(mine) == len(theirs):
        return mine
    return "".join(own if own != old else other for old, own, other in zip(base, mine, theirs, strict=True))


def _read(typed: TypedRecord, material: str) -> tuple[Record, list[BadLine]]:
    for text in (typed.text, typed.base):
        if len(text) > LONGEST_TEXT:
            raise Invalid("RECORD_TOO_LARGE", bytes=len(text), most=LONGEST_TEXT)
        # Lines besides the leader, also those that are no field.
        if (lines := sum(1 for line in text.split("\n") if line.strip()) - 1) > MOST_LINES:
            raise Invalid("FIELDS_TOO_MANY", fields=lines, most=records.MOST_FIELDS)
    if typed.text:
        return read_text(typed.text)
    base, bad_lines = read_text(typed.base)
    form = FORMS[material or material_of(base)]
    return compose(base, form, typed.values, today=clock.now().date()), bad_lines


def copied(record: Record) -> Record:
    """Return a record for a copy, without what belongs to the copied one alone."""
    today = f"{clock.now():%y%m%d}"
    fields = [
        [field[0], today + field[1][6:]] if field[0] == "008" and len(field[1]) >= 6 else field
        for field in record.fields
        if field[0] not in NOT_COPIED
    ]
    return Record(f"{record.leader[:5]}n{record.leader[6:]}", fields)
