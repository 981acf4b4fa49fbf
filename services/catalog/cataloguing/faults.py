"""Faults of a record, named by field, subfield and reason: by the structure of MARC 21 and by the library's rules."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path

from chassis.errors import Invalid, Refusal
from services.catalog.marc.record import Field, Record, is_control, readable, subfields

FOLDER = Path(__file__).parent
ALWAYS = "5789"  # codes that fit every field, any number of times
MOST_REFUSALS = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a record.

    tag    of the field, or "leader"
    code   of the subfield; "" for the field itself
    value  what is wrong
    place  of the field in the record; -1 for what is of no single field
    """

    reason: str
    tag: str
    code: str = ""
    value: str = ""
    place: int = attribute(default=-1, compare=False)

    def refusal(self) -> Refusal:
        match self.reason:
            case "MARC_FIELD_MISSING":
                return Refusal("MARC_FIELD_MISSING", tag=self.tag, code=self.code)
            case "MARC_FIELD_REPEATED":
                return Refusal("MARC_FIELD_REPEATED", tag=self.tag)
            case "MARC_FIELD_LENGTH":
                return Refusal("MARC_FIELD_LENGTH", tag=self.tag, given=self.value)
            case "MARC_INDICATOR":
                return Refusal("MARC_INDICATOR", tag=self.tag, indicator=self.code, given=self.value)
            case "MARC_SUBFIELD_UNKNOWN":
                return Refusal("MARC_SUBFIELD_UNKNOWN", tag=self.tag, code=self.code)
            case "MARC_SUBFIELD_REPEATED":
                return Refusal("MARC_SUBFIELD_REPEATED", tag=self.tag, code=self.code)
            case _:
                return Refusal("MARC_STATUS_REFUSED", given=self.value)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The structure of a field. repeated: codes that may be repeated."""

    is_repeatable: bool
    indicators: tuple[str, str]
    codes: frozenset[str]
    repeated: frozenset[str]


def refuse_new_faults(record: Record, before: Record | None) -> list[Fault]:
    """Refuse a record for the faults that it did not have before. Returns the faults that it had.

    before  the stored content; None for a new record
    raises  Invalid  MARC_FIELD_MISSING, MARC_FIELD_REPEATED, MARC_FIELD_LENGTH, MARC_INDICATOR, MARC_SUBFIELD_UNKNOWN,
                     MARC_SUBFIELD_REPEATED, MARC_STATUS_REFUSED
    """
    added, old = divide_faults(record, before)
    if added:
        raise Invalid(refusals=[fault.refusal() for fault in added[:MOST_REFUSALS]])
    return old


def divide_faults(record: Record, before: Record | None) -> tuple[list[Fault], list[Fault]]:
    """Return the faults that a record did not have before, and those that it had.

    Of equal faults, those of fields that were not there are new.
    """
    former = Counter(() if before is None else faults_of(before))
    stored = {tuple(field) for field in (() if before is None else before.fields)}
    fields = [*map(tuple, record.fields), ()]  # the last is that of faults without a place
    added, old = [], []
    for fault in sorted(faults_of(record), key=lambda fault: fields[fault.place] not in stored):
        if former[fault]:
            former[fault] -= 1
            old.append(fault)
        else:
            added.append(fault)
    return sorted(added, key=_place), sorted(old, key=_place)


def _place(fault: Fault) -> int:
    return fault.place


def faults_of(record: Record) -> Iterator[Fault]:
    """Iterate over the faults of a record."""
    if record.leader[5:6] in _REFUSED_STATUSES:
        yield Fault("MARC_STATUS_REFUSED", "leader", value=record.leader[5:6])
    for tag, code in _REQUIRED:
        if not any(text.strip() for text in record.values(tag, code)):
            yield Fault("MARC_FIELD_MISSING", tag, code)
    for tag, count in Counter(field[0] for field in record.fields).items():
        is_single = tag in _CONTROL or (tag in _SHAPES and not _SHAPES[tag].is_repeatable)
        if count > 1 and is_single:
            yield Fault("MARC_FIELD_REPEATED", tag)
    for place, each in enumerate(record.fields):
        if is_control(each):
            length = _CONTROL.get(each[0], 0)
            if length and len(each[1]) != length:
                yield Fault("MARC_FIELD_LENGTH", each[0], value=str(len(each[1])), place=place)
        elif each[0] in _SHAPES:
            yield from _faults_of_field(each, _SHAPES[each[0]], place)


def without_faults(record: Record) -> Record:
    """Return a record without the faults of its fields, for the copy of another library's record.

    Subfields and repetitions that MARC 21 does not know, and an 008 of another length, are left out; an indicator that
    it does not know gets the first value that it knows. A missing field stays missing.
    """
    fields: list[Field] = []
    tags: set[str] = set()
    for field in record.fields:
        tag = field[0]
        shape = _SHAPES.get(tag)
        if tag in tags and (tag in _CONTROL or (shape is not None and not shape.is_repeatable)):
            continue
        length = _CONTROL.get(tag, 0) if is_control(field) else 0
        fitting = field if shape is None or is_control(field) else _fitting(readable(field), shape)
        if len(fitting) > 1 + (not is_control(field)) and (not length or len(field[1]) == length):
            fields.append(fitting)
            tags.add(tag)
    return Record(record.leader, fields)


def _fitting(field: Field, shape: _Shape) -> Field:
    """Return a field with the indicators and subfields of its shape; only its tag and indicators when none fits."""
    pairs = zip(field[1], shape.indicators, strict=True)
    fitting = [field[0], "".join(value if value in allowed else allowed[0] for value, allowed in pairs)]
    codes: set[str] = set()
    for code, value in subfields(field):
        is_always = code in ALWAYS and code
        if is_always or (code in shape.codes and (code in shape.repeated or code not in codes)):
            fitting += (code, value)
            codes.add(code)
    return fitting


def _faults_of_field(given: Field, shape: _Shape, place: int) -> Iterator[Fault]:
    tag = given[0]
    for number, (value, allowed) in enumerate(zip(given[1], shape.indicators, strict=True), start=1):
        if value not in allowed:
            yield Fault("MARC_INDICATOR", tag, str(number), value.replace(" ", "#"), place)
    for code, count in Counter(code for code, _ in subfields(given)).items():
        if code in ALWAYS and code:
            continue
        if code not in shape.codes:
            yield Fault("MARC_SUBFIELD_UNKNOWN", tag, code, place=place)
        elif count > 1 and code not in shape.repeated:
            yield Fault("MARC_SUBFIELD_REPEATED", tag, code, place=place)


def _values(text: str) -> str:
    """Return the values of an indicator: `#0-3` is a blank and four digits."""
    spans = re.sub(r"([0-9])-([0-9])", lambda span: "".join(map(str, range(int(span[1]), int(span[2]) + 1))), text)
    return spans.replace("#", " ")


def _shape(repeatable: str, first: str, second: str, codes: str) -> _Shape:
    names = codes.split()
    repeated = frozenset(name[0] for name in names if name.endswith("*"))
    return _Shape(repeatable == "*", (_values(first), _values(second)), frozenset(name[0] for name in names), repeated)


_TABLES = tomllib.loads((FOLDER / "marc21.toml").read_text(encoding="utf-8"))
_CONTROL: dict[str, int] = _TABLES["control"]
_SHAPES = {tag: _shape(*row) for tag, row in _TABLES["fields"].items()}
_RULES = tomllib.loads((FOLDER / "library_rules.toml").read_text(encoding="utf-8"))
_REQUIRED = [tuple(text.split()) for text in _RULES["required"]]
_REFUSED_STATUSES = frozenset(_RULES["refused_statuses"])
