r"""A record as text that a cataloguer edits, one field a line, and back without a loss.

    LDR 00000nam#a2200000#c#4500
    008 261201s1956####io#####################ind#d
    245 10 $a Robohnya surau kami $c A.A. Navis

`#` is a blank indicator, or a blank in the leader and in 006, 007 and 008. Blanks around a value do not count. Escapes:
`\$` and `\\` for the signs themselves, `\#` for a `#` where it would be a blank, `\s` for a blank at the end of a
value, `\u001b` for a control character, and `\d` for a subfield delimiter without a code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.catalog.marc.record import Field, Record, is_control, subfields

LEADER, LEADER_LENGTH = "LDR", 24
POSITIONAL = ("006", "007", "008")
# A surrogate is no character, so its escape is read as letters.
_UNIT = re.compile(r"\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|\\.|[^\\]|\\", re.DOTALL)
_SIGNS = re.compile(r"[\\$\x00-\x1f\x7f-\x9f]")  # the last are the control characters (Cc)
_BARE = "\\d"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no field. number: from 1; reason: "LEADER", "TAG" or "SUBFIELDS"."""

    number: int
    text: str
    reason: str


def write_text(record: Record) -> str:
    """Write a record as text."""
    return "\n".join([f"{LEADER} {_fixed(record.leader)}", *map(write_line, record.fields)])


def write_line(field: Field) -> str:
    """Write a field as a line."""
    tag = "".join(map(_letter, field[0]))
    if is_control(field):
        return f"{tag} {_fixed(field[1]) if field[0] in POSITIONAL else _value(field[1])}".rstrip(" ")
    parts = []
    for place, (code, value) in enumerate(subfields(field)):
        if code:
            parts.append(f"${_letter(code)} {_value(value)}".rstrip(" "))
        elif place or value:
            parts.append(_value(value) if not place else _BARE)
    return " ".join([tag, _fixed(field[1]), *parts])


def read_text(text: str) -> tuple[Record, list[BadLine]]:
    """Read the text of a record. Lines that are no field are left out of it, and returned."""
    leader, fields, bad_lines = "", [], []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        if not leader and line[:3].upper() == LEADER:
            leader = _unfixed(line[3:].strip(" "))
            if len(leader) != LEADER_LENGTH or max(leader) > "\xff":
                bad_lines.append(BadLine(number, line, "LEADER"))
            continue
        field = _read_line(line)
        if isinstance(field, str):
            bad_lines.append(BadLine(number, line, field))
        else:
            fields.append(field)
    if not leader:
        bad_lines.insert(0, BadLine(1, "", "LEADER"))
    return Record(leader, fields), bad_lines


def _read_line(line: str) -> Field | str:
    units: Sequence[str] = _UNIT.findall(line) if "\\" in line else line
    tag = "".join(map(_said, units[:3]))
    if len(tag) != 3 or not tag.isascii() or not tag.isprintable() or (len(units) > 3 and units[3] != " "):
        return "TAG"
    rest = units[4:]
    is_data = (tag.isdigit() and not tag.startswith("00")) or (
        not tag.startswith("00") and any(unit in ("$", _BARE) for unit in rest)
    )
    if not is_data:
        value = "".join(rest).strip(" ")
        return [tag, _unfixed(value) if tag in POSITIONAL else _unescaped(value)]
    indicators = _unfixed("".join(rest[:2]))
    if len(indicators) != 2 or "$" in rest[:2] or (len(rest) > 2 and rest[2] not in (" ", "$")):
        return "SUBFIELDS"
    return _read_subfields([tag, indicators], rest[2:])


def _read_subfields(field: Field, units: Sequence[str]) -> Field | str:
    """Add the subfields of a line to a field."""
    if isinstance(units, str):
        starts = [sign.start() for sign in re.finditer(r"\$", units)]
    else:
        starts = [place for place, unit in enumerate(units) if unit in ("$", _BARE)]
    head = _unescaped("".join(units[: starts[0] if starts else None]).strip(" "))
    if head or not starts or units[starts[0]] == _BARE:
        field += ("", head)
    for start, end in zip(starts, [*starts[1:], len(units)], strict=False):
        if units[start] == _BARE:
            if "".join(units[start + 1 : end]).strip(" "):
                return "SUBFIELDS"
            field += ("", "")
            continue
        code = _said(units[start + 1]) if start + 1 < end else " "
        if code == " " and (start + 1 >= end or units[start + 1] == " "):
            return "SUBFIELDS"
        field += (code, _unescaped("".join(units[start + 2 : end]).strip(" ")))
    return field


def _fixed(value: str) -> str:
    return _escaped(value).replace("#", "\\#").replace(" ", "#")


def _unfixed(text: str) -> str:
    if "\\" not in text:
        return text.replace("#", " ")
    return "".join(" " if unit == "#" else _said(unit) for unit in _UNIT.findall(text))


def _value(value: str) -> str:
    text = _escaped(value)
    if text.endswith(" "):
        text = text[:-1] + "\\s"
    return "\\s" + text[1:] if text.startswith(" ") else text


def _letter(letter: str) -> str:
    """Write a letter of a tag, or a code."""
    return "\\s" if letter == " " else _escaped(letter)


def _escaped(text: str) -> str:
    return _SIGNS.sub(lambda sign: f"\\{sign[0]}" if sign[0] in "\\$" else f"\\u{ord(sign[0]):04x}", text)


def _unescaped(text: str) -> str:
    return text if "\\" not in text else "".join(map(_said, _UNIT.findall(text)))


def _said(unit: str) -> str:
    """Return the character that a unit of text stands for."""
    if len(unit) == 6:
        return chr(int(unit[2:], 16))
    return unit if len(unit) == 1 else " " if unit == "\\s" else unit[1]
