"""The rules of display.toml, loaded at import: which rule applies to a field, and which subfields it shows."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.catalog.marc.record import Field

FILE = Path(__file__).parent / "display.toml"
_NEVER = frozenset("uw")  # addresses and control numbers are not text

Label = dict[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of display.toml.

    place   key of the display; `kind` is the part after the point
    label   {"id", "en"}
    codes   subfields shown; None for all letters except those of addresses and control numbers
    source  required value of $2; "" for any
    """

    indicators: str
    place: str
    kind: str
    label: Label
    codes: frozenset[str] | None
    source: str = ""

    def fits(self, field: Field) -> bool:
        """Tell whether the rule applies: indicators and $2 match. A control field never matches."""
        if len(field) < 3:
            return False
        for expected, indicator in zip(self.indicators, field[1].ljust(2), strict=False):
            if expected != "?" and indicator != (" " if expected == "_" else expected):
                return False
        return not self.source or self.source in (
            field[index + 1] for index in range(2, len(field) - 1, 2) if field[index] == "2"
        )

    def values(self, field: Field) -> list[str]:
        """Return the values of the shown subfields, in the field's order."""
        results = []
        for index in range(2, len(field) - 1, 2):
            code, value = field[index], field[index + 1]
            shown = code in self.codes if self.codes is not None else code.isalpha() and code not in _NEVER
            if shown and value.strip():
                results.append(value)
        return results


Table = Mapping[str, tuple[Rule, ...]]


def rule_for(table: Table, tag: str, field: Field) -> Rule | None:
    """Return the first rule that fits a field; for an 880, `tag` is the linked tag."""
    return next((rule for rule in table.get(tag, ()) if rule.fits(field)), None)


def _table(rows: Iterable[tuple[str, Rule]]) -> Table:
    table: dict[str, tuple[Rule, ...]] = {}
    for tags, rule in rows:
        for tag in tags.split():
            table[tag] = (*table.get(tag, ()), rule)
    return table


def _codes(codes: str) -> frozenset[str] | None:
    return None if codes == "*" else frozenset(codes)


def _rule(indicators: str, place: str, indonesian: str, english: str, codes: str, source: str = "") -> Rule:
    key, _, kind = place.partition(".")
    return Rule(indicators, key, kind, {"id": indonesian, "en": english}, _codes(codes), source)


_rows = tomllib.loads(FILE.read_text(encoding="utf-8"))
RULES = _table((row[0], _rule(*row[1:])) for row in _rows["rules"])
RELATIONS = _table((row[0], _rule(row[1], f"relations.{row[2]}", row[3], row[4], "*")) for row in _rows["relations"])
IDENTIFIERS = _table((row[0], _rule(row[1], f"identifiers.{row[2]}", "", "", *row[3:])) for row in _rows["identifiers"])
