"""Decodes and encodes one record in ISO 2709, as MARC 21 uses it.

Terminators have priority over the leader: a directory is used if it agrees exactly with the terminators, even if the
leader does not. So records with wrong lengths or base addresses, records over 99,999 bytes and fields over 9,999 bytes
are read without ambiguity or rejected.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import MAX_RECORD_BYTES, Fault, MarcError, NotSerialisable
from services.catalog.marc.field_shape import (
    INDICATORS,
    DecodedRecord,
    add_warning,
    content_warnings,
    is_unimarc,
    odd_field,
)
from services.catalog.marc.field_texts import Layout, decode_texts
from services.catalog.marc.record import Field, Record, is_control

ENTRY = 12
FIELD_END = b"\x1e"
RECORD_END = b"\x1d"
BETWEEN = b"\r\n \t\0\x1a"
GAP = re.compile(rb"[\r\n \t\0\x1a]*+")
PLAUSIBLE = re.compile(rb"[0-9]{5}[^\x1d-\x1f]{7}([0-9]{5}|[^\x1d-\x1f]{8}4)[^\x1d-\x1f]")
LEADER = re.compile(rb"[0-9]{5}[acdnopsx ][ -~]{3}[ a]22[0-9]{5}[ -~]{3}4500[0-9]{3}")
LONG_LENGTH = re.compile(rb"[0-9]{6,8}(?=[^0-9])")
Piece = tuple[int, bytes, Fault | None, str]


def lay_out(raw: bytes, *, begin: int, base: bytes, warnings: list[str]) -> Layout:
    """Match directory and data of a record that ends with its record terminator.

    begin     offset of the directory
    base      base address of the leader, five bytes; used only if the directory confirms it
    warnings  receives BASE_ADDRESS_WRONG, RECORD_OVERSIZE, DIRECTORY_ORDER, DIRECTORY_WRONG, …
    raises    MarcError  DIRECTORY_BAD, when no reading or several are possible; NO_FIELDS
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
    if len(directory) == ENTRY * len(pieces) and (regular := _tags_of_regular(directory, pieces)) is not None:
        return regular
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
        add_warning(warnings, "RECORD_OVERSIZE")
    return tags


def _tags_of_regular(directory: bytes, pieces: list[bytes]) -> list[str] | None:
    """Return the tags of a directory that is as the standard says, which nearly all are; None for any other."""
    text = directory.decode("latin-1")
    tags = [text[at : at + 3] for at in range(0, len(text), ENTRY)]
    entries: list[str] = []
    start = 0
    for tag, piece in zip(tags, pieces, strict=True):
        size = len(piece) + 1
        entries.append(f"{tag}{size:04d}{start:05d}")
        start += size
    return tags if "".join(entries) == text and _are_tags(tags) else None


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


def pieces(source: Source) -> Iterator[Piece]:
    """Yield position, bytes and fault of each record and of each section between records."""
    while True:
        window, at = source.window, source.at
        end = window.find(RECORD_END, at)
        if end >= 0 and window[at : at + 5] == b"%05d" % (end + 1 - at):
            position = source.position
            source.at = end + 1
            yield position, window[at : end + 1], None, ""
        elif not (yield from _irregular_pieces(source)):
            return


def _irregular_pieces(source: Source) -> Generator[Piece, None, bool]:
    """Yield the next piece when it is not a regular, fully buffered record; returns False at the end of the stream."""
    while (gap := GAP.match(source.window, source.at)) and gap.end() == len(source.window):
        source.at = gap.end()
        if not source.more():
            return False
    source.at = gap.end() if gap else source.at
    size = _find_end(source)
    position = source.position
    if size is None and source.size > MAX_RECORD_BYTES:
        yield _too_big(source)
        return True
    section = source.window[source.at :] if size is None else source.window[source.at : source.at + size]
    source.at += len(section)
    yield from _split_section(section if size else section.rstrip(BETWEEN), position)
    return True


def _find_end(source: Source) -> int | None:
    """Return the size of the record including its terminator; None when the limit or the stream ends first.

    The first terminator ends the record, unless the leader's length names a later one and no plausible leader follows
    the first.
    """
    searched = 0
    while (end := source.window.find(RECORD_END, source.at + searched) - source.at) < 0:
        searched = source.size
        if searched > MAX_RECORD_BYTES or not source.more():
            return None
    head = source.window[source.at : source.at + 5]
    stated = int(head) if head.isdigit() else 0
    if stated <= end + 1:
        return end + 1
    while source.size < max(stated, end + 40) and source.more():
        pass
    following = source.window[source.at + end + 1 : source.at + end + 40].lstrip(BETWEEN)
    if (
        not following
        or PLAUSIBLE.match(following)
        or source.window[source.at + stated - 1 : source.at + stated] != RECORD_END
    ):
        return end + 1
    return stated


def _split_section(section: bytes, position: int) -> Iterator[Piece]:
    """Yield a section up to a terminator as one record, or as several pieces if it contains another leader."""
    at = 0
    if not PLAUSIBLE.match(section):
        match = LEADER.search(section)
        at = match.start() if match else len(section)
        yield position, section[:at], Fault("GARBAGE", f"{at} bytes that begin with no leader"), ""
    if section[at : at + 5] != b"%05d" % (len(section) - at):
        for match in LEADER.finditer(section, at + 24):
            if int(match[0][:5]) == len(section) - match.start():
                cut = section[at : match.start()]
                yield position + at, cut, Fault("TRUNCATED", f"{len(cut)} bytes, then another record begins"), ""
                at = match.start()
                break
    if at < len(section):
        yield position + at, section[at:], None, ""


def _too_big(source: Source) -> Piece:
    """Return the beginning of a section over the size limit; skip the rest up to a terminator."""
    position = source.position
    raw = source.window[source.at : source.at + MAX_RECORD_BYTES]
    while (end := source.window.find(RECORD_END, source.at)) < 0:
        source.at = len(source.window)
        if not source.more():
            break
    else:
        source.at = end + 1
    size = source.position - position
    return position, raw, Fault("RECORD_TOO_BIG", f"{size} bytes up to a record terminator"), ""


def decode(raw: bytes) -> DecodedRecord:
    """Decode one record; the final record terminator may be missing.

    raises  MarcError  GARBAGE, TRUNCATED, LEADER_BAD, DIRECTORY_BAD, NO_FIELDS, UNIMARC, BAD_UTF8, BAD_MARC8,
                       CODING_UNKNOWN, RECORD_TOO_BIG
    """
    warnings: list[str] = []
    if len(raw) > MAX_RECORD_BYTES:
        raise MarcError("RECORD_TOO_BIG", f"{len(raw)} bytes")
    if raw[-1:] != RECORD_END:
        if len(raw) < 26 or raw[-1:] != FIELD_END:
            raise MarcError("TRUNCATED", f"{len(raw)} bytes, the leader says {raw[:5].decode('latin-1')}")
        raw += RECORD_END
        warnings.append("NO_RECORD_TERMINATOR")
    if len(raw) < 26:
        raise MarcError("GARBAGE", f"{len(raw)} bytes cannot hold a leader")
    head, begin = _leader(raw, warnings)
    layout = lay_out(raw, begin=begin, base=head[12:17], warnings=warnings)
    if head[:5] != b"%05d" % len(raw) and "RECORD_OVERSIZE" not in warnings:
        warnings.append("LENGTH_WRONG")
    leader = head.decode("latin-1")
    fields: list[Field] = []
    try:
        texts = decode_texts(layout, leader[9], warnings)
    except MarcError as bad:
        coded = b"\x1e".join(piece for tag, piece in zip(layout.tags, layout.pieces, strict=True) if tag == "100")
        if is_unimarc(layout.tags, coded.decode("latin-1")):
            raise MarcError("UNIMARC", f"{bad.reason}: {bad.detail}") from bad
        raise
    for tag, text in zip(layout.tags, texts, strict=True):
        if tag[:2] == "00":
            fields.append([tag, text])
            continue
        parts = text.split("\x1f")
        indicators = parts[0]
        if indicators in INDICATORS and len(parts) > 1 and "" not in parts:
            first = parts[1]
            field = [tag, indicators, first[0], first[1:]]
            for part in parts[2:]:
                field.append(part[0])
                field.append(part[1:])
            fields.append(field)
        else:
            fields.append(odd_field(tag, parts, warnings))
    record = Record(leader, fields)
    return DecodedRecord(record, content_warnings(record, layout.data, warnings))


def _leader(raw: bytes, warnings: list[str]) -> tuple[bytes, int]:
    """Return the 24 bytes of the leader and the offset of the directory.

    A length over 99,999 written in full shifts the rest of the leader by one digit or more.
    """
    if (long := LONG_LENGTH.match(raw)) and int(long[0]) > 99_999:
        extra = len(long[0]) - 5
        if abs(int(long[0]) - len(raw)) <= extra:
            add_warning(warnings, "RECORD_OVERSIZE")
            return b"99999" + raw[5 + extra : 24 + extra], 24 + extra
    if len(raw) > 99_999:
        add_warning(warnings, "RECORD_OVERSIZE")
    head = raw[:24]
    if FIELD_END in head or RECORD_END in head:
        raise MarcError("LEADER_BAD", f"a terminator inside the leader: {head!r}")
    if head[10:12] != b"22" or head[20:24] != b"4500" or not head.isascii():
        warnings.append("LEADER_ODD")
    return head, 24


def encode(record: Record) -> bytes:
    """Encode a record in ISO 2709 and UTF-8 (leader position 9 is `a`) with computed lengths and addresses.

    raises  NotSerialisable  RECORD_TOO_LONG_FOR_ISO2709, FIELD_TOO_LONG_FOR_ISO2709, UNSERIALISABLE_IN_ISO2709
    """
    directory: list[bytes] = []
    pieces: list[bytes] = []
    start = 0
    for field in record.fields:
        piece = _field(field).encode() + FIELD_END
        size = len(piece)
        if size > 9999:
            raise NotSerialisable("FIELD_TOO_LONG_FOR_ISO2709", f"{field[0]} has {size} bytes")
        directory.append(b"%b%04d%05d" % (field[0].encode("ascii"), size, start))
        pieces.append(piece)
        start += size
    base = 25 + 12 * len(pieces)
    length = base + start + 1
    if length > 99_999:
        raise NotSerialisable("RECORD_TOO_LONG_FOR_ISO2709", f"{length} bytes")
    leader = f"{length:05d}{record.leader[5:9]}a22{base:05d}{record.leader[17:20]}4500".encode("latin-1")
    return b"".join((leader, *directory, FIELD_END, *pieces, RECORD_END))


def _field(field: Field) -> str:
    if is_control(field):
        text = field[1]
    else:
        first = 2 if field[2] else 4
        parts = [f"\x1f{field[at]}{field[at + 1]}" for at in range(first, len(field), 2)]
        text = "".join((field[1], "" if field[2] else field[3], *parts))
        if text.count("\x1f") != len(parts):
            raise NotSerialisable("UNSERIALISABLE_IN_ISO2709", f"a subfield delimiter inside a value of {field[0]}")
    if "\x1d" in text:
        raise NotSerialisable("UNSERIALISABLE_IN_ISO2709", f"a record terminator inside {field[0]}")
    return text
