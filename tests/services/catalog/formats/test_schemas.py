"""XML forms of every shared record against the schemas their owners publish."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
from lxml import etree

from services.catalog.formats import FORMS, Entry
from services.catalog.marc.faults import Unserialisable
from tests.conftest import SHARED
from tests.services.catalog.formats.entries import shared

SCHEMAS = {"dc": "oai/oai_dc.xsd", "mods": "mods/mods-3-7.xsd", "marcxml": "oai/MARC21slim.xsd"}
AS_MANY_AS = 6_500


@cache
def schema(form: str) -> Any:
    return etree.XMLSchema(etree.parse(SHARED / "schemas" / SCHEMAS[form]))


def test_there_are_many_records_to_write() -> None:
    assert len(shared()) > AS_MANY_AS


@pytest.mark.parametrize("form", ["dc", "mods"])
def test_every_shared_record_is_valid(form: str) -> None:
    found: Counter[str] = Counter()
    for entry in shared():
        if not schema(form).validate(etree.fromstring(FORMS[form].alone(entry))):
            found.update(str(each.message) for each in schema(form).error_log)
    assert not found


# What MARC 21 does not know stays as it came, fields in their order: nothing of a record is lost.
AS_IT_CAME = re.compile(
    r"attribute '(?:ind1|ind2|code|tag)'|leader': \[facet 'pattern'\]|controlfield': This element is not expected"
    r"|datafield': Missing child"
)


def valid_marcxml(entry: Entry) -> bool:
    try:
        document = etree.fromstring(FORMS["marcxml"].alone(entry))
    except Unserialisable:
        return False
    return bool(schema("marcxml").validate(document))


def test_marcxml_is_valid_but_for_what_the_record_itself_has_wrong() -> None:
    wrong = [entry for entry in shared() if not valid_marcxml(entry)]
    assert len(wrong) < len(shared()) / 10
    for entry in wrong:
        if not valid_marcxml(entry):
            assert all(AS_IT_CAME.search(str(each.message)) for each in schema("marcxml").error_log)


@pytest.mark.parametrize("form", ["mods", "marcxml"])
def test_a_collection_is_valid(form: str) -> None:
    made = FORMS[form]
    document = (
        made.head + b"".join(made.row(entry) for entry in list(filter(valid_marcxml, shared()[:300]))[:50]) + made.tail
    )
    tree = etree.fromstring(document)
    assert schema(form).validate(tree), schema(form).error_log
    assert len(tree) == 50


def test_a_collection_of_dublin_core_holds_valid_elements() -> None:
    made = FORMS["dc"]
    tree = etree.fromstring(made.head + b"".join(made.row(entry) for entry in shared()[:50]) + made.tail)
    assert [schema("dc").validate(etree.ElementTree(each)) for each in tree] == [True] * 50
