"""Call numbers: their parts, and the shelf order."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.record.call_numbers import CallNumber, parse, sort_key


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("R 899.221 3 NAV r jil. 2 c.2", ("R", "899.2213", "NAV", "r", "jil. 2", "2", "")),
        ("899.221/3 NAV r".replace("/3", "'3"), ("", "899.2213", "NAV", "r", "", "", "")),
        ("813/NAV/r", ("", "813", "NAV", "r", "", "", "")),
        ("R/899.2/NAV/r/c.1", ("R", "899.2", "NAV", "r", "", "1", "")),
        ("2X4.1 HAM t", ("", "2X4.1", "HAM", "t", "", "", "")),
        ("2x ham t", ("", "2X", "HAM", "t", "", "", "")),
        ("F NAV r", ("F", "", "NAV", "r", "", "", "")),
        ("NAV r", ("", "", "NAV", "r", "", "", "")),
        ("SKR 371.3 AND p", ("SKR", "371.3", "AND", "p", "", "", "")),
        ("SKR/TI 2019 RIZ s", ("SKR TI", "2019", "RIZ", "s", "", "", "")),
        ("813 N31r c.2", ("", "813", "N31R", "", "", "2", "")),
        ("030 ENS e Jilid II", ("", "030", "ENS", "e", "Jilid II", "", "")),
        ("050 HOR h Vol. 3 no. 2", ("", "050", "HOR", "h", "Vol. 3 no. 2", "", "")),
        ("613 KES k eks. 3", ("", "613", "KES", "k", "", "3", "")),
        ("842 VOL i", ("", "842", "VOL", "i", "", "", "")),
        ("813 EDI r", ("", "813", "EDI", "r", "", "", "")),
        ("813 VIX c", ("", "813", "VIX", "c", "", "", "")),
        ("613 KES k", ("", "613", "KES", "k", "", "", "")),
        ("QA76.9 K4", ("", "QA76.9", "K4", "", "", "", "")),
        ("297.1 2010", ("", "297.1", "", "", "", "", "2010")),
        ("", ("", "", "", "", "", "", "")),
        (" / ", ("", "", "", "", "", "", "")),
    ],
)
def test_a_call_number_is_split_into_its_parts(text: str, parts: tuple[str, ...]) -> None:
    assert astuple(parse(text)) == parts


def test_sort_keys_give_the_shelf_order() -> None:
    shelf = [
        "NAV r",
        "001 SUR f",
        "297 HAM t",
        "297.1 ABD a",
        "299.5 TAN k",
        "2X HAM t",
        "2X0 ALI i",
        "2X4 ABD f",
        "2X4.1 ABD f",
        "2X4.1 ABD f c.2",
        "2X4.12 ABD f",
        "2X5 HAM t",
        "300 KOE m",
        "813 NAV r",
        "813 NAV r c.2",
        "813 NAV r c.10",
        "813 NAV r jil. 1",
        "813 NAV r v.2 c.1",
        "813 NAV r Jilid II c.2",
        "813 NAV r jil. 10",
        "813 NAV s",
        "813 NAZ a",
        "813.01 ABD a",
        "813.1 ABD a",
        "814 ABD a",
        "899.221 NAV r",
        "899.2213 NAV r",
        "A 398.2 CER b",
        "F NAV r",
        "R 030 ENS e",
        "R 030 ENS e jil. 2",
        "SKR 371 AND p",
        " / ",
    ]
    assert sorted(set(shelf), key=sort_key) == shelf


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("813 NAV r", "813/nav/R"),
        ("899.221 3 NAV r", "899.2213 NAV r"),
        ("R 813 NAV r jil. 2", "R. 813 Nav r vol. 2"),
        ("813 NAV r c.2", "813 NAV r  C. 02"),
        ("813 Édi r", "813 EDI r"),
    ],
)
def test_spellings_of_one_call_number_have_the_same_sort_key(left: str, right: str) -> None:
    assert sort_key(left) == sort_key(right)


def test_only_a_blank_call_number_has_no_sort_key() -> None:
    assert sort_key("") == sort_key("  ") == ""
    assert sort_key("/") > sort_key("SKR 999 ZZZ z")


CLASSES = st.one_of(
    st.just(""),
    st.from_regex(r"[0-9]{3}(\.[0-9]{1,4})?", fullmatch=True, alphabet=st.characters(codec="ascii")),
    st.from_regex(r"2X([0-9](\.[0-9]{1,2})?)?", fullmatch=True, alphabet=st.characters(codec="ascii")),
)
NUMBERS = st.builds(
    CallNumber,
    prefix=st.sampled_from(["", "A", "F", "R", "SKR"]),
    class_number=CLASSES,
    author_mark=st.text("ABNRZ", min_size=3, max_size=3),
    title_mark=st.sampled_from("abz"),
    volume=st.one_of(st.just(""), st.integers(1, 120).map("jil. {}".format)),
    copy=st.one_of(st.just(""), st.integers(1, 120).map(str)),
)


def as_written(number: CallNumber) -> str:
    copy = f"c.{number.copy}" if number.copy else ""
    parts = (number.prefix, number.class_number, number.author_mark, number.title_mark, number.volume, copy)
    return " ".join(part for part in parts if part)


def in_order(number: CallNumber) -> tuple[object, ...]:
    """Return the parts that a librarian compares, in that order."""
    integer, _, decimals = number.class_number.partition(".")
    volume = int(number.volume.rpartition(" ")[2]) if number.volume else 0
    return (
        number.prefix, integer, decimals, number.author_mark, number.title_mark, volume, int(number.copy or 0),
    )  # fmt: skip


@given(NUMBERS)
def test_a_printed_call_number_is_parsed_to_its_parts(number: CallNumber) -> None:
    assert parse(as_written(number)) == number


@given(NUMBERS, NUMBERS)
def test_sort_keys_compare_like_the_parts(left: CallNumber, right: CallNumber) -> None:
    assert (left.sort_key < right.sort_key) == (in_order(left) < in_order(right))
    assert (left.sort_key == right.sort_key) == (in_order(left) == in_order(right))


@given(st.text(max_size=300))
def test_any_text_is_parsed_and_has_a_sort_key_unless_it_is_blank(text: str) -> None:
    parse(text)
    key = sort_key(text)
    assert len(key) <= 300
    assert (key == "") == (text.strip() == "")
    assert "\x00" not in key
