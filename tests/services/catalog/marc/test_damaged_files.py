"""Each record of a damaged file is loaded, or rejected with the reason of its bytes."""

from __future__ import annotations

from collections import Counter
from unicodedata import normalize

import pytest
from pymarc.marc8 import marc8_to_unicode

from services.catalog.marc.faults import FAULTS, WARNINGS
from services.catalog.marc.readers import DecodedRecord, MarcError, decode
from services.catalog.marc.record import Record
from tests import corpus
from tests.corpus import DamagedFile, MarcFile, real

from .samples import attempt, encoders, one, read

FILES = corpus.damaged_files()
# Fields of text in MARC-8 that are compared with pymarc's conversion.
MARC8 = {"marc8_sets": 120, "marc8_or_latin1_nonascii": 5000}


def load(file: MarcFile) -> tuple[list[DecodedRecord], list[MarcError]]:
    records, bad = [], []
    for frame in read(file.read()):
        try:
            records.append(decode(frame))
        except MarcError as reason:
            bad.append(reason)
    return records, bad


def test_our_own_files_have_every_reason_there_is() -> None:
    files = corpus.own_damaged_files()
    assert {reason for file in files for reason in file.put_aside} == FAULTS
    assert {reason for file in files for reason in file.warned} == WARNINGS


def test_every_file_has_a_name_of_its_own() -> None:
    names = [file.name for file in [*corpus.sound_files(), *FILES]]
    assert len(set(names)) == len(names)


def test_every_file_is_judged() -> None:
    assert all(file.loaded or file.put_aside for file in FILES)
    assert real.damaged_names() == real.judged_names()


@pytest.mark.parametrize("file", FILES, ids=str)
def test_each_record_is_loaded_or_rejected_by_its_bytes(file: DamagedFile) -> None:
    records, bad = load(file)
    assert (len(records), Counter(refusal.reason for refusal in bad)) == (file.loaded, Counter(file.put_aside))
    warnings = Counter(code for decoded in records for code in decoded.warnings)
    for code, count in file.warned.items():
        assert warnings[code] == count, code
    assert set(warnings) <= WARNINGS
    assert {refusal.reason for refusal in bad} <= FAULTS
    assert all(refusal.detail for refusal in bad)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_loaded_record_is_exported_or_refused_by_name(file: DamagedFile) -> None:
    records, _ = load(file)
    for decoded in records:
        assert Record.unpack(decoded.record.pack()) == decoded.record
        for encode in encoders(decoded.record):
            if encoded := attempt(encode, decoded.record):
                assert one(encoded).record.fingerprint() == decoded.record.fingerprint()


@pytest.mark.parametrize("file", [file for file in FILES if file.framed], ids=str)
def test_every_byte_of_a_file_is_in_a_frame(file: DamagedFile) -> None:
    raw = file.read()
    frames_of_file = read(raw)
    assert b"".join(frame.raw for frame in frames_of_file) == raw
    assert all(raw[frame.position :].startswith(frame.raw) for frame in frames_of_file)
    assert [frame.number for frame in frames_of_file] == list(range(1, len(frames_of_file) + 1))


@pytest.mark.parametrize("file", [file for file in FILES if file.name in MARC8], ids=str)
def test_pymarc_converts_the_same_text_from_marc8(file: DamagedFile) -> None:
    compared = 0
    for frame in read(file.read()):
        try:
            record = decode(frame).record
        except MarcError:
            continue
        data = frame.raw[frame.raw.index(b"\x1e") + 1 :].split(b"\x1e")[:-1]
        for field, piece in zip(record.fields, data, strict=True):
            their_values = [marc8_to_unicode(part[1:], hide_utf8_warnings=True) for part in piece.split(b"\x1f")[1:]]
            our_values = ["".join(c for c in value if c not in "\x98\x9c\x88\x89") for value in field[3::2]]
            if len(field) > 2 and all(c >= " " for value in field[2:] for c in value):
                assert [normalize("NFC", value) for value in our_values] == their_values
                compared += 1
    assert compared > MARC8[file.name]
