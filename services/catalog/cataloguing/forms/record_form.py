"""A record as values of a form, and back: what a cataloguer does not change keeps each character and its place.

A value has a name: `title-3-a0` is the first $a of field 3 of the record, `subject-n0-a0` that of the first new field,
`year-f-0` a position of 008 or of the leader.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.catalog.cataloguing.forms.definitions import LEADER_TAG, FormField, RecordForm
from services.catalog.cataloguing.forms.marc_text import read_text
from services.catalog.cataloguing.forms.proposals import indicators_of, year_in
from services.catalog.marc.record import Field, Record, is_control, subfields

FIXED = "008"
FIXED_LENGTH = 40
_NAME = re.compile(r"([a-z_]+)-(f|n?[0-9]{1,5})-([a-z0-9]?)([0-9]{1,4})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNKNOWN = frozenset("u| ")
Values = Mapping[str, str]
Typed = Mapping[tuple[str, str], Mapping[tuple[str, int], str]]  # (field, place) -> (code, number) -> value


@dataclass(frozen=True, slots=True)
class Input:
    """A value of a form. name: as described in the module; code: of its subfield."""

    name: str
    code: str
    value: str


@dataclass(frozen=True, slots=True)
class Row:
    """A field of the record in a form. place: in the record's fields; -1 for a new field and for positions."""

    place: int
    tag: str
    inputs: list[Input]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A field of the new record. before: None for a new field; form_field: of one that was changed or added."""

    field: Field
    before: Field | None = None
    form_field: FormField | None = None


def new_record(form: RecordForm, *, today: date) -> Record:
    """Return the record from which a new one of this material begins."""
    lines = "\n".join([f"{LEADER_TAG} {form.leader}", *form.lines]).replace("{today}", f"{today:%y%m%d}")
    return read_text(lines)[0]


def rows_of(record: Record, field: FormField, *, added: int = 0) -> list[Row]:
    """Return the rows of a form's field: one for each field of the record, and `added` empty ones.

    A field that the record lacks has one empty row.
    """
    if field.length:
        value = _shown_position(_fixed_of(record, field), field)
        return [Row(-1, field.tags[0], [Input(f"{field.name}-f-0", "", value)])]
    rows = [
        Row(place, record.fields[place][0], list(_inputs(record.fields[place], field, f"{field.name}-{place}")))
        for place in _places(record, field)
    ]
    empty = max(added, 0 if rows else 1)
    return rows + [
        Row(-1, field.tags[0], list(_inputs([field.tags[0], "  "], field, f"{field.name}-n{number}")))
        for number in range(empty)
    ]


def compose(record: Record, form: RecordForm, values: Values, *, today: date) -> Record:
    """Return the record with the values of its form. What no value changes stays as it is, in its place.

    A field whose shown subfields are all cleared goes. New fields stand after those with their tag. Indicators are
    proposed for new and changed fields, and the year of 008 for a changed year of publication.
    """
    typed: dict[tuple[str, str], dict[tuple[str, int], str]] = defaultdict(dict)
    for name, value in values.items():
        if (match := _NAME.fullmatch(name)) is not None:
            typed[match[1], match[2]][match[3], int(match[4])] = shown(value)
    entries = [_Entry(field, field) for field in record.fields]
    fresh: list[_Entry] = []
    for field in form.fields:
        if field.length:
            continue
        for place in _places(record, field):
            before = record.fields[place]
            after = _edited(before, field, typed.get((field.name, str(place)), {}))
            if after != before:
                entries[place] = _Entry(after, before, field)
        for number in sorted(int(place[1:]) for name, place in typed if name == field.name and place.startswith("n")):
            given = "".join(rule.replace("#", " ") if len(rule) == 1 else " " for rule in field.indicators)
            added = _edited([field.tags[0], given], field, typed[field.name, f"n{number}"])
            if len(added) > 2:
                fresh.append(_Entry(added, None, field))
    entries = [entry for entry in entries if entry.field]
    for entry in fresh:
        entries.insert(place_for(entry.field[0], [each.field[0] for each in entries]), entry)
    changed = _with_positions(Record(record.leader, [entry.field for entry in entries]), record, form, typed, today)
    main = any(field[0] in ("100", "110", "111") for field in changed.fields)
    had_main = any(field[0] in ("100", "110", "111") for field in record.fields)
    language, former_language = _language(changed), _language(record)
    of_field = {id(entry.field): entry for entry in entries if entry.form_field is not None}
    for place, each in enumerate(changed.fields):
        if (done := of_field.get(id(each))) is not None and done.form_field is not None:
            former = None if done.before is None else (done.before, had_main, former_language)
            given = indicators_of(done.form_field.indicators, each, main=main, language=language, former=former)
            changed.fields[place] = [each[0], given, *each[2:]]
    return changed


def shown(value: str) -> str:
    """Return a value as a form shows it: without control characters, and without blanks around it."""
    return _CONTROLS.sub(" ", value).strip()


def _inputs(field: Field, form_field: FormField, name: str) -> Iterator[Input]:
    """Yield the values of a field: each subfield, and an empty one for a code that it lacks or that can be repeated."""
    for part in form_field.parts:
        values = [value for code, value in subfields(field) if code == part.code]
        if not values or part.is_repeated:
            values.append("")
        for number, value in enumerate(values):
            yield Input(f"{name}-{part.code}{number}", part.code, shown(value))


def _places(record: Record, field: FormField) -> list[int]:
    return [place for place, each in enumerate(record.fields) if _is_of(each, field)]


def _is_of(field: Field, form_field: FormField) -> bool:
    if field[0] not in form_field.tags or is_control(field):
        return False
    return not form_field.second or field[0] != form_field.tags[0] or field[1][1] == form_field.second


def _edited(field: Field, form_field: FormField, typed: Mapping[tuple[str, int], str]) -> Field:
    """Return a field with typed values by (code, number); the field itself without a change, [] when none is left."""
    order = [part.code for part in form_field.parts]
    numbers: Counter[str] = Counter()
    pairs: list[tuple[str, str]] = []
    is_changed = False
    for code, value in subfields(field):
        number, numbers[code] = numbers[code], numbers[code] + 1
        new = typed.get((code, number)) if code in order else None
        if new is None or new == shown(value):
            pairs.append((code, value))
        else:
            is_changed = True
            if new:
                pairs.append((code, new))
    more = [key for key, new in typed.items() if new and key[0] in order and key[1] >= numbers[key[0]]]
    for code, number in sorted(more, key=lambda key: (order.index(key[0]), key[1])):
        is_changed = True
        pairs.insert(_place_of_code(code, [each for each, _ in pairs], order), (code, typed[code, number]))
    if not is_changed:
        return field
    if not any(code in order and value for code, value in pairs):
        return []
    return [*field[:2], *(part for pair in pairs for part in pair)]


def _place_of_code(code: str, codes: Sequence[str], order: Sequence[str]) -> int:
    """Return where a new subfield stands: after those that come before it in MARC's order."""
    rank = order.index(code)
    earlier = [place for place, each in enumerate(codes) if each in order and order.index(each) <= rank]
    if earlier:
        return earlier[-1] + 1
    return next((place for place, each in enumerate(codes) if each in order), len(codes))


def place_for(tag: str, tags: Sequence[str]) -> int:
    """Return where a new field stands: after the last one with its tag, else before the first with a later tag."""
    same = [place for place, each in enumerate(tags) if each == tag]
    if same:
        return same[-1] + 1
    return next((place for place, each in enumerate(tags) if each > tag), len(tags))


def _with_positions(changed: Record, record: Record, form: RecordForm, typed: Typed, today: date) -> Record:
    """Set the positions of the leader and of 008; propose the year of 008 when that of the publication changed."""
    leader, before = record.leader, record.control(FIXED) or ""
    fixed = before
    for field in form.fields:
        value = typed.get((field.name, "f"), {}).get(("", 0))
        old = _fixed_of(record, field)
        if not field.length or value is None or value == _shown_position(old, field):
            continue
        empty = "u" if field.start in (7, 11) else " "
        new = value[: field.length].ljust(field.length) if value else empty * field.length
        if field.tags[0] == LEADER_TAG:
            leader = leader[: field.start] + new + leader[field.start + field.length :]
        else:
            fixed = _put(fixed or _new_fixed(form, today), field.start, new)
    year, date_before = year_in(changed), before[7:11]
    is_typed = fixed[7:11] != date_before and before != ""
    is_proposed = date_before in ("", year_in(record)) or set(date_before) <= _UNKNOWN
    if year and year != year_in(record) and not is_typed and is_proposed:
        fixed = _put(fixed or _new_fixed(form, today), 7, year)
    if fixed != before and fixed[7:11].isdigit() and fixed[6:7] in ("n", "|", " "):
        fixed = _put(fixed, 6, "s")
        fixed = _put(fixed, 11, "    ")
    if fixed == before:
        return Record(leader, changed.fields)
    fields = list(changed.fields)
    if before:
        place = next(place for place, field in enumerate(fields) if field[0] == FIXED and is_control(field))
        fields[place] = [FIXED, fixed]
    else:
        fields.insert(place_for(FIXED, [field[0] for field in fields]), [FIXED, fixed])
    return Record(leader, fields)


def _new_fixed(form: RecordForm, today: date) -> str:
    return new_record(form, today=today).control(FIXED) or ""


def _put(fixed: str, start: int, text: str) -> str:
    fixed = fixed if len(fixed) >= start + len(text) else fixed.ljust(FIXED_LENGTH)
    return fixed[:start] + text + fixed[start + len(text) :]


def _fixed_of(record: Record, field: FormField) -> str:
    text = record.leader if field.tags[0] == LEADER_TAG else record.control(FIXED) or ""
    return text[field.start : field.start + field.length]


def _shown_position(value: str, field: FormField) -> str:
    """Return the value of a position as a form shows it: nothing for an unknown year, language or country."""
    return "" if field.length > 1 and set(value) <= _UNKNOWN else shown(value)


def _language(record: Record) -> str:
    return (record.control(FIXED) or "")[35:38]
