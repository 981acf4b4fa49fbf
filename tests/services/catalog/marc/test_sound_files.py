"""Files of sound records: all load, and come back field for field through every format."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pymarc
import pytest

from chassis.sentences import sentence
from services.catalog.marc import iso2709, marcxml
from services.catalog.marc.faults import REASONS
from services.catalog.marc.readers import decode
from services.catalog.marc.record import Field, Record, is_control, subfields
from tests import corpus
from tests.corpus import MarcFile

from .samples import attempt, encoders, one, read

pytestmark = pytest.mark.filterwarnings("ignore::pymarc.exceptions.BadSubfieldCodeWarning")

FILES = corpus.sound_files()
REAL_RECORDS = 5902


def load(file: MarcFile) -> list[Record]:
    return [decode(frame).record for frame in read(file.read())]


@pytest.mark.parametrize("file", corpus.own_sound_files(), ids=str)
def test_a_written_record_is_read(file: MarcFile) -> None:
    own_records = corpus.own_records(file.name)
    assert [record.fingerprint() for record in load(file)] == [record.fingerprint() for record in own_records]


@pytest.mark.parametrize("records", corpus.sets())
def test_all_records_load(records: str) -> None:
    count_of_records = sum(len(corpus.own_records(file.name)) for file in corpus.own_sound_files())
    count = {"own": count_of_records, "real": REAL_RECORDS}[records]
    assert sum(len(load(file)) for file in corpus.sound_set(records)) == count


@pytest.mark.parametrize("file", FILES, ids=str)
def test_records_come_back_through_every_format(file: MarcFile) -> None:
    for record in load(file):
        assert Record.unpack(record.pack()) == record
        for encode in encoders(record):
            encoded = attempt(encode, record)
            if encoded is None:
                assert encode is marcxml.encode
                continue
            assert one(encoded).record.fingerprint() == record.fingerprint(), (encode, record)


# Record numbers in a file that are not written as they came: 020 has no indicators at all, two blanks are written.
CHANGED = {"edsu__pymarc": [9]}


@pytest.mark.parametrize("file", [file for file in FILES if file.form == "marc"], ids=str)
def test_iso2709_comes_back_byte_for_byte_after_the_leader(file: MarcFile) -> None:
    changed = [
        frame.number for frame in read(file.read()) if iso2709.encode(decode(frame).record)[24:] != frame.raw[24:]
    ]
    assert changed == CHANGED.get(file.name, [])


@pytest.mark.parametrize("file", FILES, ids=str)
def test_pymarc_reads_what_is_written(file: MarcFile) -> None:
    for record in load(file)[:40]:
        (their_record,) = pymarc.MARCReader(io.BytesIO(iso2709.encode(record)), to_unicode=True)
        assert their_record is not None
        for ours_field, theirs_field in zip(record.fields, their_record.fields, strict=True):
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
    records = [record for file in FILES for record in load(file)[:25] if _fits_xml(record)]
    path = tmp_path / f"written.{source}"
    if source == "marc":
        path.write_bytes(b"".join(iso2709.encode(record) for record in records))
    else:
        body = b"".join(marcxml.encode(record, declare=False) for record in records)
        path.write_bytes(marcxml.COLLECTION_HEAD + body + marcxml.COLLECTION_TAIL)
    process = subprocess.run([marcdump, *arguments, "-o", "marcxml", str(path)], capture_output=True, check=True)
    assert process.stderr == b""
    records_of_yaz = [decode(frame).record for frame in read(process.stdout)]
    assert [record.fields for record in records_of_yaz] == [record.fields for record in records]


def _fits_xml(record: Record) -> bool:
    if attempt(marcxml.encode, record) is None or marcxml.encode not in encoders(record):
        return False
    return not any("\n" in value or "\r" in value for field in record.fields for value in field)


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    for code in REASONS:
        assert code == code.upper()
        assert sentence(code).id.endswith(".")
        assert sentence(code).en.endswith(".")
        assert sentence(code).id != sentence(code).en
