"""Builds the match of records that have a part of the words of a query, or related words, or their class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from services.catalog.index.matches import And, Between, Boosted, DisMax, Match, Not, Or, Term, scaled
from services.catalog.index.port import REACH, Index
from services.catalog.record.index_document import KIND_SIGNS
from services.catalog.search.class_matches import recall_match, translation_match
from services.catalog.search.class_recall import MatchedClass, QueryExpansion, Translation
from services.catalog.search.query.tree import Query
from services.catalog.search.ranking import weights
from services.catalog.search.ranking.build import match_of
from services.catalog.search.scorer import rarity_of
from services.catalog.search.wanted_words import WantedWord, has_enough_known, is_plain, wanted_words

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartialMatch:
    """The match of hits with all the words, which come first, and of hits with a part of them.

    complete  match of the hits with all the words
    part      match of the other hits
    words     words that a hit may lack
    """

    match: Match
    complete: Match
    part: Match
    words: tuple[WantedWord, ...]
    translations: tuple[Translation, ...]
    classes: tuple[MatchedClass, ...]


@dataclass(frozen=True, slots=True)
class _Totals:
    """Number of all records, and of the records with each word, related word and class. See WantedWord for readers."""

    documents: int
    words: Mapping[WantedWord, int]
    of_readers: Mapping[WantedWord, int]
    of_names: Mapping[WantedWord, int]
    translations: Mapping[Translation, int]
    classes: Mapping[MatchedClass, int]


@dataclass(frozen=True, slots=True)
class _Searched:
    """The words, related words and classes that a match of a part of the words has: those with few records."""

    words: set[WantedWord]
    of_readers: set[WantedWord]
    translations: list[Translation]
    classes: list[MatchedClass]


def match_partly(index: Index, query: Query, complete: Match, expansion: QueryExpansion) -> PartialMatch | None:
    """Build the match of records with a part of the words; None when too few of the words are in the index.

    A hit may lack words; all other parts of the query (fields, phrases, years, exclusions) stay required. Words that no
    record has count as lacking. Records with more words, and with rarer words, come first.

    complete  match of the query with all its words
    raises    Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    words = wanted_words(query, audience=expansion.preferences.audience)
    if not words:
        return None
    totals = _count(index, words, expansion)
    # A word of the class table is known if the class, or a related word, has records.
    recalled = [matched.roots for matched, total in totals.classes.items() if total]
    recalled += [translation.roots for translation, total in totals.translations.items() if total]
    if not has_enough_known(
        words,
        # A name that readers use for a work is known (annelies); another word that they use may be in any search.
        [max(totals.words[word], totals.of_names[word]) for word in words],
        documents=totals.documents,
        recalled=frozenset[str]().union(*recalled),
        asks_for_kind=bool(expansion.preferences.kind),
    ):
        return None
    searched = _choose(totals)
    of_words = [match for word in words if (match := _match_of_word(word, words, searched, totals)) is not None]
    if not of_words:
        return None
    if len(of_words) > 1:
        each = Between("number", None, None, weights.EACH_WORD)
        of_words = [And((of_word, each)) for of_word in of_words]
    part: Match = Or(tuple(of_words))
    # The words themselves ask for the audience (wanted_words).
    if preferred := expansion.preferences._replace(audience="").matches:
        part = Boosted(part, preferred)
    others = [match_of(other) for other in query.parts if not is_plain(other)]
    part = scaled(And((part, *others)) if others else part, weights.PARTLY)
    if query.without:
        part = Not(part, tuple(match_of(exclusion) for exclusion in query.without))
    first = And((complete, Between("number", None, None, weights.ALL_WORDS)))
    match = DisMax((first, part), 0.0)
    return PartialMatch(match, complete, part, tuple(words), tuple(searched.translations), tuple(searched.classes))


def in_groups(values: Iterable[T], groups: Iterable[Sequence[Match]]) -> list[list[T]]:
    """Divide the values of one request by the groups of matches that it was made of."""
    rest = iter(values)
    return [list(islice(rest, len(group))) for group in groups]


def _count(index: Index, words: Sequence[WantedWord], expansion: QueryExpansion) -> _Totals:
    translations = [*expansion.translations, *expansion.meanings]
    groups: tuple[list[Match], ...] = (
        [And(())],
        [word.match for word in words],
        [word.of_readers for word in words],
        [word.of_a_name for word in words],
        list(map(translation_match, translations)),
        list(map(recall_match, expansion.classes)),
    )
    (documents,), *counts = in_groups(index.totals([match for group in groups for match in group]), groups)
    of_words, of_readers, of_names, of_translations, of_classes = counts
    return _Totals(
        documents,
        dict(zip(words, of_words, strict=True)),
        dict(zip(words, of_readers, strict=True)),
        dict(zip(words, of_names, strict=True)),
        dict(zip(translations, of_translations, strict=True)),
        dict(zip(expansion.classes, of_classes, strict=True)),
    )


def _choose(totals: _Totals) -> _Searched:
    """Choose what is searched. The query has already searched for a word that stands alone, with few hits or none."""
    words = _rarest(totals.words, at_least=1) if len(totals.words) > 1 else set()
    least = 0 if words else 1
    translations, classes = _rarest(totals.translations, at_least=least), _rarest(totals.classes, at_least=least)
    return _Searched(
        words,
        _rarest(totals.of_readers, at_least=0),
        [translation for translation in totals.translations if translation in translations],
        [matched for matched in totals.classes if matched in classes],
    )


def _rarest(totals: Mapping[T, int], *, at_least: int) -> set[T]:
    """Return the items with the fewest records, as long as these are together no more than paging may reach.

    A word or a class with more records says little, and would take most of the time of a search.

    at_least  number of items that are returned even so; items without records are never returned
    """
    rarest: set[T] = set()
    reached = 0
    for item, total in sorted(totals.items(), key=lambda pair: pair[1]):
        reached += total
        if total and (reached <= REACH or len(rarest) < at_least):
            rarest.add(item)
    return rarest


def _match_of_word(word: WantedWord, words: Sequence[WantedWord], searched: _Searched, totals: _Totals) -> Match | None:
    """Match the word itself, its related words, its classes and the words of readers; None if none is searched.

    Mostly the best match counts, so a record that matches each word comes before one with a word and also its class.
    """
    choices = [_in_subject_first(word.match)] if word in searched.words else []
    for translation in searched.translations:
        if word.roots <= translation.roots:
            shared = sum(other.roots <= translation.roots for other in words)
            # Related to several words: more than for one word, but less than for each of them.
            factor = weights.WEAK if word.is_weak and shared == 1 else 1 / math.sqrt(shared)
            choices.append(_in_subject_first(scaled(translation_match(translation), factor)))
    if word in searched.words and len(choices) > 1:
        choices = [DisMax(tuple(choices), 0.0)]  # otherwise the English edition of `gadis pantai` comes first
    for matched in searched.classes:
        if word.roots <= matched.roots:
            choices.append(scaled(recall_match(matched), _class_weight(totals.documents, totals.classes[matched])))
    if word in searched.of_readers:
        choices.append(scaled(word.of_readers, rarity_of(totals.of_readers[word], totals.documents)))
    return DisMax(tuple(choices), weights.PARTLY_TIE) if choices else None


def _in_subject_first(match: Match) -> Match:
    """Add the weight of a subject heading to each word of a match: one word of a title or summary says less."""
    match match:
        case Term(field="any", token=token, boost=boost):
            in_subject = Term("any", KIND_SIGNS["subject"] + token, boost * weights.IN_SUBJECT)
            return DisMax((match, in_subject), 1.0)
        case DisMax(choices=parts):
            return replace(match, choices=tuple(map(_in_subject_first, parts)))
        case And(of=parts):
            return And(tuple(map(_in_subject_first, parts)))
    return match


def _class_weight(documents: int, total: int) -> float:
    """Return the factor of a class's weight: a class with few records says more about the topic, like a rare word.

    documents  number of records of the index; 0 while it is empty
    """
    documents = max(documents, 1)
    rarity = math.log1p(documents / max(total, 1)) / math.log1p(documents)
    return min(max(rarity / weights.USUAL_RARITY, 1.0), weights.MOST_RARITY)
