"""The MARC 21 record as stored (complete, in order, not normalised), and functions that read its fields.

A field is a flat list of strings, cheap to create and ready for orjson. A control field is `[tag, value]`; a data field
is `[tag, indicators, code, value, code, value …]` with indicators of two characters. Text of a data field before its
first subfield has the code `""`; a data field without subfields is `[tag, indicators, "", ""]`. A pair `"", ""`
anywhere else is a bare subfield delimiter, without code or value; as the first subfield it follows a pair for the text
before it, which may be empty. So a field of two parts is always a control field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

import orjson

from services.catalog.texts import identifier, without_controls

Field = list[str]
Tags = Mapping[str, Sequence[Field]]  # the fields of a record by tag, in the record's order
_NOTHING: Iterator[str] = iter(())


def is_control(field: Field) -> bool:
    """Tell whether a field is a control field: a value without indicators and subfields."""
    return len(field) == 2


def subfields(field: Field) -> Iterator[tuple[str, str]]:
    """Iterate over (code, value) of the subfields, in order; empty for a control field."""
    return zip(field[2::2], field[3::2], strict=True)


def subfields_to_write(field: Field) -> Iterator[tuple[str, str]]:
    """Iterate over the pairs to write in XML or JSON: all except an empty text before the first subfield."""
    pairs = subfields(field)
    if len(field) > 2 and not field[2] and not field[3]:
        next(pairs)
    return pairs


def field_text(field: Field, codes: str = "", sep: str = " ") -> str:
    """Join the values of these subfields, or of all when `codes` is ""; a control field returns its value unchanged."""
    if len(field) == 2:
        return field[1]
    return sep.join(value for code, value in subfields(field) if value and (not codes or (code and code in codes)))


def by_tag(fields: Iterable[Field]) -> dict[str, list[Field]]:
    """Group fields by tag, in the record's order; text before the first subfield is a $a (readable)."""
    tags: dict[str, list[Field]] = {}
    for field in fields:
        if len(field) > 3 and not field[2]:
            field = readable(field)  # noqa: PLW2901
        tag = field[0]
        if tag in tags:
            tags[tag].append(field)
        else:
            tags[tag] = [field]
    return tags


def readable(field: Field) -> Field:
    """Return a bibliographic field whose text before the first subfield is a subfield $a; other fields unchanged.

    Holdings, items and local fields are not changed, because item maps name the subfields that they read.
    """
    if len(field) < 4 or field[2] or not field[3] or field[0] >= "841":
        return field
    return [*field[:2], "a", *field[3:]]


def linked_tag(field: Field) -> str:
    """Return the tag to which an 880 is linked, from its $6 (`245-01/(3/r`); "" without one."""
    for index in range(2, len(field) - 1, 2):
        if field[index] == "6":
            return field[index + 1][:3]
    return ""


def pick(field: Field, codes: frozenset[str]) -> list[str]:
    """List the values of these subfields, in order."""
    if len(field) == 4:  # most fields have one subfield
        return [field[3]] if field[2] in codes else []
    return [field[index + 1] for index in range(2, len(field) - 1, 2) if field[index] in codes]


def pick_all(tags: Tags, tag: str, codes: frozenset[str]) -> Iterator[str]:
    """Iterate over the values of these subfields in every field with this tag."""
    fields = tags.get(tag)
    if not fields:
        return _NOTHING
    if len(fields) == 1:
        return iter(pick(fields[0], codes))
    return iter([value for field in fields for value in pick(field, codes)])


def control(tags: Tags, tag: str) -> str:
    """Return the value of the first control field with this tag; "" without one."""
    for field in tags.get(tag, ()):
        if len(field) == 2:
            return field[1]
    return ""


def fingerprint_of(leader: str, packed: bytes) -> bytes:
    """Return Record.fingerprint of a record with this leader from its `pack`."""
    fields = packed[len(orjson.dumps([leader])) - 1 :]
    return sha256(orjson.dumps([leader[5:9] + leader[17:20]])[:-1] + fields).digest()


BLANK_LEADER = "00000nam a2200000   4500"


@dataclasses.dataclass(slots=True)
class Record:
    """One MARC 21 record in Unicode.

    leader  24 characters as received; its lengths and addresses are not used
    fields  in the order of the source
    """

    leader: str = BLANK_LEADER
    fields: list[Field] = dataclasses.field(default_factory=list)

    def all(self, *tags: str) -> Iterator[Field]:
        """Iterate over fields with any of these tags, in the record's order; `"6.."` and `"65."` are ranges of tags."""
        exact = {tag for tag in tags if "." not in tag}
        starts = tuple(tag.partition(".")[0] for tag in tags if "." in tag)
        for field in self.fields:
            if field[0] in exact or (starts and field[0].startswith(starts)):
                yield field

    def first(self, tag: str) -> Field | None:
        """Return the first field with this tag."""
        return next((field for field in self.fields if field[0] == tag), None)

    def control(self, tag: str) -> str | None:
        """Return the value of the first control field with this tag."""
        return next((field[1] for field in self.fields if field[0] == tag and len(field) == 2), None)

    def values(self, tag: str, codes: str = "") -> list[str]:
        """List the values of these subfields (of all without codes) in every field with this tag, in order."""
        results: list[str] = []
        for field in self.all(tag):
            for code, value in subfields(field):
                if value and (not codes or (code and code in codes)):
                    results.append(value)
        return results

    def text(self, tag: str, codes: str = "", sep: str = " ") -> str:
        """Join these subfields of the first field with this tag; "" without such a field."""
        field = self.first(tag)
        return "" if field is None else field_text(field, codes, sep)

    def texts(self, tag: str, codes: str = "", sep: str = " ") -> list[str]:
        """Join these subfields of every field with this tag, one text per field; empty texts are left out."""
        return [text for field in self.all(tag) if (text := field_text(field, codes, sep))]

    def pack(self) -> bytes:
        """Serialise the record for the database as compact JSON, `[leader, field, field …]`."""
        return orjson.dumps([self.leader, *self.fields])

    @classmethod
    def unpack(cls, packed: bytes) -> Record:
        """Read the output of `pack`."""
        leader, *fields = orjson.loads(packed)
        return cls(leader, fields)

    def fingerprint(self) -> bytes:
        """Return a SHA-256 (32 bytes) that is the same for equal records.

        It covers the leader without the positions that depend on the serialisation (0–4, 9, 10–11, 12–16, 20–23), and
        the fields with order, indicators, codes and values, not normalised.
        """
        return fingerprint_of(self.leader, self.pack())

    def control_key(self) -> str | None:
        """Return `(003)001`, or `001` without a 003; None when 001 is missing or blank.

        The first field of each tag counts. A 001 that begins with a bracket gets the prefix `()`, so that it is not
        confused with another agency's number. The key has no control characters, and a long one is shortened
        (texts.identifier).
        """
        number = without_controls(self.control("001") or "")
        if not number.strip():
            return None
        agency = self.control("003")
        if agency:
            return identifier(f"({agency}){number}")
        return identifier(f"(){number}" if number.startswith("(") else number)
