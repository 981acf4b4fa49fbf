"""Call numbers, barcodes and 852 fields of the sample's copies."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from services.catalog.marc.fields import Field
from services.catalog.sample.books_toml import Book

BARCODE_PREFIXES = {"PKS": "KS", "UMMY": "MY", "NSL": "NS"}
_FICTION = ("813", "823", "833", "843", "863", "899.2213")
_ARTICLES = {"eng": ("The ", "A ", "An "), "dut": ("De ", "Het ", "Een ")}


def nonfiling(title: str, language: str) -> int:
    """Count the nonfiling characters at the start of a title (second indicator of 245)."""
    for article in _ARTICLES.get(language, ()):
        if title.startswith(article):
            return len(article)
    return 0


def call_number(book: Book) -> tuple[str, str, str]:
    """Return prefix (`R`, `A`, `AV`, `F` or none), class, and three letters of the main entry and one of the title."""
    title = _letters(book.title[nonfiling(book.title, book.language) :])
    entry = book.main_entry
    filed = _letters(entry.heading) if entry is not None else title
    return _prefix(book), book.ddc, f"{filed[:3].upper()} {title[:1].lower()}"


def items(book: Book, institution: str) -> Iterator[Field]:
    """Yield an 852 for each copy of the institution.

    A barcode has the book's number and the copy's position among all copies of the book, so it does not change when
    other books are added or removed.
    """
    prefix, ddc, rest = call_number(book)
    place = 0
    copy = 0
    for copies in book.copies:
        for _ in range(copies.number):
            place += 1
            if copies.institution != institution:
                continue
            copy += 1
            barcode = f"{BARCODE_PREFIXES[institution]}{book.number * 10 + place:07}"
            field = ["852", "1 ", "a", institution, "b", copies.branch, "c", book.collection]
            field += ["k", prefix] if prefix else []
            volume = ["3", book.part] if book.part else []
            yield [*field, "h", ddc, "i", rest, *volume, "p", barcode, "t", str(copy)]


def _prefix(book: Book) -> str:
    by_collection = {"referensi": "R", "anak": "A", "av": "AV"}
    if book.collection in by_collection:
        return by_collection[book.collection]
    return "F" if book.genre in ("Novel", "Kumpulan cerpen") or book.ddc in _FICTION else ""


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if letter.isalnum() and letter.isascii())
