"""The index document: its fields and the signs of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Analysed fields: tokens joined by spaces. Each field begins with START in every document.
START = "^"
END = "$"  # ends a whole title among the `opening` keywords
# Words as written: `text` has all words, with a GAP between the kinds that no phrase can cross; the other fields have
# the words of one kind. `any` has no words but their roots and the other tokens a search can match; no positions.
WORD_FIELDS = ("title", "author", "subject", "text")
TEXT_FIELDS = (*WORD_FIELDS, "any")
GAP = "|"
# Tokens of `any`, besides roots: BEGUN + the beginning of a word of title, author or subject (or of its root), and
# BEGUN + the whole root of any word; IN[kind] + a root of that kind. No word contains these signs.
BEGUN = "#"
BEGUN_LENGTHS = (3, 12)  # characters of the shortest and the longest beginning
IN = {"title": "t=", "author": "a=", "subject": "s=", "series": "e=", "publisher": "p="}
# Occurrences of a root in `any` by kind of words, plus one where the word is the root itself: one look-up gives both
# the match and its weight.
STANDING = {"title": 4, "author": 4, "subject": 2, "series": 1, "publisher": 1, "notes": 1}
FACETS = (
    "availability", "institution", "branch", "collection", "material", "audience", "language", "year", "subject",
    "author", "ddc", "class", "series",
)  # fmt: skip
KEYWORDS = ("isbn", "identifier", "opening", "name")


@dataclass(frozen=True, slots=True)
class Document:
    """One record for the index.

    number      records.number: unique, positive, below 2**39; breaks ties
    work        records.work_number; for a record without one, the negative of its own number
    text        analysed field -> tokens joined by spaces, beginning with START; all of TEXT_FIELDS are present
    facets      facet -> values as stored (codes or headings); indexed in a field `facet_<name>`
    keywords    "isbn": ISBN-13 digits · "identifier": ISSN, barcodes, control number, call number, folded ·
                "opening": the title's first word, and the whole title followed by ` $`, with and without subtitle ·
                "name": whole names of persons and bodies, see analysis.name_key
    year        of publication, for sorting and ranges
    title_sort  folded title without non-filing characters; the adapter appends the number
    class_number  the class in thousandths, for ranges: 899.2213 is 899221, 2X is 297000; None without a class
    """

    number: int
    text: Mapping[str, str]
    facets: Mapping[str, tuple[str, ...]]
    keywords: Mapping[str, tuple[str, ...]]
    year: int | None
    title_sort: str
    work: int = 0
    class_number: int | None = None
