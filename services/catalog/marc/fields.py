"""Fields of a MARC record and how their parts are read.

A field is a flat list of text, cheap to make and ready for orjson. A control field is `[tag, value]`; a data field is
`[tag, indicators, code, value, code, value …]`, the indicators being two characters. Text that stands in a data field
before its first subfield has the code `""`; a data field without any subfield is `[tag, indicators, "", ""]`. A pair
`"", ""` anywhere else is a bare subfield delimiter, without code or value; as the first subfield it stands after a pair
for the text before it, which may be empty. So a field of two parts is a control field, always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

Field = list[str]
Tags = Mapping[str, Sequence[Field]]  # the fields of a record under their tags, in the record's order


def is_control(field: Field) -> bool:
    """True for a field that has a value instead of indicators and subfields."""
    return len(field) == 2


def subfields(field: Field) -> Iterator[tuple[str, str]]:
    """Code and value of each subfield, in order; nothing for a control field."""
    return zip(field[2::2], field[3::2], strict=True)


def written(field: Field) -> Iterator[tuple[str, str]]:
    """What a format with named subfields writes: each pair but the one for no text before the first subfield."""
    pairs = subfields(field)
    if len(field) > 2 and not field[2] and not field[3]:
        next(pairs)
    return pairs


def field_text(field: Field, codes: str = "", sep: str = " ") -> str:
    """Values of these subfields joined; all subfields when no code is named; a control field's value as it is."""
    if len(field) == 2:
        return field[1]
    return sep.join(value for code, value in subfields(field) if value and (not codes or (code and code in codes)))


def by_tag(fields: Iterable[Field]) -> dict[str, list[Field]]:
    """The fields under their tags, in the record's order."""
    tags: dict[str, list[Field]] = {}
    for field in fields:
        tags.setdefault(field[0], []).append(field)
    return tags


def linked_tag(field: Field) -> str:
    """The tag an 880 stands for, from its $6 (`245-01/(3/r`); empty when it has none."""
    for place in range(2, len(field) - 1, 2):
        if field[place] == "6":
            return field[place + 1][:3]
    return ""


def pick(field: Field, codes: frozenset[str]) -> list[str]:
    """Values of these subfields, in order."""
    return [field[place + 1] for place in range(2, len(field) - 1, 2) if field[place] in codes]


def picked(tags: Tags, tag: str, codes: frozenset[str]) -> Iterator[str]:
    """Values of these subfields in every field with this tag."""
    for field in tags.get(tag, ()):
        yield from pick(field, codes)


def control(tags: Tags, tag: str) -> str:
    """Value of the first control field with this tag; empty when there is none."""
    for field in tags.get(tag, ()):
        if len(field) == 2:
            return field[1]
    return ""
