"""RIS for reference managers: one tag per line, and a line that ends the record."""

from __future__ import annotations

from typing import Final

from services.catalog.formats.citation import Citation, Name, citation
from services.catalog.formats.entry import Entry

TYPES: Final = {
    "book": "BOOK", "ebook": "EBOOK", "thesis": "THES", "serial": "SER", "article": "JOUR", "manuscript": "MANSCPT",
    "map": "MAP", "music": "MUSIC", "sound": "SOUND", "video": "VIDEO", "picture": "ART", "electronic": "DATA",
}  # fmt: skip
GENERIC: Final = "GEN"
BY_ROLE: Final = {"author": "AU", "editor": "A2", "translator": "A4"}


def document(entry: Entry) -> bytes:
    """Write one record; a collection is a sequence of them."""
    lines = [f"{tag}  - {text}" for tag, text in _lines(citation(entry.record), entry) if text]
    return ("\r\n".join([*lines, "ER  - "]) + "\r\n\r\n").encode("utf-8", "replace")


def _lines(details: Citation, entry: Entry) -> list[tuple[str, str]]:
    return [
        ("TY", TYPES.get(details.material, GENERIC)),
        ("ID", entry.id),
        *((_tag(name), name.text) for name in details.names),
        ("TI", details.whole_title),
        ("T2", details.host or details.series),
        ("VL", details.volume or details.series_volume),
        ("IS", details.issue),
        ("SP", details.pages or details.page_count),
        ("ET", details.edition),
        ("CY", details.place),
        ("PB", details.publisher),
        ("PY", details.year),
        *(("SN", number) for number in (*details.isbn, *details.issn)),
        ("LA", details.language),
        ("CN", details.ddc),
        ("AB", details.summary),
        *(("KW", subject) for subject in details.subjects),
        *(("N1", note) for note in details.notes),
        *(("UR", link) for link in (entry.address, *details.links)),
    ]


def _tag(name: Name) -> str:
    return BY_ROLE.get(name.role, "A3")
