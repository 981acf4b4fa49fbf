"""Entries to write down: every record of the shared sets that can be read, and small ones made by hand."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from functools import cache

import orjson

from services.catalog.formats import FORMS, Entry
from services.catalog.marc.faults import Bad
from services.catalog.marc.fields import Field
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record
from tests.conftest import SHARED

HELD = {
    "institution": "PKS",
    "branch": "PST",
    "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
    "call_number": "899.221 NAV r",
    "items": 2,
    "available": 1,
    "answer": "can_be_borrowed",
}
AT = datetime.datetime(2026, 11, 25, 1, 2, 3, tzinfo=datetime.UTC)
LEADER = "00000nam a2200000   4500"


def entry(*fields: Field, leader: str = LEADER) -> Entry:
    """A record of these fields, held in one branch."""
    return of(Record(leader, list(fields)))


def of(record: Record, number: int = 1) -> Entry:
    record_id = f"0192f3a4-5b6c-7d8e-9f01-{number:012x}"
    address = f"https://katalog.example/records/{record_id}"
    return Entry(record, record_id, 3, AT, orjson.dumps([HELD]), "contoh", "PKS", address)


def alone(form: str, *fields: Field, leader: str = LEADER) -> str:
    """What this form makes of these fields, as text."""
    return FORMS[form].alone(entry(*fields, leader=leader)).decode()


@cache
def shared() -> tuple[Entry, ...]:
    """Every record of the shared sets that can be read, those of the nasty ones among them."""
    return tuple(of(record, number) for number, record in enumerate(_records()))


def _records() -> Iterator[Record]:
    for path in sorted(SHARED.joinpath("marc").glob("*/*.mrc")):
        with path.open("rb") as stream:
            for frame in frames(stream):
                with contextlib.suppress(Bad):
                    yield decode(frame).record
