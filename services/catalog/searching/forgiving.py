"""Misspelt words: which they are, and what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.catalog.analysis import tokens
from services.catalog.index import Index, Request
from services.catalog.query import Query, Word
from services.catalog.ranking import match_of

FEW_HITS = 5  # with as many nobody needs our guesses
MOST_GUESSES = 8  # searched for; each costs one request
_FIELDS = ("title", "author", "subject")
_SHORTEST = 4  # letters; a shorter word is near to half the others
_LONG = 7  # letters from which two edits still leave the word recognisable
_MOST_WORDS = 6
_NEIGHBOURS = 4  # tried of a word that is known but not beside the others
_LOOKED_AT = 24  # near words among which they are chosen
_DOUBLED = re.compile(r"(.)\1+")


def guesses(index: Index, query: Query) -> Iterator[Query]:
    """Queries that may have been meant, the likeliest first.

    First every word that the catalogue does not know, spelt as the nearest that it knows. Then, as words may be known
    but not together (Siti Nurbaya: her book is Sitti Nurbaya), each of the others in turn spelt as a neighbour. A word
    is known when some record has it, a form of it, or, for the last one, a word that begins so.
    """
    words = [
        (part.text, token, index.search(Request(match_of(part, begun=place == len(query.parts) - 1), limit=0)).total)
        for place, part in enumerate(query.parts[:_MOST_WORDS])
        if isinstance(part, Word) and not part.prefix and (token := _plain(part.text)) is not None
    ]
    unknown = {text: near for text, token, known in words if not known and (near := _near(index, token))}
    meant = {text: near[0] for text, near in unknown.items()}
    if meant:
        yield query.respelt(meant)
    if len(query.parts) > 1:
        for text, token, known in words:
            for neighbour in _near(index, token) if known else ():
                yield query.respelt({**meant, text: neighbour})


def likelier(index: Index, query: Query) -> Iterator[Query]:
    """What a query that finds little may mean: a word that few records have, spelt as a neighbour that more have."""
    for part in query.parts[:_MOST_WORDS]:
        if not isinstance(part, Word) or part.prefix or (token := _plain(part.text)) is None:
            continue
        known = index.search(Request(match_of(part), limit=0)).total
        if known < FEW_HITS:
            for neighbour in _near(index, token):
                yield query.respelt({part.text: neighbour})


def _near(index: Index, token: str) -> list[str]:
    """Words near this one: those that differ only in doubled letters first, the commonest slip; then nearest first."""
    distance = 1 if len(token) < _LONG else 2
    found = [word for word, _count in index.words(token, fields=_FIELDS, distance=distance, limit=_LOOKED_AT)]
    single = _DOUBLED.sub(r"\1", token)
    return sorted(found, key=lambda word: _DOUBLED.sub(r"\1", word) != single)[:_NEIGHBOURS]


def _plain(text: str) -> str | None:
    """The one token of a word that may be misspelt; None for numbers, short words and words of several tokens."""
    found = tokens(text)
    if len(found) != 1 or len(found[0]) < _SHORTEST or any(map(str.isdigit, found[0])):
        return None
    return found[0]
