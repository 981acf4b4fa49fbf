"""XML forms of every record of the corpora against our own schemas, and against the published ones where they are."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from lxml import etree

from services.catalog.formats import FORMS, Entry
from services.catalog.marc.faults import NotSerialisable
from services.catalog.marc.record import Field, Record, is_control, subfields_to_write
from tests import corpus
from tests.corpus import schemas
from tests.services.catalog.formats.entries import entries

AS_MANY_AS = {"own": 1_500, "real": 6_500}
SETS = pytest.mark.parametrize("records", corpus.sets())


@SETS
def test_there_are_many_records_to_write(records: str) -> None:
    assert len(entries(records)) > AS_MANY_AS[records]


@pytest.mark.parametrize("form", ["dc", "mods"])
@SETS
def test_every_record_is_valid(records: str, form: str) -> None:
    faults: Counter[str] = Counter()
    for entry in entries(records):
        faults.update(schemas.faults(form, etree.fromstring(FORMS[form].document(entry))))
    assert not faults


# What MARC 21 does not know stays as it came, fields in their order: nothing of a record is lost.
AS_IT_CAME = re.compile(
    r"attribute '(?:ind1|ind2|code|tag)'|leader': \[facet 'pattern'\]|controlfield': This element is not expected"
    r"|datafield': Missing child"
)
LEADER = re.compile(r"[0-9 ]{5}[0-9A-Za-z ][0-9A-Za-z][0-9A-Za-z ]{3}[2 ]{2}[0-9 ]{5}[0-9A-Za-z ]{3}(4500| {4})")
CONTROL_TAG = re.compile(r"00[1-9A-Za-z]")
DATA_TAG = re.compile(r"(?!00)([0-9A-Z]{3}|[0-9a-z]{3})")
INDICATORS = re.compile(r"[0-9a-z ]{2}")
CODE = re.compile(r"[!-~]")


def keeps_to_marc21(record: Record) -> bool:
    """By the MARC 21 record structure alone: leader, tags, indicators, codes, and control fields before the others."""
    controls = [is_control(field) for field in record.fields]
    is_sorted = controls == sorted(controls, reverse=True)
    return bool(LEADER.fullmatch(record.leader)) and is_sorted and all(map(_is_regular, record.fields))


def _is_regular(field: Field) -> bool:
    if is_control(field):
        return bool(CONTROL_TAG.fullmatch(field[0]))
    codes = [code or "a" for code, _ in subfields_to_write(field)] or ["a"]
    shape = DATA_TAG.fullmatch(field[0]) and INDICATORS.fullmatch(field[1])
    return bool(shape and codes and all(map(CODE.fullmatch, codes)))


def marcxml(entry: Entry) -> Any:
    """The record as MARCXML; None when it holds what XML cannot."""
    try:
        return etree.fromstring(FORMS["marcxml"].document(entry))
    except NotSerialisable:
        return None


@SETS
def test_marcxml_is_valid_but_for_what_the_record_itself_has_wrong(records: str) -> None:
    wrong = 0
    for entry in entries(records):
        document = marcxml(entry)
        if document is None:
            wrong += 1
            continue
        valid = schemas.ours("marcxml").validate(document)
        assert valid == keeps_to_marc21(entry.record), (entry.record, schemas.ours("marcxml").error_log)
        wrong += not valid
        published = schemas.published("marcxml")
        if published is not None and not published.validate(document):
            assert all(AS_IT_CAME.search(str(fault.message)) for fault in published.error_log)
    assert 0 < wrong < len(entries(records)) / 10


@pytest.mark.parametrize("form", ["mods", "marcxml"])
@SETS
def test_a_collection_is_valid(records: str, form: str) -> None:
    table = FORMS[form]
    valid_entries = [
        entry for entry in entries(records)[:300] if keeps_to_marc21(entry.record) and marcxml(entry) is not None
    ]
    tree = etree.fromstring(table.head + b"".join(table.row(entry) for entry in valid_entries[:50]) + table.tail)
    assert schemas.faults(form, tree) == []
    assert len(tree) == 50


@SETS
def test_a_collection_of_dublin_core_holds_valid_elements(records: str) -> None:
    table = FORMS["dc"]
    tree = etree.fromstring(table.head + b"".join(table.row(entry) for entry in entries(records)[:50]) + table.tail)
    assert [schemas.faults("dc", etree.ElementTree(element)) for element in tree] == [[]] * 50
