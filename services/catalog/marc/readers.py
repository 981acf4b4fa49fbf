"""Reads MARC from a stream: splits it into frames, one per record, and decodes frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import BinaryIO

from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import Fault, Frame, MarcError
from services.catalog.marc.field_shape import DecodedRecord

__all__ = ["DecodedRecord", "Fault", "Frame", "MarcError", "decode", "frames"]

Pieces = Callable[[Source], Iterator[tuple[int, bytes, Fault | None, str]]]


def frames(stream: BinaryIO, *, skip_to: int = 0) -> Iterator[Frame]:
    """Split a stream into frames, in constant memory.

    The format is detected: plain or gzip; ISO 2709, MARCXML, or MARC-in-JSON as one object, an array, or one object per
    line. A section that is not a record is one frame with a fault; reading continues after it where possible. A stream
    that ends early gives a last frame with a fault.

    stream   read from its current position; never rewound, never closed
    skip_to  frames up to this number are skipped
    """
    source = Source(stream)
    kind, cut = _sniff(source)
    number = 0
    for number, (position, raw, fault, namespace) in zip(count(1), cut(source), strict=False):
        if number > skip_to:
            yield Frame(kind, number, position, raw, fault, namespace)
    if source.fault is not None and number + 1 > skip_to:
        yield Frame(kind, number + 1, source.position + len(source.window), b"", source.fault)


def _sniff(source: Source) -> tuple[str, Pieces]:
    while not (start := source.window[source.at :].lstrip()):
        source.at = len(source.window)  # drops leading blanks chunk by chunk
        if not source.more():
            break
    if start[:1] == b"<":
        return "marcxml", marcxml.pieces
    if start[:1] in (b"{", b"["):
        return "json", marcjson.pieces
    return "marc", iso2709.pieces


def decode(frame: Frame) -> DecodedRecord:
    """Decode the record of a frame. Depends only on the frame, so it can run in another process.

    raises  MarcError  with a code of faults.FAULTS, also for the fault of a frame
    """
    if frame.fault is not None:
        raise MarcError(frame.fault.reason, frame.fault.detail)
    if frame.format == "marc":
        return iso2709.decode(frame.raw)
    if frame.format == "marcxml":
        return marcxml.decode(frame.raw, namespace=frame.namespace)
    return marcjson.decode(frame.raw)
