"""What the index is given of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Analysed fields: space-joined ready tokens, exact and stemmed side by side. Each begins with START in every document.
START = "^"
END = "$"  # ends a whole title among the `opening` keywords
TEXT_FIELDS = ("title", "title_stem", "author", "subject", "subject_stem", "notes", "notes_stem")
FACETS = (
    "availability", "institution", "branch", "collection", "material", "audience", "language", "year", "subject",
    "author", "ddc", "class", "series",
)  # fmt: skip
KEYWORDS = ("isbn", "identifier", "opening")


@dataclass(frozen=True, slots=True)
class Document:
    """One record for the index.

    number      records.number: unique, positive, below 2**39; breaks ties
    work        records.work_number; of a record that has none yet, its own number negative
    text        analysed field -> tokens joined by spaces, beginning with START; every one of TEXT_FIELDS is there
    facets      facet -> values as stored (codes, or headings as people read them); indexed in a field `facet_<name>`
    keywords    "isbn": ISBN-13 digits · "identifier": ISSN, barcodes, control number, call number, folded ·
                "opening": the title's first word, and the whole title followed by ` $`, with and without subtitle
    year        of publication, for sorting and ranges
    title_sort  folded title, non-filing words gone; the adapter appends the number
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
