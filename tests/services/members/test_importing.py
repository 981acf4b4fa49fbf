"""Imports of members: files as schools make them, corrected and rejected rows, and repeated runs without effect."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from google.protobuf import json_format
from sqlalchemy import func, select, text

from chassis.context import system
from chassis.errors import Invalid
from rangkiang.members.v1.events_pb2 import MembersChanged
from services.members.importing.files import ColumnMap, read_map, read_rows
from services.members.importing.pipeline import Import
from services.members.importing.rows import Finding, convert
from services.members.people import events
from services.members.tables import Member
from tests.commits import after_commit
from tests.migrated import every_row
from tests.services.members.conftest import PKS, TEST, Office
from tests.services.members.desk import Desk

HEADER = "No Anggota;Nama Lengkap;Jenis Kelamin;Tgl Lahir;NIK;No HP;Alamat;Kategori;Sekolah;Kelas;Wali"
SCHOOL = f"""\
{HEADER}
S-001;Siti Rahma;P;12/03/2012;1372015203120001;81266001122;"Jl. Pandan 4; Solok";Pelajar;SMPN 1 Solok;VIII A;Rahmawati
S-002;M. Yusuf;L;1-5-2011;1,37E+15;081266001133;;Pelajar;SMPN 1 Solok;VIII A;
S-003;Aulia;perempuan;2012-13-40;;;;Pelajar;SMPN 1 Solok;VIII A;
;Zaki Fadilah;L;05.07.2013;;0812 6600 1144;;Pelajar;;;
S-001;Orang Lain;L;;;;;Umum;;;
;Drs. Budi Santoso, M.Pd.;L;;;;;Umum;;;

S-004;Hasan;L;;;;;Raja;;;
"""


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def run(
    office: Office, path: Path, *, dry_run: bool = False, mapping: ColumnMap | None = None
) -> tuple[Any, list[Finding]]:
    """Import a file. Returns (counts, findings)."""
    said: list[Finding] = []
    mapping = mapping or ColumnMap()
    importing = Import(
        office.database,
        system("import"),
        institution_id=PKS,
        master=office.keys.master,
        dry_run=dry_run,
        report=said.append,
    )
    return importing.run(read_rows(path, mapping), mapping), said


def figures(counts: Any) -> tuple[int, ...]:
    return counts.read, counts.created, counts.updated, counts.unchanged, counts.put_aside


def test_a_file_of_a_school_is_imported_and_again_changes_nothing(office: Office, tmp_path: Path) -> None:
    path = write(tmp_path / "siswa.csv", SCHOOL, "cp1252")
    counts, said = run(office, path)
    assert figures(counts) == (7, 3, 0, 0, 4)
    assert [(line.row, line.reason, line.field, line.is_rejected) for line in said] == [
        (2, "IMPORT_PHONE_MENDED", "phone", False),
        (3, "IMPORT_NIK_ROUNDED", "nik", True),
        (4, "BIRTH_DATE_INVALID", "birth_date", True),
        (5, "GUARDIAN_MISSING", "", False),
        (6, "IMPORT_ROW_REPEATED", "", True),
        (9, "CATEGORY_UNKNOWN", "category", True),
    ]
    desk = Desk(office)
    (listed,) = desk.find("S-001").members
    siti = desk.get(listed.id)
    assert (siti.name, siti.sex, siti.school, siti.group, siti.guardian.name) == (
        "Siti Rahma", "female", "SMPN 1 Solok", "VIII A", "Rahmawati",
    )  # fmt: skip
    assert (siti.contact.birth_date, siti.contact.phone, siti.contact.address) == (
        "2012-03-12", "+6281266001122", "Jl. Pandan 4; Solok",
    )  # fmt: skip
    assert desk.find("budi").members[0].title_after == "M.Pd."
    before = everything(office)
    counts, said_again = run(office, path)
    assert figures(counts) == (7, 0, 0, 3, 4)
    assert said_again == said
    assert everything(office) == before


def everything(office: Office) -> list[Any]:
    """All rows that an import writes."""
    with office.database.reading(TEST) as session:
        return [
            session.execute(every_row(table)).all()
            for table in ("members", "cards", "member_words", "member_lookups", "outbox", "audit_acts", "number_series")
        ]


def test_a_dry_run_says_the_same_and_changes_nothing(office: Office, tmp_path: Path) -> None:
    path = write(tmp_path / "siswa.csv", SCHOOL)
    before = everything(office)
    tried = run(office, path, dry_run=True)
    assert everything(office) == before
    assert run(office, path) == tried


def test_changed_cells_update_and_empty_cells_do_not(office: Office, tmp_path: Path) -> None:
    run(office, write(tmp_path / "a.csv", "nomor,nama,hp,kelas\n1,Siti Rahma,081266001122,VIII A\n2,Umar,,\n"))
    counts, _ = run(office, write(tmp_path / "b.csv", "nomor,nama,hp,kelas,nisn\n1,Siti Rahma,,IX A,0051\n2,Umar,,,\n"))
    assert figures(counts) == (2, 0, 1, 1, 0)
    desk = Desk(office)
    (listed,) = desk.find("0051").members
    member = desk.get(listed.id)
    assert (member.group, member.contact.phone, member.version) == ("IX A", "+6281266001122", 3)
    counts, _ = run(office, tmp_path / "b.csv")
    assert figures(counts) == (2, 0, 0, 2, 0)


def test_excel_files_with_numbers_and_dates(office: Office, tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Nama", "NIK", "HP", "Tanggal Lahir", "NISN"])
    sheet.append(["Siti Rahma", "1372015203120001", 81266001122, date(1988, 3, 12), "0051234567"])
    sheet.append(["Umar", 1372015203120002, None, None, None])
    sheet.append(["Usman", None, "0812 6600 1133", "13/12/1990", 1.37e15])
    path = tmp_path / "anggota.xlsx"
    workbook.save(path)
    counts, said = run(office, path)
    assert figures(counts) == (3, 2, 0, 0, 1)
    assert [(line.row, line.reason) for line in said] == [
        (2, "IMPORT_PHONE_MENDED"), (3, "IMPORT_NIK_ROUNDED"), (1, "IMPORT_NO_CATEGORIES")
    ]  # fmt: skip
    desk = Desk(office)
    siti = desk.get(desk.find("0051234567").members[0].id)
    assert (siti.contact.nik, siti.contact.birth_date) == ("1372015203120001", "1988-03-12")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("31/12/1990", "1990-12-31"),
        ("1-2-1990", "1990-02-01"),
        ("01.02.1990", "1990-02-01"),
        ("1990-02-01", "1990-02-01"),
        ("1990-02-01 00:00:00", "1990-02-01"),
        ("0000-00-00", None),
        ("", None),
    ],
)
def test_dates_are_read_day_first(typed: str, stored: str | None) -> None:
    from services.members.importing.files import Cell

    row = convert(2, {"name": Cell("Ali"), "birth_date": Cell(typed)}, ColumnMap())
    assert not row.findings
    assert row.fields["birth_date"] == (stored or "")


def test_a_map_names_columns_values_and_defaults(office: Office, tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", 'member_id,member_name,jenis\n"A 1",Ali,SISWA\n"A 2",Umar,GURU\n')
    mapping = read_map(
        write(
            tmp_path / "map.toml",
            '[columns]\nnumber = "member_id"\nname = "member_name"\ncategory = "jenis"\n'
            '[values.category]\nSISWA = "pelajar"\nguru = "pegawai"\n[defaults]\nschool = "SMAN 1"\ngroup = "X"\n',
        )
    )
    counts, _ = run(office, source, mapping=mapping)
    assert figures(counts) == (2, 2, 0, 0, 0)
    assert [hit.category for hit in Desk(office).find("sman").members] == ["pelajar", "pegawai"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "", "MEMBERS_FILE_UNREADABLE"),
        ("a.csv", "kolom,lain\n1,2\n", "MEMBERS_COLUMN_MISSING"),
        ("a.csv", "nama\x00\nAli\n", "MEMBERS_FILE_UNREADABLE"),
        ("a.xlsx", "no zip", "MEMBERS_FILE_UNREADABLE"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(Invalid) as raised:
        list(read_rows(write(tmp_path / name, content), ColumnMap()))
    assert raised.value.reason == reason


@pytest.mark.parametrize("content", ["[columns]\nnama = 'x'\n", "[column]\n", "x ="])
def test_a_map_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_map(write(tmp_path / "map.toml", content))
    assert raised.value.reason == "MEMBERS_MAP_INVALID"


def test_findings_about_rows_contain_no_value(office: Office, tmp_path: Path) -> None:
    rows = "nama,nik,hp,email,tgl lahir,alamat\n,137201520312,99x,siti@@x,99/99/2012,\x07Pandan\n"
    _, said = run(office, write(tmp_path / "a.csv", rows))
    assert len(said) == 6
    assert not [value for value in ("137201520312", "99x", "siti@@", "99/99", "Pandan") if value in repr(said)]


def test_several_batches_are_several_facts(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.members.importing.pipeline.BATCH", 3)
    rows = "".join(f"{number},Nur {chr(97 + number) * 4}\n" for number in range(8))
    path = write(tmp_path / "a.csv", "nomor,nama\n" + rows)
    counts, _ = run(office, path)
    assert figures(counts) == (8, 8, 0, 0, 0)
    with office.database.reading(TEST) as session:
        assert session.scalar(text("SELECT count(*) FROM outbox")) == 3
        assert session.scalar(text("SELECT count(*) FROM audit_acts WHERE act = 'members.import'")) == 3


def test_each_batch_is_a_transaction_and_a_dry_run_has_none(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.members.importing.pipeline.BATCH", 2)
    path = write(tmp_path / "a.csv", "nomor,nama\n" + "".join(f"{number},Nur Hasan\n" for number in range(7)))
    commits: list[bool] = []
    after_commit(office.database, lambda: commits.append(True))
    counts, _ = run(office, path, dry_run=True)
    assert (figures(counts), commits) == ((7, 7, 0, 0, 0), [])
    counts, _ = run(office, path)
    assert figures(counts) == (7, 7, 0, 0, 0)
    assert len(commits) == 4
    with office.database.reading(TEST) as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 7
        assert session.scalar(text("SELECT count(*) FROM audit_acts WHERE act = 'members.import'")) == 4


def test_facts_of_new_members_are_those_of_the_stored_ones(office: Office, tmp_path: Path) -> None:
    header = "nomor,nim,nama,tgl lahir,kategori,kelas,penanggung jawab"
    content = f"{header}\nZ9,N1,Siti,1/2/2010,pelajar,X,\n,,SDN 3,,lembaga,,Budi\n"
    counts, _ = run(office, write(tmp_path / "a.csv", content))
    assert counts.created == 2
    with office.database.reading(TEST) as session:
        (body,) = session.scalars(text("SELECT body FROM outbox"))
        stored = events.snapshot(session, "").members
    members = json_format.Parse(body, MembersChanged()).members
    assert {event.id: event for event in members} == {event.id: event for event in stored}
    assert list(members[0].numbers) == ["Z9", "N1"]
    assert [event.is_organisation for event in members] == [False, True]
