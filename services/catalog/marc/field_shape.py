"""One shape for a field, whatever format it came in, and what a loaded record is warned of."""

from __future__ import annotations

from dataclasses import dataclass

from services.catalog.marc.faults import MarcError
from services.catalog.marc.fields import Field
from services.catalog.marc.record import BLANK_LEADER, Record

CODES = " 0123456789abcdefghijklmnopqrstuvwxyz"
INDICATORS = frozenset(first + second for first in CODES for second in CODES)
CONTROLS = bytes(byte for byte in range(0x20) if byte not in (0x1D, 0x1E, 0x1F)) + b"\x7f"
BARE = ("", "")  # a subfield delimiter with nothing after it; first in a field it stands after a pair for no text
REPLACEMENT = "\ufffd".encode()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record and the codes of WARNINGS that people should see with it."""

    record: Record
    warnings: tuple[str, ...] = ()


def leader_from_text(text: object, warnings: list[str]) -> str:
    """A leader of 24 characters from XML or JSON: blanks lost at its ends are put back, a missing one is made up.

    raises  Bad  LEADER_BAD
    """
    if text is None:
        warn(warnings, "NO_LEADER")
        return BLANK_LEADER
    if not isinstance(text, str):
        raise MarcError("LEADER_BAD", "it is not text")
    leader = text if len(text) == 24 else text.strip().ljust(24)
    if len(leader) != 24:
        raise MarcError("LEADER_BAD", f"{len(leader)} characters: {leader[:40]!r}")
    if max(leader) > "\xff":
        raise MarcError("LEADER_BAD", f"not Latin-1: {leader!r}")
    if leader != text or leader[20:24] != "4500":
        warn(warnings, "LEADER_ODD")
    return leader


def control_field(tag: str, value: str) -> Field:
    """A control field from XML or JSON.

    raises  Bad  FIELD_BAD, when ISO 2709 would read it back as something else
    """
    if len(tag) != 3 or not tag.isascii() or not tag.isprintable():
        raise MarcError("FIELD_BAD", f"tag {tag!r}")
    if tag[:2] != "00" and (tag.isdigit() or "\x1f" in value):
        raise MarcError("FIELD_BAD", f"{tag} is no control field")
    return [tag, value]


def data_field(tag: str, indicators: str, parts: list[str], warnings: list[str]) -> Field:
    """A data field from XML or JSON; parts are code, value, code, value …

    raises  Bad  FIELD_BAD, when MARC 21 has no such field
    """
    if len(tag) != 3 or tag[:2] == "00" or not tag.isascii() or not tag.isprintable():
        raise MarcError("FIELD_BAD", f"tag {tag!r} is no data field")
    if len(indicators) != 2:
        raise MarcError("FIELD_BAD", f"indicators {indicators!r} of {tag}")
    if indicators not in INDICATORS:
        warn(warnings, "BAD_INDICATORS")
    field = [tag, indicators]
    for at in range(0, len(parts), 2):
        code, value = parts[at], parts[at + 1]
        if len(code) == 1:
            field += (code, value)
        elif code:
            raise MarcError("FIELD_BAD", f"subfield code {code!r} in {tag}")
        elif not value:
            warn(warnings, "EMPTY_SUBFIELD")
            field += BARE if at else (*BARE, *BARE)
        elif at == 0:
            warn(warnings, "TEXT_OUTSIDE_SUBFIELDS")
            field += (code, value)
        else:
            raise MarcError("FIELD_BAD", f"a subfield without a code in {tag}")
    return _without_subfields(field) if len(field) < 4 or (len(field) == 4 and not field[2]) else field


def _without_subfields(field: Field) -> Field:
    tag, indicators, *rest = field
    text = rest[1] if rest else ""
    return [tag, indicators, "", text] if tag.isdigit() else [tag, indicators + text]


def odd_field(tag: str, parts: list[str], warnings: list[str]) -> Field:
    """A field of ISO 2709 whose bytes between terminators, split at subfield delimiters, are unusual."""
    head = parts[0]
    if len(parts) == 1 and not tag.isdigit():
        return [tag, head]
    if len(head) < 2:
        head = head.ljust(2)
        warn(warnings, "BAD_INDICATORS")
    field = [tag, head[:2]]
    if head[:2] not in INDICATORS:
        warn(warnings, "BAD_INDICATORS")
    if len(head) > 2:
        warn(warnings, "TEXT_OUTSIDE_SUBFIELDS")
        field += ("", head[2:])
    elif len(parts) > 1 and not parts[1]:
        field += BARE
    for part in parts[1:]:
        if part:
            field += (part[0], part[1:])
        else:
            warn(warnings, "EMPTY_SUBFIELD")
            field += BARE
    if len(field) == 2 or (len(field) == 4 and not field[2]):
        return _without_subfields(field)
    return field


def content_warnings(record: Record, text: bytes, warnings: list[str]) -> tuple[str, ...]:
    """The codes already found, and those for the record's content; text is all of it in UTF-8, however punctuated."""
    tags = [field[0] for field in record.fields]
    if "245" not in tags:
        warnings.append("NO_TITLE")
    joined = "".join(tags)
    if not joined.isalnum() or len(joined) != 3 * len(tags):
        warn(warnings, "ODD_TAG")
    if len(text.translate(None, CONTROLS)) != len(text):
        warn(warnings, "CONTROL_CHARACTERS")
    if REPLACEMENT in text:
        warn(warnings, "REPLACEMENT_CHARACTER")
    return tuple(warnings)


def warn(warnings: list[str], code: str) -> None:
    """Add a code once."""
    if code not in warnings:
        warnings.append(code)
