"""Valid but unusual records, written by hand, at the limits of MARC 21 or slightly beyond without loss of data."""

from __future__ import annotations

from functools import cache
from typing import Final

from services.catalog.marc.record import Field, Record

LEADER: Final = "00000nam a2200000   4500"
TITLE: Final = ["245", "10", "a", "Cantuman yang tidak lazim"]
ISO2709_FIELD_BYTES: Final = 9_999
ISO2709_RECORD_BYTES: Final = 99_999


@cache
def records() -> tuple[Record, ...]:
    """All fit ISO 2709; some have characters that XML forbids."""
    return tuple(Record(leader, fields) for leader, fields in _CASES)


def _items(count: int) -> list[Field]:
    return [["852", "  ", "b", "PST", "p", f"K{number:05d}"] for number in range(count)]


def _as_long_as_a_record_may_be() -> list[Field]:
    """99,999 bytes: leader and terminators 26, title, and notes, each with 12 bytes of directory."""
    note: Field = ["500", "  ", "a", "x" * 9_000]
    remaining_bytes = ISO2709_RECORD_BYTES - 26 - _size(TITLE) - 10 * _size(note)
    last_note: Field = ["500", "  ", "a", "y"]
    last_note[3] = "y" * (remaining_bytes - _size(last_note) + 1)
    return [TITLE, *[note] * 10, last_note]


def _size(field: Field) -> int:
    """Bytes of a data field of one subfield in ISO 2709, including its entry in the directory."""
    return 12 + len("".join(field[1:]).encode()) + 2


_CASES: Final[list[tuple[str, list[Field]]]] = [
    (LEADER, [["001", "curious1"], TITLE, ["500", "  ", "a", "x" * (ISO2709_FIELD_BYTES - 5)]]),
    (LEADER, _as_long_as_a_record_may_be()),
    (LEADER, [["001", "curious3"], TITLE, *_items(400)]),
    # No control number, two of them, one of blanks, one that begins with a bracket.
    (LEADER, [TITLE, ["650", " 4", "a", "Tanpa nomor"]]),
    (LEADER, [["001", "curious5"], ["001", "curious5b"], TITLE]),
    (LEADER, [["001", "   "], ["003", "RK"], TITLE]),
    (LEADER, [["001", "(RK)curious7"], TITLE]),
    # The same number twice, for records that differ.
    (LEADER, [["001", "curious8"], ["003", "RK"], TITLE]),
    (LEADER, [["001", "curious8"], ["003", "RK"], ["245", "10", "a", "Cantuman lain"]]),
    # Subfield codes that are not ASCII, capitals and punctuation.
    (LEADER, [["001", "curious10"], TITLE, ["500", "  ", "é", "kode beraksen", "a", "x"]]),
    (LEADER, [["001", "curious11"], TITLE, ["500", "  ", "\ufffd", "kode rusak"]]),
    (LEADER, [["001", "curious12"], TITLE, ["900", "  ", "A", "besar", "%", "tanda", "ÿ", "terakhir"]]),
    # Tags of letters, fields out of order.
    (LEADER, [["001", "curious13"], TITLE, ["LKR", "  ", "a", "UP"], ["FMT", "BK"], ["100", "1 ", "a", "N"]]),
    # Characters that XML forbids, and line ends.
    (LEADER, [["001", "curious14"], TITLE, ["520", "  ", "a", "a\x07b\x1bc"]]),
    (LEADER, [["001", "curious15"], TITLE, ["520", "  ", "a", "satu\r\ndua\ttiga\n"]]),
    (LEADER, [["001", "curious16"], TITLE, ["520", "  ", "a", "\ufffe \uffff"]]),
    # Nothing but what a record must have; every subfield empty; blanks.
    (LEADER, [["001", "curious17"]]),
    (LEADER, [["001", "curious18"], ["245", "10", "a", ""], ["100", "1 ", "a", "", "d", ""]]),
    (LEADER, [["001", "curious19"], ["008", " " * 40], ["245", "  ", "a", " ", "b", "  "]]),
    # 008 too short and too long, links to nothing, a skip longer than the title.
    (LEADER, [["001", "curious20"], ["008", "26"], ["245", "19", "6", "880-99", "a", "Pendek"]]),
    (LEADER, [["001", "curious21"], ["008", "x" * 60], TITLE, ["880", "  ", "6", "999-00/zz/r", "a", "yatim"]]),
    (
        LEADER,
        [["001", "curious22"], TITLE, ["880", "10", "6", "245-01/(3/r", "a", "نادر"], ["880", "  ", "a", "x"]],
    ),
    # Kinds of record that are not bibliographic, and a leader of fill characters.
    ("00000nz  a2200000n  4500", [["001", "curious23"], ["100", "1 ", "a", "Navis, A. A.,", "d", "1924-2003"]]),
    ("00000nx  a22000001n 4500", [["001", "curious24"], ["004", "curious1"], ["866", " 0", "a", "Th. 1 (1956)-"]]),
    ("00000nw  a2200000o  4500", [["001", "curious25"], ["153", "  ", "a", "899.221", "j", "Sastra Indonesia"]]),
    ("00000|||  a2200000|||4500", [["001", "curious26"], TITLE]),
]
