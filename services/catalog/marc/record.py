"""MARC 21 records as the catalogue keeps them: whole, in order, nothing normalised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

import orjson

from services.catalog.marc.fields import Field, field_text, subfields

BLANK_LEADER = "00000nam a2200000   4500"


@dataclass(slots=True)
class Record:
    """One MARC 21 record in Unicode.

    leader  24 characters as they came; lengths and addresses in it mean nothing here
    fields  in the order they came
    """

    leader: str = BLANK_LEADER
    fields: list[Field] = field(default_factory=list)

    def all(self, *tags: str) -> Iterator[Field]:
        """Fields with any of these tags, in the record's order; `"6.."` or `"65."` stand for a range of tags."""
        exact = {tag for tag in tags if "." not in tag}
        starts = tuple(tag.partition(".")[0] for tag in tags if "." in tag)
        for each in self.fields:
            if each[0] in exact or (starts and each[0].startswith(starts)):
                yield each

    def first(self, tag: str) -> Field | None:
        """The first field with this tag."""
        return next((each for each in self.fields if each[0] == tag), None)

    def control(self, tag: str) -> str | None:
        """Value of the first control field with this tag."""
        return next((each[1] for each in self.fields if each[0] == tag and len(each) == 2), None)

    def values(self, tag: str, codes: str = "") -> list[str]:
        """Values of these subfields in every field with this tag, in order; all subfields when no code is named."""
        results: list[str] = []
        for each in self.all(tag):
            for code, value in subfields(each):
                if value and (not codes or (code and code in codes)):
                    results.append(value)
        return results

    def text(self, tag: str, codes: str = "", sep: str = " ") -> str:
        """These subfields of the first field with this tag as one text; empty when there is no such field."""
        row = self.first(tag)
        return "" if row is None else field_text(row, codes, sep)

    def texts(self, tag: str, codes: str = "", sep: str = " ") -> list[str]:
        """These subfields of every field with this tag, one text a field; fields without any of them are left out."""
        return [found for each in self.all(tag) if (found := field_text(each, codes, sep))]

    def pack(self) -> bytes:
        """The record as compact JSON, `[leader, field, field …]`: what a database row holds."""
        return orjson.dumps([self.leader, *self.fields])

    @classmethod
    def unpack(cls, packed: bytes) -> Record:
        """The record that `pack` wrote."""
        leader, *fields = orjson.loads(packed)
        return cls(leader, fields)

    def fingerprint(self) -> bytes:
        """SHA-256 (32 bytes) over what makes two records equal.

        That is the leader but for what depends on how the record was written down (positions 0–4, 9, 10–11, 12–16,
        20–23), and the fields with their order, indicators, codes and values, not normalised.
        """
        return sha256(orjson.dumps([self.leader[5:9] + self.leader[17:20], *self.fields])).digest()

    def control_key(self) -> str | None:
        """`(003)001`, or `001` where there is no 003; None without a 001, or with a blank one.

        The first of each counts. A 001 that itself begins with a bracket gets `()` before it, so that it never reads
        as another agency's number.
        """
        number = self.control("001")
        if number is None or not number.strip():
            return None
        agency = self.control("003")
        if agency:
            return f"({agency}){number}"
        return f"(){number}" if number.startswith("(") else number
