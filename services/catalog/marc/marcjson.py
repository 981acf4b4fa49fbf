"""MARC-in-JSON as written by pymarc, ruby-marc and others: `{"leader": …, "fields": [{"001": …}, {"245": {…}}]}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import MAX_RECORD_BYTES, Fault, MarcError
from services.catalog.marc.field_shape import (
    DecodedRecord,
    content_warnings,
    control_field,
    data_field,
    leader_from_text,
)
from services.catalog.marc.record import Field, Record, is_control, subfields_to_write

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


KEY = re.compile(rb'"\s*:')


def decode(raw: bytes) -> DecodedRecord:
    """Decode the record of one JSON object.

    raises  MarcError  JSON_MALFORMED, NOT_MARCJSON, DUPLICATE_KEYS, LEADER_BAD, FIELD_BAD, NO_FIELDS, RECORD_TOO_BIG
    """
    if len(raw) > MAX_RECORD_BYTES:
        raise MarcError("RECORD_TOO_BIG", f"{len(raw)} bytes")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MarcError("JSON_MALFORMED", str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("fields"), list):
        raise MarcError("NOT_MARCJSON", "no list of fields")
    if not document["fields"]:
        raise MarcError("NO_FIELDS", "an empty list of fields")
    warnings = ["UNKNOWN_ELEMENT"] if document.keys() - {"leader", "fields"} else []
    fields = [_field(entry, warnings) for entry in document["fields"]]
    record = Record(leader_from_text(document.get("leader"), warnings), fields)
    if warnings[:1] == ["UNKNOWN_ELEMENT"] or len(KEY.findall(raw)) != _count_keys(document):
        _check_keys(raw)
    text = "\x1e".join([value for field in fields for value in field])
    return DecodedRecord(record, content_warnings(record, text.encode(), warnings))


def _field(entry: Any, warnings: list[str]) -> Field:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise MarcError("FIELD_BAD", f"not an object with one tag: {_kind(entry)}")
    (tag, content), *_ = entry.items()
    if isinstance(content, str):
        return control_field(tag, content)
    if not isinstance(content, dict) or content.keys() - {"ind1", "ind2", "subfields"}:
        raise MarcError("FIELD_BAD", f"{tag} is neither text nor indicators and subfields")
    parts: list[str] = []
    subfields = content.get("subfields", [])
    if not isinstance(subfields, list):
        raise MarcError("FIELD_BAD", f"the subfields of {tag} are not a list")
    for subfield in subfields:
        if not isinstance(subfield, dict) or len(subfield) != 1:
            raise MarcError("FIELD_BAD", f"a subfield of {tag} is not an object with one code")
        (code, value), *_ = subfield.items()
        if not isinstance(value, str):
            raise MarcError("FIELD_BAD", f"${code} of {tag} is not text")
        parts += (code, value)
    first, second = content.get("ind1", " "), content.get("ind2", " ")
    if not isinstance(first, str) or not isinstance(second, str) or len(first) > 1 or len(second) > 1:
        raise MarcError("FIELD_BAD", f"indicators of {tag}")
    return data_field(tag, (first or " ") + (second or " "), parts, warnings)


def _count_keys(document: dict[str, Any]) -> int:
    count = len(document)
    for entry in document["fields"]:
        (content,) = entry.values()
        count += 1
        if isinstance(content, dict):
            count += len(content) + len(content.get("subfields", ()))
    return count


def _kind(entry: object) -> str:
    """Name the type of a value; its content is left out, because it may have any depth."""
    return f"an object with {len(entry)} keys" if isinstance(entry, dict) else type(entry).__name__


def _check_keys(raw: bytes) -> None:
    """Read the object a second time to find repeated keys, which orjson does not report.

    raises  MarcError  DUPLICATE_KEYS, JSON_MALFORMED
    """
    try:
        # Numbers stay text, because Python refuses to convert a number of thousands of digits.
        json.loads(raw, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    except RecursionError:
        raise MarcError("JSON_MALFORMED", "too many objects or lists inside one another") from None


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its pairs; reject a repeated key, whose first value would be lost."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise MarcError("DUPLICATE_KEYS", f"keys {[key for key, _ in pairs][:6]}")
    return values


def encode(record: Record) -> bytes:
    """Encode a record as one compact JSON object; leader position 9 is `a`. JSON can represent every Record."""
    fields: list[dict[str, Any]] = []
    for field in record.fields:
        if is_control(field):
            fields.append({field[0]: field[1]})
            continue
        subfields = [{code: value} for code, value in subfields_to_write(field)]
        fields.append({field[0]: {"ind1": field[1][0], "ind2": field[1][1], "subfields": subfields}})
    return orjson.dumps({"leader": f"{record.leader[:9]}a{record.leader[10:]}", "fields": fields})
