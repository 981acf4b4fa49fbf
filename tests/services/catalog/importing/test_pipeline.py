"""An import stores sound records, rejects damaged ones, skips known ones, and continues after a kill."""

from __future__ import annotations

import io
from pathlib import Path
from unicodedata import normalize

import pytest
from sqlalchemy import func, select

from chassis.bus.outbox import outbox
from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.sentences import sentence
from services.catalog.formats import export
from services.catalog.importing import decode as decoding
from services.catalog.importing import rejected_records
from services.catalog.importing.decode import decode_entities, find_files
from services.catalog.marc.field_shape import is_unimarc
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Branch, ImportSeen, IndexQueue, Item, OriginalRecord, Record, RejectedRecord
from tests import corpus
from tests.builders import book, iso
from tests.corpus.assembly import assemble
from tests.services.catalog.conftest import Importer


def _all(database: Database) -> list[Marc]:
    """The records as an export gives them back."""
    to = io.BytesIO()
    list(export.export(database, READER, to=to, request=export.ExportRequest()))
    return [decode(frame).record for frame in frames(io.BytesIO(to.getvalue()))]


def _counts(counts: object) -> tuple[int, ...]:
    return tuple(getattr(counts, name) for name in ("read", "created", "updated", "unchanged", "put_aside"))


def test_an_export_equals_its_import_field_for_field(import_: Importer, database: Database) -> None:
    records = [book(str(number), f"Judul {number}", items=[("PST", f"B{number}")]) for number in range(1200)]
    assert _counts(import_(records)) == (1200, 1200, 0, 0, 0)
    assert [stored_record.fingerprint() for stored_record in _all(database)] == [
        record.fingerprint() for record in records
    ]


def test_the_same_file_again_changes_nothing(import_: Importer, database: Database) -> None:
    records = [book("1"), book("2"), book(None, "Tanpa nomor")]
    import_(records)
    assert _counts(import_(records)) == (3, 0, 0, 3, 0)
    with database.reading(READER) as session:
        assert session.scalar(select(func.max(Record.version))) == 1
        assert session.scalar(select(func.count()).select_from(ImportSeen)) == 0


def test_a_changed_record_is_a_new_version_of_the_old_one(import_: Importer, database: Database) -> None:
    import_([book("1", "Lama")])
    with database.reading(READER) as session:
        old_row = session.execute(select(Record.id, Record.number)).one()
    assert _counts(import_([book("1", "Baru")])) == (1, 0, 1, 0, 0)
    with database.reading(READER) as session:
        new_row = session.execute(select(Record.id, Record.number, Record.version)).one()
    assert (new_row.id, new_row.number, new_row.version) == (old_row.id, old_row.number, 2)
    assert _all(database)[0].text("245", "a") == "Baru"


def test_two_different_records_under_one_number_are_both_kept(import_: Importer, database: Database) -> None:
    twins = [book("7", "Satu"), book("7", "Dua"), book("7", "Dua")]
    assert _counts(import_(twins)) == (3, 2, 0, 1, 0)
    assert import_.reasons == ["DUPLICATE_CONTROL_NUMBER"]
    assert _counts(import_(twins)) == (3, 0, 0, 3, 0)
    assert _counts(import_(list(reversed(twins)))) == (3, 0, 0, 3, 0)
    assert len(_all(database)) == 2


def test_a_later_run_updates_the_first_of_two_twins_and_keeps_the_second(import_: Importer, database: Database) -> None:
    import_([book("7", "Satu"), book("7", "Dua")])
    assert _counts(import_([book("7", "Satu, edisi baru"), book("7", "Dua")])) == (2, 0, 1, 1, 0)
    assert {record.text("245", "a") for record in _all(database)} == {"Satu, edisi baru", "Dua"}


def test_sources_do_not_share_control_numbers(import_: Importer, database: Database) -> None:
    import_([book("1", "Satu")], source="A")
    assert _counts(import_([book("1", "Dua")], source="B")) == (1, 1, 0, 0, 0)
    assert len(_all(database)) == 2


def test_a_bad_record_is_put_aside_with_its_bytes_and_the_rest_is_loaded(import_: Importer, database: Database) -> None:
    bad = iso([book("2", "Rusak")]).replace(b"Rusak", b"R\xff\xfe\xfdk")
    assert _counts(import_(iso([book("1")]) + bad + iso([book("3")]))) == (3, 2, 0, 0, 1)
    with database.reading(READER) as session:
        problem = session.execute(
            select(RejectedRecord.ordinal, RejectedRecord.position, RejectedRecord.reason, RejectedRecord.raw)
        ).one()
    assert (problem.ordinal, problem.position, problem.reason, problem.raw) == (
        2,
        len(iso([book("1")])),
        "BAD_UTF8",
        bad,
    )


def test_marc8_that_is_declared_as_utf8_is_repaired_and_its_bytes_are_exported(
    import_: Importer, database: Database
) -> None:
    raw = assemble(("001", b"1"), ("003", b"TEST"), ("245", b"10\x1faCaf\xe2e"))
    import_(raw + iso([book("2")]))
    assert import_.reasons == ["MARC8_SAID_UTF8"]
    assert [normalize("NFC", record.text("245", "a")) for record in _all(database)] == ["Café", "Robohnya surau kami"]
    to = io.BytesIO()
    list(export.export(database, READER, to=to, request=export.ExportRequest(as_received=True)))
    assert to.getvalue() == raw + iso([book("2")])
    with pytest.raises(Invalid, match="AS_RECEIVED_NEEDS_MARC"):
        list(export.export(database, READER, to=to, request=export.ExportRequest("mods", as_received=True)))
    import_([book("1", "Café")])
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(OriginalRecord)) == 0


def test_entities_are_decoded_once_where_a_whole_field_has_them(import_: Importer, database: Database) -> None:
    titles = ["Adat &amp; ulama &#233;", "A&W &amp; lain", "&amp;lt;b&amp;gt;", "Tanpa &#31; kendali"]
    import_([book(str(number), title) for number, title in enumerate(titles)])
    assert [record.text("245", "a") for record in _all(database)] == [
        "Adat & ulama é", titles[1], "&lt;b&gt;", titles[3],
    ]  # fmt: skip
    assert import_.reasons == ["ENTITIES_DECODED"] * 2


def test_unimarc_is_rejected_with_its_reason(import_: Importer, database: Database) -> None:
    coded = ["100", "  ", "a", "20261126d1956    m  y0indy50      ba"]
    title = ["200", "1 ", "a", "Robohnya surau kami"]
    unimarc = Marc("00000cam0 2200000   450 ", [["001", "U1"], coded, title])
    assert _counts(import_([unimarc, book("2")])) == (2, 1, 0, 0, 1)
    assert "UNIMARC" in import_.reasons
    assert "MARC 21" in sentence("UNIMARC").en


def test_a_dry_run_says_the_same_and_writes_nothing(import_: Importer, database: Database) -> None:
    records = [book("1"), book("2"), book("2", "Lain"), book("2"), book(None)]
    counts_of_dry_run = _counts(import_(records, dry_run=True))
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(Record)) == 0
    assert _counts(import_(records)) == counts_of_dry_run
    assert _counts(import_(records, dry_run=True)) == (5, 0, 0, 5, 0)


@pytest.fixture
def batches_of_50(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a tenth of the usual size, for tests of what is done with each."""
    monkeypatch.setattr(decoding, "BATCH", 50)


@pytest.mark.usefixtures("batches_of_50")
def test_each_batch_is_one_fact_and_each_new_version_waits_for_the_index(import_: Importer, database: Database) -> None:
    records = [book(str(number)) for number in range(110)]
    import_(records)
    import_(records)
    with database.reading(READER) as session:
        types = list(session.scalars(select(outbox.c.type)))
        assert session.scalar(select(func.count()).select_from(IndexQueue)) == 110
    # The numbers of changes follow each batch.
    assert types == [f"rangkiang.catalog.v1.{name}" for name in ("RecordsChanged", "RecordChangesNumbered")] * 3


def test_items_come_with_their_record_and_keep_their_ids(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "0001"), ("TJH", "0002")])])
    with database.reading(READER) as session:
        old_ids = {row.barcode: row.id for row in session.execute(select(Item.barcode, Item.id))}
    import_([book("1", items=[("TJH", "0002"), ("PST", "0003")])])
    with database.reading(READER) as session:
        new_ids = {row.barcode: row.id for row in session.execute(select(Item.barcode, Item.id))}
        branches = {row.code: row.confirmed for row in session.execute(select(Branch.code, Branch.confirmed))}
    assert set(new_ids) == {"0002", "0003"}
    assert new_ids["0002"] == old_ids["0002"]
    assert branches == {"PST": False, "TJH": False}


def test_a_barcode_names_one_item_of_an_institution(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "0001")]), book("2", items=[("PST", "0001")])])
    assert import_.reasons == ["BARCODE_IN_USE"]
    with database.reading(READER) as session:
        rows = session.execute(select(Item.record_number, Item.barcode).order_by(Item.record_number)).all()
    assert [row.barcode for row in rows] == ["0001", None]


@pytest.mark.usefixtures("batches_of_50")
@pytest.mark.parametrize("batches", [1, 3])
def test_a_stopped_import_goes_on_where_it_was(
    import_: Importer, database: Database, tmp_path: Path, batches: int
) -> None:
    records = [book(str(number % 140), f"Judul {number}") for number in range(170)]
    path = tmp_path / "besar.mrc"
    path.write_bytes(iso(records))
    progress_reports: list[object] = []

    def die(progress: object) -> None:
        progress_reports.append(progress)
        if len(progress_reports) == batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_(path, on_progress=die)
    progress_reports.clear()
    counts = import_(path, on_progress=progress_reports.append)
    assert _counts(counts) == (170, 170, 0, 0, 0)
    assert len(progress_reports) == 4 - batches
    assert [stored_record.fingerprint() for stored_record in _all(database)] == [
        record.fingerprint() for record in records
    ]
    assert _counts(import_(path)) == (170, 0, 0, 170, 0)


@pytest.mark.usefixtures("batches_of_50")
def test_a_file_that_changed_after_the_stop_is_read_from_its_beginning(import_: Importer, tmp_path: Path) -> None:
    path = tmp_path / "besar.mrc"
    path.write_bytes(iso([book(str(number)) for number in range(100)]))

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_(path, on_progress=die)
    path.write_bytes(iso([book(str(number), "Baru") for number in range(100)]))
    assert _counts(import_(path)) == (100, 50, 50, 0, 0)


def test_a_folder_is_read_in_order_and_a_missing_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.mrc", "a.mrc", "b/d.xml", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    names = [str(path.relative_to(tmp_path)) for path in find_files([str(tmp_path), "-"])[:-1]]
    assert names == ["a.mrc", "b/d.xml", "c.mrc"]
    with pytest.raises(NotFound) as refusal:
        find_files([str(tmp_path / "nowhere")])
    assert refusal.value.reason == "PATH_NOT_FOUND"


# PostgreSQL refuses more than SQLite, so it gets the real records.
@pytest.mark.parametrize(
    ("database", "records"),
    [("sqlite", "own"), *(pytest.param("postgresql", name, marks=pytest.mark.servers) for name in corpus.sets())],
    indirect=["database"],
)
def test_every_sound_record_is_loaded_and_given_back(
    import_: Importer, database: Database, tmp_path: Path, records: str
) -> None:
    sent: list[bytes] = []
    for file in corpus.sound_set(records):
        path = tmp_path / file.name
        path.write_bytes(file.read())
        loaded = [decode(frame).record for frame in frames(io.BytesIO(file.read()))]
        marc21 = [record for record in loaded if not _is_unimarc(record)]
        for record in marc21:
            decode_entities(record)
        # Authority records are kept as names, not as records of the catalogue; deleted ones are not kept.
        sent += [record.fingerprint() for record in marc21 if record.leader[6] != "z" and record.leader[5:6] != "d"]
        counts = import_(path, source=file.name[:32].replace("_", "-"))
        assert counts.put_aside == len(loaded) - len(marc21), import_.reasons
    fingerprints = [stored_record.fingerprint() for stored_record in _all(database)]
    assert set(fingerprints) == set(sent)


def _is_unimarc(record: Marc) -> bool:
    return is_unimarc({row[0] for row in record.fields}, record.text("100", "a"))


def test_rejected_records_of_a_source_are_bounded_and_the_newest_stay(
    import_: Importer, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_records, "MOST_OF_A_SOURCE", 5)
    for part, (source, count) in enumerate([("A", 4), ("B", 3), ("A", 4)]):
        path = tmp_path / f"{part}.mrc"
        path.write_bytes(
            iso(book(str(number), "Rusak") for number in range(count)).replace(b"Rusak", b"R\xff\xfe\xfdk")
        )
        assert import_(path, source=source).put_aside == count
    with database.reading(READER) as session:
        paths = session.scalars(select(RejectedRecord.path).order_by(RejectedRecord.id)).all()
    assert [Path(path).stem for path in paths] == ["0", *"111", *"2222"]
