"""The rules of display.toml, read once: which row takes a field, and what it shows of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.catalog.marc.fields import Field

FILE = Path(__file__).parent / "display.toml"
_NEVER = frozenset("uw")  # addresses and control numbers are nothing to read

Label = dict[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    place   key of the display; `kind` what follows its point
    label   {"id", "en"}
    codes   subfields shown; None for every letter but those of addresses and control numbers
    source  what $2 must say; "" for anything
    """

    indicators: str
    place: str
    kind: str
    label: Label
    codes: frozenset[str] | None
    source: str = ""

    def fits(self, field: Field) -> bool:
        """Whether the field's indicators are as this row wants them; a control field has none."""
        if len(field) < 3:
            return False
        for wanted, there in zip(self.indicators, field[1].ljust(2), strict=False):
            if wanted != "?" and there != (" " if wanted == "_" else wanted):
                return False
        return not self.source or self.source in (
            field[at + 1] for at in range(2, len(field) - 1, 2) if field[at] == "2"
        )

    def values(self, field: Field) -> list[str]:
        """What it shows of the field, in the field's order."""
        results = []
        for at in range(2, len(field) - 1, 2):
            code, value = field[at], field[at + 1]
            shown = code in self.codes if self.codes is not None else code.isalpha() and code not in _NEVER
            if shown and value.strip():
                results.append(value)
        return results


Table = Mapping[str, tuple[Rule, ...]]


def rule_for(table: Table, tag: str, field: Field) -> Rule | None:
    """The row that takes this field; `tag` may be another than the field's own (880)."""
    return next((each for each in table.get(tag, ()) if each.fits(field)), None)


def _table(rows: Iterable[tuple[str, Rule]]) -> Table:
    table: dict[str, tuple[Rule, ...]] = {}
    for tags, rule in rows:
        for tag in tags.split():
            table[tag] = (*table.get(tag, ()), rule)
    return table


def _codes(said: str) -> frozenset[str] | None:
    return None if said == "*" else frozenset(said)


def _rule(indicators: str, place: str, indonesian: str, english: str, codes: str, source: str = "") -> Rule:
    key, _, kind = place.partition(".")
    return Rule(indicators, key, kind, {"id": indonesian, "en": english}, _codes(codes), source)


_said = tomllib.loads(FILE.read_text(encoding="utf-8"))
RULES = _table((row[0], _rule(*row[1:])) for row in _said["rules"])
RELATIONS = _table((row[0], _rule(row[1], f"relations.{row[2]}", row[3], row[4], "*")) for row in _said["relations"])
IDENTIFIERS = _table((row[0], _rule(row[1], f"identifiers.{row[2]}", "", "", *row[3:])) for row in _said["identifiers"])
