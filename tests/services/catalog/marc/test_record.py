"""A record in memory: finding fields, storing and comparing."""

from __future__ import annotations

import pytest

from services.catalog.marc.record import Record, field_text, is_control, subfields

from .samples import book


def test_values_come_in_order_from_every_field_with_the_tag() -> None:
    record = book("1", "x", ["650", " 4", "a", "Adat", "x", "Minangkabau"], ["650", " 4", "a", "Merantau"])
    assert record.values("650", "a") == ["Adat", "Merantau"]
    assert record.values("650") == ["Adat", "Minangkabau", "Merantau"]
    assert record.texts("650", "ax", " -- ") == ["Adat -- Minangkabau", "Merantau"]


def test_text_outside_subfields_has_no_code_that_could_be_asked_for() -> None:
    record = Record(fields=[["250", "  ", "", "cet. 2", "b", "revisi"]])
    assert record.values("250", "ab") == ["revisi"]
    assert record.text("250") == "cet. 2 revisi"


def test_a_range_of_tags_is_written_with_dots() -> None:
    record = book("1", "x", ["650", " 4", "a", "Adat"], ["655", " 7", "a", "Novel"], ["700", "1 ", "a", "Rusli"])
    assert [field[0] for field in record.all("6..", "700")] == ["650", "655", "700"]


def test_control_fields_have_a_value_and_data_fields_have_subfields() -> None:
    control, data = book().fields
    assert (is_control(control), is_control(data)) == (True, False)
    assert list(subfields(control)) == []
    assert field_text(control) == "1"
    assert [code for code, _ in subfields(data)] == ["a", "c"]


def test_a_missing_field_is_none_or_empty() -> None:
    record = Record()
    assert (record.first("245"), record.control("001"), record.text("245", "a"), record.values("245")) == (
        None,
        None,
        "",
        [],
    )


def test_a_packed_record_is_unpacked() -> None:
    record = book("1", "Layar terkembang ﷺ \x00\x1f 𝄞")
    assert Record.unpack(record.pack()) == record


@pytest.mark.parametrize("position", [0, 4, 9, 10, 11, 12, 16, 20, 23])
def test_values_that_depend_on_the_encoding_make_no_other_record(position: int) -> None:
    record = book()
    changed = Record(record.leader[:position] + "#" + record.leader[position + 1 :], record.fields)
    assert changed.fingerprint() == record.fingerprint()


@pytest.mark.parametrize("position", [5, 6, 7, 8, 17, 18, 19])
def test_another_description_in_the_leader_makes_another_record(position: int) -> None:
    record = book()
    changed = Record(record.leader[:position] + "#" + record.leader[position + 1 :], record.fields)
    assert changed.fingerprint() != record.fingerprint()


@pytest.mark.parametrize(
    "fields",
    [
        [["245", "10", "a", "x"], ["001", "1"]],
        [["001", "1"], ["245", "00", "a", "x"]],
        [["001", "1"], ["245", "10", "b", "x"]],
        [["001", "1"], ["245", "10", "a", "x "]],
        [["001", "1"], ["245", "10", "a", "x", "a", ""]],
        [["001", "1"], ["245", "10", "ax"]],
    ],
)
def test_order_indicators_codes_and_values_make_another_record(fields: list[list[str]]) -> None:
    record = Record(fields=[["001", "1"], ["245", "10", "a", "x"]])
    assert Record(fields=fields).fingerprint() != record.fingerprint()


def test_values_are_compared_without_normalising() -> None:
    assert book(title="caf\u00e9").fingerprint() != book(title="cafe\u0301").fingerprint()


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ([["001", "42"], ["003", "OCoLC"]], "(OCoLC)42"),
        ([["001", "42"]], "42"),
        ([["001", " 42 "]], " 42 "),
        ([["001", "42"], ["001", "43"], ["003", "A"], ["003", "B"]], "(A)42"),
        ([["001", "(A)42"]], "()(A)42"),
        ([["003", "OCoLC"]], None),
        ([["001", "  "]], None),
        ([], None),
    ],
)
def test_the_control_key_is_the_first_001_under_the_first_003(fields: list[list[str]], key: str | None) -> None:
    assert Record(fields=fields).control_key() == key
