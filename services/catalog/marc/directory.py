"""Matches the directory of an ISO 2709 record with its field terminators: which bytes belong to which tag."""

from __future__ import annotations

from dataclasses import dataclass

from services.catalog.marc.faults import MarcError
from services.catalog.marc.field_shape import warn

ENTRY = 12
FIELD_END = b"\x1e"


@dataclass(slots=True)
class Layout:
    """Tags and the bytes of their fields, in directory order.

    data   all fields with their terminators
    plain  True when splitting the data at terminators gives the fields in order
    """

    tags: list[str]
    pieces: list[bytes]
    data: bytes
    plain: bool = True


def lay_out(raw: bytes, *, begin: int, base: bytes, warnings: list[str]) -> Layout:
    """Match directory and data of a record that ends with its record terminator.

    begin     offset of the directory
    base      base address of the leader, five bytes; used only if the directory confirms it
    warnings  receives BASE_ADDRESS_WRONG, RECORD_OVERSIZE, DIRECTORY_ORDER, DIRECTORY_WRONG, …
    raises    MarcError  DIRECTORY_BAD when several or no readings are possible; NO_FIELDS
    """
    end = raw.find(FIELD_END, begin)
    if end < 0:
        raise MarcError("DIRECTORY_BAD", "the directory has no end")
    stated = int(base) if base.isdigit() else 0
    data = raw[end + 1 : -1]
    pieces = data.split(FIELD_END)
    unterminated = pieces.pop()
    if unterminated:
        raise MarcError(
            "DIRECTORY_BAD", f"the last field has no terminator: {len(unterminated)} bytes after the last one"
        )
    directory = raw[begin:end]
    tags = _walk(directory, pieces, warnings)
    if tags is None and begin < stated <= end and raw[stated - 1 : stated] != FIELD_END:
        inner = raw[stated:-1].split(FIELD_END)[:-1]
        tags = _walk(raw[begin : stated - 1], inner, warnings)
        if tags is not None:
            warnings.append("DIRECTORY_UNTERMINATED")
            return Layout(tags, inner, raw[stated:-1])
    if tags is not None:
        if not tags:
            raise MarcError("NO_FIELDS", "leader and an empty directory")
        if stated != end + 1 and "RECORD_OVERSIZE" not in warnings:
            warnings.append("BASE_ADDRESS_WRONG")
        return Layout(tags, pieces, data)
    return _by_entries(directory, data, pieces, warnings)


def _walk(directory: bytes, pieces: list[bytes], warnings: list[str]) -> list[str] | None:
    """Return the tags if the directory agrees with the terminators for every field; otherwise None.

    Numbers too large for their columns may be written with more digits or as the maximum, 9999 or 99999.
    """
    tags: list[str] = []
    at = start = 0
    oversize = False
    for piece in pieces:
        size = len(piece) + 1
        numbers = b"%04d%05d" % (size, start)
        if directory[at + 3 : at + ENTRY] != numbers:
            if size > 9999 or start > 99_999:
                oversize = True
                if not directory.startswith(numbers, at + 3):
                    numbers = b"%04d%05d" % (min(size, 9999), min(start, 99_999))
            if not directory.startswith(numbers, at + 3):
                return None
        tags.append(directory[at : at + 3].decode("latin-1"))
        at += 3 + len(numbers)
        start += size
    trailing = len(directory) - at
    if trailing >= ENTRY or not _are_tags(tags):
        return None
    if trailing:
        warnings.append("DIRECTORY_TRAILING_BYTES")
    if oversize:
        warn(warnings, "RECORD_OVERSIZE")
    return tags


def _by_entries(directory: bytes, data: bytes, pieces: list[bytes], warnings: list[str]) -> Layout:
    if len(directory) % ENTRY:
        raise MarcError("DIRECTORY_BAD", f"its length {len(directory)} is no multiple of 12")
    entries = [directory[index : index + ENTRY] for index in range(0, len(directory), ENTRY)]
    tags = [entry[:3].decode("latin-1") for entry in entries]
    if not _are_tags(tags):
        raise MarcError("DIRECTORY_BAD", "a tag is not printable")
    spans = [(int(entry[7:]), int(entry[3:7])) if entry[3:].isdigit() else (-1, 0) for entry in entries]
    if _covers(sorted(spans), data):
        warnings.append("DIRECTORY_ORDER")
        return Layout(tags, [data[start : start + size - 1] for start, size in spans], data, plain=False)
    if len(pieces) != len(entries):
        raise MarcError("DIRECTORY_BAD", f"{len(entries)} entries, {len(pieces)} fields, and the offsets do not agree")
    starts = [start for start, _ in spans]
    if starts != sorted(starts):
        raise MarcError("DIRECTORY_BAD", "offsets agree neither with the terminators nor with each other")
    for tag, piece in zip(tags, pieces, strict=True):
        if (tag[:2] == "00") is (b"\x1f" in piece) or (b"\x1f" in piece and piece[2:3] != b"\x1f"):
            raise MarcError("DIRECTORY_BAD", f"offsets do not agree and field {tag} does not have the shape of its tag")
    warnings.append("DIRECTORY_WRONG")
    return Layout(tags, pieces, data)


def _covers(spans: list[tuple[int, int]], data: bytes) -> bool:
    """Tell whether the entries cover the data without gap or overlap and each ends with a terminator."""
    expected = 0
    for start, size in spans:
        if start != expected or size < 1 or data[start + size - 1 : start + size] != FIELD_END:
            return False
        expected = start + size
    return expected == len(data)


def _are_tags(tags: list[str]) -> bool:
    joined = "".join(tags)
    return len(joined) == 3 * len(tags) and joined.isascii() and joined.isprintable()
