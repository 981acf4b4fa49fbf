"""No value of a record ends an import: on both databases it is stored within bounds, or rejected alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest
from sqlalchemy import select

from chassis.context import READER
from chassis.database.db import Database
from services.catalog.importing import pipeline
from services.catalog.importing.decode import PreparedBatch
from services.catalog.marc import marcjson
from services.catalog.marc.record import Record as Marc
from services.catalog.record.page import load_record_page
from services.catalog.tables import Branch, Heading, Item, Record, RejectedRecord
from tests.builders import book, iso
from tests.services.catalog.conftest import Importer

LONG = "".join(hashlib.sha512(bytes([number])).hexdigest() for number in range(157))[:20_000]  # not compressible


def _item(**values: str) -> list[str]:
    field = ["952", "  "]
    for code, value in values.items():
        field += (code, value)
    return field


def _record(number: str, *items: list[str], title: str = "Judul") -> Marc:
    record = book(number, title)
    record.fields += items
    return record


def _lines(*records: Marc) -> bytes:
    """These records as MARC-in-JSON, which has no limit of length."""
    return b"\n".join(map(marcjson.encode, records))


def _keys(database: Database) -> list[str]:
    with database.reading(READER) as session:
        return list(session.scalars(select(Record.control_key).order_by(Record.number)))


def test_control_characters_leave_keys_and_texts_of_items(import_: Importer, database: Database) -> None:
    item = _item(a="P\0ST", b="P\0ST", c="Ru\x01ang", p="B\x000\x9b1", o="813\0\tNAV r", t="c\0.2", h="Jil\0id 2")
    assert import_(_lines(_record("7\0\x1b8", item))).created == 1
    assert _keys(database) == ["(TEST)78"]
    with database.reading(READER) as session:
        stored = session.scalars(select(Item)).one()
        texts = (stored.barcode, stored.call_number, stored.room, session.scalars(select(Branch.code)).one())
    assert texts[0] == "B01"
    assert texts[1] == "813 NAV r"
    assert texts[3] == "PST"
    assert all(text.isprintable() for text in texts if text)


def test_long_control_numbers_are_two_records_and_are_found_again(import_: Importer, database: Database) -> None:
    records = _lines(_record(f"{LONG}1", title="Satu"), _record(f"{LONG}2", title="Dua"))
    assert import_(records).created == 2
    assert all(len(key) == 200 for key in _keys(database))
    assert import_(records).unchanged == 2
    assert len(_keys(database)) == 2


@pytest.mark.parametrize("value", [LONG, "\U00010400\u0301" * 10_000, "\0" * 20_000, "R\0" * 10_000])
def test_an_import_survives_any_value_of_an_item(import_: Importer, database: Database, value: str) -> None:
    item = _item(a=value, b=value, c=value, p=value, o=value, t=value, h=value, y=value)
    record = _record(value, item, title=value)
    record.fields += [["003", value], ["100", "1 ", "a", value], ["650", " 0", "a", value], ["773", "0 ", "w", value]]
    record.fields += [["852", "  ", "8", "1", "b", value, "h", value, "p", value], ["866", " 0", "8", "1", "a", value]]
    counts = import_(_lines(_record("1"), record, _record("2")))
    assert (counts.read, counts.created, counts.put_aside) == (3, 3, 0)


def test_a_related_record_is_looked_up_under_any_number(import_: Importer, database: Database) -> None:
    for number in ("9\0", LONG):
        article = _record("a" + number[:3])
        article.fields.append(["773", "0 ", "t", "Induk", "w", number])
        import_(_lines(article))
    with database.reading(READER) as session:
        for record_id in session.scalars(select(Record.id)):
            assert load_record_page(session, record_id).number


def _refused(batch: PreparedBatch, titles: Iterable[bytes]) -> PreparedBatch:
    """Give records with these titles a value that no database accepts."""
    for record in batch.incoming:
        if any(title in record.brief for title in titles):
            record.record_keys = record.record_keys._replace(title_sort=None)  # type: ignore[arg-type]
    return batch


def test_a_record_that_the_database_refuses_is_rejected_alone(
    import_: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = pipeline.prepare
    monkeypatch.setattr(
        pipeline, "prepare", lambda *arguments: _refused(prepare(*arguments), (b"Judul 300", b"Judul 700"))
    )
    records = [
        book(str(number), f"Judul {number}", items=[(f"CB{number % 7}", f"B{number}")], author=f"Pengarang {number}")
        for number in range(100, 1100)
    ]
    counts = import_(records)
    assert (counts.read, counts.created, counts.put_aside) == (1000, 998, 2)
    assert sorted(import_.reasons) == ["DATABASE_REFUSED_RECORD"] * 2
    with database.reading(READER) as session:
        rejected = session.scalars(select(RejectedRecord).order_by(RejectedRecord.ordinal)).all()
        assert [(row.ordinal, row.raw) for row in rejected] == [(201, iso([records[200]])), (601, iso([records[600]]))]
        assert all(row.detail for row in rejected)
        assert len(session.scalars(select(Branch.code)).all()) == 7
        authors = set(session.scalars(select(Heading.text).where(Heading.kind == "author")))
    assert len(authors) == 998
    monkeypatch.undo()
    again = import_(records)
    assert (again.created, again.unchanged) == (2, 998)


def test_a_programming_error_ends_the_import(
    import_: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("a programming error")

    monkeypatch.setattr(pipeline, "upsert_batch", fail)
    with pytest.raises(RuntimeError):
        import_([book("1")])
