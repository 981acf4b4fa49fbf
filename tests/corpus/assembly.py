"""Assembles ISO 2709 records byte by byte, and splits them, so that tests can damage them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FIELD_END, RECORD_END, DELIMITER = b"\x1e", b"\x1d", b"\x1f"
UTF8 = b"00000nam a2200000   4500"
MARC8 = b"00000nam  2200000   4500"


class Parts(NamedTuple):
    """The parts of a record; `data` has each field's terminator, but not the record's."""

    leader: bytes
    entries: list[bytes]
    data: bytes

    @property
    def directory(self) -> bytes:
        return b"".join(self.entries)


def entries(fields: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """The entries of a directory; a number that is too long for its column is written in full."""
    directory_entries, start = [], 0
    for tag, value in fields:
        directory_entries.append(b"%s%04d%05d" % (tag.encode(), len(value) + 1, start))
        start += len(value) + 1
    return directory_entries


def join(leader: bytes, directory: bytes, data: bytes, *, length: bytes = b"", base: bytes = b"") -> bytes:
    """Join a record, with the right length and base address unless others are given."""
    body = directory + FIELD_END + data + RECORD_END
    length = length or b"%05d" % (24 + len(body))
    base = base or b"%05d" % (25 + len(directory))
    return length + leader[5:12] + base + leader[17:24] + body


def assemble(*fields: tuple[str, bytes], leader: bytes = UTF8) -> bytes:
    """Assemble a record of these tags and bytes, with correct numbers."""
    return join(leader, b"".join(entries(fields)), b"".join(value + FIELD_END for _, value in fields))


def take_apart(raw: bytes) -> Parts:
    """Split a sound record into its parts."""
    end = raw.index(FIELD_END)
    directory = raw[24:end]
    return Parts(raw[:24], [directory[at : at + 12] for at in range(0, len(directory), 12)], raw[end + 1 : -1])
