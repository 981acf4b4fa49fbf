"""Hits that have a part of the words: their match, with related words and classes, and the words that each lacks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple, TypeVar

from chassis.sentences import LocalText, sentence
from services.catalog.analysis import audience_of, is_common_word, is_weak_word, reading_of, root, variants_of
from services.catalog.analysis.word_lists import is_real_word
from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Not, Or, Term, scaled
from services.catalog.index.port import REACH, Index
from services.catalog.record.classes import notation
from services.catalog.record.index_document import KIND_SIGNS
from services.catalog.record.reader_words import STORY, SUBJECT, WORK
from services.catalog.search.class_recall import (
    ClassFinder,
    Ideas,
    MatchedClass,
    Translation,
    light_words_of,
    recall_choices,
    recall_match,
    translation_match,
    words_of,
)
from services.catalog.search.preferences import audience_match
from services.catalog.search.query.tree import Part, Query, Word
from services.catalog.search.ranking import weights
from services.catalog.search.ranking.build import match_of
from services.catalog.search.scorer import rarity_of

MOST_WORDS = 8  # of a query; only the first words are used
MOST_BY_NUMBER, MOST_BY_RARITY = 0.6, 0.5  # shares of the words that must be known
SHORTEST_NAME = 4  # letters
HALF = 0.5  # share that is enough if a class or related words are known, too
# Share that is enough if few records have one of the words: at most 2, and at most one in 200 of all records; one of a
# pair is enough if at most 20, and one in 100, have it, and the other is a real word.
THIRD, FEW, FEW_BESIDE_REAL = 0.33, (2, 200), (20, 100)
Searched = TypeVar("Searched")


class WantedWord(NamedTuple):
    """A word that a hit may lack.

    match        matches records that have the word
    of_readers   matches records for which readers use the word, see record.reader_words; to be scaled by its rarity
    of_a_name    the same for the words of works only, if the word is a name; else matches nothing
    is_weak      it does not count in the decision whether enough words are known
    is_real      it is in a list of words
    is_common    it counts in that decision only if a record has it, or a related word or its class has records
    """

    text: str
    roots: frozenset[str]
    match: Match
    of_readers: Match
    of_a_name: Match
    is_weak: bool
    is_common: bool
    is_real: bool


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


class Lack(NamedTuple):
    """The words that a hit lacks, as typed.

    because  the related words, the words of readers or the class for which it is a hit, or None
    """

    words: tuple[str, ...]
    because: LocalText | None


def match_partly(index: Index, query: Query, complete: Match, ideas: Ideas) -> PartialMatch | None:
    """Build the match of records with a part of the words; None when too few of the words are in the index.

    A hit may lack words; all other parts of the query (fields, phrases, years, exclusions) stay required. Words that no
    record has count as lacking. Records with more words, and with rarer words, come first.

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    light = light_words_of(query)
    words = [
        _wanted(part, ideas.preferences.audience)
        for part in query.parts
        if isinstance(part, Word) and _is_plain(part) and not light >= set(_read(part))
    ]
    words = list(dict.fromkeys(words))[:MOST_WORDS]
    if not words:
        return None
    translations, classes = [*ideas.translations, *ideas.meanings], list(ideas.classes)
    matches = [word.match for word in words]
    matches += [word.of_readers for word in words]
    matches += [word.of_a_name for word in words]
    matches += map(translation_match, translations)
    matches += map(recall_match, classes)
    totals = index.totals([And(()), *matches])
    documents = next(totals)
    word_totals = list(islice(totals, len(words)))
    reader_totals = list(islice(totals, len(words)))
    name_totals = list(islice(totals, len(words)))
    translation_totals = list(islice(totals, len(translations)))
    class_totals = list(totals)
    known_translations = [t for t, total in zip(translations, translation_totals, strict=True) if total]
    known_classes = [c for c, total in zip(classes, class_totals, strict=True) if total]
    class_weights = {
        matched.key: _class_weight(documents, total) for matched, total in zip(classes, class_totals, strict=True)
    }
    # A word of the class table is known if the class, or a related word, has records.
    recalled = frozenset[str]().union(
        *(matched.roots for matched in known_classes), *(translation.roots for translation in known_translations)
    )
    # A name that readers use for a work is known (annelies); another word that they use may be in any search.
    known_totals = list(map(max, word_totals, name_totals))
    if not _has_enough_known(documents, words, recalled, known_totals, asks_for_kind=bool(ideas.preferences.kind)):
        return None
    # The query has already searched for a word that stands alone, with few hits or none.
    searched = _rarest(zip(words, word_totals, strict=True), at_least=1) if len(words) > 1 else set()
    least = 0 if searched else 1
    searched_translations = _rarest(zip(translations, translation_totals, strict=True), at_least=least)
    searched_classes = _rarest(zip(classes, class_totals, strict=True), at_least=least)
    translations = [translation for translation in translations if translation in searched_translations]
    classes = [matched for matched in classes if matched in searched_classes]
    searched_by_readers = _rarest(zip(words, reader_totals, strict=True), at_least=0)
    rarities = {word: rarity_of(total, documents) for word, total in zip(words, reader_totals, strict=True)}
    enough: list[Match] = [
        DisMax((*choices, *of_readers), weights.PARTLY_TIE)
        for word in words
        for of_readers in [(scaled(word.of_readers, rarities[word]),) if word in searched_by_readers else ()]
        if (choices := _choices(word, words, word in searched, translations, classes, class_weights)) or of_readers
    ]
    if not enough:
        return None
    if len(enough) > 1:
        each = Between("number", None, None, weights.EACH_WORD)
        enough = [And((of_word, each)) for of_word in enough]
    part: Match = Or(tuple(enough))
    # The words themselves ask for the audience (_wanted).
    if preferred := ideas.preferences._replace(audience="").matches:
        part = Boosted(part, preferred)
    others = [match_of(other) for other in query.parts if not _is_plain(other)]
    part = scaled(And((part, *others)) if others else part, weights.PARTLY)
    if query.without:
        part = Not(part, tuple(match_of(exclusion) for exclusion in query.without))
    first = And((complete, Between("number", None, None, weights.ALL_WORDS)))
    return PartialMatch(DisMax((first, part), 0.0), complete, part, tuple(words), tuple(translations), tuple(classes))


def find_lacks(index: Index, partial: PartialMatch, numbers: Sequence[int], finder: ClassFinder) -> Mapping[int, Lack]:
    """Return record number -> what the hit lacks, for hits that lack a word as typed.

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    matches = [partial.complete, *(word.match for word in partial.words)]
    matches += [word.of_readers for word in partial.words]
    matches += map(translation_match, partial.translations)
    classes = [choice for matched in partial.classes for choice in recall_choices(matched)]
    matches += (match for _key, match in classes)
    matching_numbers = iter(index.matching(matches, numbers))
    complete = next(matching_numbers)
    of_words = list(islice(matching_numbers, len(partial.words)))
    of_readers = list(islice(matching_numbers, len(partial.words)))
    of_translations = list(islice(matching_numbers, len(partial.translations)))
    of_classes = list(matching_numbers)
    lacks = {}
    sentences: dict[str, LocalText] = {}  # class -> its sentence, the same for many hits
    for number in numbers:
        if number in complete:
            continue
        missing = [word for word, matching in zip(partial.words, of_words, strict=True) if number not in matching]
        because: LocalText | None = None
        for translation, matching in zip(partial.translations, of_translations, strict=True):
            replaced = [word for word in missing if word.roots <= translation.roots]
            if number in matching and replaced:
                missing = [word for word in missing if word not in replaced]
                typed = " ".join(word.text for word in replaced)
                because = because or sentence("WHY_SAME_MEANING", word=typed, form=translation.other)
        used = [
            word
            for word, matching in zip(partial.words, of_readers, strict=True)
            if number in matching and word in missing
        ]
        if used:
            missing = [word for word in missing if word not in used]
            because = because or sentence("WHY_READERS", word=" ".join(word.text for word in used))
        for (key, _match), matching in zip(classes, of_classes, strict=True):
            if number in matching and missing and because is None:
                if key not in sentences:
                    sentences[key] = describe_class(key, finder)
                because = sentences[key]
        lacks[number] = Lack(tuple(word.text for word in missing), because)
    return lacks


def describe_class(key: str, finder: ClassFinder) -> LocalText:
    """Return the sentence that a hit is in a class, with the number and caption of the class."""
    caption = finder.caption(key) or LocalText("", "")
    number = notation(key)
    return sentence("WHY_CLASS", name=LocalText(f"{number} {caption.id}".strip(), f"{number} {caption.en}".strip()))


def _wanted(part: Word, audience: str) -> WantedWord:
    """Build the match of a word. A weak word has less weight; a word such as `anak` also matches the audience's books.

    audience  audience that the query asks for: `anak remaja` does not ask for children's books
    """
    words = _read(part)
    is_weak = all(map(is_weak_word, words))
    match = match_of(part)
    if as_typed := tuple(Term("text", word, weights.PARTLY_AS_TYPED) for word in words if root(word) != word):
        match = DisMax((match, *as_typed), 1.0)
    match = scaled(match, weights.WEAK) if is_weak else match
    if audience and audience in {audience_of(root(word)) for word in words}:
        match = DisMax((match, scaled(audience_match(audience), weights.OF_AUDIENCE)), 1.0)
    roots = frozenset(map(root, words))
    of_readers = _match_of_readers(words, (STORY, WORK, SUBJECT))
    is_name = any(map(_is_name, words))
    return WantedWord(
        part.text,
        roots,
        match,
        scaled(of_readers, weights.WEAK) if is_weak else of_readers,
        _match_of_readers(words, (STORY, WORK)) if is_name else Or(()),
        is_weak,
        all(map(is_common_word, words)),
        all(map(is_real_word, words)),
    )


def _match_of_readers(words: Sequence[str], kinds: Sequence[str]) -> Match:
    """Match the records for which readers use each of these words, in one of its forms."""
    forms_of_words = [sorted({root(word), *variants_of(word)}) for word in words]
    of_words = [
        DisMax(
            tuple(Keyword("reader_word", tuple(map(kind.__add__, forms)), weights.OF_READERS[kind]) for kind in kinds),
            0.0,
        )
        for forms in forms_of_words
    ]
    return of_words[0] if len(of_words) == 1 else And(tuple(of_words))


def _is_name(word: str) -> bool:
    """Tell whether a word is probably a name: it is in no list of words, which have no short words."""
    return len(word) >= SHORTEST_NAME and word.isalpha() and not is_real_word(word)


def _rarest(totals: Iterable[tuple[Searched, int]], *, at_least: int) -> set[Searched]:
    """Return the items with the fewest records, as long as these are together no more than paging may reach.

    A word or a class with more records says little, and would take most of the time of a search.

    at_least  number of items that are returned even so; items without records are never returned
    """
    rarest: set[Searched] = set()
    reached = 0
    for item, total in sorted(totals, key=lambda pair: pair[1]):
        reached += total
        if total and (reached <= REACH or len(rarest) < at_least):
            rarest.add(item)
    return rarest


def _read(part: Word) -> list[str]:
    return list(map(reading_of, words_of(part.text)))


def _is_plain(part: Part) -> bool:
    return isinstance(part, Word) and not part.field and not part.prefix


def _has_enough_known(
    documents: int,
    words: Sequence[WantedWord],
    recalled: frozenset[str],
    totals: Sequence[int],
    *,
    asks_for_kind: bool,
) -> bool:
    """Tell whether most of the words are known, by number or by rarity; an unknown word has the greatest rarity.

    Half of the words are enough when two are known and one of them has related words or a class, a third when one or
    two records have one of them: `krakatoa` says enough. So does one of a pair that few records have, if the other is a
    real word. A number or a common word (dipegang, anjlok) does not count while no record has it, nor does a single
    digit.

    recalled       roots of words for which related words or classes have records
    asks_for_kind  the query asks for stories or facts, which counts as one more known word beside another
    """
    decisive = [
        (word, total)
        for word, total in zip(words, totals, strict=True)
        if not word.is_weak and (total or word.roots <= recalled or not word.is_common)
    ]
    decisive = decisive or list(zip(words, totals, strict=True))
    decisive = [pair for pair in decisive if not _is_number(pair[0]) or (pair[1] and len(pair[0].text) > 1)] or decisive
    rarities = [rarity_of(total, documents) for _word, total in decisive]
    is_recalled = [word.roots <= recalled for word, _total in decisive]
    known_rarities = [
        rarity for (_word, total), rarity, has in zip(decisive, rarities, is_recalled, strict=True) if total or has
    ]
    known, number = len(known_rarities), len(decisive)
    are_real = all(total or word.is_real for word, total in decisive)

    def has_rare(most: int, one_in: int) -> bool:
        return any(
            0 < total <= min(most, documents / one_in) and not word.is_common and not _is_number(word)
            for word, total in decisive
        )

    if known and asks_for_kind:
        known, number = known + 1, number + 1
    return (
        known >= MOST_BY_NUMBER * number
        or (known >= max(2, HALF * number) and any(is_recalled))
        or (known >= THIRD * number and has_rare(*FEW))
        or (known >= HALF * number and number == 2 and are_real and has_rare(*FEW_BESIDE_REAL))
        or sum(known_rarities) > MOST_BY_RARITY * sum(rarities)
    )


def _is_number(word: WantedWord) -> bool:
    return any(map(str.isdigit, word.text))


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


def _choices(
    word: WantedWord,
    words: Sequence[WantedWord],
    is_searched: bool,
    translations: Sequence[Translation],
    classes: Sequence[MatchedClass],
    class_weights: Mapping[str, float],
) -> list[Match]:
    """List the matches of one word: the word itself, related words, and classes that have the word.

    Only the best match counts, so a record that matches each word comes before one with a word and also its class.
    """
    choices = [_in_subject_first(word.match)] if is_searched else []
    for translation in translations:
        if word.roots <= translation.roots:
            shared = sum(other.roots <= translation.roots for other in words)
            # Related to several words: more than for one word, but less than for each of them.
            factor = weights.WEAK if word.is_weak and shared == 1 else 1 / math.sqrt(shared)
            choices.append(_in_subject_first(scaled(translation_match(translation), factor)))
    if is_searched and len(choices) > 1:
        choices = [DisMax(tuple(choices), 0.0)]  # otherwise the English edition of `gadis pantai` comes first
    recalled = (
        scaled(recall_match(matched), class_weights[matched.key]) for matched in classes if word.roots <= matched.roots
    )
    return [*choices, *recalled]


def _class_weight(documents: int, total: int) -> float:
    """Return the factor of a class's weight: a class with few records says more about the topic, like a rare word.

    documents  number of records of the index; 0 while it is empty
    """
    documents = max(documents, 1)
    rarity = math.log1p(documents / max(total, 1)) / math.log1p(documents)
    return min(max(rarity / weights.USUAL_RARITY, 1.0), weights.MOST_RARITY)
