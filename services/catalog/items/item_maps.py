"""How the records of a source say what items there are: written as TOML, checked, and made ready to run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.errors import Invalid
from services.catalog.marc.fields import Field

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
# Accompanying pieces; captions, numbers and the text of holdings.
_BESIDE = ("300", "853", "863", "866")


@dataclass(frozen=True, slots=True)
class TextRule:
    """Where a text stands: parts one after the other, each the first of its choices that is there.

    A choice is (code, which): the which-th occurrence, EVERY one for 0.
    """

    parts: tuple[tuple[tuple[str, int], ...], ...]

    @property
    def single(self) -> str:
        """The code, where the text is the first of one code; else ""."""
        (code, which), *more = self.parts[0]
        return code if which == 1 and not more and len(self.parts) == 1 else ""

    def of(self, there: Field, first: Mapping[str, str]) -> str:
        """The text in this field; `first` has the first value of each of its codes."""
        text = ""
        for choices in self.parts:
            for code, which in choices:
                found = first.get(code)
                if found and which != 1:
                    found = _chosen(there, code, which)
                if found and (found := found.strip()):
                    text = f"{text} {found}" if text else found
                    break
        return text


def _chosen(field: Field, code: str, which: int) -> str:
    values = [field[at + 1].strip() for at in range(2, len(field) - 1, 2) if field[at] == code]
    return " ".join(filter(None, values)) if which == _EVERY else "".join(values[which - 1 : which])


@dataclass(frozen=True, slots=True)
class Condition:
    """Fits when the code says anything but 0, and what it says begins so, or does not."""

    code: str
    begins: str = ""
    begins_not: str = ""
    status: str = ""

    def fits(self, first: Mapping[str, str]) -> bool:
        said = first.get(self.code, "").strip()
        if said in ("", "0") or (self.begins and not said.startswith(self.begins)):
            return False
        return not (self.begins_not and said.startswith(self.begins_not))


@dataclass(frozen=True, slots=True)
class ItemPattern:
    """One way of saying what items there are; see usual_item_maps.toml.

    texts  (what, code, text) each: a single code by itself, else ""
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
    """A source's ways in order, and what its words mean; plain data, to be given to other processes.

    tags  the fields that have to do with items
    """

    ways: tuple[ItemPattern, ...]
    tags: frozenset[str]
    branches: Mapping[str, str] = field(default_factory=dict)
    collections: Mapping[str, str] = field(default_factory=dict)
    materials: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)


def read_map(text: str) -> ItemMap:
    """A map from its TOML.

    raises  Invalid  ITEM_MAP, with where and what
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
    made = tuple(_way(f"way {place}", each) for place, each in enumerate(ways, 1))
    return ItemMap(made, frozenset((*_BESIDE, *(tag for way in made for tag in (way.tag, *way.items_in)))), **tables)


def _way(where: str, said: dict[str, Any]) -> ItemPattern:
    where = f"{where} ({said['name']})" if isinstance(said.get("name"), str) else where
    _known(where, said, ("name", "field", "has", *PLACES, "status", "status_words", "read_here", "items_in", "item"))
    tag = said.get("field")
    if not isinstance(tag, str) or not _TAG.match(tag) or tag < "010":
        raise _wrong(f"{where}: field", "a tag of three digits, such as 952")
    tags = said.get("items_in", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.match(tag) for tag in tags):
        raise _wrong(f"{where}: items_in", "a list of tags of three digits")
    item = said.get("item")
    if bool(tags) != isinstance(item, dict):
        raise _wrong(where, "items_in and [way.item] go together")
    inner = _item(f"{where}: item", tag, item) if isinstance(item, dict) else None
    return _made(where, tag, said, items_in=tuple(tags), item=inner)


def _item(where: str, tag: str, said: dict[str, Any]) -> ItemPattern:
    _known(where, said, ("has", *PLACES, "status", "status_words", "read_here"))
    return _made(where, tag, said)


def _made(where: str, tag: str, said: dict[str, Any], **more: Any) -> ItemPattern:
    texts = {name: _text(f"{where}: {name}", said[name]) for name in PLACES if name in said}
    if not texts:
        raise _wrong(where, f"it says where nothing stands; it can say: {', '.join(PLACES)}")
    words = said.get("status_words")
    has = said.get("has", [])
    if not isinstance(has, list) or not all(isinstance(each, str) and each.split() for each in has):
        raise _wrong(f"{where}: has", 'a list of texts of subfield codes, such as ["p", "a o"]')
    codes = [frozenset(each.split()) for each in has]
    for each in (code for group in codes for code in group):
        _code(f"{where}: has", each)
    return ItemPattern(
        tag=tag,
        has=tuple(codes),
        texts=tuple((name, text.single, text) for name, text in texts.items()),
        status=_conditions(f"{where}: status", said.get("status", []), with_status=True),
        status_words=None if words is None else _text(f"{where}: status_words", words),
        read_here=_conditions(f"{where}: read_here", said.get("read_here", []), with_status=False),
        **more,
    )


def _text(where: str, said: Any) -> TextRule:
    if not isinstance(said, str) or not said.strip():
        raise _wrong(where, 'a text of subfield codes, such as "a | b" or "k h i+"')
    parts = []
    for part in re.sub(r"\s*\|\s*", "|", said.strip()).split():
        choices = []
        for each in part.split("|"):
            match = _PICK.match(each)
            if match is None:
                raise _wrong(where, f"“{each}” is no subfield: a code, with + for every one or :2 for the second")
            which = match.group(2)
            choices.append((match.group(1), 1 if which is None else _EVERY if which == "+" else int(which[1:])))
        parts.append(tuple(choices))
    return TextRule(tuple(parts))


def _conditions(where: str, said: Any, *, with_status: bool) -> tuple[Condition, ...]:
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
        raise _wrong(where, 'a list such as [{ code = "0" }]')
    conditions = []
    for each in said:
        _known(where, each, ("code", "begins", "begins_not", *(("is",) if with_status else ())))
        if not all(isinstance(value, str) for value in each.values()):
            raise _wrong(where, "its values are texts in quotes")
        _code(where, each.get("code", ""))
        if with_status:
            _status(where, each.get("is", ""))
        conditions.append(
            Condition(each["code"], each.get("begins", ""), each.get("begins_not", ""), each.get("is", ""))
        )
    return tuple(conditions)


def _words(name: str, said: Any) -> dict[str, str]:
    if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
        raise _wrong(name, 'lines such as "01" = "PST"')
    return {word.strip().casefold(): meaning.strip() for word, meaning in said.items()}


def _status(where: str, said: str) -> None:
    if said not in STATUSES:
        raise _wrong(where, f"“{said}” is no status; there are: {', '.join(STATUSES)}")


def _code(where: str, said: str) -> None:
    if not _CODE.match(said):
        raise _wrong(where, f"“{said}” is no subfield code")


def _known(where: str, said: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(said.keys() - set(names)):
        raise _wrong(where, f"unknown: {', '.join(unknown)}; there are: {', '.join(names)}")


def _wrong(where: str, why: str) -> Invalid:
    return Invalid("ITEM_MAP", where=where, why=why)


USUAL_FILE = Path(__file__).parent / "usual_item_maps.toml"
USUAL = read_map(USUAL_FILE.read_text(encoding="utf-8"))
