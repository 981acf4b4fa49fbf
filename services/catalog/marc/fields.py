"""The fields of a MARC record and functions that read them.

A field is a flat list of strings, cheap to create and ready for orjson. A control field is `[tag, value]`; a data field
is `[tag, indicators, code, value, code, value …]` with indicators of two characters. Text of a data field before its
first subfield has the code `""`; a data field without subfields is `[tag, indicators, "", ""]`. A pair `"", ""`
anywhere else is a bare subfield delimiter, without code or value; as the first subfield it follows a pair for the text
before it, which may be empty. So a field of two parts is always a control field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

Field = list[str]
Tags = Mapping[str, Sequence[Field]]  # the fields of a record by tag, in the record's order


def is_control(field: Field) -> bool:
    """Tell whether a field is a control field: a value without indicators and subfields."""
    return len(field) == 2


def subfields(field: Field) -> Iterator[tuple[str, str]]:
    """Iterate over (code, value) of the subfields, in order; empty for a control field."""
    return zip(field[2::2], field[3::2], strict=True)


def written(field: Field) -> Iterator[tuple[str, str]]:
    """Iterate over the pairs to write in XML or JSON: all except an empty text before the first subfield."""
    pairs = subfields(field)
    if len(field) > 2 and not field[2] and not field[3]:
        next(pairs)
    return pairs


def field_text(field: Field, codes: str = "", sep: str = " ") -> str:
    """Join the values of these subfields, of all without codes; a control field gives its value unchanged."""
    if len(field) == 2:
        return field[1]
    return sep.join(value for code, value in subfields(field) if value and (not codes or (code and code in codes)))


def by_tag(fields: Iterable[Field]) -> dict[str, list[Field]]:
    """Group fields by tag, in the record's order."""
    tags: dict[str, list[Field]] = {}
    for field in fields:
        tags.setdefault(field[0], []).append(field)
    return tags


def linked_tag(field: Field) -> str:
    """Return the tag to which an 880 is linked, from its $6 (`245-01/(3/r`); "" without one."""
    for index in range(2, len(field) - 1, 2):
        if field[index] == "6":
            return field[index + 1][:3]
    return ""


def pick(field: Field, codes: frozenset[str]) -> list[str]:
    """List the values of these subfields, in order."""
    return [field[index + 1] for index in range(2, len(field) - 1, 2) if field[index] in codes]


def picked(tags: Tags, tag: str, codes: frozenset[str]) -> Iterator[str]:
    """Iterate over the values of these subfields in every field with this tag."""
    for field in tags.get(tag, ()):
        yield from pick(field, codes)


def control(tags: Tags, tag: str) -> str:
    """Return the value of the first control field with this tag; "" without one."""
    for field in tags.get(tag, ()):
        if len(field) == 2:
            return field[1]
    return ""
