"""RIS, as reference managers read it: a tag a line, the record's end on a line of its own."""

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


def alone(entry: Entry) -> bytes:
    """One record; in a collection records follow one another just so."""
    lines = [f"{tag}  - {text}" for tag, text in _lines(citation(entry.record), entry) if text]
    return ("\r\n".join([*lines, "ER  - "]) + "\r\n\r\n").encode("utf-8", "replace")


def _lines(cited: Citation, entry: Entry) -> list[tuple[str, str]]:
    return [
        ("TY", TYPES.get(cited.material, GENERIC)),
        ("ID", entry.id),
        *((_tag(name), name.text) for name in cited.names),
        ("TI", cited.whole_title),
        ("T2", cited.host or cited.series),
        ("VL", cited.volume or cited.series_volume),
        ("IS", cited.issue),
        ("SP", cited.pages or cited.page_count),
        ("ET", cited.edition),
        ("CY", cited.place),
        ("PB", cited.publisher),
        ("PY", cited.year),
        *(("SN", number) for number in (*cited.isbn, *cited.issn)),
        ("LA", cited.language),
        ("CN", cited.ddc),
        ("AB", cited.summary),
        *(("KW", subject) for subject in cited.subjects),
        *(("N1", note) for note in cited.notes),
        *(("UR", link) for link in (entry.address, *cited.links)),
    ]


def _tag(name: Name) -> str:
    return BY_ROLE.get(name.role, "A3")
