"""The shared sets of damaged records: each is loaded or put aside with the reason that its bytes give."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from pymarc.marc8 import marc8_to_unicode

from services.catalog.marc.faults import FAULTS, WARNINGS
from services.catalog.marc.readers import Bad, Decoded, decode, frames
from services.catalog.marc.record import Record
from tests.conftest import SHARED

from .samples import ENCODERS, attempt, one

NASTY = SHARED / "marc" / "nasty"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "nasty.toml").read_text())


def read(name: str) -> tuple[list[Decoded], list[Bad]]:
    loaded, bad = [], []
    with (NASTY / name).open("rb") as stream:
        for frame in frames(stream):
            try:
                loaded.append(decode(frame))
            except Bad as reason:
                bad.append(reason)
    return loaded, bad


def test_the_table_names_every_file() -> None:
    assert set(EXPECTED) == {str(path.relative_to(NASTY)) for path in NASTY.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_becomes_of_each_record_is_what_its_bytes_say(name: str) -> None:
    loaded, bad = read(name)
    assert (len(loaded), dict(Counter(each.reason for each in bad))) == (
        EXPECTED[name]["loaded"],
        EXPECTED[name]["put_aside"],
    )
    warnings = Counter(code for each in loaded for code in each.warnings)
    for code, count in EXPECTED[name].get("warned", {}).items():
        assert warnings[code] == count, code
    assert set(warnings) <= WARNINGS.keys()
    assert {each.reason for each in bad} <= FAULTS.keys()
    assert all(each.detail for each in bad)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_loaded_comes_back_or_is_refused_by_name(name: str) -> None:
    loaded, _ = read(name)
    for each in loaded:
        assert Record.unpack(each.record.pack()) == each.record
        for encode in ENCODERS.values():
            if written := attempt(encode, each.record):
                assert one(written).record.fingerprint() == each.record.fingerprint()


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith(".mrc")])
def test_every_byte_of_a_file_is_in_a_frame(name: str) -> None:
    raw = (NASTY / name).read_bytes()
    with (NASTY / name).open("rb") as stream:
        seen = list(frames(stream))
    assert b"".join(frame.raw for frame in seen) == raw
    assert all(raw[frame.position :].startswith(frame.raw) for frame in seen)
    assert [frame.number for frame in seen] == list(range(1, len(seen) + 1))


def test_pymarc_converts_the_same_text_from_marc8() -> None:
    name = "marc8_or_latin1_nonascii.mrc"
    compared = 0
    with (NASTY / name).open("rb") as stream:
        for frame in frames(stream):
            try:
                record = decode(frame).record
            except Bad:
                continue
            data = frame.raw[frame.raw.index(b"\x1e") + 1 :].split(b"\x1e")[:-1]
            for field, piece in zip(record.fields, data, strict=True):
                theirs = [marc8_to_unicode(part[1:], hide_utf8_warnings=True) for part in piece.split(b"\x1f")[1:]]
                ours = ["".join(c for c in value if c not in "\x98\x9c\x88\x89") for value in field[3::2]]
                if len(field) > 2 and all(c >= " " for value in field[2:] for c in value):
                    assert [normalize("NFC", value) for value in ours] == theirs
                    compared += 1
    assert compared > 5000
