"""Item maps: TOML that describes how the records of a source encode items, validated and compiled."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.errors import Invalid
from services.catalog.marc.record import Field

STATUSES = ("in_process", "in_service", "in_repair", "missing", "proposed_for_withdrawal", "withdrawn")
PLACES = (
    "barcode", "call_number", "branch", "collection", "material", "room", "copy", "enumeration", "chronology", "pieces",
)  # fmt: skip
LONGEST_MAP = 100_000
_TABLES = ("branches", "collections", "materials", "statuses")
_TAG = re.compile(r"[0-9]{3}\Z")
_CODE = re.compile(r"[0-9A-Za-z]\Z")
_PICK = re.compile(r"([0-9A-Za-z])(\+|:[1-9])?\Z")
_EVERY = 0
# Accompanying material; captions, enumeration and textual holdings.
_BESIDE = ("300", "853", "863", "866")


@dataclass(frozen=True, slots=True)
class TextRule:
    """Selects a text from a field: parts joined by blanks; a part is the first of its choices that has a value.

    A choice is (code, which): the which-th occurrence of the subfield, all of them for 0.
    """

    parts: tuple[tuple[tuple[str, int], ...], ...]

    @property
    def single(self) -> str:
        """The subfield code if the rule is the first occurrence of one subfield; else ""."""
        (code, which), *more = self.parts[0]
        return code if which == 1 and not more and len(self.parts) == 1 else ""

    def of(self, field: Field, first: Mapping[str, str]) -> str:
        """Return the text of a field; `first` has the first value of each of its codes."""
        text = ""
        for choices in self.parts:
            for code, which in choices:
                value = first.get(code)
                if value and which != 1:
                    value = _chosen(field, code, which)
                if value and (value := value.strip()):
                    text = f"{text} {value}" if text else value
                    break
        return text


def _chosen(field: Field, code: str, which: int) -> str:
    values = [field[index + 1].strip() for index in range(2, len(field) - 1, 2) if field[index] == code]
    return " ".join(filter(None, values)) if which == _EVERY else "".join(values[which - 1 : which])


@dataclass(frozen=True, slots=True)
class Condition:
    """Fits when the subfield is neither blank nor 0, and begins with `begins` and not with `begins_not`."""

    code: str
    begins: str = ""
    begins_not: str = ""
    status: str = ""

    def fits(self, first: Mapping[str, str]) -> bool:
        value = first.get(self.code, "").strip()
        if value in ("", "0") or (self.begins and not value.startswith(self.begins)):
            return False
        return not (self.begins_not and value.startswith(self.begins_not))


@dataclass(frozen=True, slots=True)
class ItemPattern:
    """One pattern by which records encode items; see usual_item_maps.toml.

    texts  (name, code, rule): code is rule.single, which is faster than the rule
    """

    tag: str
    has: tuple[frozenset[str], ...]
    texts: tuple[tuple[str, str, TextRule], ...]
    status: tuple[Condition, ...] = ()
    status_words: TextRule | None = None
    read_here: tuple[Condition, ...] = ()
    items_in: tuple[str, ...] = ()
    item: ItemPattern | None = None


@dataclass(frozen=True, slots=True)
class ItemMap:
    """The patterns of a source in order, and tables of its codes; plain data that other processes can receive.

    tags  tags of all fields that describe items
    """

    ways: tuple[ItemPattern, ...]
    tags: frozenset[str]
    branches: Mapping[str, str] = field(default_factory=dict)
    collections: Mapping[str, str] = field(default_factory=dict)
    materials: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)


def read_map(text: str) -> ItemMap:
    """Parse and validate a map in TOML.

    raises  Invalid  ITEM_MAP, with the place and the problem
    """
    if len(text) > LONGEST_MAP:
        raise _wrong("file", f"longer than {LONGEST_MAP} characters")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise _wrong("TOML", str(problem)) from None
    _known("file", data, ("way", *_TABLES))
    ways = data.get("way")
    if not isinstance(ways, list) or not ways or not all(isinstance(way, dict) for way in ways):
        raise _wrong("way", "a map needs at least one [[way]]")
    tables = {name: _words(name, data.get(name, {})) for name in _TABLES}
    for word, status in tables["statuses"].items():
        _status(f"statuses.{word}", status)
    patterns = tuple(_way(f"way {number}", way) for number, way in enumerate(ways, 1))
    tags = frozenset((*_BESIDE, *(tag for pattern in patterns for tag in (pattern.tag, *pattern.items_in))))
    return ItemMap(patterns, tags, **tables)


def _way(where: str, table: dict[str, Any]) -> ItemPattern:
    where = f"{where} ({table['name']})" if isinstance(table.get("name"), str) else where
    _known(where, table, ("name", "field", "has", *PLACES, "status", "status_words", "read_here", "items_in", "item"))
    tag = table.get("field")
    if not isinstance(tag, str) or not _TAG.match(tag) or tag < "010":
        raise _wrong(f"{where}: field", "a tag of three digits, such as 952")
    tags = table.get("items_in", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.match(tag) for tag in tags):
        raise _wrong(f"{where}: items_in", "a list of tags of three digits")
    item = table.get("item")
    if bool(tags) != isinstance(item, dict):
        raise _wrong(where, "items_in and [way.item] go together")
    inner = _item(f"{where}: item", tag, item) if isinstance(item, dict) else None
    return _made(where, tag, table, items_in=tuple(tags), item=inner)


def _item(where: str, tag: str, table: dict[str, Any]) -> ItemPattern:
    _known(where, table, ("has", *PLACES, "status", "status_words", "read_here"))
    return _made(where, tag, table)


def _made(where: str, tag: str, table: dict[str, Any], **more: Any) -> ItemPattern:
    texts = {name: _text(f"{where}: {name}", table[name]) for name in PLACES if name in table}
    if not texts:
        raise _wrong(where, f"it says where nothing stands; it can say: {', '.join(PLACES)}")
    words = table.get("status_words")
    has = table.get("has", [])
    if not isinstance(has, list) or not all(isinstance(group, str) and group.split() for group in has):
        raise _wrong(f"{where}: has", 'a list of texts of subfield codes, such as ["p", "a o"]')
    codes = [frozenset(group.split()) for group in has]
    for code in (code for group in codes for code in group):
        _code(f"{where}: has", code)
    return ItemPattern(
        tag=tag,
        has=tuple(codes),
        texts=tuple((name, text.single, text) for name, text in texts.items()),
        status=_conditions(f"{where}: status", table.get("status", []), with_status=True),
        status_words=None if words is None else _text(f"{where}: status_words", words),
        read_here=_conditions(f"{where}: read_here", table.get("read_here", []), with_status=False),
        **more,
    )


def _text(where: str, text: Any) -> TextRule:
    if not isinstance(text, str) or not text.strip():
        raise _wrong(where, 'a text of subfield codes, such as "a | b" or "k h i+"')
    parts = []
    for part in re.sub(r"\s*\|\s*", "|", text.strip()).split():
        choices = []
        for choice in part.split("|"):
            match = _PICK.match(choice)
            if match is None:
                raise _wrong(where, f"“{choice}” is no subfield: a code, with + for every one or :2 for the second")
            which = match.group(2)
            choices.append((match.group(1), 1 if which is None else _EVERY if which == "+" else int(which[1:])))
        parts.append(tuple(choices))
    return TextRule(tuple(parts))


def _conditions(where: str, tables: Any, *, with_status: bool) -> tuple[Condition, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _wrong(where, 'a list such as [{ code = "0" }]')
    conditions = []
    for table in tables:
        _known(where, table, ("code", "begins", "begins_not", *(("is",) if with_status else ())))
        if not all(isinstance(value, str) for value in table.values()):
            raise _wrong(where, "its values are texts in quotes")
        _code(where, table.get("code", ""))
        if with_status:
            _status(where, table.get("is", ""))
        conditions.append(
            Condition(table["code"], table.get("begins", ""), table.get("begins_not", ""), table.get("is", ""))
        )
    return tuple(conditions)


def _words(name: str, table: Any) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(meaning, str) for meaning in table.values()):
        raise _wrong(name, 'lines such as "01" = "PST"')
    return {word.strip().casefold(): meaning.strip() for word, meaning in table.items()}


def _status(where: str, status: str) -> None:
    if status not in STATUSES:
        raise _wrong(where, f"“{status}” is no status; there are: {', '.join(STATUSES)}")


def _code(where: str, code: str) -> None:
    if not _CODE.match(code):
        raise _wrong(where, f"“{code}” is no subfield code")


def _known(where: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(table.keys() - set(names)):
        raise _wrong(where, f"unknown: {', '.join(unknown)}; there are: {', '.join(names)}")


def _wrong(where: str, why: str) -> Invalid:
    return Invalid("ITEM_MAP", where=where, why=why)


USUAL_FILE = Path(__file__).parent / "usual_item_maps.toml"
USUAL = read_map(USUAL_FILE.read_text(encoding="utf-8"))
