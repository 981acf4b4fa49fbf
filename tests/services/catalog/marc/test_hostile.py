"""Any bytes are divided into frames, each a record or a named reason, without a crash or a hang."""

from __future__ import annotations

import io
from encodings import aliases
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.sentences import sentence
from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.faults import WARNINGS
from services.catalog.marc.readers import DecodedRecord, MarcError, decode, frames
from services.catalog.marc.record import Record, is_control

from .samples import attempt, book, encoders, iso, one

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SAFE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30)
CODES = st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789")
INDICATORS = st.text(st.sampled_from(" 0123456789"), min_size=2, max_size=2)


def fields(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    """Control and data fields as every format can say them."""
    control = st.tuples(st.sampled_from(["001", "003", "005", "008"]), values).map(list)
    pairs = st.lists(st.tuples(CODES, values), min_size=1, max_size=4)
    data = st.tuples(st.sampled_from(["020", "100", "245", "650", "LKR"]), INDICATORS, pairs).map(
        lambda parts: [parts[0], parts[1], *(part for pair in parts[2] for part in pair)]
    )
    return st.one_of(control, data)


def records(values: st.SearchStrategy[str]) -> st.SearchStrategy[Record]:
    leader = st.text(st.sampled_from("acdn 0123m"), min_size=7, max_size=7)
    return st.builds(
        lambda kept, listed: Record(f"00000{kept[:4]}a2200000{kept[4:]}4500", listed),
        leader,
        st.lists(fields(values), min_size=1, max_size=6),
    )


def judge(raw: bytes) -> list[DecodedRecord | str]:
    """Read these bytes; nothing but records and named reasons may come of it."""
    results: list[DecodedRecord | str] = []
    for expected, frame in enumerate(frames(io.BytesIO(raw)), start=1):
        assert frame.number == expected
        try:
            decoded = decode(frame)
        except MarcError as bad:
            results.append(sentence(bad.reason).en)
            continue
        assert set(decoded.warnings) <= WARNINGS
        record = decoded.record
        assert len(record.leader) == 24
        assert record.fields
        assert all(len(field[0]) == 3 and len(field) % 2 == 0 for field in record.fields)
        assert all(is_control(field) or len(field[1]) == 2 for field in record.fields)
        assert Record.unpack(record.pack()) == record
        for encode in encoders(record):
            encoded = attempt(encode, record)
            assert encoded is None or one(encoded).record.fingerprint() == record.fingerprint()
        results.append(decoded)
    return results


@given(records(SAFE))
def test_any_record_comes_back_through_every_format(record: Record) -> None:
    for encode in encoders(record):
        decoded_again = one(encode(record)).record
        assert decoded_again.fields == record.fields
        assert decoded_again.fingerprint() == record.fingerprint()


@given(records(UNICODE))
def test_any_characters_come_back_or_are_refused_by_name(record: Record) -> None:
    for encode in encoders(record):
        encoded = attempt(encode, record)
        if encoded is not None:
            assert one(encoded).record.fingerprint() == record.fingerprint()


@given(st.binary(max_size=400))
def test_any_bytes_are_records_or_reasons(raw: bytes) -> None:
    judge(raw)


STARTS = [
    b"<",
    b"<record>",
    b"<collection><record>",
    b"{",
    b'[{"fields":',
    b"00100nam a2200049   4500",
    b"\x1f\x8b\x08\0",
]


@given(st.sampled_from(STARTS), st.binary(max_size=300))
def test_any_bytes_after_a_promising_start_are_records_or_reasons(start: bytes, raw: bytes) -> None:
    judge(start + raw)


SEEDS = {
    "marc": iso2709.encode(book()) * 3,
    "marc8": iso(b"1", b"10\x1fa\xe2e\x1b$1!PV\x1b(B", leader=b"00000nam  2200000   4500") * 3,
    "marcxml": marcxml.COLLECTION_HEAD + marcxml.encode(book(), declare=False) * 3 + marcxml.COLLECTION_TAIL,
    "json": b"[" + b",\n".join([marcjson.encode(book())] * 3) + b"]",
    "lines": (marcjson.encode(book()) + b"\n") * 3,
}
ALPHABET = st.sampled_from([bytes([byte]) for byte in b"\x1b\x1d\x1e\x1f\0 0159a\"'<>{}[]/&;\\,:\n\x80\xc3\xe9\xff"])


@pytest.mark.parametrize("name", SEEDS)
@given(data=st.data())
@settings(max_examples=200)
def test_any_damage_to_sound_records_gives_records_or_reasons(name: str, data: Any) -> None:
    raw = SEEDS[name]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 20))
        raw = raw[:at] + b"".join(data.draw(st.lists(ALPHABET, max_size=4))) + raw[at + cut :]
    judge(raw)


@pytest.mark.parametrize("name", ["marc", "marcxml", "json", "lines"])
@given(at=st.floats(0, 1))
def test_a_file_cut_anywhere_gives_the_records_before_the_cut(name: str, at: float) -> None:
    raw = SEEDS[name]
    cut = int(at * len(raw))
    complete_frames = [frame for frame in frames(io.BytesIO(raw)) if frame.position + len(frame.raw) <= cut]
    decoded_records = [outcome for outcome in judge(raw[:cut]) if isinstance(outcome, DecodedRecord)]
    assert [outcome.record for outcome in decoded_records][: len(complete_frames)] == [
        decode(frame).record for frame in complete_frames
    ]


@pytest.mark.parametrize("depth", [200, 800, 1_000, 3_000, 100_000])
@pytest.mark.parametrize("nested", ["[]", "{}"])
@pytest.mark.parametrize(
    "frame", ['{"fields": [{"001": "1"}], "more": %s}', '{"fields": [%s]}', '{"fields": [{"001": %s}]}']
)
def test_json_of_any_depth_is_a_record_or_a_reason(frame: str, nested: str, depth: int) -> None:
    opening, closing = ("[", "]") if nested == "[]" else ('{"a":', "}")
    inner = opening * depth + "1" + closing * depth
    raw = (frame % inner).encode()
    for content in (raw, raw + b"\n" + marcjson.encode(book()), b"[" + raw + b"," + marcjson.encode(book()) + b"]"):
        judge(content)
    if depth >= 3_000:
        with pytest.raises(MarcError) as error:
            marcjson.decode(raw)
        assert error.value.reason == "JSON_MALFORMED"


@pytest.mark.parametrize("number", [b"9" * 300, b"9" * 10_000, b"1e400", b"-0." + b"1" * 10_000])
def test_json_numbers_of_any_length_are_a_record_or_a_reason(number: bytes) -> None:
    judge(b'{"fields": [{"001": "1"}], "more": ' + number + b"}")


CODECS = sorted(
    {*aliases.aliases, *aliases.aliases.values(), "utf-7", "unicode_escape", "raw_unicode_escape", "punycode"}
)
NOT_OF_TEXT = ("hex", "zlib", "bz2", "base64", "uu", "quopri", "rot13", "utf-7", "idna", "punycode", "unicode_escape")
NOT_OF_TEXT += ("raw_unicode_escape", "undefined", "charmap", "aliases", "os.path", "x" * 5_000)


def _declares(coding: str) -> bytes:
    return f'<?xml version="1.0" encoding="{coding}"?>'.encode() + marcxml.encode(book())


@pytest.mark.parametrize("coding", CODECS)
def test_any_declared_encoding_gives_records_or_reasons(coding: str) -> None:
    for content in (_declares(coding), _declares(coding) + bytes(range(256)), _declares(coding) + b"+/v8-\\N{BULLET}"):
        judge(content)


@pytest.mark.parametrize("coding", NOT_OF_TEXT)
def test_an_encoding_that_is_not_of_text_is_a_reason(coding: str) -> None:
    assert judge(_declares(coding)) == [sentence("XML_MALFORMED").en]
