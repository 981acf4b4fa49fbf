"""The shared sets of sound records: all load, and come back field for field through every format."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pymarc
import pytest

from services.catalog.marc import iso2709, marcxml
from services.catalog.marc.faults import REASONS
from services.catalog.marc.fields import Field, is_control, subfields
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record
from tests.conftest import SHARED

from .samples import ENCODERS, attempt, one, read

pytestmark = pytest.mark.filterwarnings("ignore::pymarc.exceptions.BadSubfieldCodeWarning")

FILES = sorted((SHARED / "marc" / "utf8").glob("*.mrc"))
RECORDS = 5902


def load(path: Path) -> list[Record]:
    with path.open("rb") as stream:
        return [decode(frame).record for frame in frames(stream)]


def test_all_records_load() -> None:
    assert sum(len(load(path)) for path in FILES) == RECORDS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_records_come_back_through_every_format(path: Path) -> None:
    for record in load(path):
        assert Record.unpack(record.pack()) == record
        for name, encode in ENCODERS.items():
            written = attempt(encode, record)
            if written is None:
                assert name == "marcxml"
                continue
            assert one(written).record.fingerprint() == record.fingerprint(), (name, record)


def test_iso2709_comes_back_byte_for_byte_after_the_leader() -> None:
    other = [
        (path.stem, frame.number)
        for path in FILES
        for frame in read(path.read_bytes())
        if iso2709.encode(decode(frame).record)[24:] != frame.raw[24:]
    ]
    # Its 020 has no indicators at all; two blanks are written.
    assert other == [("edsu__pymarc", 9)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pymarc_reads_what_is_written(path: Path) -> None:
    for record in load(path)[:40]:
        (other,) = pymarc.MARCReader(io.BytesIO(iso2709.encode(record)), to_unicode=True)
        assert other is not None
        for ours_field, theirs_field in zip(record.fields, other.fields, strict=True):
            if all(code.isascii() for code in ours_field[2::2]):
                assert comparable(ours_field) == plain(theirs_field)


def comparable(field: Field) -> list[str]:
    """A field as pymarc keeps it: without text outside subfields, which it drops."""
    if is_control(field):
        return list(field) if field[0].isdigit() else [field[0]]
    return [field[0], *(part for code, value in subfields(field) if code for part in (code, value))]


def plain(field: pymarc.Field) -> list[str]:
    if field.tag < "010" and field.tag.isdigit():
        return [field.tag, field.data or ""]
    return [field.tag, *(part for subfield in field.subfields for part in (subfield.code, subfield.value))]


@pytest.mark.parametrize(("source", "arguments"), [("marc", ["-i", "marc"]), ("marcxml", ["-i", "marcxml"])])
def test_yaz_reads_what_is_written(source: str, arguments: list[str], tmp_path: Path) -> None:
    marcdump = shutil.which("yaz-marcdump")
    assert marcdump, "yaz-marcdump is missing: apt-get install yaz"
    records = [record for path in FILES for record in load(path)[:25] if _fits_xml(record)]
    written = tmp_path / f"written.{source}"
    if source == "marc":
        written.write_bytes(b"".join(iso2709.encode(record) for record in records))
    else:
        body = b"".join(marcxml.encode(record, declare=False) for record in records)
        written.write_bytes(marcxml.COLLECTION_HEAD + body + marcxml.COLLECTION_TAIL)
    done = subprocess.run([marcdump, *arguments, "-o", "marcxml", str(written)], capture_output=True, check=True)
    assert done.stderr == b""
    seen = [decode(frame).record for frame in frames(io.BytesIO(done.stdout))]
    assert [record.fields for record in seen] == [record.fields for record in records]


def _fits_xml(record: Record) -> bool:
    if attempt(marcxml.encode, record) is None:
        return False
    return not any("\n" in value or "\r" in value for field in record.fields for value in field)


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    for code, sentence in REASONS.items():
        assert code == code.upper()
        assert sentence.id.endswith(".")
        assert sentence.en.endswith(".")
        assert sentence.id != sentence.en
