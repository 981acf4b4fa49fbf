"""Any record can be written in every format except MARC, and the result can be read."""

from __future__ import annotations

import csv
import io
from itertools import chain

import bibtexparser
import orjson
import pytest
import rispy
from hypothesis import given, settings
from hypothesis import strategies as some
from lxml import etree

from services.catalog.formats import FORMS
from services.catalog.marc.faults import NotSerialisable
from services.catalog.marc.marcxml import FORBIDDEN
from services.catalog.marc.record import Field, Record, is_control, subfields
from tests.corpus import schemas
from tests.services.catalog.formats.entries import of

TAGS = (
    "008", "020", "022", "024", "041", "043", "100", "110", "111", "240", "245", "246", "250", "255", "260", "264",
    "300", "310", "336", "490", "502", "505", "520", "600", "610", "630", "650", "651", "653", "655", "700", "710",
    "720", "730", "752", "773", "780", "830", "856", "880", "9AB",
)  # fmt: skip
TEXT = some.text(some.characters(exclude_categories=("Cs",)), max_size=20) | some.sampled_from(
    [
        "245-01/(3/r",
        "ind",
        "{",
        "}",
        "\\",
        " and ",
        "ER  - ",
        "TY  - BOOK",
        "]]>",
        "<b>",
        "&amp;",
        "=1+1",
        "\x00\x1b",
        "\ufffe",
    ]
)
CODES = some.sampled_from("abcdefgnpqtuvwxyz02456") | some.sampled_from(["", "<", "é"])
CONTROLS = some.builds(lambda tag, text: [tag, text], some.sampled_from(["001", "003", "005", "008"]), TEXT)
DATA = some.builds(
    lambda tag, indicators, parts: [tag, indicators, *(item for part in parts for item in part)],
    some.sampled_from(TAGS),
    some.text(" 0123456789", min_size=2, max_size=2),
    some.lists(some.tuples(CODES, TEXT), min_size=1, max_size=5),
)
LEADERS = some.text(some.characters(max_codepoint=255, min_codepoint=32), min_size=24, max_size=24) | some.just(
    "00000nas a2200000   4500"
)
RECORDS = some.builds(Record, LEADERS, some.lists(CONTROLS | DATA, max_size=12))


@given(RECORDS)
@settings(max_examples=120)
def test_dublin_core_and_mods_are_valid(record: Record) -> None:
    for form in ("dc", "mods"):
        document = etree.fromstring(FORMS[form].document(of(record)))
        assert schemas.faults(form, document) == []


@given(RECORDS)
@settings(max_examples=120)
def test_the_rest_can_be_read_back(record: Record) -> None:
    entry = of(record)
    assert len(rispy.loads(FORMS["ris"].document(entry).decode())) == 1
    library = bibtexparser.parse_string(FORMS["bibtex"].document(entry).decode())
    assert (len(library.entries), library.failed_blocks) == (1, [])
    assert len(list(csv.DictReader(io.StringIO(FORMS["csv"].document(entry).decode("utf-8-sig"), newline="")))) == 1
    for form in ("jsonld", "json", "brief"):
        assert orjson.loads(FORMS[form].document(entry))


@pytest.mark.parametrize("form", [name for name in FORMS if not name.startswith("marc")])
def test_an_empty_record_can_be_written(form: str) -> None:
    assert FORMS[form].document(of(Record("", [])))


def test_a_field_of_one_part_only_is_no_trouble() -> None:
    fields: list[Field] = [["245", "x"], ["100", "  "], ["264", " "], ["880", "  ", "6", ""]]
    for form in ("dc", "mods", "ris", "bibtex", "csv", "jsonld"):
        assert FORMS[form].document(of(Record("00000nam", fields)))


@given(RECORDS)
@settings(max_examples=120)
def test_marcxml_is_read_back_as_it_was_or_refused(record: Record) -> None:
    try:
        document = FORMS["marcxml"].document(of(record))
    except NotSerialisable:
        document = b""
    if not document:
        assert any(FORBIDDEN.search(text) for text in (record.leader, *chain.from_iterable(record.fields)))
        return
    texts = [element.text or "" for element in etree.fromstring(document).iter("{*}controlfield", "{*}subfield")]
    expected = []
    for field in record.fields:
        values = [field[1]] if is_control(field) else [value for code, value in subfields(field) if code or value]
        expected += values or [""]
    assert texts == expected
