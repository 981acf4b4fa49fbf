"""ISO 2709: records with wrong lengths are read, others rejected; a record that does not fit is not written."""

from __future__ import annotations

import pytest

from services.catalog.marc import iso2709
from services.catalog.marc.faults import NotSerialisable
from services.catalog.marc.readers import MarcError
from services.catalog.marc.record import Record
from tests.corpus.assembly import assemble

from .samples import attempt, book, encoders, iso, one, read, reasons

TITLE = b"10\x1faSiti Nurbaya"
UTF8 = b"00000nam a2200000   4500"
MARC8 = b"00000nam  2200000   4500"


def why(raw: bytes) -> str:
    """The reason for which the only record of these bytes is put aside."""
    with pytest.raises(MarcError) as bad:
        iso2709.decode(raw)
    return bad.value.reason


def test_a_sound_record_is_read_without_a_warning() -> None:
    decoded = one(iso(b"1", TITLE))
    assert decoded.record.fields == [["001", "1"], ["245", "10", "a", "Siti Nurbaya"]]
    assert decoded.warnings == ()


def test_a_wrong_length_is_read_when_directory_and_terminators_agree() -> None:
    raw = iso(b"1", TITLE, length=99)
    assert one(raw).warnings == ("LENGTH_WRONG",)
    assert one(raw).record.fields == one(iso(b"1", TITLE)).record.fields


def test_entries_in_another_order_than_the_data_are_followed() -> None:
    raw = iso(b"1", TITLE)
    swapped_entries = raw[:24] + raw[36:48] + raw[24:36] + raw[48:]
    assert one(swapped_entries).record.fields == [["245", "10", "a", "Siti Nurbaya"], ["001", "1"]]
    assert one(swapped_entries).warnings == ("DIRECTORY_ORDER",)


def test_a_field_terminator_inside_a_value_is_kept_when_the_directory_vouches_for_it() -> None:
    raw = iso(b"1", b"10\x1faSiti\x1eNurbaya")
    assert one(raw).record.fields[1] == ["245", "10", "a", "Siti\x1eNurbaya"]
    assert iso2709.decode(iso2709.encode(one(raw).record)).record == one(raw).record


def test_a_record_terminator_inside_a_value_is_kept_when_the_length_vouches_for_it() -> None:
    raw = iso(b"1", b"10\x1faSiti\x1dNurbaya") + iso(b"2", TITLE)
    first, second = read(raw)
    assert iso2709.decode(first.raw).record.fields[1] == ["245", "10", "a", "Siti\x1dNurbaya"]
    assert iso2709.decode(second.raw).record.control("001") == "2"


def test_offsets_that_agree_with_nothing_are_put_aside() -> None:
    raw = iso(b"1", TITLE)
    assert why(raw.replace(b"001000200000", b"001000200099")) == "DIRECTORY_BAD"


def test_a_field_without_an_entry_is_put_aside_rather_than_lost() -> None:
    raw = iso(b"1", TITLE)
    assert why(raw[:-1] + b"  \x1fahidden\x1e\x1d") == "DIRECTORY_BAD"


def test_a_record_cut_off_is_put_aside() -> None:
    assert why(iso(b"1", TITLE)[:-6]) == "TRUNCATED"


def test_a_record_that_lacks_nothing_but_its_terminator_is_read() -> None:
    assert one(iso(b"1", TITLE)[:-1]).warnings == ("NO_RECORD_TERMINATOR",)


@pytest.mark.parametrize(
    ("leader", "value", "text", "warnings"),
    [
        (UTF8, b"caf\xc3\xa9", "café", ()),
        (MARC8, b"caf\xe2e", "cafe\u0301", ()),
        (MARC8, b"\xa5\xb5", "Ææ", ()),
        (MARC8, b"\x1b(NABC\x1b(B x", "абц x", ()),
        (MARC8, b"H\x1bb2\x1bsO", "H₂O", ()),
        (MARC8, b"\xebi\xecu", "i\ufe20u\ufe21", ()),
        (MARC8, b"caf\xc3\xa9", "café", ("UTF8_SAID_MARC8",)),
        (MARC8, b"M\xe9xico", "Mx\u030cico", ("MAYBE_LATIN1",)),
        (b"00000nam z2200000   4500", b"caf\xc3\xa9", "café", ("LEADER_ODD",)),
        (UTF8, b"caf\xe2e", "cafe\u0301", ("MARC8_SAID_UTF8",)),
        (UTF8, b"\xb9 12", "£ 12", ("MARC8_SAID_UTF8",)),
        (UTF8, b"pr\xc2ejug\xc2e", "pre\u0301juge\u0301", ("ISO5426_SAID_UTF8",)),
        (UTF8, b"M\xfcller na\xefve caf\xe9", "Müller naïve café", ("LATIN1_SAID_UTF8",)),
        (MARC8, b"f\xc8ur Stra\xfbe", "fu\u0308r Straße", ("ISO5426_SAID_MARC8",)),
        (MARC8, b"na\xefve caf\xe9", "naïve café", ("LATIN1_SAID_MARC8",)),
        (MARC8, b"It\x92s caf\xe9", "It’s café", ("LATIN1_SAID_MARC8",)),
        (MARC8, b"\x1b(NR\x1b(B", "р", ()),
    ],
)
def test_text_is_what_leader_and_bytes_together_say(
    leader: bytes, value: bytes, text: str, warnings: tuple[str, ...]
) -> None:
    decoded = one(iso(b"1", b"10\x1fa" + value, leader=leader))
    assert (decoded.record.values("245"), decoded.warnings) == ([text], warnings)


@pytest.mark.parametrize(
    ("leader", "value", "reason"),
    [
        (UTF8, b"\xd2\xe0\xf2\xfc\xff\xed\xe0", "BAD_UTF8"),
        (UTF8, b"\xed\xa0\x80", "BAD_UTF8"),
        (MARC8, b"\xd2\xe0\xf2\xfc\xff\xed\xe0", "BAD_MARC8"),
        (MARC8, b"prf\xe2e\xe7", "BAD_MARC8"),
        (MARC8, b"\x1b$1!P", "BAD_MARC8"),
        (MARC8, b"\x1b(Zx", "BAD_MARC8"),
        (MARC8, b"x\x1b", "BAD_MARC8"),
        (b"00000nam z2200000   4500", b"\xd2\xe0\xf2\xfc\xff\xed\xe0", "CODING_UNKNOWN"),
    ],
)
def test_text_that_cannot_be_what_the_leader_says_is_put_aside(leader: bytes, value: bytes, reason: str) -> None:
    assert why(iso(b"1", b"10\x1fa" + value, leader=leader)) == reason


def test_a_field_in_utf8_stays_beside_one_in_marc8() -> None:
    raw = assemble(("001", b"1"), ("245", b"10\x1facaf\xe2e"), ("500", "  \x1fa上海".encode()), leader=UTF8)
    decoded = one(raw)
    assert (decoded.record.values("245"), decoded.record.values("500")) == (["cafe\u0301"], ["上海"])


def test_a_subfield_code_is_ascii_whatever_set_is_active() -> None:
    """`$b` after Cyrillic text; in the Cyrillic set the letter b is Б."""
    value = b"10\x1fa\x1b(NROMAN\x1fbROMAN\x1b(B"
    decoded = one(assemble(("001", b"1"), ("880", value), leader=MARC8))
    assert decoded.record.fields[1] == ["880", "10", "a", "роман", "b", "роман"]


@pytest.mark.parametrize(
    ("tag", "value", "field", "warning"),
    [
        ("500", b"  \x1fa", ["500", "  ", "a", ""], None),
        ("500", b"  ", ["500", "  ", "", ""], None),
        ("500", b"", ["500", "  ", "", ""], "BAD_INDICATORS"),
        ("500", b"\x1fax", ["500", "  ", "a", "x"], "BAD_INDICATORS"),
        ("500", b"?!\x1fax", ["500", "?!", "a", "x"], "BAD_INDICATORS"),
        ("500", b"  note", ["500", "  ", "", "note"], "TEXT_OUTSIDE_SUBFIELDS"),
        ("500", b"  note\x1fax", ["500", "  ", "", "note", "a", "x"], "TEXT_OUTSIDE_SUBFIELDS"),
        ("500", b"  \x1f\x1fax", ["500", "  ", "", "", "", "", "a", "x"], "EMPTY_SUBFIELD"),
        ("500", b"  \x1fax\x1f\x1fby\x1f", ["500", "  ", "a", "x", "", "", "b", "y", "", ""], "EMPTY_SUBFIELD"),
        ("500", b"  \x1f", ["500", "  ", "", "", "", ""], "EMPTY_SUBFIELD"),
        ("500", b"  \x1f\x1f", ["500", "  ", "", "", "", "", "", ""], "EMPTY_SUBFIELD"),
        ("500", b"  \x1f \x1fax", ["500", "  ", " ", "", "a", "x"], None),
        ("500", b"  \x1fa\x01x", ["500", "  ", "a", "\x01x"], "CONTROL_CHARACTERS"),
        ("500", "  \x1fa\ufffd".encode(), ["500", "  ", "a", "\ufffd"], "REPLACEMENT_CHARACTER"),
        ("FMT", b"BK", ["FMT", "BK"], None),
        ("CAT", b"  \x1faX", ["CAT", "  ", "a", "X"], None),
        ("5?0", b"  \x1fax", ["5?0", "  ", "a", "x"], "ODD_TAG"),
        ("009", b"a\x1fb", ["009", "a\x1fb"], None),
    ],
)
def test_odd_fields_are_kept_whole(tag: str, value: bytes, field: list[str], warning: str | None) -> None:
    decoded = one(iso(b"1", TITLE, value, tags=f"001 245 {tag}"))
    assert decoded.record.fields[2] == field
    assert decoded.warnings == ((warning,) if warning else ())
    assert iso2709.encode(decoded.record).split(b"\x1e")[3].strip() == value.strip()
    for encode in encoders(decoded.record):
        if encoded := attempt(encode, decoded.record):
            decoded_again = one(encoded)
            assert decoded_again.record.fields == decoded.record.fields
            assert (warning == "EMPTY_SUBFIELD") == ("EMPTY_SUBFIELD" in decoded_again.warnings)


def test_a_record_without_a_title_is_read_with_a_warning() -> None:
    assert one(iso(b"1", b"1 \x1faRusli", tags="001 100")).warnings == ("NO_TITLE",)


def test_a_written_record_declares_utf8_and_true_lengths() -> None:
    raw = iso2709.encode(Record("99999cam  2299999 a 45  ", book(title="Café").fields))
    assert raw[:24] == b"%05dcam a2200049 a 4500" % len(raw)
    assert one(raw).warnings == ()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (book("1", "x" * 9_990), "FIELD_TOO_LONG_FOR_ISO2709"),
        (book("1", "x", *[["500", "  ", "a", "x" * 9_000]] * 12), "RECORD_TOO_LONG_FOR_ISO2709"),
        (book("1", "a\x1fb"), "UNSERIALISABLE_IN_ISO2709"),
        (book("1\x1d"), "UNSERIALISABLE_IN_ISO2709"),
    ],
)
def test_a_record_that_iso_2709_cannot_hold_is_refused_by_name(record: Record, reason: str) -> None:
    with pytest.raises(NotSerialisable) as refusal:
        iso2709.encode(record)
    assert refusal.value.reason == reason


def test_the_longest_field_and_record_are_written() -> None:
    field = ["500", "  ", "a", "x" * 9_994]
    assert one(iso2709.encode(book("1", "x", field))).record.fields[-1] == field
    room = 99_999 - len(iso2709.encode(book("1", "x", *[field] * 9))) - 12
    raw = iso2709.encode(book("1", "x", *[field] * 9, ["500", "  ", "a", "x" * (room - 5)]))
    assert len(raw) == 99_999
    assert one(raw).warnings == ()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"\r\n\r\n \x1a", []),
        (iso(b"1", TITLE) + b"\r\n" + iso(b"2", TITLE) + b"\n\x1a", ["", ""]),
        (b"\xef\xbb\xbf" + iso(b"1", TITLE), [""]),
        (b"Dear library,\n" + iso(b"1", TITLE), ["GARBAGE", ""]),
        (iso(b"1", TITLE) + b"#### page 2 ####" + iso(b"2", TITLE), ["", "GARBAGE", ""]),
        (iso(b"1", TITLE) + b"the end", ["", "GARBAGE"]),
        (iso(b"1", TITLE)[:50] + iso(b"2", TITLE), ["TRUNCATED", ""]),
        (iso(b"1", TITLE) + iso(b"2", TITLE)[:50] + iso(b"3", TITLE), ["", "TRUNCATED", ""]),
        (iso(b"1", TITLE)[:50] + iso(b"2", TITLE)[:60] + iso(b"3", TITLE), ["TRUNCATED", ""]),
        (iso(b"1", TITLE) + iso(b"2", TITLE)[:50], ["", ""]),
        (b"just text", ["GARBAGE"]),
        (b"\x1d\x1d\x1d", ["GARBAGE"] * 3),
    ],
)
def test_bytes_between_records_are_a_frame_of_their_own(raw: bytes, expected: list[str]) -> None:
    assert reasons(raw) == expected


def test_frames_have_their_position() -> None:
    first = iso(b"1", TITLE)
    frames = read(b"garbage" + first + b"\n" + first)
    assert [(frame.number, frame.position) for frame in frames] == [(1, 0), (2, 7), (3, 8 + len(first))]
    assert [frame.number for frame in read(b"garbage" + first + first, skip_to=2)] == [3]


def test_a_stretch_over_the_limit_is_one_frame_and_reading_goes_on() -> None:
    raw = iso(b"1", TITLE) + b"00000" + b"x" * 9_000_000 + b"\x1d" + iso(b"2", TITLE)
    frames = read(raw)
    assert [frame.fault.reason if frame.fault else "" for frame in frames] == ["", "RECORD_TOO_BIG", ""]
    assert len(frames[1].raw) == 8_000_000
