"""Records to test with, and ways to read and write them in one line."""

from __future__ import annotations

import io
from collections.abc import Callable

from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.faults import REFUSALS, NotSerialisable
from services.catalog.marc.readers import DecodedRecord, Frame, decode, frames
from services.catalog.marc.record import Record

ENCODERS: dict[str, Callable[[Record], bytes]] = {
    "marc": iso2709.encode,
    "marcxml": marcxml.encode,
    "json": marcjson.encode,
}


def encoders(record: Record) -> list[Callable[[Record], bytes]]:
    """The formats that keep a record as it is: MARCXML has no place for text outside subfields, and writes it as $a."""
    has_text_outside = any("" in field[2::2] for field in record.fields)
    return [encode for form, encode in ENCODERS.items() if form != "marcxml" or not has_text_outside]


def book(number: str = "1", title: str = "Siti Nurbaya", *more: list[str]) -> Record:
    """A small book."""
    return Record(
        "00000nam a2200000   4500",
        [["001", number], ["245", "10", "a", title + " /", "c", "Marah Rusli."], *more],
    )


def read(raw: bytes, *, skip_to: int = 0) -> list[Frame]:
    """Every frame of these bytes."""
    return list(frames(io.BytesIO(raw), skip_to=skip_to))


def one(raw: bytes) -> DecodedRecord:
    """The only record of these bytes."""
    (frame,) = read(raw)
    return decode(frame)


def reasons(raw: bytes) -> list[str]:
    """What became of each frame: `""` where it would be decoded, else the fault's reason."""
    return [frame.fault.reason if frame.fault else "" for frame in read(raw)]


def iso(*fields: bytes, tags: str = "001 245", leader: bytes = b"00000nam a2200000   4500", length: int = 0) -> bytes:
    """ISO 2709 put together by hand from the bytes of its fields, so that it can be put together wrongly."""
    directory = b""
    start = 0
    for tag, field in zip(tags.split(" "), fields, strict=True):
        directory += b"%s%04d%05d" % (tag.encode(), len(field) + 1, start)
        start += len(field) + 1
    base = 25 + len(directory)
    body = directory + b"\x1e" + b"".join(field + b"\x1e" for field in fields) + b"\x1d"
    total = length or 24 + len(body)
    return b"%05d%s%05d%s" % (total, leader[5:12], base, leader[17:24]) + body


def attempt(encode: Callable[[Record], bytes], record: Record) -> bytes | None:
    """The record in this format; None when the format refuses it by one of its names."""
    try:
        return encode(record)
    except NotSerialisable as refusal:
        if refusal.reason not in REFUSALS or not refusal.detail:
            raise
        return None
