"""Why a hit ranks where it does, in words: computed from the Match tree and the record's own document.

No engine is asked for its explanation, so both editions say the same; of an index only the rarity of words is asked.
What the parts add is scaled so that they sum to the engine's own score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from chassis.context import Context
from chassis.db import Database
from chassis.sentences import LocalText, sentence
from services.catalog.analysis import root, tokens
from services.catalog.index.matches import DisMax, Keyword, Match, Or, Prefix, Term
from services.catalog.index.matches import Phrase as SideBySide
from services.catalog.index.port import Index, Request, Sort
from services.catalog.index.queue import load_changes
from services.catalog.record.index_fields import BEGUN, END, IN
from services.catalog.search.execution import Answer
from services.catalog.search.expansion import variant_matches
from services.catalog.search.query.tree import AnyOf, Part, Phrase, Word
from services.catalog.search.scorer import Fields, Leaf, bm25, total_weight, weigh

MOST_REASONS = 12
# Where a word stands, what counts most first; `text` has all words, and so says what the others do not have.
PLACES = {
    "title": "WHY_IN_TITLE",
    "author": "WHY_IN_AUTHOR",
    "subject": "WHY_IN_SUBJECT",
    "text": "WHY_IN_TEXT",
}
KEYWORDS = {
    "isbn": "WHY_ISBN",
    "identifier": "WHY_IDENTIFIER",
    "name": "WHY_NAME",
    "opening": "WHY_OPENING",
}
SORTED = {
    "year": "WHY_SORTED_YEAR",
    "year_asc": "WHY_SORTED_YEAR_ASC",
    "title": "WHY_SORTED_TITLE",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """weight: its part of the score; 0 where the order is not by relevance"""

    text: LocalText
    weight: float


def explain_hits(
    database: Database, index: Index, *, context: Context, answer: Answer, sort: Sort
) -> dict[int, list[Reason]]:
    """Record number -> why it ranks where it does, heaviest first, at most twelve reasons.

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    scores = dict(zip(answer.hits.numbers, answer.hits.scores, strict=True))
    if sort in SORTED:
        return {number: [Reason(sentence(SORTED[sort]), 0.0)] for number in scores}
    with database.reading(context) as session:
        changes = load_changes(session, dict.fromkeys(scores, 0))
    documents = {change.number: Fields(change.document) for change in changes if change.document is not None}
    known: dict[Term, int] = {}
    lengths: dict[str, float] = {}

    def frequency(term: Term) -> int:
        bare = Term(term.field, term.token)
        if bare not in known:
            known[bare] = index.search(Request(bare, limit=0)).total
        return known[bare]

    def length(field: str) -> float:
        if field not in lengths:
            lengths[field] = fmean(len(each.tokens(field)) + 1 for each in documents.values())
        return lengths[field]

    rarity, typed = bm25(index.count(), frequency, length), dict(_typed_words(answer.query.parts))
    own, others = _split_variants(answer.match, variant_matches(database, answer.query))
    explained = {}
    for number, fields in documents.items():
        parts = weigh(own, fields, rarity) or []
        said, form = max(
            ((total_weight(weigh(each, fields, rarity) or []), form) for each, form in others), default=(0.0, "")
        )
        computed = total_weight(parts) + said
        scale = scores[number] / computed if computed > 0 else 0.0
        added: dict[LocalText, float] = defaultdict(float)
        for leaf, weight in parts:
            if weight > 0:
                added[_describe(leaf, fields, typed)] += weight * scale
        if said > 0:
            added[sentence("WHY_KNOWN_AS", form=form)] += said * scale
        reasons = [Reason(text, round(weight, 3)) for text, weight in added.items()]
        explained[number] = sorted(reasons, key=lambda each: (-each.weight, each.text.en))[:MOST_REASONS]
    return explained


def _split_variants(match: Match, others: Mapping[Match, str]) -> tuple[Match, list[tuple[Match, str]]]:
    """What was asked for as it was typed, and each variant of it with the form it says instead (varying.widened)."""
    match match:
        case Or(of=(own, DisMax(choices=choices))) if others and all(each in others for each in choices):
            return own, [(each, others[each]) for each in choices]
    return match, []


def _typed_words(parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """(root, word) of every word as it was typed."""
    for part in parts:
        if isinstance(part, Word | Phrase):
            for token in tokens(part.text):
                yield root(token), token
        elif isinstance(part, AnyOf):
            for choice in part.choices:
                yield from _typed_words(choice.parts)


def _describe(leaf: Leaf, fields: Fields, typed: Mapping[str, str]) -> LocalText:
    match leaf:
        case Term():
            return _describe_term(leaf, fields, typed)
        case Prefix(field="identifier"):
            return sentence("WHY_NUMBER_BEGINS")
        case Prefix(field=field, token=token) if field in PLACES:
            return _describe_place(fields, (field,), token, typed, begun=True)
        case SideBySide(field=field, tokens=words):
            place = next((each for each in PLACES if _has_phrase(fields.tokens(each), words)), field)
            return sentence("WHY_TOGETHER", word=" ".join(words), place=sentence(PLACES[place]))
        case Keyword(field="opening", values=(value,)) if value.endswith(END):
            return sentence("WHY_WHOLE_TITLE")
        case Keyword(field=field) if field in KEYWORDS:
            return sentence(KEYWORDS[field])
        case _:
            return sentence("WHY_OTHER")


def _describe_term(term: Term, fields: Fields, typed: Mapping[str, str]) -> LocalText:
    """Where a word stands. Terms of `any` are roots, roots of one kind of words, or beginnings."""
    if term.field != "any":
        return _describe_place(
            fields, [each for each in PLACES if term.field in (each, "text")], term.token, typed, exact=True
        )
    for kind, sign in IN.items():
        if term.token.startswith(sign):
            places = (kind,) if kind in PLACES else ("text",)
            return _describe_place(fields, places, term.token.removeprefix(sign), typed)
    begun = term.token.startswith(BEGUN)
    return _describe_place(fields, tuple(PLACES), term.token.removeprefix(BEGUN), typed, begun=begun)


def _describe_place(
    fields: Fields,
    places: Sequence[str],
    word: str,
    typed: Mapping[str, str],
    *,
    begun: bool = False,
    exact: bool = False,
) -> LocalText:
    """The place that counts most where the word stands, as it was typed, in another form, or begun.

    exact  only as it was typed
    """
    said = typed.get(word, word)
    for place in places:
        there = fields.tokens(place)
        if said in there:
            return sentence("WHY_EXACT", word=said, place=sentence(PLACES[place]))
        if exact:
            continue
        form = next((each for each in there if root(each) == word or root(each) == root(said)), "")
        if form:
            return sentence("WHY_FORM", word=said, form=form, place=sentence(PLACES[place]))
        start = next((each for each in there if begun and each.startswith(word)), "")
        if start:
            return sentence("WHY_STARTS", word=said, form=start, place=sentence(PLACES[place]))
    return sentence("WHY_SOMEWHERE", word=said)


def _has_phrase(tokens: Sequence[str], words: Sequence[str]) -> bool:
    return any(tuple(tokens[at : at + len(words)]) == tuple(words) for at in range(len(tokens) - len(words) + 1))
