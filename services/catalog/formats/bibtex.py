"""BibTeX, in UTF-8 as biber and every current reference manager read it; TeX's own characters are escaped."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from services.catalog.formats.citation import Citation, Name, citation
from services.catalog.formats.entry import Entry

TYPES: Final = {"book": "book", "ebook": "book", "serial": "book", "thesis": "phdthesis", "article": "article"}
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "$": r"\$", "&": r"\&",
        "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    }
)  # fmt: skip
_NOT_KEY = re.compile(r"[^A-Za-z0-9]+")
_AND = re.compile(r"\band\b", re.IGNORECASE)


def alone(entry: Entry) -> bytes:
    """One entry; its key is the first author's surname, the year and the end of the record's id."""
    cited = citation(entry.record)
    lines = [f"  {name} = {{{value}}}" for name, value in _fields(cited, entry) if value]
    kind = TYPES.get(cited.material, "misc")
    if kind == "article" and not cited.host:
        kind = "misc"
    body = ",\n".join([_key(cited, entry), *lines])
    return f"@{kind}{{{body}\n}}\n\n".encode("utf-8", "replace")


def _fields(cited: Citation, entry: Entry) -> list[tuple[str, str]]:
    thesis = cited.material == "thesis"
    notes = [*cited.notes, *(f"ISSN {number}" for number in cited.issn[1:])]
    return [
        ("author", _names(cited.by_role("author"))),
        ("editor", _names(cited.by_role("editor"))),
        ("translator", _names(cited.by_role("translator"))),
        ("title", _braced(cited.whole_title or "Tanpa judul")),
        ("journal" if cited.material == "article" else "booktitle", _escaped(cited.host)),
        ("school" if thesis else "publisher", _escaped(cited.publisher)),
        ("address", _escaped(cited.place)),
        ("year", cited.year),
        ("edition", _escaped(cited.edition)),
        ("series", _escaped(cited.series)),
        ("volume", _escaped(cited.volume or cited.series_volume)),
        ("number", _escaped(cited.issue)),
        ("pages", _escaped(cited.pages.replace("-", "--"))),
        ("pagetotal", cited.page_count),
        ("isbn", _escaped(", ".join(cited.isbn))),
        ("issn", _escaped("".join(cited.issn[:1]))),
        ("language", _escaped(cited.language)),
        ("keywords", _escaped("; ".join(cited.subjects))),
        ("abstract", _escaped(cited.summary)),
        ("note", _escaped(" ".join(notes))),
        ("url", _address(entry.address or next(iter(cited.links), ""))),
    ]


def _names(names: list[Name]) -> str:
    """Joined by " and "; a name of a body, or one in which the word itself stands, is one word to BibTeX."""
    return " and ".join(
        f"{{{_escaped(name.text)}}}" if name.kind != "person" or _AND.search(name.text) else _escaped(name.text)
        for name in names
    )


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _braced(title: str) -> str:
    """Braces around the whole keep its capitals as the title page has them."""
    return f"{{{_escaped(title)}}}"


def _address(url: str) -> str:
    """Braces would end the field; anything else of a URL stands as it is."""
    return url.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")


def _key(cited: Citation, entry: Entry) -> str:
    first = next((name.text for name in cited.names), cited.title)
    ascii_only = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode()
    word = _NOT_KEY.sub(" ", ascii_only).split()
    return f"{word[0].lower()[:20] if word else 'rekaman'}{cited.year}-{entry.id[-12:]}"
