"""The report of a members import: unread columns, assumed categories, last days, and bad sheets."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from chassis import clock
from chassis.errors import Invalid
from services.members.commands import app
from services.members.importing.files import ColumnMap, read_map, read_rows
from services.members.people import categories
from services.members.tables import Category
from tests.services.members.conftest import PKS, TEST, Office
from tests.services.members.desk import Desk
from tests.services.members.test_importing import figures, run, write

NOW = datetime(2026, 12, 1, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def december() -> Any:
    with clock.frozen(NOW):
        yield


def reasons(findings: list[Any]) -> list[tuple[int, str]]:
    return [(finding.row, finding.reason) for finding in findings]


def last_days(office: Office) -> dict[str, tuple[str, str]]:
    """Return number -> category and last day."""
    desk = Desk(office)
    listed = [desk.find(number).members[0] for number in ("A1", "A2", "A3")]
    members = [desk.get(member.id) for member in listed]
    return {member.number: (member.category, member.expires_on) for member in members}


def test_columns_that_are_not_read_are_named(office: Office, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\nno;nama;Jenis;kategori;hp;telepon;\nA1;Ali;siswa;umum;;;\n")
    counts, findings = run(office, path)
    assert [(finding.row, finding.reason, dict(finding.facts)) for finding in findings] == [
        (2, "IMPORT_COLUMN_UNREAD", {"column": "Jenis"}),
        (2, "IMPORT_COLUMN_UNREAD", {"column": "hp"}),
    ]
    assert counts.warnings == 2
    mapping = read_map(write(tmp_path / "map.toml", 'ignore = ["jenis", "HP"]\n'))
    assert run(office, path, mapping=mapping)[1] == []


def test_a_member_without_a_category_becomes_umum_with_a_warning(office: Office, tmp_path: Path) -> None:
    counts, findings = run(office, write(tmp_path / "a.csv", "no;nama;kategori\nA1;Ali;\nA2;Umar;pegawai\n"))
    assert reasons(findings) == [(2, "IMPORT_CATEGORY_ASSUMED")]
    assert (counts.without_category, counts.warnings) == (1, 1)
    counts, findings = run(office, write(tmp_path / "b.csv", "no;nama\nA2;Umar\nA3;Usman\nA4;Said\n"))
    assert [(finding.row, finding.reason, dict(finding.facts)) for finding in findings] == [
        (1, "IMPORT_NO_CATEGORIES", {"count": 2, "category": "umum"})
    ]
    assert figures(counts) == (3, 2, 0, 1, 0), "a stored member keeps the category"
    mapping = ColumnMap(defaults={"category": "pegawai"})
    assert run(office, write(tmp_path / "c.csv", "no;nama;kelas\nA5;Zaki;X\n"), mapping=mapping)[1] == []


def test_a_dry_run_shows_categories_and_last_days(office: Office, tmp_path: Path) -> None:
    rows = "A1;Ali;umum;\nA2;Umar;pelajar;\nA3;Usman;pelajar;30/06/2027\nA4;Said;pelajar;30/09/2027\nA5;Ali;raja;\n"
    path = write(tmp_path / "a.csv", "no;nama;kategori;masa berlaku;kelas\n" + rows.replace("\n", ";X\n"))
    days = {"umum": (1, "2028-12-01", "2028-12-01"), "pelajar": (3, "2027-06-30", "2027-12-01")}
    expected = {
        category: {"created": created, "updated": 0, "computed": 1, "expires_from": first, "expires_to": last}
        for category, (created, first, last) in days.items()
    }
    assert run(office, path, dry_run=True)[0].categories == expected
    assert run(office, path)[0].categories == expected


def test_a_corrected_category_corrects_a_computed_last_day_alone(office: Office, tmp_path: Path) -> None:
    rows = "no;nama;kategori;masa berlaku\nA1;Ali;{0};\nA2;Umar;{0};30/06/2027\nA3;Usman;{0};\n"
    run(office, write(tmp_path / "a.csv", rows.format("umum")))
    assert last_days(office)["A1"] == ("umum", "2028-12-01")
    desk = Desk(office)
    usman = desk.get(desk.find("A3").members[0].id)
    desk.change(usman.id, usman.version, expires_on="2027-01-31")
    with clock.frozen(NOW.replace(day=20)):
        counts, _ = run(office, write(tmp_path / "b.csv", rows.format("pelajar")))
        assert figures(counts) == (3, 0, 3, 0, 0)
        assert last_days(office) == {
            "A1": ("pelajar", "2027-12-01"), "A2": ("pelajar", "2027-06-30"), "A3": ("pelajar", "2027-01-31")
        }  # fmt: skip
        assert figures(run(office, tmp_path / "b.csv")[0]) == (3, 0, 0, 3, 0)


def test_a_category_without_an_end_removes_a_computed_last_day(office: Office, tmp_path: Path) -> None:
    with office.database.transaction(TEST) as session:
        categories.fill(session, PKS)
        session.execute(update(Category).where(Category.code == "pegawai").values(months=0))
    rows = "no;nama;kategori\nA1;Ali;{0}\nA2;Umar;{0}\nA3;Usman;{0}\n"
    run(office, write(tmp_path / "a.csv", rows.format("umum")))
    run(office, write(tmp_path / "a.csv", rows.format("pegawai")))
    assert set(last_days(office).values()) == {("pegawai", "")}


def test_the_command_ends_with_1_after_such_warnings(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", "no;nama;Jenis\nA1;Ali;siswa\n")
    result, summary = command(office, path, "--dry-run", "--json", monkeypatch=monkeypatch)
    assert result.exit_code == 1
    assert summary["columns"] == {"no": "number", "nama": "name"}
    assert summary["unread_columns"] == ["Jenis"]
    assert [finding["reason"] for finding in summary["findings"]] == ["IMPORT_COLUMN_UNREAD", "IMPORT_NO_CATEGORIES"]
    assert summary["categories"]["umum"]["created"] == 1
    result, _ = command(office, path, "--dry-run", monkeypatch=monkeypatch)
    assert "“Jenis”" in result.output
    assert "2028-12-01" in result.output
    result, _ = command(office, write(tmp_path / "b.csv", "no;nama;kategori\nA1;Ali;umum\n"), monkeypatch=monkeypatch)
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("lang", "lines"),
    [
        ("id_ID.UTF-8", ["baris 1: Kolom", "baris 2: ditolak: "]),
        ("en_US.UTF-8", ["row 1: The column", "row 2: rejected: "]),
    ],
)
def test_findings_are_printed_in_the_language_of_the_operator(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str, lines: list[str]
) -> None:
    monkeypatch.setenv("LANG", lang)
    path = write(tmp_path / "a.csv", "no;nama;kategori;golongan darah\nA1;;umum;O\n")
    result, _ = command(office, path, monkeypatch=monkeypatch)
    printed = result.output.splitlines()
    assert all(any(row.startswith(line) for row in printed) for line in lines), printed


def command(office: Office, path: Path, *options: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, Any]]:
    monkeypatch.setenv("DATA", str(office.settings.data))
    monkeypatch.setenv("DATABASE_URL", office.database.url.render_as_string(hide_password=False))
    words = ["members", "import", str(path), "--institution", "PKS", *options]
    result = CliRunner().invoke(app, words)
    lines = [line for line in result.output.splitlines() if line.startswith("{")]
    return result, json.loads(lines[-1]) if lines else {}


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    workbook = openpyxl.Workbook()
    assert workbook.active is not None
    workbook.active.append(["Nama", "Kategori"])
    workbook.active.append(["Siti", "umum"])
    workbook.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def changed(sheet: Path, name: str, change: Any) -> Path:
    """Return a copy of a workbook with a changed part."""
    copy = sheet.with_name("changed.xlsx")
    with zipfile.ZipFile(sheet) as source, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            content = source.read(entry)
            target.writestr(entry, change(content) if entry == name else content)
    return copy


SHEET = "xl/worksheets/sheet1.xml"
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_sheet_with_entities_is_refused(sheet: Path, encoding: str) -> None:
    def with_entities(content: bytes) -> bytes:
        body = content.partition(b"?>")[2] if content.startswith(b"<?xml") else content
        return (BOMB + body.replace(b"Nama", b"&b;")).decode().encode(encoding)

    for part in (SHEET, "xl/workbook.xml", "[Content_Types].xml", "xl/_rels/workbook.xml.rels"):
        with pytest.raises(Invalid) as refused:
            read_rows(changed(sheet, part, with_entities), ColumnMap())
        assert refused.value.reason == "MEMBERS_SHEET_ENTITIES"


def test_a_sheet_that_is_larger_than_50_mb_unpacked_is_refused(sheet: Path) -> None:
    large = changed(sheet, SHEET, lambda content: content + b" " * (51 * 1024 * 1024))
    assert large.stat().st_size < 100_000
    with pytest.raises(Invalid) as refused:
        read_rows(large, ColumnMap())
    assert refused.value.reason == "MEMBERS_SHEET_TOO_LARGE"


def test_a_damaged_sheet_is_refused_and_a_row_far_below_is_not_read(sheet: Path) -> None:
    for damage in (b"<row", b"</sheetData>", b"<c "):
        with pytest.raises(Invalid) as refused:
            list(read_rows(changed(sheet, SHEET, lambda content, cut=damage: content.partition(cut)[0]), ColumnMap()))
        assert refused.value.reason == "MEMBERS_FILE_UNREADABLE"
    below = changed(sheet, SHEET, lambda content: content.replace(b'<row r="2"', b'<row r="99999999999"'))
    assert list(read_rows(below, ColumnMap())) == []
