"""Spelling correction: replaces misspelt words by words of the catalogue.

A real word, which is in the word lists or the vocabulary, is not replaced; another word is only offered. The lists have
misspellings of the web too (hary). So one that no record has is replaced beside a misspelt word (hary poter), when then
all words of the query are side by side in a title, a name or a subject. A light word never replaces another word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, islice, product
from string import ascii_lowercase
from typing import TypeVar

from services.catalog.analysis import ARTICLES, TITLES, is_light_word, is_weak_word, tokens
from services.catalog.analysis.word_lists import is_real_word
from services.catalog.index.matches import Keyword, Match, Or
from services.catalog.index.matches import Phrase as SideBySide
from services.catalog.index.port import Index, edit_distance
from services.catalog.record.reader_words import words_of_works
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of

FEW_HITS = 5  # a query with so many hits needs no correction
MOST_CORRECTIONS = 8  # of which the hits are counted, in one request
_FIELDS = {"": ("title", "author", "subject"), **{field: (field,) for field in ("title", "author", "subject")}}
_SHORTEST = 4  # letters; a shorter word is near to half of all words
_LONG = 7  # letters; from this length two edits are tried
_ARTICLE = "al"  # of Arabic
_MOST_WORDS = 6
_MOST_SIDE_BY_SIDE = 5  # words of a query that may be part of a title
_NEIGHBOURS = 4  # near words tried for one word
_MOST_NEAR = 24  # near words from which _NEIGHBOURS are chosen
_DOUBLED = re.compile(r"(.)\1+")

Key = TypeVar("Key")
Candidates = Mapping[tuple[int, str], Sequence[str]]  # (position of the part, token) -> its replacements
Spelling = Mapping[tuple[int, str], str]  # (position of the part, token) -> its replacement, one or two words


@dataclass(frozen=True, slots=True)
class QueryWord:
    """A word of the query that may be misspelt.

    records  number of records with the word, a form of it, or a longer word
    is_real  the word is in the lists, so it is not misspelt
    """

    position: int
    token: str
    field: str
    records: int
    is_real: bool

    @property
    def at(self) -> tuple[int, str]:
        return self.position, self.token


def candidates_of(index: Index, words: Iterable[QueryWord]) -> Candidates:
    """Find replacements of the unknown words, the nearest first. A real word has none."""
    return {
        word.at: candidates
        for word in words
        if not word.is_real and not word.records and (candidates := _candidates(index, word))
    }


def candidates_of_real(index: Index, words: Iterable[QueryWord]) -> Candidates:
    """Find near words of the real words that no record has."""
    return {
        word.at: candidates
        for word in words
        if word.is_real and not word.records and (candidates := _near_words(index, word))
    }


def corrections(
    index: Index, query: Query, words: Iterable[QueryWord], unknown: Candidates, *, has_variants: bool = False
) -> Iterator[Query]:
    """Yield corrections of a query without hits, the likeliest first.

    First every unknown word is replaced by the nearest known word, then by the next nearest, and spaces are added or
    removed. Then each word that is in the catalogue, but in no list, is replaced by a near word, because there may be
    no record with all the words. Words in quotes are corrected too. If an unknown word has no candidates, no record has
    all the words, whatever replaces the others; then only a space is removed.

    unknown       candidates_of the words
    has_variants  other forms of headings may be searched in place of the words, so such a query may have hits
    """
    words = [word for word in words if not word.is_real]
    is_hopeless = not has_variants and any(word.at not in unknown and _is_in_no_record(word) for word in words)
    spelling = {position: candidates[0] for position, candidates in unknown.items()}
    if spelling and not is_hopeless:
        yield _replace_words(query, spelling)
    joined_query = _join_words(index, query)
    if joined_query is not None:
        yield joined_query
    if is_hopeless:
        return
    for position, candidates in unknown.items():
        for candidate in candidates[1:]:
            yield _replace_words(query, {**spelling, position: candidate})
    if len(query.parts) > 1:
        for word in words:
            for neighbour in _near_words(index, word) if word.records else ():
                yield _replace_words(query, {**spelling, word.at: neighbour})


def corrections_side_by_side(index: Index, query: Query, candidates: Candidates) -> Iterator[Query]:
    """Yield corrections whose words are side by side in a title, a name or a subject.

    candidates  replacements of words; of each the first two are tried
    """
    choices: list[Sequence[str]] = []
    for position, part in enumerate(query.parts):
        if not isinstance(part, Word) or part.field or part.prefix or len(word_tokens := tokens(part.text)) != 1:
            return
        token = word_tokens[0]
        choices.append(candidates.get((position, token), (token,))[:2])
    if not candidates or not 1 < len(choices) <= _MOST_SIDE_BY_SIDE:
        return
    matches: dict[tuple[str, ...], Match] = {
        chosen: Or(
            tuple(SideBySide(field, words) for words in _with_and_without_light(chosen) for field in _FIELDS[""])
        )
        for chosen in islice(product(*choices), MOST_CORRECTIONS)
    }
    for chosen in _matching_keys(index, matches):
        yield replace(query, parts=tuple(map(Word, chosen)))


def _with_and_without_light(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Return the words, and those without the light ones if several are left: a title may have & in place of dan."""
    heavy = tuple(word for word in words if not is_light_word(word))
    return (words, heavy) if 1 < len(heavy) < len(words) else (words,)


def correct_by_one_edit(query: Query, unknown: Candidates) -> Query | None:
    """Replace each unknown word by the nearest known word if that is one edit away; None when no word has one.

    For a query without hits for any correction of all its words: most of its words may be in some record.
    """
    spelling = {at: nearest for at, (nearest, *_others) in unknown.items() if edit_distance(at[1], nearest, 1) == 1}
    return _replace_words(query, spelling) if spelling else None


def offers(index: Index, query: Query, words: Iterable[QueryWord], real: Candidates) -> Iterator[Query]:
    """Yield corrections to offer for a query with few hits or none.

    A rare word that is in no list is replaced by a near word that more records have. A real word is replaced only when
    no record has it; several together when their near words are side by side.

    real  candidates_of_real the words
    """
    if len(real) > 1:
        yield from corrections_side_by_side(index, query, real)
    for word in words:
        neighbours = real.get(word.at, ())
        if not word.is_real and 0 < word.records < FEW_HITS:
            neighbours = _near_words(index, word, least=FEW_HITS)
        for neighbour in neighbours:
            yield _replace_words(query, {word.at: neighbour})


def query_words(index: Index, query: Query) -> list[QueryWord]:
    """List the first words of a query that may be misspelt. Raises Unavailable SEARCH_UNAVAILABLE, INDEX_BUILDING."""
    words: dict[tuple[int, str], tuple[str, Match]] = {}
    for position, part in enumerate(query.parts):
        if not isinstance(part, Word | Phrase) or (isinstance(part, Word) and part.prefix):
            continue
        word_tokens = tokens(part.text)
        if isinstance(part, Word) and len(word_tokens) != 1:
            word_tokens = [token for token in word_tokens if token not in ARTICLES]  # as-syirazi
            if len(word_tokens) != 1:
                continue
        for token in dict.fromkeys(word_tokens):
            if len(token) < _SHORTEST or any(map(str.isdigit, token)) or len(words) == _MOST_WORDS:
                continue
            may_be_beginning = isinstance(part, Word) and position == len(query.parts) - 1
            match = match_of(Word(token, part.field), may_be_beginning=may_be_beginning)
            words[position, token] = part.field, match
    unlisted = list(dict.fromkeys(token for _position, token in words if not is_real_word(token)))
    used_by_readers = (Keyword("reader_word", words_of_works(token)) for token in unlisted)
    totals = list(index.totals(chain((match for _field, match in words.values()), used_by_readers)))
    # A name that readers use for a work (annelies) is no misspelling.
    names = set(compress(unlisted, totals[len(words) :]))
    return [
        QueryWord(position, token, field, records, token in names or is_real_word(token))
        for ((position, token), (field, _match)), records in zip(words.items(), totals, strict=False)
    ]


def _is_in_no_record(word: QueryWord) -> bool:
    """Tell whether a word excludes every record from the hits, whatever the other words are.

    The others decide whether some words are required, and whether a j is in old spelling.
    """
    is_required = not (is_light_word(word.token) or is_weak_word(word.token) or word.token in TITLES)
    return not word.records and is_required and "j" not in word.token


def _candidates(index: Index, word: QueryWord) -> list[str]:
    """List replacements of an unknown word: near words, else another first letter, else two words."""
    candidates = _near_words(index, word) or _rewrite(index, word)
    if candidates or not word.token.startswith(_ARTICLE) or len(word.token) < _LONG:
        return candidates
    # A name is often written as one word with its article: almunawir.
    return _near_words(index, replace(word, token=word.token.removeprefix(_ARTICLE)))


def _near_words(index: Index, word: QueryWord, *, least: int = 1) -> list[str]:
    """List near words: first those that differ in doubled letters, the most common mistake; then the nearest.

    least  records that must have a word
    """
    distance = 1 if len(word.token) < _LONG else 2
    fields = _FIELDS.get(word.field, _FIELDS[""])
    near_tokens = index.near_words(word.token, fields=fields, distance=distance, limit=_MOST_NEAR)
    frequent = [token for token, records in near_tokens if records >= least and not is_light_word(token)]
    word_without_doubles = _DOUBLED.sub(r"\1", word.token)
    return sorted(frequent, key=lambda token: _DOUBLED.sub(r"\1", token) != word_without_doubles)[:_NEIGHBOURS]


def _rewrite(index: Index, word: QueryWord) -> list[str]:
    """List known words with another first letter, or one letter more or less at the beginning; near_words has none.

    Without such words, list pairs of adjacent words that the token joins.
    """
    token, fields = word.token, _FIELDS.get(word.field, _FIELDS[""])
    forms = [letter + rest for rest in (token[1:], token) for letter in ascii_lowercase]
    forms += [token[1:], token[1] + token[0] + token[2:]]
    other_forms = [form for form in dict.fromkeys(forms) if form != token and not is_light_word(form)]
    halves = [(token[:cut], token[cut:]) for cut in range(2, len(token) - 1)]  # each shorter than the other forms
    indexed = dict.fromkeys(index.known_words([*other_forms, *chain.from_iterable(halves)], fields=fields))
    known_forms = [form for form in other_forms if form in indexed]
    if known_forms:
        return known_forms[:_NEIGHBOURS]
    pairs = [pair for pair in halves if pair[0] in indexed and pair[1] in indexed]
    if not pairs:
        return []
    matches = {" ".join(pair): Or(tuple(SideBySide(field, pair) for field in fields)) for pair in pairs}
    return _matching_keys(index, matches)


def _join_words(index: Index, query: Query) -> Query | None:
    """Join two words of the query to one known word (`minang kabau`); None when no two words form one."""
    joined: dict[int, tuple[str, str]] = {}  # position -> (field, both words as one)
    for position, (left, right) in enumerate(zip(query.parts, query.parts[1:], strict=False)):
        if isinstance(left, Word) and isinstance(right, Word) and left.field == right.field:
            joined_text = "".join((*tokens(left.text), *tokens(right.text)))
            if len(joined_text) >= _SHORTEST:
                joined[position] = left.field, joined_text
    indexed = {
        (field, text)
        for field in {field for field, _text in joined.values()}
        for text in index.known_words(
            [text for of_field, text in joined.values() if of_field == field], fields=_FIELDS.get(field, _FIELDS[""])
        )
    }
    for position, (field, joined_text) in joined.items():
        right = query.parts[position + 1]
        if (field, joined_text) in indexed and isinstance(right, Word):
            joined_word = Word(joined_text, field, right.prefix)
            return replace(query, parts=(*query.parts[:position], joined_word, *query.parts[position + 2 :]))
    return None


def _matching_keys(index: Index, matches: Mapping[Key, Match]) -> list[Key]:
    """List the first keys whose match has hits, at most four."""
    totals = index.totals(matches.values())
    return list(islice((key for key, total in zip(matches, totals, strict=True) if total), _NEIGHBOURS))


def _replace_words(query: Query, spelling: Spelling) -> Query:
    parts: list[Part] = []
    for position, part in enumerate(query.parts):
        replacements = {token: word for (word_position, token), word in spelling.items() if word_position == position}
        if not replacements or not isinstance(part, Word | Phrase):
            parts.append(part)
        elif isinstance(part, Phrase):
            parts.append(replace(part, text=" ".join(replacements.get(token, token) for token in tokens(part.text))))
        else:
            (words,) = replacements.values()
            parts += [replace(part, text=word) for word in words.split()]
    return replace(query, parts=tuple(parts))
