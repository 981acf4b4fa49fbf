"""An export equals its import, field for field, in three formats."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from services.catalog.formats import FORMS as FORMS_THERE_ARE
from services.catalog.formats import export
from services.catalog.marc import marcxml
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record
from tests.builders import book
from tests.services.catalog.conftest import Importer

FORMS: list[str] = ["marc", "marcxml", "marcjson"]
BEYOND_ISO_2709 = 10_000  # a field that its directory has no room for


def exported(database: Database, form: str, source: str = "") -> tuple[bytes, int, list[export.ExportProblem]]:
    """The bytes, how many records were written, and those that were not."""
    to, count, problems = io.BytesIO(), 0, []
    for progress in export.export(database, READER, to=to, request=export.ExportRequest(form, source=source)):
        count = progress.written
        problems += progress.problems
        assert progress.left == len(problems)
    return to.getvalue(), count, problems


def read_back(content: bytes) -> list[bytes]:
    return [decode(frame).record.fingerprint() for frame in frames(io.BytesIO(content))]


def fingerprints(records: list[Record]) -> list[bytes]:
    return [record.fingerprint() for record in records]


@pytest.mark.parametrize("form", FORMS)
def test_each_format_is_read_again_as_it_was_imported(import_: Importer, database: Database, form: str) -> None:
    records = [
        book(str(number), f"Judul {number} <&> \"'", subjects=["Saudagar — Minangkabau", "İstanbul é"])
        for number in range(export.PAGE + 3)
    ]
    records[7].fields.append(["880", "10", "6", "245-01/(3/r", "a", "روبوهنيا سوراو كامي"])
    import_(records)
    content, count, problems = exported(database, form)
    assert (count, problems) == (len(records), [])
    assert read_back(content) == fingerprints(records)
    assert export.count(database, READER) == len(records)


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_imported_again_without_a_change(
    import_: Importer, database: Database, form: str, tmp_path: Path
) -> None:
    import_([book("1"), book("2", "Dua"), book(None, "Tanpa nomor")])
    path = tmp_path / "kembali"
    path.write_bytes(exported(database, form)[0])
    counts = import_(path)
    assert (counts.read, counts.unchanged) == (3, 3)


@pytest.mark.parametrize("form", FORMS)
def test_only_the_records_of_a_source_when_one_is_named(import_: Importer, database: Database, form: str) -> None:
    records_of_a, records_of_b = [book("1", "Punya A"), book("2", "Juga A")], [book("1", "Punya B")]
    import_(records_of_a, source="A")
    import_(records_of_b, source="B")
    assert read_back(exported(database, form, "A")[0]) == fingerprints(records_of_a)
    assert read_back(exported(database, form, "B")[0]) == fingerprints(records_of_b)
    assert (export.count(database, READER, source="A"), export.count(database, READER)) == (2, 3)


def test_a_source_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(NotFound) as refusal:
        exported(database, "marc", "NOWHERE")
    assert (refusal.value.reason, refusal.value.facts) == ("SOURCE_NOT_FOUND", {"source": "NOWHERE"})


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_catalogue_is_an_empty_export(database: Database, form: str) -> None:
    content, count, problems = exported(database, form)
    assert (read_back(content), count, problems) == ([], 0, [])


def test_values_that_a_format_cannot_hold_are_reported_and_the_others_written(
    import_: Importer, database: Database
) -> None:
    records = [book("1"), book("2", more=[["520", "  ", "a", "x" * BEYOND_ISO_2709]]), book("3")]
    import_(b"".join([marcxml.COLLECTION_HEAD, *(marcxml.encode(record, declare=False) for record in records),
                      marcxml.COLLECTION_TAIL]))  # fmt: skip
    content, count, problems = exported(database, "marc")
    assert (count, len(problems)) == (2, 1)
    assert problems[0].reason
    assert read_back(content) == fingerprints([records[0], records[2]])
    assert read_back(exported(database, "marcjson")[0]) == fingerprints(records)


@pytest.mark.parametrize("form", sorted(FORMS_THERE_ARE))
def test_every_form_gives_every_record(import_: Importer, database: Database, form: str) -> None:
    import_([book("1", "Judul satu"), book("2", "Judul dua")])
    content, count, problems = exported(database, form)
    assert (count, problems) == (2, [])
    assert content.startswith(FORMS_THERE_ARE[form].head)
    assert content.endswith(FORMS_THERE_ARE[form].tail)
    assert b"Judul satu" in content
    assert b"Judul dua" in content


def test_an_interrupted_export_goes_on_where_it_is_sure(import_: Importer, database: Database, tmp_path: Path) -> None:
    import_([book(str(number)) for number in range(export.PAGE * 3)])
    request = export.ExportRequest("marcxml")
    path = tmp_path / "semua.xml"
    with export.ExportFile(path, request) as place:
        assert place.since is None
        pages = export.export(database, READER, to=place.file, request=request)
        place.save(next(pages))
        next(pages)
        # Here it dies: the second page is in the file, but nobody is sure of it.
    with export.ExportFile(path, request) as place:
        assert place.since == export.ExportProgress(export.PAGE, export.PAGE)
        *_, last = export.export(database, READER, to=place.file, request=request, since=place.since)
        place.finish()
    complete, count, _ = exported(database, "marcxml")
    assert path.read_bytes() == complete
    assert last.written == count
    assert list(tmp_path.glob("*.state*")) == []


def test_a_file_begun_with_another_question_is_not_written_over(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "semua.mrc"
    with export.ExportFile(path, export.ExportRequest(source="A")) as place:
        place.save(export.ExportProgress(7, 7))
    with pytest.raises(Invalid) as refusal, export.ExportFile(path, export.ExportRequest(source="B")):
        pass
    assert refusal.value.reason == "EXPORT_UNLIKE"
    with export.ExportFile(path, export.ExportRequest(source="A")) as place:
        assert place.since is not None
        assert place.since.after == 7


@pytest.mark.parametrize("loss", ["file", "bytes"])
def test_a_file_that_is_less_than_it_was_is_begun_anew(database: Database, tmp_path: Path, loss: str) -> None:
    path = tmp_path / "semua.mrc"
    with export.ExportFile(path, export.ExportRequest()) as place:
        place.file.write(b"a record")
        place.save(export.ExportProgress(7, 1))
    if loss == "file":
        path.unlink()
    else:
        path.write_bytes(b"a rec")
    with export.ExportFile(path, export.ExportRequest()) as place:
        assert place.since is None
    assert path.read_bytes() == b""
