"""Layouts of the accession register as data: columns with their headings in two languages, and values of entries."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from chassis.errors import Invalid
from rangkiang.catalog.v1 import register_pb2 as wire
from rangkiang.catalog.v1.accessions_pb2 import Acquisition

_DATA: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("layouts.toml").read_text(encoding="utf-8"))
LAYOUTS: Final = tuple(_DATA["layouts"])
COLUMNS: Final = tuple(_DATA["columns"])
# accessions.proto
SOURCES: Final = ("purchase", "gift", "exchange", "deposit", "own_publication")
WITH_RECORD = "record"  # accessions.proto: the removal of an item that went with its record
Value = str | int | date | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a layout. width: its share of the page; kind: "text", "count", "amount" or "day"."""

    name: str
    heading: str
    width: float
    kind: str


@dataclass(slots=True)
class Sums:
    """Numbers of items, and sums of prices by currency."""

    items: int
    removed: int
    without_price: int
    amounts: Counter[str]

    @classmethod
    def empty(cls) -> Sums:
        return cls(0, 0, 0, Counter())

    def add(self, entry: wire.Accession) -> None:
        self.items += 1
        self.removed += bool(entry.removed_on)
        if entry.acquisition.HasField("price"):
            self.amounts[entry.acquisition.price.currency] += entry.acquisition.price.amount
        else:
            self.without_price += 1

    def plus(self, other: Sums) -> Sums:
        return Sums(
            self.items + other.items,
            self.removed + other.removed,
            self.without_price + other.without_price,
            self.amounts + other.amounts,
        )


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of files in one language, and how it writes days and amounts."""

    language: str

    def say(self, name: str, **facts: Any) -> str:
        text: str = _DATA["words"][name][self.language]
        return text.format(**facts)

    def number(self, number: int) -> str:
        text = f"{number:,}"
        return text.replace(",", ".") if self.language == "id" else text

    def day(self, day: str) -> str:
        return "-".join(reversed(day.split("-"))) if self.language == "id" else day

    def money(self, amount: int, currency: str) -> str:
        return f"Rp{self.number(amount)}" if currency == "IDR" else f"{currency} {self.number(amount)}"

    def sums(self, sums: Sums) -> str:
        amounts = [self.money(amount, currency) for currency, amount in sorted(sums.amounts.items())]
        return " · ".join([self.say("item" if sums.items == 1 else "items", count=self.number(sums.items)), *amounts])

    def all_sums(self, sums: Sums) -> str:
        """Return the sums with the items that are removed, and those without a price."""
        parts = [("removed", sums.removed), ("without_price", sums.without_price)]
        return ", ".join([self.sums(sums), *(self.say(name, count=self.number(n)) for name, n in parts if n)])

    def scope(self, message: wire.ListAccessionsRequest) -> str:
        """Return the period of a request, with its branch and source."""
        first, last = self.day(message.entered_from), self.day(message.entered_to)
        period = "period" if first and last else "since" if first else "until" if last else "whole"
        parts = [self.say(period, first=first, last=last)]
        if message.branch:
            parts.append(self.say("branch", value=message.branch))
        if message.source:
            parts.append(self.say("source", value=self.say(message.source)))
        return " · ".join(parts)

    def gap(self, gap: wire.AccessionGap) -> str:
        reason = self.say("given_before") if gap.reason == "given_before" else gap.reason
        facts = {"first": gap.first_number, "last": gap.last_number, "reason": reason, "day": self.day(gap.entered_on)}
        return self.say("gap" if gap.count > 1 else "one_gap", **facts)

    def note(self, entry: wire.Accession) -> str:
        """Return why and when an item was removed; "" for one in the catalogue."""
        if not entry.removed_on:
            return ""
        reason = self.say("with_record") if entry.removal == WITH_RECORD else entry.removal
        return self.say("note", day=self.day(entry.removed_on), reason=reason)


def columns_of(layout: str, names: str, language: str) -> list[Column]:
    """Return the columns of a layout, or those with these names.

    names   names of columns with commas between them; "" for the columns of the layout
    raises  Invalid  REGISTER_LAYOUT_UNKNOWN, REGISTER_COLUMN_UNKNOWN
    """
    if layout not in LAYOUTS:
        raise Invalid("REGISTER_LAYOUT_UNKNOWN", given=layout[:40], known=[*LAYOUTS])
    wanted = [name.strip() for name in names.split(",")] if names else _DATA["layouts"][layout]["columns"]
    unknown = next((name for name in wanted if name not in COLUMNS), None)
    if unknown is not None or len(set(wanted)) != len(wanted):
        raise Invalid("REGISTER_COLUMN_UNKNOWN", given=(unknown or names)[:100], known=[*COLUMNS])
    columns = [(name, _DATA["columns"][name]) for name in wanted]
    return [Column(name, data[language], data["width"], data.get("kind", "text")) for name, data in columns]


def layout_names(language: str) -> list[tuple[str, str]]:
    """Return the layouts with their names."""
    return [(name, data[language]) for name, data in _DATA["layouts"].items()]


_PLACES: Final = {
    **{name: f"acquisition.{name}" for name in ("supplier", "fund", "document", "asset_code")},
    **{field.name: f"book.{field.name}" for field in wire.AccessionBook.DESCRIPTOR.fields},
    **{name: name for name in ("number", "branch", "barcode", "call_number", "collection")},
    "class": "book.class_number",
}
_TEXTS: Final = {name: attrgetter(place) for name, place in _PLACES.items()}


def values_of(columns: Sequence[Column], entry: wire.Accession, row: int, words: Words) -> Iterable[Value]:
    """Return the values of an entry: texts, days, the number of the row, and the amount of the price."""
    for column in columns:
        match column.name:
            case "row":
                yield row
            case "entered_on":
                yield _day(entry.entered_on)
            case "acquired_on":
                yield _day(entry.acquisition.acquired_on)
            case "source":
                yield words.say(entry.acquisition.source)
            case "note":
                yield words.note(entry)
            case "price":
                yield _price(entry.acquisition, words)
            case name:
                yield _TEXTS[name](entry)


def _price(acquisition: Acquisition, words: Words) -> Value:
    """Return the amount of a price in rupiah, of another one a text with the currency."""
    price = acquisition.price
    if not acquisition.HasField("price"):
        return None
    return price.amount if price.currency == "IDR" else words.money(price.amount, price.currency)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
