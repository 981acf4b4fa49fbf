"""Classes as a tree."""

from __future__ import annotations

import pytest

from services.catalog.record.captions import caption
from services.catalog.record.classes import all_levels, class_of, class_path, levels, notation, thousandths, value_of


@pytest.mark.parametrize(
    ("number", "classes"),
    [
        ("899.2213", ("8", "89", "899")),
        ("813", ("8", "81", "813")),
        ("2X4.1", ("2X", "2X4", "2X4.1", "2", "29", "297")),
        ("2x4", ("2X", "2X4", "2", "29", "297")),
        ("2X", ("2X", "2", "29", "297")),
        ("[Fic]", ()),
        ("1234", ()),
        ("", ()),
    ],
)
def test_a_number_counts_under_its_classes_and_2x_under_297_as_well(number: str, classes: tuple[str, ...]) -> None:
    assert levels(number) == classes


@pytest.mark.parametrize(
    ("number", "expected"),
    [("899.2213", 899221), ("813", 813000), ("813.5", 813500), ("2X4.1", 297000), ("Fic", None), ("", None)],
)
def test_a_range_counts_in_thousandths(number: str, expected: int | None) -> None:
    assert thousandths(number) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("800", "8"), ("810", "81"), ("813", "813"), ("000", "0"), ("8", "8"), ("81", "81"), ("899.221", "899.221"),
     ("810.9", "810.9"), ("899.22131415", "899.221314"), ("8.5", None), ("2x4", "2X4"), ("2X4.1", "2X4.1"),
     ("", None), ("abc", None), ("8123", None), ("2XA", None)],
)  # fmt: skip
def test_people_write_a_class_with_three_digits(text: str, value: str | None) -> None:
    assert value_of(text) == value
    if value is not None:
        assert value_of(notation(value)) == value


def test_the_way_down_to_a_class() -> None:
    assert class_path("813") == ["8", "81", "813"]
    assert class_path("2X4.1") == ["2X", "2X4", "2X4.1"]
    assert class_path("813.54") == ["8", "81", "813", "813.5", "813.54"]
    assert class_path("810.9") == ["8", "81", "810.9"]


def test_the_levels_go_down_to_the_last_decimal() -> None:
    assert all_levels("899.2213") == ("8", "89", "899", "899.2", "899.22", "899.221", "899.2213")
    assert all_levels("F 813.54 HIR") == ("8", "81", "813", "813.5", "813.54")
    assert all_levels("2X4.1") == levels("2X4.1")
    assert all_levels("813") == levels("813")
    assert all_levels("Fic") == ()


@pytest.mark.parametrize(
    ("fields", "call_numbers", "value"),
    [
        ([["082", "04", "a", "899.221/3"]], [], "899.2213"),
        ([["084", "  ", "a", "899.221"]], [], "899.221"),
        ([["084", "  ", "a", "899.221", "2", "kssb"]], [], ""),
        ([["084", "  ", "a", "17.93"]], [], ""),
        ([["082", "04", "a", "[Fic]"]], ["F NAV r", "R 030 ENS e"], "030"),
        ([], ["", "2X4.1 ABD f"], "2X4.1"),
        ([], [], ""),
    ],
)
def test_the_class_of_a_record_is_found_in_each_of_its_fields(
    fields: list[list[str]], call_numbers: list[str], value: str
) -> None:
    tags: dict[str, list[list[str]]] = {}
    for field in fields:
        tags.setdefault(field[0], []).append(field)
    assert class_of(tags, call_numbers) == value


def test_the_main_classes_have_captions() -> None:
    for value in (*"0123456789", "2X", "none"):
        caption_text = caption("class", value)
        assert caption_text is not None
        assert caption_text.id
        assert caption_text.en
    assert caption("class", "8111") is None
