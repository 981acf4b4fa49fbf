"""Reads rows of CSV and Excel files as texts, and marks cells that the spreadsheet stores as numbers."""

from __future__ import annotations

import csv
import io
import re
import tomllib
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from chassis.errors import Invalid, NotFound
from chassis.settings import parse_toml
from services.members.people.values import SINGLE, is_coded

MOST_COLUMNS = 200
MOST_BYTES = 500 * 1024 * 1024
MOST_SHEET_MB = 50  # of all parts of an Excel file, unpacked
MOST_SHEET_ROWS = 1_048_576  # the limit of Excel; a damaged file may have a row of any number
LONGEST_CELL = 10_000
LONGEST_TITLE = 60
_SHEETS = (".xlsx", ".xlsm")


def fold_column(title: str) -> str:
    """Return the letters and digits of a column's title, in lower case."""
    return re.sub(r"[^a-z0-9]", "", title.lower())[:60]


# Names of columns, folded. A text has its own name; the others are in files of schools, of SLiMS and of INLISLite.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{field: (fold_column(field),) for field in SINGLE if not is_coded(field)},
    "number": ("number", "no", "nomor", "noanggota", "nomoranggota", "memberid", "memberno", "kodeanggota"),
    "name": ("name", "nama", "namalengkap", "namaanggota", "membername", "fullname", "namasiswa", "namamahasiswa"),
    "nik": ("nik", "noktp", "nomorktp", "identityno", "noidentitas"),
    "phone": ("phone", "telepon", "telp", "notelp", "notelepon", "hp", "nohp", "nomorhp", "memberphone", "wa", "nowa"),
    "email": ("email", "surel", "alamatsurel", "memberemail"),
    "address": ("address", "alamat", "alamatlengkap", "memberaddress"),
    "birth_date": ("birthdate", "tanggallahir", "tgllahir", "dateofbirth"),
    "birth_place": ("birthplace", "tempatlahir", "placeofbirth"),
    "sex": ("sex", "gender", "jeniskelamin", "jk", "kelamin", "lp"),
    "category": ("category", "kategori", "jenisanggota", "tipeanggota", "membertype", "membertypename"),
    "school": ("school", "sekolah", "namasekolah", "institusi", "fakultas", "instname"),
    "group": ("group", "kelas", "class", "prodi", "programstudi", "jurusan", "rombel"),
    "occupation": ("occupation", "pekerjaan"),
    "education": ("education", "pendidikan", "pendidikanterakhir"),
    "kelurahan": ("kelurahan", "kodekelurahan"),
    "expires_on": ("expireson", "expiredate", "berlakuhingga", "masaberlaku", "tanggalberakhir", "tglakhir"),
    "note": ("note", "notes", "catatan", "membernotes"),
    "guardian_name": ("guardian", "guardianname", "wali", "namawali", "namaorangtua", "orangtua"),
    "guardian_phone": ("guardianphone", "telpwali", "hpwali", "nohpwali", "hporangtua", "nohporangtua"),
    "responsible_name": ("responsible", "responsiblename", "penanggungjawab"),
    "responsible_phone": ("responsiblephone", "telppenanggungjawab", "hppenanggungjawab"),
    "nim": ("nim", "npm", "nobp", "nomorbp"),
    "nisn": ("nisn",),
    "rfid": ("rfid", "uid", "nokartu", "kartu"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell. is_number: the spreadsheet stores a number, so a leading zero is lost."""

    text: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A MAP.toml.

    columns   field -> title of its column
    values    field -> value in the file, in lower case -> value to store
    defaults  field -> value for rows without one
    ignore    titles of columns, folded, that are not read without a warning
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    ignore: Container[str] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file that are not empty: their row or line in the file, and their cells by field.

    header   row or line of the header
    columns  title of a column -> its field
    unread   titles of the other columns
    """

    header: int
    columns: Mapping[str, str]
    unread: Sequence[str]
    rows: Iterator[tuple[int, dict[str, Cell]]]

    def __iter__(self) -> Iterator[tuple[int, dict[str, Cell]]]:
        return self.rows


def read_map(path: Path | None) -> ColumnMap:
    """Read a MAP.toml; None gives an empty map.

    raises  NotFound MEMBERS_FILE_NOT_FOUND; Invalid MEMBERS_MAP_INVALID
    """
    if path is None:
        return ColumnMap()
    try:
        table = parse_toml(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound("MEMBERS_FILE_NOT_FOUND", file=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise Invalid("MEMBERS_MAP_INVALID", file=str(path), why=str(problem)[:200]) from None
    ignore = table.pop("ignore", [])
    unknown = [name for name in table if name not in ("columns", "values", "defaults")]
    if not isinstance(ignore, list):
        unknown.append('ignore = ["…"]')
    unknown += [
        name for part in ("columns", "values", "defaults") for name in table.get(part, {}) if name not in COLUMNS
    ]
    if unknown:
        raise Invalid("MEMBERS_MAP_INVALID", file=str(path), why=f"unknown: {', '.join(unknown)[:200]}")
    folded = {
        name: {str(value).strip().lower(): str(to) for value, to in pairs.items()}
        for name, pairs in table.get("values", {}).items()
    }
    columns = {name: str(column) for name, column in table.get("columns", {}).items()}
    defaults = {name: str(value) for name, value in table.get("defaults", {}).items()}
    return ColumnMap(columns, folded, defaults, {fold_column(str(title)) for title in ignore})


def read_rows(path: Path, mapping: ColumnMap) -> Rows:
    """Read the header of a file; iteration reads the other rows.

    raises  NotFound  MEMBERS_FILE_NOT_FOUND
            Invalid   MEMBERS_FILE_UNREADABLE, MEMBERS_SHEET_TOO_LARGE, MEMBERS_SHEET_ENTITIES, MEMBERS_COLUMN_MISSING
    """
    if not path.is_file():
        raise NotFound("MEMBERS_FILE_NOT_FOUND", file=str(path))
    if path.stat().st_size > MOST_BYTES:
        raise Invalid("MEMBERS_FILE_UNREADABLE", file=str(path), why=f"more than {MOST_BYTES} bytes")
    rows = _sheet(path) if path.suffix.lower() in _SHEETS else _csv(path)
    number, cells = next((row for row in rows if any(cell.text for cell in row[1])), (0, []))
    if not cells:
        raise Invalid("MEMBERS_FILE_UNREADABLE", file=str(path), why="no row")
    titles = [cell.text for cell in cells]
    header = _header(titles, mapping, path)
    unread = [
        title[:LONGEST_TITLE]
        for place, title in enumerate(titles)
        if title and place not in header and fold_column(title) not in mapping.ignore
    ]
    return Rows(number, {titles[place]: name for place, name in header.items()}, unread, _by_field(rows, header))


def _by_field(
    rows: Iterable[tuple[int, list[Cell]]], header: Mapping[int, str]
) -> Iterator[tuple[int, dict[str, Cell]]]:
    for number, cells in rows:
        row = {name: cells[place] for place, name in header.items() if place < len(cells) and cells[place].text}
        if row:
            yield number, row


def _header(titles: list[str], mapping: ColumnMap, path: Path) -> dict[int, str]:
    """Return position of a column -> field, for the known columns."""
    folded = [fold_column(title) for title in titles[:MOST_COLUMNS]]
    header: dict[int, str] = {}
    for name, titles_of_field in COLUMNS.items():
        mapped_title = mapping.columns.get(name)
        names = (fold_column(mapped_title),) if mapped_title is not None else titles_of_field
        place = next((folded.index(column) for column in names if column in folded), None)
        if mapped_title is not None and place is None:
            raise Invalid("MEMBERS_COLUMN_MISSING", file=str(path), column=mapped_title)
        if place is not None and place not in header:
            header[place] = name
    if "name" not in header.values():
        raise Invalid("MEMBERS_COLUMN_MISSING", file=str(path), column="name")
    return header


def _csv(path: Path) -> Iterator[tuple[int, list[Cell]]]:
    data = path.read_bytes()
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if "\x00" in text:
        raise Invalid("MEMBERS_FILE_UNREADABLE", file=str(path), why="no text")
    head = text.split("\n", 1)[0]
    delimiter = max(";,\t", key=head.count)
    csv.field_size_limit(LONGEST_CELL * 10)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, [Cell(cell.strip()[:LONGEST_CELL]) for cell in cells[:MOST_COLUMNS]]
    except csv.Error as problem:
        raise Invalid("MEMBERS_FILE_UNREADABLE", file=str(path), why=str(problem)) from None


def _sheet(path: Path) -> Iterator[tuple[int, list[Cell]]]:
    # A local import: it takes 0.2 s, and only Excel files need it.
    from openpyxl import load_workbook

    try:
        _check_parts(path)
        workbook = load_workbook(path, read_only=True, data_only=True)
        sheet = workbook.worksheets[0]
        rows = sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS, max_row=MOST_SHEET_ROWS)
        for number, cells in enumerate(rows, 1):
            if any(value is not None for value in cells):
                yield number, [_cell(value) for value in cells]
    except (Invalid, GeneratorExit):
        raise
    except Exception as problem:  # openpyxl raises errors of any type for a damaged file
        raise Invalid("MEMBERS_FILE_UNREADABLE", file=str(path), why=type(problem).__name__) from None


def _check_parts(path: Path) -> None:
    """Refuse an Excel file that would fill the memory: too large unpacked, or with entities.

    The sizes of the directory hold, because zipfile reads no part beyond its size.
    """
    with zipfile.ZipFile(path) as parts:
        if sum(part.file_size for part in parts.infolist()) > MOST_SHEET_MB * 1024 * 1024:
            raise Invalid("MEMBERS_SHEET_TOO_LARGE", file=str(path), most_mb=MOST_SHEET_MB)
        for part in parts.infolist():
            with parts.open(part) as content:
                if _has_doctype(content):
                    raise Invalid("MEMBERS_SHEET_ENTITIES", file=str(path), part=part.filename[:80])


def _has_doctype(content: IO[bytes]) -> bool:
    """Return whether XML has a document type declaration, which must precede the first element."""
    found: list[bool] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: found.append(True)
    parser.StartElementHandler = lambda *_: found.append(False)
    with suppress(expat.ExpatError, LookupError, ValueError):  # no XML, or damaged: openpyxl does not read it either
        while not found and (chunk := content.read(4096)):
            parser.Parse(chunk)
    return True in found


def _cell(value: Any) -> Cell:
    match value:
        case None:
            return Cell("")
        case bool():
            return Cell(str(value))
        case datetime():
            return Cell(value.date().isoformat())
        case date():
            return Cell(value.isoformat())
        case float() if value.is_integer() and abs(value) < 1e18:
            return Cell(str(int(value)), is_number=True)
        case int() | float():
            return Cell(str(value), is_number=True)
    return Cell(str(value).strip()[:LONGEST_CELL])
