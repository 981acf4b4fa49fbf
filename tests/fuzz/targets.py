"""What is fuzzed: functions of any bytes that come back quickly, with nothing but what their callers expect.

Each is run by hypothesis in the tests and, guided by coverage, by `make fuzz`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chassis.errors import Invalid
from services.catalog.items.parsing import items_of
from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.faults import FAULTS, WARNINGS, NotSerialisable
from services.catalog.marc.readers import MarcError, decode, frames
from services.catalog.marc.record import Record
from services.catalog.record.brief import brief
from services.catalog.record.display import display
from services.catalog.record.index_document import document
from services.catalog.search.cursors import Cursor, decode_cursor
from services.catalog.search.highlight import highlights, marks_for
from services.catalog.search.query.parser import parse
from services.catalog.search.ranking.build import rank
from services.catalog.search.validation import MOST_CHARACTERS

LONGEST_SECONDS = 2.0
QUESTION = b"8 bytes."


@contextmanager
def soon() -> Iterator[None]:
    """What computes for longer than anybody waits is a hang."""
    start = time.thread_time()
    yield
    taken = time.thread_time() - start
    assert taken < LONGEST_SECONDS, f"{taken:.1f} s"


def read_marc(raw: bytes) -> int:
    """Frames cover the bytes; each is a record, which can be shown, indexed and written again, or a reason to name."""
    loaded = 0
    with soon():
        for expected, frame in enumerate(frames(io.BytesIO(raw)), start=1):
            assert frame.number == expected
            try:
                decoded = decode(frame)
            except MarcError as bad:
                _expect(bad.reason in FAULTS)
                continue
            assert set(decoded.warnings) <= WARNINGS
            _use(decoded.record)
            loaded += 1
    return loaded


def _expect(true: bool) -> None:
    assert true


def _use(record: Record) -> None:
    assert Record.unpack(record.pack()) == record
    brief(record, institution="PKS")
    display(record)
    document(record, number=1, institution="PKS", items=items_of(record))
    for encode in (iso2709.encode, marcxml.encode, marcjson.encode):
        try:
            written = encode(record)
        except NotSerialisable:
            continue
        (frame,) = frames(io.BytesIO(written))
        assert decode(frame).record.fingerprint() == record.fingerprint()


def read_query(raw: bytes) -> int:
    """Any text is a query, which prints back as itself, can be ranked, and marks what it finds."""
    text = raw.decode("utf-8", "replace")[:MOST_CHARACTERS]
    with soon():
        query = parse(text)
        assert parse(str(query)) == query
        rank(query)
        highlights(marks_for(query), {"title": text, "authors": [text]})
    return len(query.parts)


def read_cursor(raw: bytes) -> int:
    """A cursor is one that was given, and then prints back as itself, or is refused as foreign or too deep."""
    text = raw.decode("utf-8", "replace")
    with soon():
        given = Cursor(1 + len(raw) % 9_000, QUESTION, text[:40], mode="relaxed" if len(raw) % 2 else "")
        assert decode_cursor(str(given), QUESTION) == given
        try:
            cursor = decode_cursor(text, QUESTION)
        except Invalid as refusal:
            _expect(refusal.reason in ("CURSOR_FOREIGN", "PAGING_TOO_DEEP"))
            return 0
    assert str(cursor) == text
    return 1


TARGETS: dict[str, Callable[[bytes], int]] = {"marc": read_marc, "query": read_query, "cursor": read_cursor}
