"""Converts MARC-8 to Unicode strictly: a byte that is not in the tables is an error; it does not become a blank.

The tables are pymarc's, from the Library of Congress (MARC 21 Specifications, Character Sets and Encoding Options,
Part 3). Every field begins in ASCII and ANSEL; combining marks precede their letter in MARC-8 and follow it in Unicode.
"""

from __future__ import annotations

import re

from pymarc.marc8_mapping import CODESETS, ODD_MAP

from services.catalog.texts import normalize

ESCAPE, DELIMITER = 0x1B, 0x1F
BASIC_LATIN = 0x42
EXTENDED_LATIN = 0x45
EAST_ASIAN = 0x31
ABOVE_ASCII = re.compile(rb"[\x80-\xff]+")
JOINED_LETTERS = re.compile(rb"\xeb[A-Za-z]\xec[A-Za-z]|\xfa[A-Za-z]\xfb[A-Za-z]")
MARK_AND_NEXT = re.compile(rb"([\xe0-\xfe])(?=([A-Za-z]?))")
ONE_BYTE_SETS = {0x67: 0x67, 0x62: 0x62, 0x70: 0x70, 0x73: BASIC_LATIN}


class NotMarc8(ValueError):
    """The bytes are not MARC-8; the message names the byte and its position."""


def decode(raw: bytes) -> str:
    """Decode one field in MARC-8 to Unicode; subfield delimiters are kept, the text is not normalised.

    raises  NotMarc8  on an unknown byte or character set, an incomplete character, or a mark without its letter
    """
    if raw.isascii() and ESCAPE not in raw:
        return raw.decode("ascii")
    text: list[str] = []
    marks: list[str] = []
    g0, g1 = BASIC_LATIN, EXTENDED_LATIN
    at, end = 0, len(raw)
    while at < end:
        byte = raw[at]
        if byte == ESCAPE:
            at, g0, g1 = _designate(raw, at, g0, g1)
            continue
        if byte < 0x20:
            _no_marks_left(marks, at)
            text.append(chr(byte))
            at += 1
            if byte == DELIMITER and at < end and 0x20 < raw[at] < 0x7F:
                text.append(chr(raw[at]))  # the code of a subfield is ASCII in every character set
                at += 1
            continue
        charset = g0 if byte < 0x80 else g1
        width = 3 if charset == EAST_ASIAN and byte != 0x20 else 1
        code = int.from_bytes(raw[at : at + width], "big")
        if at + width > end:
            raise NotMarc8(f"half a character at byte {at}")
        entry = CODESETS[charset].get(code)
        if entry is None and width == 1:
            entry = CODESETS[charset].get(code ^ 0x80)
        if entry is None:
            odd = ODD_MAP.get(code) if width == 3 else 0x20 if code == 0x20 else None
            if odd is None:
                raise NotMarc8(f"byte {raw[at : at + width].hex()} at {at} is in no character set")
            entry = (odd, 0)
        if entry[1]:
            marks.append(chr(entry[0]))
        else:
            text.append(chr(entry[0]))
            text.extend(marks)
            marks.clear()
        at += width
    _no_marks_left(marks, end)
    return "".join(text)


def _designate(raw: bytes, at: int, g0: int, g1: int) -> tuple[int, int, int]:
    """Read an escape sequence; returns the offset after it and the new character sets G0 and G1."""
    following = raw[at + 1 : at + 4]
    first = following[:1]
    if first and following[0] in ONE_BYTE_SETS:
        return at + 2, ONE_BYTE_SETS[following[0]], g1
    if first in (b"(", b",", b")", b"-"):
        size, final = 2, following[1:2]
        second = first in (b")", b"-")
        if final == b"!":
            size, final = 3, following[2:3]
    elif first == b"$":
        second = following[1:2] in (b")", b"-")
        size = 3 if following[1:2] in (b")", b"-", b",", b"(") else 2
        final = following[size - 1 : size]
    else:
        raise NotMarc8(f"unknown escape sequence at byte {at}")
    if not final or final[0] not in CODESETS:
        raise NotMarc8(f"escape to an unknown character set at byte {at}")
    return (at + size + 1, g0, final[0]) if second else (at + size + 1, final[0], g1)


def _no_marks_left(marks: list[str], at: int) -> None:
    if marks:
        raise NotMarc8(f"a combining mark without its letter before byte {at}")


def looks_like_latin1(pieces: list[bytes]) -> bool:
    """Tell whether fields that the leader declares as MARC-8 are probably Latin-1.

    The bytes E0–FE are combining marks in ANSEL and letters in Latin-1. The fields are probably Latin-1 when they have
    such bytes, and no such byte composes with the next letter to a Unicode letter (ligatures over two letters are
    ignored). Three bytes above ASCII in a row are a sign of another eight-bit code.
    """
    joined = b"\x1e".join(pieces)
    above = ABOVE_ASCII.findall(joined)
    if not above or ESCAPE in joined or any(len(run) > 2 or min(run) < 0xA0 for run in above):
        return False
    return bool(MARK_AND_NEXT.search(JOINED_LETTERS.sub(b"", joined))) and share_of_letters(pieces) == 0


def share_of_letters(pieces: list[bytes]) -> float:
    """Return the share of the marks E0–FE that compose with the next letter to a Unicode letter; 0 without marks."""
    marks = MARK_AND_NEXT.findall(JOINED_LETTERS.sub(b"", b"\x1e".join(pieces)))
    return sum(_composes(mark, following) for mark, following in marks) / len(marks) if marks else 0


def _composes(mark: bytes, following: bytes) -> bool:
    entry = CODESETS[EXTENDED_LATIN].get(mark[0])
    if entry is None or not following:
        return False
    return len(normalize("NFC", following.decode("ascii") + chr(entry[0]))) == 1
