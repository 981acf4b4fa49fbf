"""MARC-in-JSON: its three forms, and rejected objects."""

from __future__ import annotations

import json

import pymarc
import pytest

from services.catalog.marc import marcjson
from services.catalog.marc.readers import MarcError, decode
from services.catalog.marc.record import Record

from .samples import book, one, read, reasons

A, B, C = (marcjson.encode(book(number)) for number in "123")
PRETTY = json.dumps(json.loads(A), indent=2).encode()


def numbers(raw: bytes) -> list[str | None]:
    """Control numbers of the records that load, in order."""
    return [decode(frame).record.control("001") for frame in read(raw) if not frame.fault]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (A, ["1"]),
        (b"[" + A + b"," + B + b"]", ["1", "2"]),
        (b"[\n" + A + b",\n" + B + b"\n]\n", ["1", "2"]),
        (A + b"\n" + B + b"\n", ["1", "2"]),
        (b"\xef\xbb\xbf\r\n" + A + b"\r\n\r\n" + B, ["1", "2"]),
        (PRETTY, ["1"]),
        (b"[" + PRETTY + b",\n" + PRETTY + b"]", ["1", "1"]),
        (A + B, ["1", "2"]),
        (b"[]", []),
    ],
)
def test_one_object_an_array_and_one_object_a_line_are_read(raw: bytes, expected: list[str]) -> None:
    assert numbers(raw) == expected
    assert all(raw[frame.position :].startswith(frame.raw) or raw[:1] == b"\xef" for frame in read(raw))


def test_braces_and_quotes_in_values_do_not_end_a_record() -> None:
    record = book("1", 'a } { " \\ \\" ] "}')
    raw = b"[" + marcjson.encode(record) + b"," + B + b"]"
    assert one(b"[" + marcjson.encode(record) + b"]").record.fields == record.fields
    assert numbers(raw) == ["1", "2"]


def test_a_broken_line_costs_no_other_line() -> None:
    raw = A + b"\n" + B[:-10] + b"\n" + C + b"\n"
    first, second, third = read(raw)
    with pytest.raises(MarcError, match="JSON_MALFORMED"):
        decode(second)
    assert [decode(frame).record.control("001") for frame in (first, third)] == ["1", "3"]


def test_an_array_cut_off_gives_what_came_before() -> None:
    assert reasons(b"[" + A + b"," + B[:-10]) == ["", "JSON_MALFORMED"]
    assert reasons(b"[" + A + b", oops " + B + b"]") == ["", "JSON_MALFORMED", ""]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a": 1}', "NOT_MARCJSON"),
        (b'{"fields": []}', "NO_FIELDS"),
        (b'{"fields": 1}', "NOT_MARCJSON"),
        (b'{"fields": [1]}', "FIELD_BAD"),
        (b'{"fields": [{"001": 1}]}', "FIELD_BAD"),
        (b'{"fields": [{"001": "1", "003": "x"}]}', "FIELD_BAD"),
        (b'{"fields": [{"245": "Title"}]}', "FIELD_BAD"),
        (b'{"fields": [{"245": {"subfields": [{"a": null}]}}]}', "FIELD_BAD"),
        (b'{"fields": [{"245": {"subfields": {"a": "x"}}}]}', "FIELD_BAD"),
        (b'{"fields": [{"245": {"subfields": [{"ab": "x"}]}}]}', "FIELD_BAD"),
        (b'{"fields": [{"245": {"ind1": 1, "subfields": []}}]}', "FIELD_BAD"),
        (b'{"fields": [{"245": {"ind1": "12", "subfields": []}}]}', "FIELD_BAD"),
        (b'{"leader": 5, "fields": [{"001": "1"}]}', "LEADER_BAD"),
        (b'{"leader": "00000nam a2200000   4500xyz", "fields": [{"001": "1"}]}', "LEADER_BAD"),
        (b'{"fields": [{"001": "1", "001": "2"}]}', "DUPLICATE_KEYS"),
        (b'{"fields": [{"245": {"subfields": [{"a": "x", "a": "y"}]}}]}', "DUPLICATE_KEYS"),
        (b'{"fields": [{"001": "1"}], "fields": [{"001": "2"}]}', "DUPLICATE_KEYS"),
        (b'{"fields": [{"001": "\\ud800"}]}', "JSON_MALFORMED"),
        (b'{"fields": ' + b"[" * 5000 + b"]" * 5000 + b"}", "JSON_MALFORMED"),
        (b'{"fields": [{"001": "\xff"}]}', "JSON_MALFORMED"),
    ],
)
def test_an_object_that_is_no_record_is_rejected_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(MarcError) as bad:
        one(raw)
    assert bad.value.reason == reason


def test_other_keys_are_left_out_with_a_warning() -> None:
    raw = b'{"id": 7, "leader": "00000nam a2200000   4500", "fields": [{"245": {"subfields": [{"a": "x\\":"}]}}]}'
    assert one(raw).warnings == ("UNKNOWN_ELEMENT",)


def test_every_character_comes_back() -> None:
    record = book("1", "".join(map(chr, range(0x20))).replace("\x1f", "") + "\x7f\u2028ﷺ𝄞\ufffe")
    assert one(marcjson.encode(record)).record.fields == record.fields


def test_pymarc_reads_what_is_written_and_is_read() -> None:
    record = book("1", "Layar terkembang", ["500", " 1", "a", "x", "a", "y"])
    (their_record,) = pymarc.JSONReader(f"[{marcjson.encode(record).decode()}]")
    assert their_record["245"]["a"] == "Layar terkembang /"
    decoded_again = one(their_record.as_json().encode()).record
    assert (decoded_again.fields, decoded_again.fingerprint()) == (record.fields, record.fingerprint())


def test_an_object_over_the_limit_is_one_fault_and_reading_goes_on() -> None:
    huge = marcjson.encode(Record(fields=[["500", "  ", "a", "x" * 9_000_000]]))
    assert reasons(A + b"\n" + huge + b"\n" + B + b"\n") == ["", "RECORD_TOO_BIG", ""]
    assert reasons(b"[" + A + b",\n" + huge + b",\n" + B + b"]") == ["", "RECORD_TOO_BIG", ""]
