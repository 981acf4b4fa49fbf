"""Text analysis: splits text into tokens, in the same way for documents, queries and every search engine.

Each word is indexed in two forms. `tokens` gives the exact form: folded, without case, diacritics and apostrophes,
hyphens split. `root` gives the root: one spelling for all variants, without affixes, singular. One rule gives the root
for all languages, because the language of a query is unknown and a query word should cost one look-up.
"""

from __future__ import annotations

from services.catalog.analysis.folding import MAX_TOKEN, elided_words, fold, is_stop_word, spell_out, squeeze, tokens
from services.catalog.analysis.identifiers import is_isbn, isbn13, isbns_of, issn_of
from services.catalog.analysis.names import ARTICLES, TITLES, initials, name_forms, name_key
from services.catalog.analysis.spelling import as_old, is_old
from services.catalog.analysis.stemming import root
from services.catalog.analysis.variants import variants_of
from services.catalog.analysis.vocabulary import (
    audience_of,
    is_common_word,
    is_light_word,
    is_weak_word,
    kind_asked_for,
    language_asked_for,
    light_words,
    may_have_phrase,
    meanings_as_typed,
    meanings_of,
    phrase_at,
    phrases_with,
    reading_of,
)

__all__ = [
    "ARTICLES",
    "MAX_TOKEN",
    "TITLES",
    "as_old",
    "audience_of",
    "elided_words",
    "fold",
    "initials",
    "is_common_word",
    "is_isbn",
    "is_light_word",
    "is_old",
    "is_stop_word",
    "is_weak_word",
    "isbn13",
    "isbns_of",
    "issn_of",
    "kind_asked_for",
    "language_asked_for",
    "light_words",
    "may_have_phrase",
    "meanings_as_typed",
    "meanings_of",
    "name_forms",
    "name_key",
    "phrase_at",
    "phrases_with",
    "reading_of",
    "root",
    "spell_out",
    "squeeze",
    "tokens",
    "variants_of",
]
