"""Item maps: TOML that describes how the records of a source encode items, validated and compiled."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.errors import Invalid
from chassis.sentences import LocalText, sentence
from chassis.settings import parse_toml
from services.catalog.marc.record import Field
from services.catalog.record.holdings import ASK, ONLINE, STATUSES

_MEANINGS = (*STATUSES, ONLINE, ASK)
PLACES = (
    "barcode", "call_number", "branch", "collection", "material", "room", "copy", "enumeration", "chronology", "pieces",
)  # fmt: skip
# For the accession register: the number of an item, and how it was acquired. Imports do not read them.
REGISTER_PLACES = ("accession_number", "acquired_on", "supplier", "price")
LONGEST_MAP = 100_000
_TABLES = ("branches", "collections", "materials", "statuses")
_TAG = re.compile(r"[0-9]{3}\Z")
_CODE = re.compile(r"[0-9A-Za-z]\Z")
_CHOICE = re.compile(r"([0-9A-Za-z])(\+|:[1-9])?\Z")
ALL_OCCURRENCES = 0
# Tags of accompanying material, and of captions, enumeration and textual holdings.
_OTHER_TAGS = ("300", "853", "863", "866")


@dataclass(frozen=True, slots=True)
class TextRule:
    """Selects a text from a field: parts joined by blanks. The value of a part is its first choice that has a value.

    A choice is (code, occurrence): the first, second, … subfield with this code, or ALL_OCCURRENCES.
    """

    parts: tuple[tuple[tuple[str, int], ...], ...]

    def values_in(self, field: Field) -> list[str]:
        """Return all values of the subfields that the rule names, in the field's order."""
        codes = {code for choices in self.parts for code, _occurrence in choices}
        return [field[index + 1] for index in range(2, len(field) - 1, 2) if field[index] in codes]

    @property
    def single(self) -> str:
        """Return the code, if the rule selects the first occurrence of one subfield; else ""."""
        (code, occurrence), *more = self.parts[0]
        return code if occurrence == 1 and not more and len(self.parts) == 1 else ""

    def text_of(self, field: Field, first_values: Mapping[str, str]) -> str:
        """Return the text of a field.

        first_values  code -> value of the field's first subfield with this code
        """
        text = ""
        for choices in self.parts:
            for code, occurrence in choices:
                value = first_values.get(code)
                if value and occurrence != 1:
                    value = _occurrences_of(field, code, occurrence)
                if value and (value := value.strip()):
                    text = f"{text} {value}" if text else value
                    break
        return text


def _occurrences_of(field: Field, code: str, occurrence: int) -> str:
    values = [field[index + 1].strip() for index in range(2, len(field) - 1, 2) if field[index] == code]
    return (
        " ".join(filter(None, values))
        if occurrence == ALL_OCCURRENCES
        else "".join(values[occurrence - 1 : occurrence])
    )


@dataclass(frozen=True, slots=True)
class Condition:
    """Fits a field whose subfield is not blank or 0, begins with `begins` and does not begin with `begins_not`."""

    code: str
    begins: str = ""
    begins_not: str = ""
    status: str = ""

    def fits(self, first_values: Mapping[str, str]) -> bool:
        value = first_values.get(self.code, "").strip()
        if value in ("", "0") or (self.begins and not value.startswith(self.begins)):
            return False
        return not (self.begins_not and value.startswith(self.begins_not))


@dataclass(frozen=True, slots=True)
class ItemPattern:
    """One pattern by which records encode items; see usual_item_maps.toml.

    texts     (name, code, rule); code is rule.single: a look-up by code is faster than the rule
    register  (name, rule) of REGISTER_PLACES
    """

    tag: str
    has: tuple[frozenset[str], ...]
    texts: tuple[tuple[str, str, TextRule], ...]
    status: tuple[Condition, ...] = ()
    status_words: TextRule | None = None
    read_here: tuple[Condition, ...] = ()
    items_in: tuple[str, ...] = ()
    item: ItemPattern | None = None
    register: tuple[tuple[str, TextRule], ...] = ()


@dataclass(frozen=True, slots=True)
class ItemMap:
    """The patterns of a source in order, and tables that translate its codes. Import processes receive it pickled.

    tags        tags of all fields that describe items
    beginnings  (beginning of a note, meaning) of the keys of `statuses` that end in *, longest first
    """

    patterns: tuple[ItemPattern, ...]
    tags: frozenset[str]
    branches: Mapping[str, str] = field(default_factory=dict)
    collections: Mapping[str, str] = field(default_factory=dict)
    materials: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    beginnings: tuple[tuple[str, str], ...] = ()

    def meaning_of(self, word: str) -> str:
        """Return the meaning of a status word or note; "" when this map has none."""
        word = word.casefold().strip(" .,:;")
        if not word:
            return ""
        meaning = self.statuses.get(word)
        if meaning is None:
            meaning = next((meaning for beginning, meaning in self.beginnings if word.startswith(beginning)), "")
        return meaning


def read_map(text: str) -> ItemMap:
    """Parse and validate a map in TOML.

    raises  Invalid  ITEM_MAP, with the place and the problem
    """
    if len(text) > LONGEST_MAP:
        raise _map_error("file", sentence("ITEM_MAP_TOO_LONG", most=LONGEST_MAP))
    try:
        data = parse_toml(text)
    except tomllib.TOMLDecodeError as problem:
        raise _map_error("TOML", sentence("FILE_CONTENT_UNREADABLE", message=str(problem))) from None
    _check_keys("file", data, ("way", *_TABLES))
    tables_of_patterns = data.get("way")
    if (
        not isinstance(tables_of_patterns, list)
        or not tables_of_patterns
        or not all(isinstance(table, dict) for table in tables_of_patterns)
    ):
        raise _map_error("way", sentence("ITEM_MAP_EMPTY"))
    tables = {name: _read_words(name, data.get(name, {})) for name in _TABLES}
    for word, status in tables["statuses"].items():
        _check_status(f"statuses.{word}", status)
    patterns = tuple(_read_pattern(f"way {number}", table) for number, table in enumerate(tables_of_patterns, 1))
    tags = frozenset((*_OTHER_TAGS, *(tag for pattern in patterns for tag in (pattern.tag, *pattern.items_in))))
    notes = [(word.removesuffix("*"), meaning) for word, meaning in tables["statuses"].items() if word.endswith("*")]
    notes.sort(key=lambda note: -len(note[0]))
    return ItemMap(patterns, tags, **tables, beginnings=tuple(notes))


def _read_pattern(where: str, table: dict[str, Any]) -> ItemPattern:
    where = f"{where} ({table['name']})" if isinstance(table.get("name"), str) else where
    _check_keys(
        where,
        table,
        ("name", "field", "has", *PLACES, *REGISTER_PLACES, "status", "status_words", "read_here", "items_in", "item"),
    )
    tag = table.get("field")
    if not isinstance(tag, str) or not _TAG.match(tag) or tag < "010":
        raise _map_error(f"{where}: field", sentence("ITEM_MAP_TAG"))
    tags = table.get("items_in", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.match(tag) for tag in tags):
        raise _map_error(f"{where}: items_in", sentence("ITEM_MAP_TAGS"))
    item = table.get("item")
    if bool(tags) != isinstance(item, dict):
        raise _map_error(where, sentence("ITEM_MAP_LINKED"))
    inner = _read_item_record_pattern(f"{where}: item", tag, item) if isinstance(item, dict) else None
    return _build_pattern(where, tag, table, items_in=tuple(tags), item=inner)


def _read_item_record_pattern(where: str, tag: str, table: dict[str, Any]) -> ItemPattern:
    _check_keys(where, table, ("has", *PLACES, *REGISTER_PLACES, "status", "status_words", "read_here"))
    return _build_pattern(where, tag, table)


def _build_pattern(where: str, tag: str, table: dict[str, Any], **more: Any) -> ItemPattern:
    texts = {name: _read_text_rule(f"{where}: {name}", table[name]) for name in PLACES if name in table}
    if not texts:
        raise _map_error(where, sentence("ITEM_MAP_WITHOUT_SUBFIELDS", known=", ".join(PLACES)))
    words = table.get("status_words")
    has = table.get("has", [])
    if not isinstance(has, list) or not all(isinstance(group, str) and group.split() for group in has):
        raise _map_error(f"{where}: has", sentence("ITEM_MAP_GROUPS"))
    codes = [frozenset(group.split()) for group in has]
    for code in (code for group in codes for code in group):
        _check_code(f"{where}: has", code)
    return ItemPattern(
        tag=tag,
        has=tuple(codes),
        texts=tuple((name, text.single, text) for name, text in texts.items()),
        status=_read_conditions(f"{where}: status", table.get("status", []), with_status=True),
        status_words=None if words is None else _read_text_rule(f"{where}: status_words", words),
        read_here=_read_conditions(f"{where}: read_here", table.get("read_here", []), with_status=False),
        register=tuple(
            (name, _read_text_rule(f"{where}: {name}", table[name])) for name in REGISTER_PLACES if name in table
        ),
        **more,
    )


def _read_text_rule(where: str, text: Any) -> TextRule:
    if not isinstance(text, str) or not text.strip():
        raise _map_error(where, sentence("ITEM_MAP_TEXT"))
    parts = []
    for part in re.sub(r"\s*\|\s*", "|", text.strip()).split():
        choices = []
        for choice in part.split("|"):
            match = _CHOICE.match(choice)
            if match is None:
                raise _map_error(where, sentence("ITEM_MAP_SUBFIELD", choice=choice))
            occurrence = match.group(2)
            choices.append(
                (
                    match.group(1),
                    1 if occurrence is None else ALL_OCCURRENCES if occurrence == "+" else int(occurrence[1:]),
                )
            )
        parts.append(tuple(choices))
    return TextRule(tuple(parts))


def _read_conditions(where: str, tables: Any, *, with_status: bool) -> tuple[Condition, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _map_error(where, sentence("ITEM_MAP_CONDITIONS"))
    conditions = []
    for table in tables:
        _check_keys(where, table, ("code", "begins", "begins_not", *(("is",) if with_status else ())))
        if not all(isinstance(value, str) for value in table.values()):
            raise _map_error(where, sentence("ITEM_MAP_QUOTES"))
        _check_code(where, table.get("code", ""))
        if with_status:
            _check_status(where, table.get("is", ""))
        conditions.append(
            Condition(table["code"], table.get("begins", ""), table.get("begins_not", ""), table.get("is", ""))
        )
    return tuple(conditions)


def _read_words(name: str, table: Any) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(meaning, str) for meaning in table.values()):
        raise _map_error(name, sentence("ITEM_MAP_WORDS"))
    return {word.strip().casefold(): meaning.strip() for word, meaning in table.items()}


def _check_status(where: str, status: str) -> None:
    if status not in _MEANINGS:
        raise _map_error(where, sentence("ITEM_MAP_STATUS", status=status, known=", ".join(_MEANINGS)))


def _check_code(where: str, code: str) -> None:
    if not _CODE.match(code):
        raise _map_error(where, sentence("ITEM_MAP_SUBFIELD_CODE", code=code))


def _check_keys(where: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(table.keys() - set(names)):
        raise _map_error(where, sentence("ITEM_MAP_KEYS", unknown=", ".join(unknown), known=", ".join(names)))


def _map_error(where: str, why: LocalText) -> Invalid:
    return Invalid("ITEM_MAP", where=where, why=why)


USUAL_FILE = Path(__file__).parent / "usual_item_maps.toml"
USUAL = read_map(USUAL_FILE.read_text(encoding="utf-8"))
