"""A record's fields by tag for the MODS mapping; a field in another script (880) has the tag of its linked field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from services.catalog.marc.record import Field, Record, control

SCRIPTS: Final = {"(3": "Arab", "(B": "Latn", "$1": "Hani", "(N": "Cyrl", "(S": "Grek", "(2": "Hebr"}


class LinkedField(NamedTuple):
    """One field and its link to the same field in another script.

    group   altRepGroup of MODS; "" without a linked field
    script  ISO 15924 code of an 880 field
    """

    field: Field
    group: str = ""
    script: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        return {"altRepGroup": self.group, "script": self.script}

    def has(self, codes: str) -> list[str]:
        """Return the values of these subfields, in order; "*" for all with a letter as code."""
        field = self.field
        return [
            field[at + 1]
            for at in range(2, len(field) - 1, 2)
            if (field[at].isalpha() if codes == "*" else field[at] in codes and field[at])
        ]

    def text(self, codes: str) -> str:
        return " ".join(self.has(codes))

    def indicator(self, place: int) -> str:
        """Return the first (1) or second (2) indicator."""
        return self.field[1][place - 1 : place] if len(self.field) > 2 else ""


class Fields:
    """The fields of one record by tag."""

    def __init__(self, record: Record) -> None:
        self.leader = record.leader
        self._by_tag: dict[str, list[LinkedField]] = {}
        self._controls: dict[str, list[Field]] = {}
        for field in record.fields:
            if len(field) == 2:
                self._controls.setdefault(field[0], []).append(field)
                continue
            linked = _linked_field(field)
            tag = field[0]
            if tag == "880":
                tag = _linkage(field)[:3]
            self._by_tag.setdefault(tag, []).append(linked)
        self.fixed = control(self._controls, "008")

    def all(self, *tags: str) -> Iterator[LinkedField]:
        """Yield the fields with these tags, in order of the tags."""
        for tag in tags:
            yield from self._by_tag.get(tag, ())

    def control(self, tag: str) -> str:
        return control(self._controls, tag)


def _linked_field(field: Field) -> LinkedField:
    linkage = _linkage(field)
    number = linkage[4:6]
    group = number if number.isascii() and number.isdigit() and number != "00" else ""
    script = SCRIPTS.get(linkage[7:9], "") if field[0] == "880" else ""
    return LinkedField(field, group, script)


def _linkage(field: Field) -> str:
    return next((field[at + 1] for at in range(2, len(field) - 1, 2) if field[at] == "6"), "")
