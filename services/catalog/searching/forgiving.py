"""Misspelt words: which they are, and what was meant."""

from __future__ import annotations

from services.catalog.analysis import tokens
from services.catalog.index import Index, Request
from services.catalog.query import Query, Word
from services.catalog.ranking import match_of

FEW_HITS = 5  # with as many nobody needs our guesses
_FIELDS = ("title", "author", "subject")
_SHORTEST = 4  # letters; a shorter word is near to half the others
_LONG = 7  # letters from which two edits still leave the word recognisable
_MOST_WORDS = 6


def respelt(index: Index, query: Query) -> Query | None:
    """The query with every word the catalogue does not know spelt as the nearest that it knows; None for no change.

    A word is known when some record has it, a form of it, or, for the last one, a word that begins so.
    """
    meant: dict[str, str] = {}
    for place, part in enumerate(query.parts[:_MOST_WORDS]):
        if not isinstance(part, Word) or part.prefix:
            continue
        token = _plain(part.text)
        if token is None:
            continue
        begun = place == len(query.parts) - 1
        if index.search(Request(match_of(part, begun=begun), limit=0)).total:
            continue
        near = index.words(token, fields=_FIELDS, distance=1 if len(token) < _LONG else 2, limit=1)
        if near:
            meant[part.text] = near[0][0]
    return query.respelt(meant) if meant else None


def _plain(text: str) -> str | None:
    """The one token of a word that may be misspelt; None for numbers, short words and words of several tokens."""
    found = tokens(text)
    if len(found) != 1 or len(found[0]) < _SHORTEST or any(map(str.isdigit, found[0])):
        return None
    return found[0]
