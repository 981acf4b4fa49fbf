"""Every reason why a record is put aside, imported with a warning or not exported.

Reasons are stable: reports, tests and scripts rely on them. Their sentences are in the catalogue's `sentences.toml`.
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
        "LATIN1_SAID_MARC8",
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
    {
        "RECORD_TOO_LONG_FOR_ISO2709",
        "FIELD_TOO_LONG_FOR_ISO2709",
        "UNSERIALISABLE_IN_ISO2709",
        "UNSERIALISABLE_IN_XML",
    }
)

# Sound records of a kind that the catalogue has no use for.
UNUSABLE = frozenset(
    {
        "AUTHORITY_WITHOUT_HEADING",
        "AUTHORITY_KIND_UNKNOWN",
    }
)

REASONS = WARNINGS | FAULTS | REFUSALS | UNUSABLE


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stretch of the source is no record: a code of FAULTS, and what was seen where, in English."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One record's bytes as they stand in the source, or one stretch that holds no record.

    format     "marc", "marcxml" or "json"
    number     ordinal in the source, from 1; faults count too
    position   offset of the first byte in the decompressed source
    raw        the bytes; of a stretch over 8 MB, its beginning
    fault      None when the bytes may be decoded
    namespace  XML namespace that the surroundings give this record's element
    """

    format: str
    number: int
    position: int
    raw: bytes
    fault: Fault | None = None
    namespace: str = ""


class MarcError(Exception):
    """These bytes are no record we can load: a code of FAULTS or UNUSABLE and what was seen, in English."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


class NotSerialisable(Exception):
    """This record cannot be written in this format: a code of REFUSALS and what stands in the way, in English."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)
