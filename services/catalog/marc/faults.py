"""The reasons why a record is rejected, imported with a warning, or not exported.

Reasons are stable: reports, tests and scripts depend on them. Their sentences are in the catalogue's `sentences.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_RECORD_BYTES = 8_000_000

WARNINGS = frozenset(
    {
        "NO_TITLE",
        "LENGTH_WRONG",
        "BASE_ADDRESS_WRONG",
        "DIRECTORY_ORDER",
        "DIRECTORY_WRONG",
        "DIRECTORY_UNTERMINATED",
        "DIRECTORY_TRAILING_BYTES",
        "RECORD_OVERSIZE",
        "NO_RECORD_TERMINATOR",
        "LEADER_ODD",
        "NO_LEADER",
        "UTF8_SAID_MARC8",
        "MARC8_SAID_UTF8",
        "ISO5426_SAID_UTF8",
        "LATIN1_SAID_UTF8",
        "ISO5426_SAID_MARC8",
        "LATIN1_SAID_MARC8",
        "MAYBE_LATIN1",
        "REPLACEMENT_CHARACTER",
        "CONTROL_CHARACTERS",
        "ODD_TAG",
        "BAD_INDICATORS",
        "TEXT_OUTSIDE_SUBFIELDS",
        "EMPTY_SUBFIELD",
        "NO_NAMESPACE",
        "UNKNOWN_ELEMENT",
    }
)

FAULTS = frozenset(
    {
        "GARBAGE",
        "TRUNCATED",
        "LEADER_BAD",
        "DIRECTORY_BAD",
        "NO_FIELDS",
        "BAD_UTF8",
        "BAD_MARC8",
        "CODING_UNKNOWN",
        "RECORD_TOO_BIG",
        "GZIP_BOMB",
        "GZIP_DAMAGED",
        "XML_MALFORMED",
        "XML_DTD",
        "XML_TOO_DEEP",
        "NOT_MARCXML",
        "JSON_MALFORMED",
        "NOT_MARCJSON",
        "DUPLICATE_KEYS",
        "FIELD_BAD",
    }
)

REFUSALS = frozenset(
    {"RECORD_TOO_LONG_FOR_ISO2709", "FIELD_TOO_LONG_FOR_ISO2709", "UNSERIALISABLE_IN_ISO2709", "UNSERIALISABLE_IN_XML"}
)

# Valid records that the catalogue cannot use.
UNUSABLE = frozenset({"AUTHORITY_WITHOUT_HEADING", "AUTHORITY_KIND_UNKNOWN", "UNIMARC"})

REASONS = WARNINGS | FAULTS | REFUSALS | UNUSABLE


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a section of the source is not a record: a code of FAULTS, and a detail with position in English."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of one record in the source, or of one section without a record.

    format     "marc", "marcxml" or "json"
    number     ordinal in the source, from 1; frames with a fault are counted
    position   offset of the first byte in the decompressed source
    raw        the bytes; the beginning of a section over 8 MB
    fault      None when the bytes can be decoded
    namespace  XML namespace that enclosing elements declare for the record element
    """

    format: str
    number: int
    position: int
    raw: bytes
    fault: Fault | None = None
    namespace: str = ""


class MarcError(Exception):
    """The bytes are not a record that can be loaded: a code of FAULTS or UNUSABLE, and a detail in English."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


class NotSerialisable(Exception):
    """The record cannot be written in this format: a code of REFUSALS, and a detail in English."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)
