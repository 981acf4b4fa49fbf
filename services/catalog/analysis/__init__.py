"""Text → tokens, the same for documents and queries and for every search engine.

Two streams of tokens are made of a text. The exact one is folded (`tokens`): case, diacritics and apostrophes gone,
hyphens split. The stemmed one (`stems`, and `query_stems` for its queries) stands beside it in a field of its own.

Which stemmer? A document's language says; a query has none. One stream without marks would make the Indonesian stem
of an English word meet the English stem of another (German and germs both become `germ`). So an English stem carries
the mark `~`: a document has the stems of its own language, a query asks for both, and each meets only its like. A
text that does not say its language, and subject headings, which are in the cataloguer's language and not the book's,
get both. Other languages get none: there the exact tokens are all.
"""

from __future__ import annotations

from services.catalog.analysis.folding import MAX_TOKEN, fold, is_stop_word, squeeze, tokens
from services.catalog.analysis.identifiers import is_isbn, isbn13, isbns_of, issn_of
from services.catalog.analysis.stemming import BOTH, ENGLISH, INDONESIAN, NONE, query_stems, stemmers_for, stems

__all__ = [
    "BOTH",
    "ENGLISH",
    "INDONESIAN",
    "MAX_TOKEN",
    "NONE",
    "fold",
    "is_isbn",
    "is_stop_word",
    "isbn13",
    "isbns_of",
    "issn_of",
    "query_stems",
    "squeeze",
    "stemmers_for",
    "stems",
    "tokens",
]
