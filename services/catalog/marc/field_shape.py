"""Builds leaders and fields in the same form from every format, and collects the warnings of a record."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from services.catalog.marc.faults import MarcError
from services.catalog.marc.record import BLANK_LEADER, Field, Record

CODES = " 0123456789abcdefghijklmnopqrstuvwxyz"
INDICATORS = frozenset(first + second for first in CODES for second in CODES)
CONTROLS = bytes(byte for byte in range(0x20) if byte not in (0x1D, 0x1E, 0x1F)) + b"\x7f"
# UNIMARC 100 $a: date entered on file, type of publication date, dates … in 36 positions; some systems cut blanks.
_PROCESSING_DATA = re.compile(r"(?:\A|\x1fa)[0-9 ]{8}[a-z ][0-9 #|?.u-]{4}.{7,}")
BARE = (
    "",
    "",
)  # a subfield delimiter with nothing after it; the first one of a field follows a pair for the text before it
REPLACEMENT = "\ufffd".encode()


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """A decoded record and its warnings, codes of WARNINGS."""

    record: Record
    warnings: tuple[str, ...] = ()


def leader_from_text(text: object, warnings: list[str]) -> str:
    """Build a leader of 24 characters from XML or JSON: restore lost outer blanks; replace a missing leader.

    raises  MarcError  LEADER_BAD
    """
    if text is None:
        add_warning(warnings, "NO_LEADER")
        return BLANK_LEADER
    if not isinstance(text, str):
        raise MarcError("LEADER_BAD", "it is not text")
    leader = text if len(text) == 24 else text.strip().ljust(24)
    if len(leader) != 24:
        raise MarcError("LEADER_BAD", f"{len(leader)} characters: {leader[:40]!r}")
    if max(leader) > "\xff":
        raise MarcError("LEADER_BAD", f"not Latin-1: {leader!r}")
    if leader != text or leader[20:24] != "4500":
        add_warning(warnings, "LEADER_ODD")
    return leader


def control_field(tag: str, value: str) -> Field:
    """Build a control field from XML or JSON.

    raises  MarcError  FIELD_BAD, when ISO 2709 cannot represent the field
    """
    if len(tag) != 3 or not tag.isascii() or not tag.isprintable():
        raise MarcError("FIELD_BAD", f"tag {tag!r}")
    if tag[:2] != "00" and (tag.isdigit() or "\x1f" in value):
        raise MarcError("FIELD_BAD", f"{tag} is no control field")
    return [tag, value]


def data_field(tag: str, indicators: str, parts: list[str], warnings: list[str]) -> Field:
    """Build a data field from XML or JSON; parts are code, value, code, value …

    raises  MarcError  FIELD_BAD, when MARC 21 does not allow the field
    """
    if len(tag) != 3 or tag[:2] == "00" or not tag.isascii() or not tag.isprintable():
        raise MarcError("FIELD_BAD", f"tag {tag!r} is no data field")
    if len(indicators) != 2:
        raise MarcError("FIELD_BAD", f"indicators {indicators!r} of {tag}")
    if indicators not in INDICATORS:
        add_warning(warnings, "BAD_INDICATORS")
    field = [tag, indicators]
    for index in range(0, len(parts), 2):
        code, value = parts[index], parts[index + 1]
        if len(code) == 1:
            field += (code, value)
        elif code:
            raise MarcError("FIELD_BAD", f"subfield code {code!r} in {tag}")
        elif not value:
            add_warning(warnings, "EMPTY_SUBFIELD")
            field += BARE if index else (*BARE, *BARE)
        elif index == 0:
            add_warning(warnings, "TEXT_OUTSIDE_SUBFIELDS")
            field += (code, value)
        else:
            raise MarcError("FIELD_BAD", f"a subfield without a code in {tag}")
    return _without_subfields(field) if len(field) < 4 or (len(field) == 4 and not field[2]) else field


def _without_subfields(field: Field) -> Field:
    tag, indicators, *rest = field
    text = rest[1] if rest else ""
    return [tag, indicators, "", text] if tag.isdigit() else [tag, indicators + text]


def odd_field(tag: str, parts: list[str], warnings: list[str]) -> Field:
    """Build an irregular field of ISO 2709 from the parts of its text between subfield delimiters."""
    head = parts[0]
    if len(parts) == 1 and not tag.isdigit():
        return [tag, head]
    if len(head) < 2:
        head = head.ljust(2)
        add_warning(warnings, "BAD_INDICATORS")
    field = [tag, head[:2]]
    if head[:2] not in INDICATORS:
        add_warning(warnings, "BAD_INDICATORS")
    if len(head) > 2:
        add_warning(warnings, "TEXT_OUTSIDE_SUBFIELDS")
        field += ("", head[2:])
    elif len(parts) > 1 and not parts[1]:
        field += BARE
    for part in parts[1:]:
        if part:
            field += (part[0], part[1:])
        else:
            add_warning(warnings, "EMPTY_SUBFIELD")
            field += BARE
    if len(field) == 2 or (len(field) == 4 and not field[2]):
        return _without_subfields(field)
    return field


def is_unimarc(tags: Collection[str], coded: str) -> bool:
    """Tell whether a record is UNIMARC: it has a title in 200 and none in 245, and its 100 has coded data, no name.

    coded  text of the first 100, with or without its delimiters
    """
    return "200" in tags and "245" not in tags and _PROCESSING_DATA.search(coded) is not None


def content_warnings(record: Record, text: bytes, warnings: list[str]) -> tuple[str, ...]:
    """Add the warnings about a record's content; returns all warnings.

    text  the text of all fields in UTF-8, with any separators
    """
    tags = [field[0] for field in record.fields]
    if "245" not in tags:
        warnings.append("NO_TITLE")
    joined = "".join(tags)
    if not joined.isalnum() or len(joined) != 3 * len(tags):
        add_warning(warnings, "ODD_TAG")
    if len(text.translate(None, CONTROLS)) != len(text):
        add_warning(warnings, "CONTROL_CHARACTERS")
    if REPLACEMENT in text:
        add_warning(warnings, "REPLACEMENT_CHARACTER")
    return tuple(warnings)


def add_warning(warnings: list[str], code: str) -> None:
    """Add a code if the list does not have it."""
    if code not in warnings:
        warnings.append(code)
