"""Any record is described, shelved and classed, and all of its values leave as text."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.items.item_maps import USUAL
from services.catalog.items.parsing import items_in, items_of
from services.catalog.marc.record import Record, by_tag
from services.catalog.record.brief import brief
from services.catalog.record.classes import class_of, levels, thousandths
from services.catalog.record.display import display
from services.catalog.record.display_rules import IDENTIFIERS, RELATIONS, RULES
from services.catalog.record.holdings import holdings

OTHERS = ("020", "041", "082", "084", "092", "100", "245", "600", "650", "653", "655", "700", "880", "999", "abc", "")
TAGS = st.sampled_from([*sorted({*RULES, *RELATIONS, *IDENTIFIERS, *USUAL.tags}), *OTHERS])
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["245-01/(3/r", "880-01", "1.2", "1", "2X4.1", "899.221/3 NAV r", "jil. II c.2", "Vol. 3, Mei 2026", "(X)1",
         "https://contoh.id/a", "javascript:alert(1)", "<script>alert(1)</script>", "978-602-8811-30-9", "1234-5679",
         "حكاية", "0", "-1", " ", "engfre", " -- ", "a -- b -- c"]
    ),
)  # fmt: skip
INDICATORS = st.one_of(st.sampled_from(["  ", "10", "04", "1", "", "10x"]), st.text(max_size=3))


@st.composite
def fields(draw: st.DrawFn) -> list[str]:
    if draw(st.integers(0, 9)) == 0:
        return [draw(TAGS), draw(VALUES)]
    codes = draw(st.lists(st.one_of(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"), st.just("")), max_size=8))
    field = [draw(TAGS), draw(INDICATORS)]
    for code in codes:
        field += [code, draw(VALUES)]
    return field


RECORDS = st.builds(
    Record, st.one_of(st.just("00000nam a2200000   4500"), st.text(max_size=24)), st.lists(fields(), max_size=12)
)


@settings(max_examples=250)
@given(RECORDS)
def test_any_record_is_described_and_shelved(record: Record) -> None:
    displayed = display(record, institution="PKS", source="S")
    assert brief(record, institution="PKS").keys() <= displayed.keys()
    json.dumps(displayed)
    assert all(isinstance(leaf, str) for leaf in _leaves(displayed))
    assert all(link["url"].lower().startswith(("http://", "https://", "ftp://")) for link in displayed["links"])
    items = items_of(record)
    assert items == items_in(by_tag(record.fields), USUAL, record.leader)
    barcodes = [item.barcode for item in items if item.barcode]
    assert len(barcodes) == len(set(barcodes))
    assert all(bool(item.call_sort) == bool(item.call_number.strip()) for item in items)
    holdings(items, institution="PKS")
    class_value = class_of(by_tag(record.fields), [item.call_number for item in items])
    assert bool(levels(class_value)) == (thousandths(class_value) is not None)


def _leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in _leaves(value)]
    if isinstance(node, list):
        return [leaf for value in node for leaf in _leaves(value)]
    return [] if isinstance(node, bool | int) else [node]
