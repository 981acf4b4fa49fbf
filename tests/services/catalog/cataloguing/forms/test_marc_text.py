"""The text of a record, one field a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.cataloguing.forms.marc_text import BadLine, read_text, write_text
from services.catalog.marc.record import Field, Record

LEADER = "00000nam a2200000 i 4500"
TEXT = """LDR 00000nam#a2200000#i#4500
001 N1
008 261201s1956####io
245 10 $a Robohnya surau kami $c A.A. Navis
500 ## $a Harga \\$5 \\\\ toko $b\\u000a\\s"""


def test_a_record_is_written_one_field_a_line() -> None:
    record = Record(
        LEADER,
        [
            ["001", "N1"],
            ["008", "261201s1956    io"],
            ["245", "10", "a", "Robohnya surau kami", "c", "A.A. Navis"],
            ["500", "  ", "a", "Harga $5 \\ toko", "b", "\n "],
        ],
    )
    assert write_text(record) == TEXT.replace("$b\\u", "$b \\u")
    assert read_text(TEXT) == (record, [])


def test_typed_text_may_have_other_blanks_and_blank_lines() -> None:
    typed = "\r\nldr  00000nam a2200000 i 4500\r\n245 10$aSiti Nurbaya$cMarah Rusli   \r\n\r\n650  4 $a  Adat  \r\n"
    fields = [["245", "10", "a", "Siti Nurbaya", "c", "Marah Rusli"], ["650", " 4", "a", "Adat"]]
    assert read_text(typed) == (Record(LEADER, fields), [])


def test_an_escaped_surrogate_is_no_character() -> None:
    record, bad_lines = read_text(f"LDR {LEADER}\n245 10 $a x\\ud800 \\u00e9")
    assert (record.fields, bad_lines) == ([["245", "10", "a", "xud800 é"]], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("24 10 $a x", "TAG"),
        ("2450 10 $a x", "TAG"),
        ("judul", "TAG"),
        ("245 1", "SUBFIELDS"),
        ("245 $a x", "SUBFIELDS"),
        ("245 10 $a x $", "SUBFIELDS"),
        ("245 10 $ x", "SUBFIELDS"),
        ("245 10x $a x", "SUBFIELDS"),
    ],
)
def test_a_line_that_is_no_field_is_named(line: str, reason: str) -> None:
    record, bad_lines = read_text(f"LDR {LEADER}\n001 N1\n{line}\n500 ## $a y")
    assert bad_lines == [BadLine(3, line, reason)]
    assert [field[0] for field in record.fields] == ["001", "500"]


@pytest.mark.parametrize("text", ["", "245 10 $a x", "LDR 0000\n245 10 $a x", f"LDR {LEADER[:-1]}Ω\n245 10 $a x"])
def test_a_leader_is_needed(text: str) -> None:
    assert [line.reason for line in read_text(text)[1]] == ["LEADER"]


LETTERS = st.characters(exclude_categories=["Cs"])
TAGS = st.one_of(
    st.integers(0, 999).map("{:03}".format),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=3, max_size=3),
)
VALUES = st.text(st.one_of(LETTERS, st.sampled_from("$\\#{} \n\t\x1b\x85")), max_size=20)


@st.composite
def fields(draw: st.DrawFn) -> Field:
    """A field as every reader gives it (marc.field_shape)."""
    tag = draw(TAGS)
    if tag.startswith("00") or (not tag.isdigit() and draw(st.booleans())):
        return [tag, draw(VALUES)]
    pairs = draw(st.lists(st.tuples(st.one_of(st.just(""), LETTERS), VALUES), min_size=1, max_size=4))
    parts = [part for place, (code, value) in enumerate(pairs) for part in (code, value if code or not place else "")]
    if not parts[0] and not parts[1] and len(parts) > 2 and parts[2]:
        parts = parts[2:]  # an empty text stands only before a delimiter without a code
    if len(parts) == 2 and not parts[0] and not tag.isdigit():
        return [tag, draw(VALUES)]
    return [tag, draw(st.text(LETTERS, min_size=2, max_size=2)), *parts]


@given(st.lists(fields(), max_size=6))
def test_any_record_comes_back_from_its_text(content: list[Field]) -> None:
    record = Record(LEADER, content)
    text = write_text(record)
    assert read_text(text.replace("\n", "\r\n")) == (record, [])
    assert not any(letter < " " and letter != "\n" for letter in text)  # a browser keeps the rest
