"""The words of a query that a hit may lack: their matches, and whether enough of them are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.catalog.analysis import audience_of, is_common_word, is_weak_word, reading_of, root, variants_of
from services.catalog.analysis.word_lists import is_real_word
from services.catalog.index.matches import And, DisMax, Keyword, Match, Or, Term, scaled
from services.catalog.record.reader_words import STORY, SUBJECT, WORK
from services.catalog.search.class_recall import QueryWords, Roots, words_of
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
    roots: Roots
    match: Match
    of_readers: Match
    of_a_name: Match
    is_weak: bool
    is_common: bool
    is_real: bool

    @property
    def is_number(self) -> bool:
        return any(map(str.isdigit, self.text))


def wanted_words(query: Query, *, audience: str) -> list[WantedWord]:
    """List the first words of a query that decide, each once.

    audience  audience that the query asks for: `anak remaja` does not ask for children's books
    """
    light = QueryWords(query).light
    parts = [part for part in query.parts if isinstance(part, Word) and is_plain(part)]
    words = [_wanted(part, audience) for part in parts if not light >= set(_read(part))]
    return list(dict.fromkeys(words))[:MOST_WORDS]


def is_plain(part: Part) -> bool:
    return isinstance(part, Word) and not part.field and not part.prefix


def has_enough_known(
    words: Sequence[WantedWord], totals: Sequence[int], *, documents: int, recalled: Roots, asks_for_kind: bool
) -> bool:
    """Tell whether most of the words are known, by number or by rarity; an unknown word has the greatest rarity.

    Half of the words are enough when two are known and one of them has related words or a class, a third when one or
    two records have one of them: `krakatoa` says enough. So does one of a pair that few records have, if the other is a
    real word.

    totals         number of records that have each word
    documents      number of all records
    recalled       roots of words for which related words or classes have records
    asks_for_kind  the query asks for stories or facts, which counts as one more known word beside another
    """
    decisive = _decisive(list(zip(words, totals, strict=True)), recalled)
    number_of_words = len(decisive)
    rarities = [rarity_of(total, documents) for _word, total in decisive]
    is_recalled = [word.roots <= recalled for word, _total in decisive]
    is_known = [bool(total or has) for (_word, total), has in zip(decisive, is_recalled, strict=True)]
    number_of_known = sum(is_known)
    if number_of_known and asks_for_kind:
        number_of_known, number_of_words = number_of_known + 1, number_of_words + 1
    are_real = all(total or word.is_real for word, total in decisive)
    known_rarity = sum(rarity for rarity, counts in zip(rarities, is_known, strict=True) if counts)

    def has_rare(most: int, one_in: int) -> bool:
        return any(
            0 < total <= min(most, documents / one_in) and not word.is_common and not word.is_number
            for word, total in decisive
        )

    return (
        number_of_known >= MOST_BY_NUMBER * number_of_words
        or (number_of_known >= max(2, HALF * number_of_words) and any(is_recalled))
        or (number_of_known >= THIRD * number_of_words and has_rare(*FEW))
        or (number_of_words == 2 and number_of_known and are_real and has_rare(*FEW_BESIDE_REAL))
        or known_rarity > MOST_BY_RARITY * sum(rarities)
    )


def _decisive(counted: list[tuple[WantedWord, int]], recalled: Roots) -> list[tuple[WantedWord, int]]:
    """Choose the words that decide, with their totals; all of them if none does.

    A number or a common word (dipegang, anjlok) does not count while no record has it, nor does a single digit.
    """
    decisive = [
        (word, total)
        for word, total in counted
        if not word.is_weak and (total or word.roots <= recalled or not word.is_common)
    ]
    decisive = decisive or counted
    return [pair for pair in decisive if not pair[0].is_number or (pair[1] and len(pair[0].text) > 1)] or decisive


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


def _read(part: Word) -> list[str]:
    return list(map(reading_of, words_of(part.text)))
