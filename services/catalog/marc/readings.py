"""Reads fields in other encodings, when their bytes are not text in the encoding that the leader names."""

from __future__ import annotations

import re

from services.catalog.marc import marc8
from services.catalog.texts import normalize

# A subfield code is one ASCII character in every encoding, so with another byte after a delimiter no encoding fits.
_FOREIGN_CODE = re.compile(rb"\x1f[^\x20-\x7e]")
# These bytes are combining marks in ISO 5426 and signs in MARC-8 (℗, ♯, degree …), which are not next to letters.
_SIGN_AT_LETTER = re.compile(rb"[\xc0-\xc2\xc4\xc8](?=[A-Za-z])|(?<=[A-Za-z])[\xc3\xc5-\xc7](?=[A-Za-z])(?!\xc7)")
_MARK_AND_NEXT = re.compile(rb"([\xc0-\xdb])(?=(.?))", re.DOTALL)
# The bytes of ISO 5426's combining marks are capitals in Latin-1.
_CAPITAL_AFTER_SMALL = re.compile(rb"(?<=[a-z])[\xc0-\xde]")
# Letters and signs of Latin-1, and of Windows-1252: quotation marks, dashes, the euro.
_LATIN1_RUN = re.compile(rb"[\x80-\xff]+")
_NOT_LATIN1 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_LONGEST_RUN = 2
HALF = 0.5


# ISO 5426:1983, second half; the first half is ASCII.
_SIGNS = {
    0xA1: "¡", 0xA2: "„", 0xA3: "£", 0xA4: "$", 0xA5: "¥", 0xA6: "†", 0xA7: "§", 0xA8: "′", 0xA9: "‘", 0xAA: "“",
    0xAB: "«", 0xAC: "♭", 0xAD: "©", 0xAE: "℗", 0xAF: "®", 0xB0: "ʻ", 0xB1: "ʼ", 0xB2: "‚", 0xB6: "‡", 0xB7: "·",
    0xB8: "″", 0xB9: "’", 0xBA: "”", 0xBB: "»", 0xBC: "♯", 0xBD: "ʹ", 0xBE: "ʺ", 0xBF: "¿", 0xE1: "Æ", 0xE2: "Đ",
    0xE6: "Ĳ", 0xE8: "Ł", 0xE9: "Ø", 0xEA: "Œ", 0xEC: "Þ", 0xF1: "æ", 0xF2: "đ", 0xF3: "ð", 0xF5: "ı", 0xF6: "ĳ",
    0xF8: "ł", 0xF9: "ø", 0xFA: "œ", 0xFB: "ß", 0xFC: "þ",
}  # fmt: skip
_MARKS = {
    0xC0: "\u0309", 0xC1: "\u0300", 0xC2: "\u0301", 0xC3: "\u0302", 0xC4: "\u0303", 0xC5: "\u0304", 0xC6: "\u0306",
    0xC7: "\u0307", 0xC8: "\u0308", 0xC9: "\u0308", 0xCA: "\u030a", 0xCB: "\u0315", 0xCC: "\u0312", 0xCD: "\u030b",
    0xCE: "\u031b", 0xCF: "\u030c", 0xD0: "\u0327", 0xD1: "\u031c", 0xD2: "\u0326", 0xD3: "\u0328", 0xD4: "\u0325",
    0xD5: "\u032e", 0xD6: "\u0323", 0xD7: "\u0324", 0xD8: "\u0332", 0xD9: "\u0333", 0xDA: "\u0329", 0xDB: "\u032d",
}  # fmt: skip


def read_pieces(pieces: list[bytes], *, leader_is_utf8: bool) -> tuple[list[str], str] | None:
    """Read fields in the first of MARC-8, ISO 5426 and Latin-1 in which every byte is text; None when none fits.

    leader_is_utf8  True when the leader names UTF-8: fields that are UTF-8 are read as UTF-8; False for MARC-8
    returns         the texts, and the name of the encoding in a warning: MARC8, ISO5426 or LATIN1
    """
    foreign = [piece for piece in pieces if not piece.isascii() and not (leader_is_utf8 and _is_utf8(piece))]
    if any(_FOREIGN_CODE.search(piece) for piece in foreign):
        return None
    for name, decode in (("MARC8", _as_marc8), ("ISO5426", _as_iso5426), ("LATIN1", _as_latin1)):
        texts = decode(foreign)
        if texts is None:
            continue
        by_piece = dict(zip(foreign, texts, strict=True))
        try:
            return [by_piece.get(piece) or _decode_as_declared(piece, leader_is_utf8) for piece in pieces], name
        except marc8.NotMarc8:
            return None
    return None


def is_misread_as_marc8(pieces: list[bytes]) -> bool:
    """Tell whether fields whose every byte is valid MARC-8 are more likely ISO 5426."""
    above = [piece for piece in pieces if not piece.isascii()]
    return any(_SIGN_AT_LETTER.search(piece) for piece in above) and _as_iso5426(above) is not None


def _decode_as_declared(piece: bytes, leader_is_utf8: bool) -> str:
    return piece.decode("utf-8") if leader_is_utf8 else marc8.decode(piece)


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _as_marc8(pieces: list[bytes]) -> list[str] | None:
    if marc8.looks_like_latin1(pieces) or any(_SIGN_AT_LETTER.search(piece) for piece in pieces):
        return None
    try:
        return [marc8.decode(piece) for piece in pieces]
    except marc8.NotMarc8:
        return None


def _as_iso5426(pieces: list[bytes]) -> list[str] | None:
    """Read ISO 5426, if every mark composes with its letter and one mark follows a small letter."""
    marks = [match for piece in pieces for match in _MARK_AND_NEXT.findall(piece)]
    if not marks or not all(_composes(mark, following) for mark, following in marks):
        return None
    if not any(_CAPITAL_AFTER_SMALL.search(piece) for piece in pieces):
        return None
    texts = [decode_iso5426(piece) for piece in pieces]
    return None if None in texts else [text for text in texts if text is not None]


def _composes(mark: bytes, following: bytes) -> bool:
    text = decode_iso5426(mark + following) if following.isalpha() else None
    return text is not None and len(normalize("NFC", text)) == 1


def _as_latin1(pieces: list[bytes]) -> list[str] | None:
    """Read Latin-1, if bytes above ASCII are single or in pairs, and one is a letter next to a letter.

    If at least half of the marks compose as in MARC-8, the text is damaged MARC-8, and this returns None.
    """
    if marc8.share_of_letters(pieces) >= HALF:
        return None
    runs = [run for piece in pieces for run in _LATIN1_RUN.findall(piece)]
    if any(len(run) > _LONGEST_RUN for run in runs) or any(_NOT_LATIN1.search(piece) for piece in pieces):
        return None
    texts = [piece.decode("cp1252") for piece in pieces]
    if not any(re.search(r"[a-zA-Z][à-öø-ÿ]|[À-ÖØ-Þà-öø-ÿ][a-z]|[^\W\d_][’]", text) for text in texts):
        return None
    return texts


def decode_iso5426(raw: bytes) -> str | None:
    """Decode one field; None when a byte is not in the set or a mark has no letter."""
    text: list[str] = []
    marks: list[str] = []
    for byte in raw:
        if byte in _MARKS:
            marks.append(_MARKS[byte])
            continue
        character = chr(byte) if byte < 0x7F else _SIGNS.get(byte)
        if character is None or (marks and not character.isalpha()):
            return None
        text.append(character)
        if marks:
            text.extend(marks)
            marks.clear()
    return None if marks else "".join(text)
