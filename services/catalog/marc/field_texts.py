"""Decodes the fields of an ISO 2709 record, in the encoding that the leader names or in another that fits."""

from __future__ import annotations

from dataclasses import dataclass

from services.catalog.marc.faults import MarcError
from services.catalog.marc.field_shape import add_warning


@dataclass(slots=True)
class Layout:
    """Tags and the bytes of their fields, in directory order.

    data   all fields with their terminators
    plain  True when splitting the data at terminators gives the fields in order
    """

    tags: list[str]
    pieces: list[bytes]
    data: bytes
    plain: bool = True


def decode_texts(layout: Layout, coding: str, warnings: list[str]) -> list[str]:
    """Decode the fields in the leader's encoding, or with a warning in another one in which all bytes are text.

    coding  leader position 9
    raises  MarcError  BAD_UTF8, BAD_MARC8, CODING_UNKNOWN
    """
    data = layout.data
    if coding == "a":
        try:
            return _split(data.decode("utf-8"), layout)
        except UnicodeDecodeError as error:
            if texts := _read_otherwise(layout, "UTF8", warnings):
                return texts
            detail = f"byte {data[error.start]:02x} at {error.start} of the data: {error.reason}"
            raise MarcError("BAD_UTF8", detail) from error
    if data.isascii() and b"\x1b" not in data:
        return _split(data.decode("ascii"), layout)
    if not data.isascii():
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            add_warning(warnings, "UTF8_SAID_MARC8" if coding == " " else "LEADER_ODD")
            return _split(text, layout)
        if coding != " ":
            if texts := _read_otherwise(layout, "", warnings):
                return texts
            raise MarcError("CODING_UNKNOWN", f"leader position 9 is {coding!r}")
    return _texts_in_marc8(layout, warnings)


def _texts_in_marc8(layout: Layout, warnings: list[str]) -> list[str]:
    # Imported here because the tables take 5 MB and pymarc 0.1 s, which reading UTF-8 does not need.
    from services.catalog.marc import marc8, readings

    try:
        texts = [marc8.decode(piece) for piece in layout.pieces]
    except marc8.NotMarc8 as error:
        if texts := _read_otherwise(layout, "MARC8", warnings):
            return texts
        raise MarcError("BAD_MARC8", str(error)) from error
    if readings.is_misread_as_marc8(layout.pieces) and (other := _read_otherwise(layout, "MARC8", warnings)):
        return other
    layout.data = "\x1e".join(texts).encode()
    if marc8.looks_like_latin1(layout.pieces):
        warnings.append("MAYBE_LATIN1")
    return texts


def _read_otherwise(layout: Layout, declared: str, warnings: list[str]) -> list[str]:
    """Read the fields in another encoding than the leader's, with a warning; empty when no encoding fits all bytes.

    declared  name of the leader's encoding in the warning's code; "" when position 9 does not name an encoding
    """
    from services.catalog.marc import readings

    reading = readings.read_pieces(layout.pieces, leader_is_utf8=declared == "UTF8")
    if reading is None:
        return []
    texts, name = reading
    layout.data = "\x1e".join(texts).encode()
    add_warning(warnings, f"{name}_SAID_{declared}" if declared else "LEADER_ODD")
    return texts


def _split(text: str, layout: Layout) -> list[str]:
    if not layout.plain:
        return [piece.decode("utf-8") for piece in layout.pieces]
    texts = text.split("\x1e")
    texts.pop()
    return texts
