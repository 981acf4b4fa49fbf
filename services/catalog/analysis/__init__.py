"""Text → tokens, the same for documents and queries and for every search engine.

Two forms of a word are kept. The exact one is folded (`tokens`): case, diacritics and apostrophes gone, hyphens split.
The other is its root (`root`): one spelling for many, affixes gone, a plural made singular. It is made by one rule
whatever the language, since a query has none: a word of a query is then one look-up.
"""

from __future__ import annotations

from services.catalog.analysis.folding import MAX_TOKEN, fold, is_stop_word, squeeze, tokens
from services.catalog.analysis.identifiers import is_isbn, isbn13, isbns_of, issn_of
from services.catalog.analysis.names import ARTICLES, TITLES, initials, name_forms, name_key
from services.catalog.analysis.spelling import as_old, is_old
from services.catalog.analysis.stemming import root

__all__ = [
    "ARTICLES",
    "MAX_TOKEN",
    "TITLES",
    "as_old",
    "fold",
    "initials",
    "is_isbn",
    "is_old",
    "is_stop_word",
    "isbn13",
    "isbns_of",
    "issn_of",
    "name_forms",
    "name_key",
    "root",
    "squeeze",
    "tokens",
]
