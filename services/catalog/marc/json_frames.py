"""Splits MARC-in-JSON into frames: one object, an array of objects, or one object per line."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import MAX_RECORD_BYTES, Fault

TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\n]', re.DOTALL)
BLANK = re.compile(rb"[ \t\r\n]*+")
GAP = re.compile(rb"[ \t\r\n,\[\]]*+")
Piece = tuple[int, bytes, Fault | None, str]


def pieces(source: Source) -> Iterator[Piece]:
    """Yield position, bytes and fault of each top-level object and of each section between objects."""
    if _is_one_a_line(source):
        yield from _lines(source)
    else:
        yield from _objects(source)


def _is_one_a_line(source: Source) -> bool:
    """Tell whether the first line that is not blank is a complete object."""
    while True:
        if blank := BLANK.match(source.window, source.at):
            source.at = blank.end()
        if source.window.startswith(b"[", source.at):
            return False
        if (end := source.window.find(b"\n", source.at)) >= 0:
            break
        if source.size > MAX_RECORD_BYTES or not source.more():
            return False
    try:
        return isinstance(orjson.loads(source.window[source.at : end]), dict)
    except orjson.JSONDecodeError:
        return False


def _lines(source: Source) -> Iterator[Piece]:
    while True:
        searched = 0
        position = source.position
        while (end := source.window.find(b"\n", source.at + searched)) < 0 and source.size <= MAX_RECORD_BYTES:
            searched = source.size
            if not source.more():
                end = len(source.window)
                break
        if end < 0:
            yield _too_big(source, b"\n")
            continue
        raw = source.window[source.at : end].strip()
        source.at = end + 1 if end < len(source.window) else end
        if raw:
            yield position, raw, None, ""
        if source.ended and not source.size:
            return


def _objects(source: Source) -> Iterator[Piece]:
    """Yield objects by matching braces; other text except punctuation gives a fault."""
    while True:
        if gap := GAP.match(source.window, source.at):
            source.at = gap.end()
        if not source.size:
            if not source.more():
                return
            continue
        opens = source.window.startswith(b"{", source.at)
        size = _object_size(source) if opens else _stray_size(source)
        position = source.position
        if size is None and source.size > MAX_RECORD_BYTES:
            yield _too_big(source, b"\n{")
            continue
        raw = source.window[source.at : source.at + size] if size else source.window[source.at :]
        source.at += len(raw)
        if size is None:
            yield position, raw, Fault("JSON_MALFORMED", f"{len(raw)} bytes without an end"), ""
        elif not opens:
            yield position, raw, Fault("JSON_MALFORMED", f"{raw[:40]!r} where an object should begin"), ""
        else:
            yield position, raw, None, ""


def _object_size(source: Source) -> int | None:
    """Return the size of the object up to its closing brace; None when the limit or the stream ends first.

    A line that begins with `{"leader"` inside an open object begins another object and ends the open one.
    """
    depth = at = 0
    while True:
        for token in TOKEN.finditer(source.window, source.at + at):
            mark = token[0]
            if mark == b"{":
                depth += 1
            elif mark == b"}":
                depth -= 1
                if not depth:
                    return token.end() - source.at
            elif mark == b'"':
                at = token.start() - source.at
                break
            elif mark == b"\n" and source.window.startswith(b'{"leader"', token.end()):
                return token.end() - source.at
        else:
            at = source.size
        if source.size > MAX_RECORD_BYTES or not source.more():
            return None


def _stray_size(source: Source) -> int | None:
    """Return the number of bytes before the next brace; None when the limit or the stream ends first."""
    while (brace := source.window.find(b"{", source.at)) < 0:
        if source.size > MAX_RECORD_BYTES or not source.more():
            return None
    return brace - source.at


def _too_big(source: Source, until: bytes) -> Piece:
    position = source.position
    raw = source.window[source.at : source.at + MAX_RECORD_BYTES]
    source.at += len(raw)
    while (end := source.window.find(until, source.at)) < 0:
        source.at = max(source.at, len(source.window) - len(until) + 1)
        if not source.more():
            source.at = len(source.window)
            break
    else:
        source.at = end
    return position, raw, Fault("RECORD_TOO_BIG", f"{source.position - position} bytes"), ""
