"""Entries to write: every record of a corpus that can be read, and small ones made by hand."""

from __future__ import annotations

import datetime
from functools import cache

import orjson

from services.catalog.formats import FORMS, Entry
from services.catalog.marc.record import Field, Record
from tests import corpus

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


def document(form: str, *fields: Field, leader: str = LEADER) -> str:
    """What this form makes of these fields, as text."""
    return FORMS[form].document(entry(*fields, leader=leader)).decode()


@cache
def entries(name: str) -> tuple[Entry, ...]:
    """Every record of this set that can be read, those of its damaged files among them."""
    return tuple(of(record, number) for number, record in enumerate(corpus.loaded(name)))
