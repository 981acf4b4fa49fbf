"""Files of damaged ISO 2709, each with one kind of damage, and the expected result for the records."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from services.catalog.marc import iso2709 as codec
from services.catalog.marc.faults import MAX_RECORD_BYTES
from tests.corpus import marc8
from tests.corpus.assembly import DELIMITER, FIELD_END, MARC8, RECORD_END, UTF8, assemble, join, take_apart
from tests.corpus.files import DamagedFile
from tests.corpus.sound import plain_records

COUNT: Final = 8
TITLE: Final = ("245", b"10\x1faRobohnya surau kami")
NUMBER: Final = ("001", b"1")


def _plain(count: int = COUNT) -> list[bytes]:
    return [codec.encode(record) for record in plain_records(count)]


def _wrong_length(raw: bytes) -> bytes:
    return b"%05d" % (len(raw) + 7) + raw[5:]


def _wrong_base(raw: bytes) -> bytes:
    return raw[:12] + b"99937" + raw[17:]


def _letter_in_base(raw: bytes) -> bytes:
    return raw[:12] + b"f" + raw[13:]


def _open_directory(raw: bytes) -> bytes:
    """A subfield delimiter in the place of the directory's terminator."""
    return raw.replace(FIELD_END, DELIMITER, 1)


def _stray_digit(raw: bytes) -> bytes:
    """One character after the last entry of the directory."""
    leader, entries, data = take_apart(raw)
    return join(leader, b"".join(entries) + b"1", data)


def _entries_swapped(raw: bytes) -> bytes:
    leader, entries, data = take_apart(raw)
    return join(leader, b"".join([*entries[:4], entries[5], entries[4], *entries[6:]]), data)


def _offsets_run_on(raw: bytes) -> bytes:
    """Every entry except the first has a position that is two bytes too high."""
    leader, entries, data = take_apart(raw)
    shifted = [entry[:7] + b"%05d" % (int(entry[7:]) + 2) for entry in entries[1:]]
    return join(leader, b"".join([entries[0], *shifted]), data)


def _title_shortened(raw: bytes) -> bytes:
    """A text that is shorter than its length in the directory and in the leader."""
    return raw.replace(b"oleh pengarangnya.", b"oleh saya.")


def _tag_cut(raw: bytes) -> bytes:
    """The first character of the directory is missing, so that no entry begins at a multiple of 12."""
    leader, entries, data = take_apart(raw)
    return join(leader, b"".join(entries)[1:], data)


def _long_tag(raw: bytes) -> bytes:
    """A tag of four letters, as some systems export their own fields."""
    leader, entries, data = take_apart(raw)
    return join(leader, b"".join([*entries[:3], b"INST" + entries[3][3:], *entries[4:]]), data)


def _field_without_entry(raw: bytes) -> bytes:
    leader, entries, data = take_apart(raw)
    return join(leader, b"".join(entries), data + b"  \x1fahidden" + FIELD_END)


def _field_broken_in_two(raw: bytes) -> bytes:
    """A terminator in the middle of a field, whose length was counted without it."""
    return raw.replace(b"Bukittinggi", b"Bukit\x1etinggi")


def _as_marc8(raw: bytes) -> bytes:
    return raw[:9] + b" " + raw[10:]


def _with_title(value: bytes, leader: bytes) -> bytes:
    return assemble(NUMBER, ("245", b"10\x1fa" + value), leader=leader)


def _with_note(value: bytes, tag: str = "500") -> bytes:
    return assemble(NUMBER, TITLE, (tag, value))


def _unimarc(number: int) -> bytes:
    return assemble(
        ("001", b"U%d" % number),
        ("100", b"  \x1fa20261126d1956    m  y0indy50      ba"),
        ("200", b"1 \x1faRobohnya surau kami\x1ffA. A. Navis"),
        ("210", b"  \x1faBukittinggi\x1fcNusantara\x1fd1956"),
        ("700", b" 1\x1faNavis\x1fbA. A.\x1f4070"),
        leader=b"00000cam0 2200000   450 ",
    )


def _long_field() -> bytes:
    """A note of 11,242 bytes, whose entry takes five digits for its length."""
    return assemble(NUMBER, TITLE, ("520", b"  \x1fa" + b"panjang " * 1404 + b"sekali"), ("650", b" 4\x1faKata"))


def _huge(*, held: bool) -> bytes:
    """A record of over 150,000 bytes: with numbers limited to 99999 or written with six digits."""
    notes = [("500", b"  \x1fa" + b"catatan " * 120) for _ in range(160)]
    raw = assemble(NUMBER, TITLE, *notes)
    if not held:
        return raw
    end = raw.index(FIELD_END)
    directory, start = b"", 0
    for tag, value in [NUMBER, TITLE, *notes]:
        directory += b"%s%04d%05d" % (tag.encode(), len(value) + 1, min(start, 99_999))
        start += len(value) + 1
    return join(UTF8, directory, raw[end + 1 : -1], length=b"99999")


def _each(damage: Callable[[bytes], bytes]) -> bytes:
    return b"".join(map(damage, _plain()))


def _between() -> bytes:
    """A page of HTML between sound records, and text without a terminator at the end."""
    first, second, third = _plain(3)
    return first + b"<html><p>502 Bad Gateway</p></html>" + second + third + b"halaman habis"


def _cut_inside() -> bytes:
    """A record that ends in the middle of a field, then a sound one, then one that the file's end cuts."""
    first, second, third = _plain(3)
    return first[:200] + second + third[:-30]


def _too_big() -> bytes:
    return b"99999" + UTF8[5:] + b"x" * MAX_RECORD_BYTES + RECORD_END + _plain(1)[0]


ENTRY_MAPS: Final = (b"45 0", b"4504", b"    ")
EMPTY: Final = (
    b"  \x1fa", b"  \x1fa\x1fb\x1fc", b"  ", b"  \x1fa \x1fb", b"  \x1faisi\x1fb",
)  # fmt: skip
BARE: Final = (b"  \x1f\x1fax", b"  \x1fax\x1f\x1fby\x1f", b"  \x1f", b"  \x1f\x1f")
# A surrogate; code page 1251; a byte where a code should be; marks of MARC-8 and one that has no letter.
NOT_UTF8: Final = (b"\xed\xa0\x80", b"\xd2\xe0\xf2\xfc\xff\xed\xe0", b"x\x1f\xa7y", b"caf\xe2e \xe2a prf\xe7")
# One field may be UTF-8 and another one not.
IN_MARC8: Final = (b"caf\xe2e", b"\xb9 12", b"Mas\xe5i\xf2h", b"\xe2Ed. d'art")
ISO5426: Final = (b"pr\xc2ejug\xc2e", b"\xc8Ubersetzung f\xc8ur Stra\xfbe", b"gar\xd0con")
UNKNOWN: Final = b"00000nam z2200000   4500"
# Code page 1251; a mark without its letter; half a character; sets that there are not; an escape at the end.
NOT_MARC8: Final = (
    b"\xd2\xe0\xf2\xfc\xff\xed\xe0", b"prf\xe2e\xe7", b"\x1b$1!P", b"\x1b(Zx", b"x\x1b", b"\xfe\xe0\xe1\xe2\xe3\xe4",
)  # fmt: skip
LATIN1: Final = (b"caf\xe9", b"na\xefve caf\xe9", b"M\xfcller")


def _files() -> list[DamagedFile]:
    one_each = partial(_file, count=COUNT)
    return [
        one_each("length_wrong", lambda: _each(_wrong_length), warned="LENGTH_WRONG"),
        one_each("base_wrong", lambda: _each(_wrong_base), warned="BASE_ADDRESS_WRONG"),
        one_each("base_with_a_letter", lambda: _each(_letter_in_base), warned="BASE_ADDRESS_WRONG"),
        one_each("directory_open", lambda: _each(_open_directory), warned="DIRECTORY_UNTERMINATED"),
        one_each("directory_with_a_stray_digit", lambda: _each(_stray_digit), warned="DIRECTORY_TRAILING_BYTES"),
        one_each("entries_swapped", lambda: _each(_entries_swapped), warned="DIRECTORY_ORDER"),
        one_each("offsets_run_on", lambda: _each(_offsets_run_on), warned="DIRECTORY_WRONG"),
        one_each("text_changed_afterwards", lambda: _each(_title_shortened), warned="DIRECTORY_WRONG LENGTH_WRONG"),
        one_each("tag_cut", lambda: _each(_tag_cut), aside="DIRECTORY_BAD"),
        one_each("long_tag", lambda: _each(_long_tag), aside="DIRECTORY_BAD"),
        one_each("field_without_entry", lambda: _each(_field_without_entry), aside="DIRECTORY_BAD"),
        one_each("field_broken_in_two", lambda: _each(_field_broken_in_two), aside="DIRECTORY_BAD"),
        one_each("unimarc", lambda: b"".join(map(_unimarc, range(COUNT))), warned="NO_TITLE LEADER_ODD"),
        _file("long_field", _long_field, count=1, warned="RECORD_OVERSIZE"),
        _file("huge", lambda: _huge(held=True) + _huge(held=False), count=2, warned="RECORD_OVERSIZE"),
        _texts("entry_map_odd", [raw[:20] + odd + raw[24:] for raw, odd in zip(_plain(3), ENTRY_MAPS, strict=True)],
               warned="LEADER_ODD"),
        _texts("leader_not_ascii", [raw[:17] + b"\xe9" + raw[18:] for raw in _plain(2)], warned="LEADER_ODD"),
        _texts("empty", list(map(_with_note, EMPTY))),
        _texts("bare_delimiters", list(map(_with_note, BARE)), warned="EMPTY_SUBFIELD"),
        _texts("text_outside", list(map(_with_note, (b"  catatan", b"  catatan\x1fax"))),
               warned="TEXT_OUTSIDE_SUBFIELDS"),
        _texts("indicators_odd", list(map(_with_note, (b"", b"\x1fax", b"?!\x1fax", b"A \x1fax"))),
               warned="BAD_INDICATORS"),
        _texts("tags_odd", [_with_note(b"  \x1fax", tag) for tag in ("5?0", "30-", "???", "a.b")], warned="ODD_TAG"),
        _texts("control_characters", list(map(_with_note, (b"  \x1fa\x01x", b"  \x1fx\x7f\x1fb\t"))),
               warned="CONTROL_CHARACTERS"),
        _texts("replacement_characters", [_with_title("rusak \ufffd\ufffd".encode(), UTF8)],
               warned="REPLACEMENT_CHARACTER"),
        _texts("not_utf8", [_with_title(value, UTF8) for value in NOT_UTF8], aside="BAD_UTF8"),
        _texts("marc8_broken", [_with_title(value, MARC8) for value in NOT_MARC8], aside="BAD_MARC8"),
        _texts("marc8_is_latin1", [_with_title(value, MARC8) for value in LATIN1], warned="LATIN1_SAID_MARC8"),
        _texts("marc8_is_iso5426", [_with_title(value, MARC8) for value in ISO5426], warned="ISO5426_SAID_MARC8"),
        _texts("utf8_is_marc8", [_with_title(value, UTF8) for value in IN_MARC8], warned="MARC8_SAID_UTF8"),
        _texts("utf8_is_iso5426", [_with_title(value, UTF8) for value in ISO5426], warned="ISO5426_SAID_UTF8"),
        _texts("utf8_is_latin1", [_with_title(value, UTF8) for value in LATIN1], warned="LATIN1_SAID_UTF8"),
        _texts("coding_unknown_is_latin1", [_with_title(b"caf\xe9", UNKNOWN)], warned="LEADER_ODD"),
        _texts("marc8_perhaps_latin1", [_with_title(b"M\xe9xico", MARC8)], warned="MAYBE_LATIN1"),
        _texts("utf8_for_marc8", [_with_title(value.encode(), MARC8) for value in ("café", "Ōe", "Москва", "上海")],
               warned="UTF8_SAID_MARC8"),
        _texts("coding_unknown", [_with_title(NOT_MARC8[0], UNKNOWN)], aside="CODING_UNKNOWN"),
        _texts("marc8_sets", marc8.records()),
        _texts("without_fields", [b"00026nam a2200025   4500\x1e\x1d"], aside="NO_FIELDS"),
        _texts("terminator_in_leader", [raw[:18] + FIELD_END + raw[19:] for raw in _plain(2)], aside="LEADER_BAD"),
        DamagedFile("garbage_between", _between, loaded=3, put_aside={"GARBAGE": 2}),
        DamagedFile("cut", _cut_inside, loaded=1, put_aside={"TRUNCATED": 2}),
        DamagedFile("without_last_terminator", lambda: b"".join(_plain(3))[:-1], loaded=3,
                    warned={"NO_RECORD_TERMINATOR": 1}),
        DamagedFile("too_big", _too_big, loaded=1, put_aside={"RECORD_TOO_BIG": 1}, framed=False),
    ]  # fmt: skip


def _file(name: str, read: Callable[[], bytes], *, count: int, aside: str = "", warned: str = "") -> DamagedFile:
    """A file whose records are all put aside for this reason, or all loaded with these warnings."""
    return DamagedFile(
        name,
        read,
        loaded=0 if aside else count,
        put_aside={aside: count} if aside else {},
        warned=dict.fromkeys(warned.split(), count),
    )


def _texts(name: str, raws: list[bytes], *, aside: str = "", warned: str = "") -> DamagedFile:
    return _file(name, lambda: b"".join(raws), count=len(raws), aside=aside, warned=warned)


FILES: Final = _files()
