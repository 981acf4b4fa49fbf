"""Fuzz targets: functions that must return quickly for any bytes and raise only the documented errors.

The tests run each target with hypothesis; `make fuzz` runs it guided by coverage.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

from chassis.errors import Invalid
from services.catalog.items.parsing import items_of
from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.faults import FAULTS, WARNINGS, NotSerialisable
from services.catalog.marc.readers import MarcError, decode, frames
from services.catalog.marc.record import Field, Record, is_control, subfields
from services.catalog.record.brief import brief
from services.catalog.record.display import display
from services.catalog.record.index_document import document
from services.catalog.search.highlight import highlights, marks_for
from services.catalog.search.query.parser import parse
from services.catalog.search.ranking.build import rank
from services.catalog.search.search import Cursor, decode_cursor
from services.catalog.search.validation import MOST_CHARACTERS

LONGEST_SECONDS = 2.0
QUESTION = "a digest"


@contextmanager
def time_limit() -> Iterator[None]:
    """Fail when the block uses more than LONGEST_SECONDS of processor time."""
    start = time.thread_time()
    yield
    seconds = time.thread_time() - start
    assert seconds < LONGEST_SECONDS, f"{seconds:.1f} s"


def read_marc(raw: bytes) -> int:
    """Frame and decode the bytes: each record can be displayed, indexed and encoded; other frames have a reason."""
    loaded_records = 0
    with time_limit():
        for expected_number, frame in enumerate(frames(io.BytesIO(raw)), start=1):
            assert frame.number == expected_number
            try:
                decoded = decode(frame)
            except MarcError as error:
                _expect(error.reason in FAULTS)
                continue
            assert set(decoded.warnings) <= WARNINGS
            _check_record(decoded.record)
            loaded_records += 1
    return loaded_records


def _expect(condition: bool) -> None:
    assert condition


def _check_record(record: Record) -> None:
    assert Record.unpack(record.pack()) == record
    brief(record, institution="PKS")
    display(record)
    document(record, number=1, institution="PKS", items=items_of(record))
    in_xml = _in_marcxml(record)
    for encode, expected in ((iso2709.encode, record), (marcxml.encode, in_xml), (marcjson.encode, record)):
        try:
            encoded = encode(record)
        except NotSerialisable:
            continue
        (frame,) = frames(io.BytesIO(encoded))
        assert decode(frame).record.fingerprint() == expected.fingerprint()


def _in_marcxml(record: Record) -> Record:
    """The record as MARCXML can hold it, which has no empty code: text before subfields in $a, no bare delimiters."""
    fields: list[Field] = []
    for field in record.fields:
        if is_control(field):
            fields.append(field)
            continue
        pairs = [(code or "a", value) for code, value in subfields(field) if code or value] or [("a", "")]
        fields.append([*field[:2], *chain.from_iterable(pairs)])
    return Record(record.leader, fields)


def read_query(raw: bytes) -> int:
    """Parse any text as a query that is equal after printing, can be ranked and marks its matches."""
    text = raw.decode("utf-8", "replace")[:MOST_CHARACTERS]
    with time_limit():
        query = parse(text)
        assert parse(str(query)) == query
        rank(query)
        highlights(marks_for(query), {"title": text, "authors": [text]})
    return len(query.parts)


def read_cursor(raw: bytes) -> int:
    """Decode the text as a cursor: it is equal after printing, or is refused as foreign or too deep."""
    text = raw.decode("utf-8", "replace")
    with time_limit():
        # Control characters are refused in cursors, and no index state has one.
        generation = "".join(filter(str.isprintable, text[:40]))
        own_cursor = Cursor(1 + len(raw) % 9_000, QUESTION, generation, mode="relaxed" if len(raw) % 2 else "")
        assert decode_cursor(str(own_cursor), QUESTION) == own_cursor
        try:
            cursor = decode_cursor(text, QUESTION)
        except Invalid as refusal:
            _expect(refusal.reason in ("CURSOR_INVALID", "PAGING_TOO_DEEP"))
            return 0
    assert str(cursor) == text
    return 1


TARGETS: dict[str, Callable[[bytes], int]] = {"marc": read_marc, "query": read_query, "cursor": read_cursor}
