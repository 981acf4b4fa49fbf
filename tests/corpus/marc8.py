"""Records in MARC-8: every character of its sets, and words with diacritics as cataloguers type them."""

from __future__ import annotations

from typing import Final

from pymarc.marc8_mapping import CODESETS

from tests.corpus.assembly import MARC8, assemble

ANSEL: Final = 0x45
# Final byte of a set -> the escape sequences to it and back.
SETS: Final = {
    0x32: (b"\x1b(2", b"\x1b(B"), 0x33: (b"\x1b(3", b"\x1b(B"), 0x34: (b"\x1b)4", b""), 0x4E: (b"\x1b(N", b"\x1b(B"),
    0x51: (b"\x1b)Q", b""), 0x53: (b"\x1b(S", b"\x1b(B"), 0x45: (b"", b""), 0x31: (b"\x1b$1", b"\x1b(B"),
    0x62: (b"\x1bb", b"\x1bs"), 0x67: (b"\x1bg", b"\x1bs"), 0x70: (b"\x1bp", b"\x1bs"),
}  # fmt: skip
EAST_ASIAN: Final = 0x31
EAST_ASIAN_STEP: Final = 5
IN_A_FIELD: Final = 40
# Words in MARC-8, marks before their letters, by the Library of Congress's table of ANSEL.
WORDS: Final = (
    b"caf\xe2e", b"M\xe8uller", b"\xf0cais", b"sm\xb2rrebr\xb2d", b"\xa5gir", b"\xb9 12", b"Ma\xe3itre \xb5uvre",
    b"\xe4senor", b"\xc3 1987 by", b"\xb0Al\xe5i", b"\xaeAbd al-Ra\xae\xe5uf", b"\xf2Hadith", b"L\xb1ukasz",
    b"\xa2ukasz", b"\xf1sifra", b"Nguy\xe2\xe3en", b"stat\xa7ia", b"\xeai\xeaa", b"\xe9ceske", b"ve\xe9c",
    b"H\x1bb2\x1bsO", b"x\x1bp2\x1bs",
)  # fmt: skip


def records() -> list[bytes]:
    """ISO 2709 records whose notes hold the characters of each set, of the East Asian one every fifth, and words."""
    iso_records = []
    for charset, (escape, back) in SETS.items():
        codes = _codes(charset)
        notes = [
            b"  \x1fa" + escape + b"".join(codes[at : at + IN_A_FIELD]) + back
            for at in range(0, len(codes), IN_A_FIELD)
        ]
        iso_records.append(_record(f"set{charset:02x}", notes))
    iso_records.append(_record("words", [b"  \x1fa" + word + b"\x1fb" + word * 2 for word in WORDS]))
    return iso_records


def _codes(charset: int) -> list[bytes]:
    """The codes of a set as bytes, control codes left out; a combining mark with a letter after it."""
    width, step = (3, EAST_ASIAN_STEP) if charset == EAST_ASIAN else (1, 1)
    codes = [(code.to_bytes(width, "big"), mark) for code, (_, mark) in sorted(CODESETS[charset].items())[::step]]
    letter = b"a" if charset == ANSEL else next((raw for raw, mark in codes[5:] if not mark), b"")
    return [raw + letter if mark else raw for raw, mark in codes if raw > b" " and raw[0] not in range(0x80, 0xA1)]


def _record(number: str, notes: list[bytes]) -> bytes:
    fields = [("001", number.encode()), ("245", b"10\x1faMARC-8 " + number.encode())]
    return assemble(*fields, *(("500", note) for note in notes), leader=MARC8)
