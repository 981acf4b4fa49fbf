"""The forms of records as data: the fields that the form of each material shows, from record_forms.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.sentences import LocalText
from services.catalog.marc.record import Record, by_tag, control

LEADER_TAG = "LDR"


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a position, and its name."""

    value: str
    name: LocalText


@dataclass(frozen=True, slots=True)
class Part:
    """An input of a field: the subfields with a code; of a position the code is ""."""

    code: str
    label: LocalText
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form, as described in record_forms.toml.

    start, length  of a position in 008 or the leader; the length is 0 for fields with subfields
    """

    name: str
    label: LocalText
    help: LocalText
    tags: tuple[str, ...]
    parts: tuple[Part, ...]
    indicators: tuple[str, str] = ("#", "#")
    second: str = ""
    is_repeatable: bool = False
    is_long: bool = False
    headings: str = ""
    start: int = 0
    length: int = 0
    choices: tuple[Choice, ...] = ()
    suggested: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class FormGroup:
    """Fields of a form under one heading."""

    name: str
    label: LocalText
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class RecordForm:
    """The form of a material. leader, lines: of a new record, as in record_forms.toml."""

    material: str
    label: LocalText
    leader: str
    lines: tuple[str, ...]
    groups: tuple[FormGroup, ...] = field(repr=False)

    @property
    def fields(self) -> list[FormField]:
        return [form_field for group in self.groups for form_field in group.fields]


def material_of(record: Record) -> str:
    """Return the material whose form fits a record: "book", "serial", "thesis", "map" or "av"."""
    kind, level = record.leader[6:7], record.leader[7:8]
    if kind in ("e", "f"):
        return "map"
    if kind in ("g", "i", "j", "k"):
        return "av"
    if level in ("s", "i") and kind == "a":
        return "serial"
    contents = control(by_tag(record.fields), "008")[24:28]
    return "thesis" if kind in ("a", "t") and ("m" in contents or record.first("502")) else "book"


def _both(row: Mapping[str, Any], prefix: str = "") -> LocalText:
    return LocalText(row.get(f"{prefix}id", ""), row.get(f"{prefix}en", ""))


def _named(text: str) -> tuple[str, LocalText]:
    """Read "code Indonesian | English"."""
    code, _, names = text.partition(" ")
    indonesian, _, english = names.partition(" | ")
    return code, LocalText(indonesian, english)


def _choices(texts: list[str]) -> tuple[Choice, ...]:
    return tuple(Choice(code.replace("#", ""), label) for code, label in map(_named, texts))


def _form_field(name: str, row: Mapping[str, Any]) -> FormField:
    label = _both(row)
    parts = [Part(code[0], text, is_repeated="*" in code) for code, text in map(_named, row.get("subfields", []))]
    start, length = row.get("position", (0, 0))
    return FormField(
        name=name,
        label=label,
        help=_both(row, "help_"),
        tags=tuple(row["tags"]),
        parts=tuple(parts) or (Part("", label),),
        indicators=tuple(row.get("indicators", ("#", "#"))),
        second=row.get("second", ""),
        is_repeatable=row.get("repeatable", False),
        is_long=row.get("long", False),
        headings=row.get("list", ""),
        start=start,
        length=length,
        choices=_choices(row.get("choices", [])),
        suggested=_choices(row.get("suggested", [])),
    )


def _form(material: str, row: Mapping[str, Any]) -> RecordForm:
    groups = [
        FormGroup(name, _both(_TABLES["groups"][name]), tuple(_FIELDS[field_name] for field_name in names))
        for name, names in row["groups"].items()
    ]
    return RecordForm(material, _both(row), row["leader"], tuple(row["fields"]), tuple(groups))


_TABLES = tomllib.loads((Path(__file__).parent / "record_forms.toml").read_text(encoding="utf-8"))
_FIELDS = {name: _form_field(name, row) for name, row in _TABLES["fields"].items()}
FORMS = {material: _form(material, row) for material, row in _TABLES["materials"].items()}
ARTICLES: dict[str, list[str]] = _TABLES["articles"]
