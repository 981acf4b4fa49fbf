"""Explains the rank of a hit in words, from the match tree and the record's document.

Both engines get the same explanations, because only document frequencies come from the index. The weights are scaled so
that their sum is the engine's score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from chassis.context import Context
from chassis.database.db import Database
from chassis.sentences import LocalText, sentence
from services.catalog.analysis import root, tokens, variants_of
from services.catalog.index.changes import load_changes
from services.catalog.index.matches import And, Between, DisMax, Keyword, Match, Or, Prefix, Term
from services.catalog.index.matches import Phrase as SideBySide
from services.catalog.index.port import Index, Request, Sort
from services.catalog.record.captions import caption
from services.catalog.record.headings import SUBJECT_SIGN
from services.catalog.record.index_document import BEGINNING, END, KIND_SIGNS
from services.catalog.search.class_matches import recall_choices
from services.catalog.search.class_recall import ClassFinder, QueryExpansion
from services.catalog.search.execution import Answer
from services.catalog.search.expansion import variant_matches
from services.catalog.search.missing_words import describe_class
from services.catalog.search.partial_hits import PartialMatch
from services.catalog.search.preferences import kind_match
from services.catalog.search.query.tree import AnyOf, Part, Phrase, Word
from services.catalog.search.scorer import Fields, Leaf, bm25, has_phrase, total_weight, weigh

MOST_REASONS = 12
# Fields by weight. `text` has all words, so an explanation names it only for words that no other field has.
PLACES = {"title": "WHY_IN_TITLE", "author": "WHY_IN_AUTHOR", "subject": "WHY_IN_SUBJECT", "text": "WHY_IN_TEXT"}
KEYWORDS = {"isbn": "WHY_ISBN", "identifier": "WHY_IDENTIFIER", "name": "WHY_NAME", "opening": "WHY_OPENING"}
VALUES = {"facet_audience": "WHY_AUDIENCE", "facet_class": "WHY_CLASS", "facet_language": "WHY_LANGUAGE"}
SORTED = {"year": "WHY_SORTED_YEAR", "year_asc": "WHY_SORTED_YEAR_ASC", "title": "WHY_SORTED_TITLE"}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for a hit's rank. weight: its part of the score; 0 unless sorted by relevance."""

    text: LocalText
    weight: float


def explain_hits(
    database: Database, index: Index, *, context: Context, answer: Answer, sort: Sort, finder: ClassFinder
) -> dict[int, list[Reason]]:
    """Return record number -> the reasons of its rank, heaviest first, at most twelve.

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    scores = dict(zip(answer.hits.numbers, answer.hits.scores, strict=True))
    if sort in SORTED:
        return {number: [Reason(sentence(SORTED[sort]), 0.0)] for number in scores}
    with database.reading(context) as session:
        changes = load_changes(session, dict.fromkeys(scores, 0))
    documents = {change.number: Fields(change.document) for change in changes if change.document is not None}
    frequencies: dict[Term, int] = {}
    lengths: dict[str, float] = {}

    def frequency(term: Term) -> int:
        bare = Term(term.field, term.token)
        if bare not in frequencies:
            frequencies[bare] = index.search(Request(bare, limit=0)).total
        return frequencies[bare]

    def length(field: str) -> float:
        if field not in lengths:
            lengths[field] = fmean(len(document.tokens(field)) + 1 for document in documents.values())
        return lengths[field]

    rarity, typed_words = bm25(index.count(), frequency, length), dict(_typed_words(answer.query.parts))
    partial = answer.partial
    complete = answer.match if partial is None else partial.complete
    typed_match, variants = _split_variants(complete, variant_matches(database, answer.query))
    recalled = _recalled(partial, finder.find(answer.query), finder)
    reasons_by_number = {}
    for number, fields in documents.items():
        parts = weigh(typed_match, fields, rarity) or []
        variant_score, form = max(
            ((total_weight(weigh(variant, fields, rarity) or []), form) for variant, form in variants),
            default=(0.0, ""),
        )
        if not parts and not variant_score and partial is not None:
            parts = weigh(partial.part, fields, rarity) or []
        computed_score = total_weight(parts) + variant_score
        scale = scores[number] / computed_score if computed_score > 0 else 0.0
        weights: dict[LocalText, float] = defaultdict(float)
        for leaf, weight in parts:
            if weight > 0:
                weights[recalled.get(_bare(leaf)) or _describe(leaf, fields, typed_words)] += weight * scale
        if variant_score > 0:
            weights[sentence("WHY_KNOWN_AS", form=form)] += variant_score * scale
        reasons = [Reason(text, round(weight, 3)) for text, weight in weights.items()]
        reasons_by_number[number] = sorted(reasons, key=lambda reason: (-reason.weight, reason.text.en))[:MOST_REASONS]
    return reasons_by_number


def _recalled(partial: PartialMatch | None, expansion: QueryExpansion, finder: ClassFinder) -> dict[Leaf, LocalText]:
    """Return leaf -> description for the leaves of related words, classes and a kind; the leaves without boost."""
    described: dict[Leaf, LocalText] = {}
    for matched in expansion.classes:
        for key, match in recall_choices(matched):
            for leaf in _leaves(match):
                described.setdefault(_bare(leaf), describe_class(key, finder))
    if kind := expansion.preferences.kind:
        for leaf in _leaves(kind_match(kind)):
            described.setdefault(_bare(leaf), sentence("WHY_FICTION" if kind == "fiction" else "WHY_FACTS"))
    if partial is None:
        return described
    for word in partial.words:
        for leaf in _leaves(word.of_readers):
            described.setdefault(_bare(leaf), sentence("WHY_READERS", word=word.text))
    typed = frozenset[str]().union(*(word.roots for word in partial.words))
    for translation in partial.translations:
        words = " ".join(word.text for word in partial.words if word.roots <= translation.roots)
        for other in translation.other_roots:
            if other not in typed:
                text = sentence("WHY_SAME_MEANING", word=words, form=translation.other)
                described.setdefault(Term("any", other, 0.0), text)
    return described


def _leaves(match: Match) -> Iterator[Leaf]:
    match match:
        case And(of=parts) | DisMax(choices=parts):
            for part in parts:
                yield from _leaves(part)
        case Between() | Keyword():
            yield match


def _bare(leaf: Leaf) -> Leaf:
    return replace(leaf, boost=0.0)


def _split_variants(match: Match, variants: Mapping[Match, str]) -> tuple[Match, list[tuple[Match, str]]]:
    """Split the match of `expand` into the query's own match and its variants with their forms."""
    match match:
        case Or(of=(typed_match, DisMax(choices=choices))) if variants and all(
            choice in variants for choice in choices
        ):
            return typed_match, [(choice, variants[choice]) for choice in choices]
    return match, []


def _typed_words(parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """Yield (root, word) of every word as typed and of its variants."""
    for part in parts:
        if isinstance(part, Word | Phrase):
            for token in tokens(part.text):
                yield from ((variant, token) for variant in variants_of(token))
            for token in tokens(part.text):
                yield root(token), token
        elif isinstance(part, AnyOf):
            for choice in part.choices:
                yield from _typed_words(choice.parts)


def _describe(leaf: Leaf, fields: Fields, typed_words: Mapping[str, str]) -> LocalText:
    match leaf:
        case Term():
            return _describe_term(leaf, fields, typed_words)
        case Prefix(field="identifier"):
            return sentence("WHY_NUMBER_BEGINS")
        case Prefix(field=field, token=token) if field in PLACES:
            return _describe_place(fields, (field,), token, typed_words, as_beginning=True)
        case SideBySide(field=field, tokens=words):
            field_name = next((name for name in PLACES if has_phrase(fields.tokens(name), words)), field)
            return sentence("WHY_TOGETHER", word=" ".join(words), place=sentence(PLACES[field_name]))
        case Between(field="year", low=year, high=high) if year == high:
            return sentence("WHY_YEAR", year=str(year))
        case Between(field="number"):
            return sentence("WHY_WORDS")
        case Keyword(field="opening", values=(value,)) if value.endswith(END):
            return sentence("WHY_WHOLE_TITLE")
        case Keyword(field="name", values=(value,)) if value.startswith(SUBJECT_SIGN):
            return sentence("WHY_WHOLE_SUBJECT")
        case Keyword(field=field, values=(value,)) if field in VALUES:
            return sentence(VALUES[field], name=caption(field.removeprefix("facet_"), value) or LocalText(value, value))
        case Keyword(field=field) if field in KEYWORDS:
            return sentence(KEYWORDS[field])
        case _:
            return sentence("WHY_OTHER")


def _describe_term(term: Term, fields: Fields, typed_words: Mapping[str, str]) -> LocalText:
    """Describe where a term matches. A term of `any` is a root, a root of one kind of words, or a beginning."""
    if term.field != "any":
        return _describe_place(
            fields,
            [place for place in PLACES if term.field in (place, "text")],
            term.token,
            typed_words,
            only_as_typed=True,
        )
    for kind, sign in KIND_SIGNS.items():
        if term.token.startswith(sign):
            places = (kind,) if kind in PLACES else ("text",)
            return _describe_place(fields, places, term.token.removeprefix(sign), typed_words)
    is_beginning = term.token.startswith(BEGINNING)
    return _describe_place(
        fields, tuple(PLACES), term.token.removeprefix(BEGINNING), typed_words, as_beginning=is_beginning
    )


def _describe_place(
    fields: Fields,
    places: Sequence[str],
    word: str,
    typed_words: Mapping[str, str],
    *,
    as_beginning: bool = False,
    only_as_typed: bool = False,
) -> LocalText:
    """Describe the field of the greatest weight that has the word as typed, in another form, or as a beginning.

    only_as_typed  do not compare other forms
    """
    typed_word = typed_words.get(word, word)
    for place in places:
        field_tokens = fields.tokens(place)
        if typed_word in field_tokens:
            return sentence("WHY_EXACT", word=typed_word, place=sentence(PLACES[place]))
        if only_as_typed:
            continue
        form = next((token for token in field_tokens if root(token) == word or root(token) == root(typed_word)), "")
        if form:
            return sentence("WHY_FORM", word=typed_word, form=form, place=sentence(PLACES[place]))
        beginning = next((token for token in field_tokens if as_beginning and token.startswith(word)), "")
        if beginning:
            return sentence("WHY_STARTS", word=typed_word, form=beginning, place=sentence(PLACES[place]))
    return sentence("WHY_SOMEWHERE", word=typed_word)
