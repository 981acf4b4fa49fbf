"""Misspelt words: which they are, and what was meant. Only the collection's own words are ever offered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import TypeVar

from services.catalog.analysis import tokens
from services.catalog.index.matches import Match, Or, Term
from services.catalog.index.matches import Phrase as SideBySide
from services.catalog.index.port import Index, Request
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of

FEW_HITS = 5  # with as many nobody needs our guesses
MOST_CORRECTIONS = 8  # searched for; each costs one request
_FIELDS = {"": ("title", "author", "subject"), **{field: (field,) for field in ("title", "author", "subject")}}
_SHORTEST = 4  # letters; a shorter word is near to half the others
_LONG = 7  # letters from which two edits still leave the word recognisable
_MOST_WORDS = 6
_NEIGHBOURS = 4  # tried of one word
_MOST_NEAR = 24  # near words among which they are chosen
_DOUBLED = re.compile(r"(.)\1+")

Key = TypeVar("Key")
Spelling = Mapping[tuple[int, str], str]  # (place of the part, token) -> what it should be, perhaps two words


@dataclass(frozen=True, slots=True)
class _QueryWord:
    """One word of the query that may be misspelt. records: how many have it, a form of it or, begun, what begins so."""

    place: int
    token: str
    field: str
    records: int

    @property
    def at(self) -> tuple[int, str]:
        return self.place, self.token


def corrections(index: Index, query: Query) -> Iterator[Query]:
    """Queries that may have been meant where nothing was found, the likeliest first.

    First every word that the catalogue does not know, spelt as the nearest that it knows, and then as the next ones;
    a space too few or too many is a slip like others. Then, as words may be known but not together (Siti Nurbaya: her
    book is Sitti Nurbaya), each of the others in turn spelt as a neighbour. Words in quotes are words too.
    """
    words = list(_query_words(index, query))
    unknown = {word.at: near for word in words if not word.records and (near := _candidates(index, word))}
    meant = {at: near[0] for at, near in unknown.items()}
    if meant:
        yield _replace_words(query, meant)
    joined = _join_words(index, query)
    if joined is not None:
        yield joined
    for at, near in unknown.items():
        for other in near[1:]:
            yield _replace_words(query, {**meant, at: other})
    if len(words) > 1:
        for word in words:
            for neighbour in _near_words(index, word) if word.records else ():
                yield _replace_words(query, {**meant, word.at: neighbour})


def commoner_spellings(index: Index, query: Query) -> Iterator[Query]:
    """What a query that finds little may mean: a word that few records have, spelt as a neighbour that many have."""
    for word in _query_words(index, query):
        if word.records < FEW_HITS:
            for neighbour in _near_words(index, word, least=FEW_HITS):
                yield _replace_words(query, {word.at: neighbour})


def _query_words(index: Index, query: Query) -> Iterator[_QueryWord]:
    left = _MOST_WORDS
    for place, part in enumerate(query.parts):
        if not isinstance(part, Word | Phrase) or (isinstance(part, Word) and part.prefix):
            continue
        found = tokens(part.text)
        if isinstance(part, Word) and len(found) != 1:
            continue
        for token in dict.fromkeys(found):
            if len(token) < _SHORTEST or any(map(str.isdigit, token)) or not left:
                continue
            left -= 1
            begun = isinstance(part, Word) and place == len(query.parts) - 1
            request = Request(match_of(Word(token, part.field), begun=begun), limit=0)
            yield _QueryWord(place, token, part.field, index.search(request).total)


def _candidates(index: Index, word: _QueryWord) -> list[str]:
    """What an unknown word may be: a near one, one with another first letter, or two words without their space."""
    return _near_words(index, word) or _other_first_letters(index, word) or _split_words(index, word)


def _near_words(index: Index, word: _QueryWord, *, least: int = 1) -> list[str]:
    """Words near this one: those that differ only in doubled letters first, the commonest slip; then nearest first.

    least  records that must have a word
    """
    distance = 1 if len(word.token) < _LONG else 2
    fields = _FIELDS.get(word.field, _FIELDS[""])
    there = index.near_words(word.token, fields=fields, distance=distance, limit=_MOST_NEAR)
    found = [near for near, records in there if records >= least]
    single = _DOUBLED.sub(r"\1", word.token)
    return sorted(found, key=lambda near: _DOUBLED.sub(r"\1", near) != single)[:_NEIGHBOURS]


def _other_first_letters(index: Index, word: _QueryWord) -> list[str]:
    """Words that differ in their beginning, where the index looks up none: another letter, one more, one less."""
    token = word.token
    forms = [letter + rest for rest in (token[1:], token) for letter in ascii_lowercase]
    forms += [token[1:], token[1] + token[0] + token[2:]]
    fields = _FIELDS.get(word.field, _FIELDS[""])
    each: dict[str, Match] = {form: Or(tuple(Term(field, form) for field in fields)) for form in forms if form != token}
    return _matching_keys(index, each)


def _split_words(index: Index, word: _QueryWord) -> list[str]:
    """Two words side by side whose space was forgotten."""
    token, fields = word.token, _FIELDS.get(word.field, _FIELDS[""])
    each: dict[str, Match] = {
        f"{token[:at]} {token[at:]}": Or(tuple(SideBySide(field, (token[:at], token[at:])) for field in fields))
        for at in range(2, len(token) - 1)
    }
    return _matching_keys(index, each)


def _join_words(index: Index, query: Query) -> Query | None:
    """The query with two words written as one that the catalogue knows (`minang kabau`); None when there are none."""
    each: dict[int, Match] = {}
    for at, (one, other) in enumerate(zip(query.parts, query.parts[1:], strict=False)):
        if isinstance(one, Word) and isinstance(other, Word) and one.field == other.field:
            together = "".join((*tokens(one.text), *tokens(other.text)))
            fields = _FIELDS.get(one.field, _FIELDS[""])
            if len(together) >= _SHORTEST:
                each[at] = Or(tuple(Term(field, together) for field in fields))
    for at in _matching_keys(index, each):
        one, other = query.parts[at : at + 2]
        if isinstance(one, Word) and isinstance(other, Word):
            written = Word("".join((*tokens(one.text), *tokens(other.text))), one.field, other.prefix)
            return replace(query, parts=(*query.parts[:at], written, *query.parts[at + 2 :]))
    return None


def _matching_keys(index: Index, each: Mapping[Key, Match]) -> list[Key]:
    """Those whose match finds something, at most four; one request when none does, else by halves."""
    found: list[Key] = []
    waiting = [list(each)]
    while waiting and len(found) < _NEIGHBOURS:
        some = waiting.pop()
        if not some or not index.search(Request(Or(tuple(each[key] for key in some)), limit=0)).total:
            continue
        if len(some) == 1:
            found += some
        else:
            waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
    return found


def _replace_words(query: Query, spelling: Spelling) -> Query:
    parts: list[Part] = []
    for place, part in enumerate(query.parts):
        meant = {token: word for (at, token), word in spelling.items() if at == place}
        if not meant or not isinstance(part, Word | Phrase):
            parts.append(part)
        elif isinstance(part, Phrase):
            parts.append(replace(part, text=" ".join(meant.get(token, token) for token in tokens(part.text))))
        else:
            (words,) = meant.values()
            parts += [replace(part, text=word) for word in words.split()]
    return replace(query, parts=tuple(parts))
