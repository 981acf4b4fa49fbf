"""yaz-marcdump and pymarc read the same as we do from every record that they accept, but for a table of exceptions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import pytest

from services.catalog.marc.readers import MarcError, decode
from services.catalog.marc.record import Field
from tests import corpus
from tests.corpus import MarcFile

from .foreign import alike, by_pymarc, by_yaz
from .samples import read

pytestmark = pytest.mark.filterwarnings("ignore::pymarc.exceptions.BadSubfieldCodeWarning")

DAMAGED = [file for file in corpus.damaged_files() if file.framed and file.form == "marc"]
FILES: list[MarcFile] = [*(file for file in corpus.sound_files() if file.form == "marc"), *DAMAGED]
OWN: dict[str, list[dict[str, str]]] = tomllib.loads((Path(__file__).parent / "foreign.toml").read_text())
REAL: dict[str, list[dict[str, str]]] = tomllib.loads((Path(__file__).parent / "foreign_real.toml").read_text())
TIED = re.compile("\ufe20(.)\ufe21")


def exceptions(reader: str, name: str) -> dict[int, str]:
    """Record number -> how it is checked."""
    checks: dict[int, str] = {}
    for row in OWN[reader] + REAL[reader]:
        if row["file"] == name:
            for part in row["records"].split(", "):
                first_number, _, last_number = part.partition("-")
                checks |= dict.fromkeys(range(int(first_number), int(last_number or first_number) + 1), row["check"])
    return checks


def unsound(raw: bytes, _ours: list[Field], _theirs: list[Field]) -> bool:
    """By the bytes alone: some number in leader or directory is not what the terminators say."""
    end = raw.index(b"\x1e")
    entries, data = raw[24:end], raw[end + 1 : -1].split(b"\x1e")[:-1]
    numbers, start = b"", 0
    for piece in data:
        numbers += b"%04d%05d" % (len(piece) + 1, start)
        start += len(piece) + 1
    directory = b"".join(entries[at + 3 : at + 12] for at in range(0, len(entries), 12))
    return not (raw[:5] == b"%05d" % len(raw) and raw[12:17] == b"%05d" % (end + 1) and directory == numbers)


def codes(_raw: bytes, ours: list[Field], theirs: list[Field]) -> bool:
    odd = [not "".join(field[2::2]).isascii() for field in ours]
    return any(odd) and all(is_odd or a == b for is_odd, a, b in zip(odd, ours, theirs, strict=True))


def ligatures(_raw: bytes, ours: list[Field], theirs: list[Field]) -> bool:
    return [[normalize("NFC", TIED.sub("\u0361\\1", part)) for part in field] for field in ours] == theirs


def is_bytes(_raw: bytes, _ours: list[Field], theirs: list[Field]) -> bool:
    return any("\udc80" <= letter <= "\udcff" for field in theirs for part in field for letter in part)


CHECKS: dict[str, Callable[[bytes, list[Field], list[Field]], bool]] = {
    "unsound": unsound,
    "codes": codes,
    "ligatures": ligatures,
    "bytes": is_bytes,
    "look": lambda *_: True,
}


@pytest.mark.parametrize("file", FILES, ids=str)
@pytest.mark.parametrize("reader", ["yaz", "pymarc"])
def test_foreign_readers_read_the_same_as_we_do(reader: str, file: MarcFile, tmp_path: Path) -> None:
    raws = [frame.raw for frame in read(file.read())]
    if reader == "yaz":
        readings = by_yaz(raws, tmp_path, marc8=file.name.startswith("marc8"))
    else:
        readings = [by_pymarc(raw) for raw in raws]
    checks = exceptions(reader, file.name)
    differ = {}
    for number, (raw, fields) in enumerate(zip(raws, readings, strict=True), start=1):
        ours, theirs = _ours(raw), None if fields is None else alike(fields)
        if theirs is None or theirs == ours:
            continue
        check = checks.get(number, "look")
        assert CHECKS[check](raw, ours or [], theirs), f"record {number} is no case of `{check}`"
        differ[number] = check
    assert differ == checks


def _ours(raw: bytes) -> list[Field] | None:
    """None of a record that we put aside."""
    (frame,) = read(raw)
    try:
        return alike(decode(frame).record.fields)
    except MarcError:
        return None


@pytest.mark.parametrize("table", [OWN, REAL], ids=["own", "real"])
def test_every_row_of_the_table_says_why(table: dict[str, list[dict[str, str]]]) -> None:
    for rows in table.values():
        for row in rows:
            assert row["check"] in CHECKS
            assert len(row["why"]) > 20 or row["why"] == "as yaz"


@pytest.mark.parametrize("records", corpus.sets())
def test_the_table_names_files_that_there_are(records: str) -> None:
    table = {"own": OWN, "real": REAL}[records]
    assert {row["file"] for rows in table.values() for row in rows} <= {file.name for file in FILES}
