"""BibTeX in UTF-8, for biber and current reference managers; TeX's special characters are escaped.

A brace becomes a command, because BibTeX counts the brace of `\\{` too.
"""

from __future__ import annotations

import re
from typing import Final

from services.catalog.formats.citation import Citation, Name, citation
from services.catalog.formats.entry import Entry
from services.catalog.texts import normalize

TYPES: Final = {"book": "book", "ebook": "book", "serial": "book", "thesis": "phdthesis", "article": "article"}
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}", "%": r"\%", "#": r"\#",
        "$": r"\$", "&": r"\&", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    }
)  # fmt: skip
_NOT_KEY = re.compile(r"[^A-Za-z0-9]+")
_AND = re.compile(r"\band\b", re.IGNORECASE)


def document(entry: Entry) -> bytes:
    """Write one entry; its key is the first author's surname, the year and the end of the record's id."""
    details = citation(entry.record)
    lines = [f"  {name} = {{{value}}}" for name, value in _fields(details, entry) if value]
    kind = TYPES.get(details.material, "misc")
    if kind == "article" and not details.host:
        kind = "misc"
    body = ",\n".join([_key(details, entry), *lines])
    return f"@{kind}{{{body}\n}}\n\n".encode("utf-8", "replace")


def _fields(details: Citation, entry: Entry) -> list[tuple[str, str]]:
    thesis = details.material == "thesis"
    notes = [*details.notes, *(f"ISSN {number}" for number in details.issn[1:])]
    return [
        ("author", _names(details.by_role("author"))),
        ("editor", _names(details.by_role("editor"))),
        ("translator", _names(details.by_role("translator"))),
        ("title", _brace(details.whole_title or "Tanpa judul")),
        ("journal" if details.material == "article" else "booktitle", _escape(details.host)),
        ("school" if thesis else "publisher", _escape(details.publisher)),
        ("address", _escape(details.place)),
        ("year", details.year),
        ("edition", _escape(details.edition)),
        ("series", _escape(details.series)),
        ("volume", _escape(details.volume or details.series_volume)),
        ("number", _escape(details.issue)),
        ("pages", _escape(details.pages.replace("-", "--"))),
        ("pagetotal", details.page_count),
        ("isbn", _escape(", ".join(details.isbn))),
        ("issn", _escape("".join(details.issn[:1]))),
        ("language", _escape(details.language)),
        ("keywords", _escape("; ".join(details.subjects))),
        ("abstract", _escape(details.summary)),
        ("note", _escape(" ".join(notes))),
        ("url", _address(entry.address or next(iter(details.links), ""))),
    ]


def _names(names: list[Name]) -> str:
    """Join names by " and "; braces protect the name of a body and a name that contains the word "and"."""
    return " and ".join(
        f"{{{_escape(name.text)}}}" if name.kind != "person" or _AND.search(name.text) else _escape(name.text)
        for name in names
    )


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)


def _brace(title: str) -> str:
    """Put the title in braces, so that BibTeX keeps its capitals."""
    return f"{{{_escape(title)}}}"


def _address(url: str) -> str:
    """Escape the characters of a URL that would end the field."""
    return url.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")


def _key(details: Citation, entry: Entry) -> str:
    first = next((name.text for name in details.names), details.title)
    ascii_only = normalize("NFKD", first).encode("ascii", "ignore").decode()
    word = _NOT_KEY.sub(" ", ascii_only).split()
    return f"{word[0].lower()[:20] if word else 'rekaman'}{details.year}-{entry.id[-12:]}"
