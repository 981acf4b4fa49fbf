"""What went in comes out, field for field, in three formats."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from chassis.context import READER
from chassis.db import Database
from chassis.errors import NotFound
from services.catalog import exporting
from services.catalog.marc import Record, marcxml
from services.catalog.marc.reading import decode, frames
from tests.builders import book
from tests.services.catalog.conftest import Importer

FORMS: list[exporting.Form] = ["marc", "marcxml", "json"]
BEYOND_ISO_2709 = 10_000  # a field that its directory has no room for


def exported(database: Database, form: exporting.Form, source: str = "") -> tuple[bytes, int, list[exporting.Left]]:
    """The bytes, how many records were written, and those that were not."""
    to, written, left = io.BytesIO(), 0, []
    for written, problem in exporting.export(database, READER, to=to, form=form, source=source):  # noqa: B007
        left += [problem] if problem else []
    return to.getvalue(), written, left


def read_back(content: bytes) -> list[bytes]:
    return [decode(frame).record.fingerprint() for frame in frames(io.BytesIO(content))]


def fingerprints(records: list[Record]) -> list[bytes]:
    return [record.fingerprint() for record in records]


@pytest.mark.parametrize("form", FORMS)
def test_each_format_read_again_is_what_was_imported(
    import_: Importer, database: Database, form: exporting.Form
) -> None:
    records = [
        book(str(number), f"Judul {number} <&> \"'", subjects=["Saudagar — Minangkabau", "İstanbul é"])
        for number in range(exporting.PAGE + 3)
    ]
    records[7].fields.append(["880", "10", "6", "245-01/(3/r", "a", "روبوهنيا سوراو كامي"])
    import_(records)
    content, written, left = exported(database, form)
    assert (written, left) == (len(records), [])
    assert read_back(content) == fingerprints(records)
    assert exporting.count(database, READER) == len(records)


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_imported_again_without_a_change(
    import_: Importer, database: Database, form: exporting.Form, tmp_path: Path
) -> None:
    import_([book("1"), book("2", "Dua"), book(None, "Tanpa nomor")])
    path = tmp_path / "kembali"
    path.write_bytes(exported(database, form)[0])
    counts = import_(path)
    assert (counts.read, counts.unchanged) == (3, 3)


@pytest.mark.parametrize("form", FORMS)
def test_only_the_records_of_a_source_when_one_is_named(
    import_: Importer, database: Database, form: exporting.Form
) -> None:
    mine, theirs = [book("1", "Punya A"), book("2", "Juga A")], [book("1", "Punya B")]
    import_(mine, source="A")
    import_(theirs, source="B")
    assert read_back(exported(database, form, "A")[0]) == fingerprints(mine)
    assert read_back(exported(database, form, "B")[0]) == fingerprints(theirs)
    assert (exporting.count(database, READER, source="A"), exporting.count(database, READER)) == (2, 3)


def test_a_source_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(NotFound) as refusal:
        exported(database, "marc", "NOWHERE")
    assert (refusal.value.reason, refusal.value.facts) == ("SOURCE_NOT_FOUND", {"source": "NOWHERE"})


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_catalogue_is_an_empty_export(database: Database, form: exporting.Form) -> None:
    content, written, left = exported(database, form)
    assert (read_back(content), written, left) == ([], 0, [])


def test_what_a_format_cannot_hold_is_said_and_the_rest_is_written(import_: Importer, database: Database) -> None:
    records = [book("1"), book("2", more=[["520", "  ", "a", "x" * BEYOND_ISO_2709]]), book("3")]
    import_(b"".join([marcxml.COLLECTION_HEAD, *(marcxml.encode(each, declare=False) for each in records),
                      marcxml.COLLECTION_TAIL]))  # fmt: skip
    content, written, left = exported(database, "marc")
    assert (written, len(left)) == (2, 1)
    assert left[0].reason
    assert read_back(content) == fingerprints([records[0], records[2]])
    assert read_back(exported(database, "json")[0]) == fingerprints(records)
