"""Converts a row of a file to fields of a member: dates, sexes and phones in the forms that spreadsheets have."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.members.importing.files import Cell, ColumnMap
from services.members.people import store, values
from services.members.people.values import Rejected

_DATE = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ].*)?")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
_SEXES = {
    **dict.fromkeys(("l", "lk", "laki-laki", "laki laki", "laki", "pria", "m", "male", "cowok", "1"), "male"),
    **dict.fromkeys(("p", "pr", "perempuan", "wanita", "f", "female", "cewek", "0", "2"), "female"),
}
_EDUCATIONS = {
    **dict.fromkeys(("slta", "smu", "smk", "ma", "man"), "sma"),
    **dict.fromkeys(("sltp", "mts"), "smp"),
    **dict.fromkeys(("mi", "sekolah dasar"), "sd"),
    **dict.fromkeys(("diploma", "diii", "d-3", "d3"), "d3"),
    **dict.fromkeys(("sarjana", "s-1", "strata 1"), "s1"),
    **dict.fromkeys(("magister", "s-2"), "s2"),
    **dict.fromkeys(("doktor", "s-3"), "s3"),
}
ALIASES = ("nim", "nisn", "rfid")
_DATES = ("birth_date", "expires_on")
_PHONES = ("phone", "guardian_phone", "responsible_phone")
# Excel keeps 15 digits of a number; the 16th digit of a NIK becomes 0.
_KEPT_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Finding:
    """A warning about a row, or the reason of its rejection. A finding never contains the value."""

    row: int
    reason: str
    field: str = ""
    facts: Mapping[str, object] = dataclasses.field(default_factory=dict)
    is_rejected: bool = False


@dataclass(slots=True)
class Row:
    """A row as fields of a member in their stored forms.

    code       number of the member; "" for a new one
    aliases    number of another system -> its kind
    converted  number of findings of the conversion; later findings come from the database
    """

    number: int
    fields: dict[str, str]
    code: str = ""
    aliases: dict[str, str] = dataclasses.field(default_factory=dict)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    converted: int = 0

    def is_put_aside(self) -> bool:
        return any(finding.is_rejected for finding in self.findings)

    def add_finding(self, reason: str, name: str = "", *, rejected: bool = False, **facts: object) -> None:
        self.findings.append(Finding(self.number, reason, name, facts, rejected))


def convert(number: int, cells: Mapping[str, Cell], mapping: ColumnMap) -> Row:
    """Convert a row. A value that cannot be stored rejects the row; a repaired value gives a finding."""
    row = Row(number, {})
    typed: dict[str, str] = dict(mapping.defaults)
    for name, cell in cells.items():
        text = mapping.values.get(name, {}).get(cell.text.lower(), cell.text)
        if name in ("number", *ALIASES):
            _code(row, name, text)
        elif name == "nik" and (_SCIENTIFIC.fullmatch(text) or (cell.is_number and len(text) > _KEPT_DIGITS)):
            row.add_finding("IMPORT_NIK_ROUNDED", "nik", rejected=True)
        elif name in _DATES:
            typed[name] = _day(text)
        elif name == "sex":
            typed[name] = _SEXES.get(text.lower(), text)
        elif name == "education":
            typed[name] = _EDUCATIONS.get(text.lower(), text)
        elif name == "category":
            typed[name] = re.sub(r"[\s_]+", "-", text.lower())
        else:
            typed[name] = text
            if name in _PHONES and re.fullmatch(r"8[0-9 -]{8,13}", text):
                row.add_finding("IMPORT_PHONE_MENDED", name)
    stored, problems = values.clean({"name": "", **typed})
    for problem in problems:
        facts = {key: value for key, value in problem.facts.items() if key != "field"}
        row.add_finding(problem.reason, str(problem.facts.get("field", "")), rejected=True, **facts)
    row.fields = store.with_titles_apart(stored, typed)
    row.converted = len(row.findings)
    return row


def _code(row: Row, name: str, text: str) -> None:
    try:
        if _SCIENTIFIC.fullmatch(text) and not text.isdigit():
            raise Rejected("IMPORT_NUMBER_ROUNDED")
        code = values.card_number(text)
    except Rejected as problem:
        row.add_finding(problem.reason, name, rejected=True, **problem.facts)
        return
    if name == "number":
        row.code = code
    else:
        row.aliases[code] = name


def _day(text: str) -> str:
    """Return a date such as 31/12/2026 or 31-12-2026 as ISO 8601; "" for 0000-00-00, and other texts unchanged."""
    iso = _ISO.fullmatch(text)
    if iso is not None:
        return "" if iso.group(1) == "0000" else "-".join(iso.groups()[:3])
    match = _DATE.fullmatch(text)
    if match is None:
        return text
    day, month, year = (int(part) for part in match.groups())
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return text
