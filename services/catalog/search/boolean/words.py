"""Clauses of words and of numbers: matches in the field `fielded`, and in all words of a record."""

from __future__ import annotations

from collections.abc import Sequence

from services.catalog.analysis import MAX_TOKEN, isbn13, root
from services.catalog.index.matches import And, Boosted, Match, Near, Or, Pattern, Phrase, Prefix, Term
from services.catalog.record.field_words import BORDER, FIELDED, number_of
from services.catalog.record.index_document import KIND_SIGNS
from services.catalog.search.boolean.terms import MASKS, Part, joined, read_term
from services.catalog.search.query.fields import SEARCH_FIELDS, SearchField
from services.catalog.search.ranking import weights

_ALL_WORDS = "text"
_WORD_SIGNS = tuple(dict.fromkeys(sign for row in SEARCH_FIELDS.values() if row.kind == "words" for sign in row.places))
_NUMBER_SIGNS = tuple(
    dict.fromkeys(sign for row in SEARCH_FIELDS.values() if row.kind == "number" for sign in row.places)
)


def match_words(field: SearchField, relation: str, parts: Sequence[Part], term: str) -> Match:
    """Match the words of a term in a field.

    relation  all, any, = (side by side) or == (the whole field, or its main part)
    raises    Invalid  ANCHOR_MISPLACED
    """
    if relation in ("all", "any"):
        return combined(relation, [_side_by_side(field, part) for part in parts])
    part = joined(parts, term)
    return _side_by_side(field, part if relation == "=" else Part(part.words, first=True, last=True))


def match_roots(field: SearchField, relation: str, words: Sequence[str]) -> Match | None:
    """Match words in any form; None when the index has no roots of this field, or masks and phrases are in the term."""
    sign = "" if field.name == "any" else KIND_SIGNS.get(field.name)
    if sign is None or (len(words) > 1 and relation == "=") or relation == "==" or any(map(MASKS.search, words)):
        return None
    return combined(relation, [Term("any", sign + root(word)) for word in words])


def match_number(field: SearchField, relation: str, term: str, *, masked: bool) -> Match:
    """Match an ISBN, a barcode, a call number or another number, without its punctuation; all and any: several."""
    parts = read_term(number_of(term) if field.name == "control" else term, field=field.name, masked=masked)
    numbers = ["".join(part.words) for part in parts]
    if relation in ("=", "=="):
        numbers = ["".join(numbers)]
    numbers = [_cut(number) for number in numbers]
    if field.name == "isbn":
        numbers = [isbn13(number) or number for number in numbers]
    sign = field.places[0]
    return combined(relation, [tokens_match(FIELDED, (sign + number,), weights.IDENTIFIER) for number in numbers])


def match_near(
    field: SearchField, first: Sequence[str], second: Sequence[str], distance: int, *, ordered: bool
) -> Match:
    """Match words near others: side by side each, and at most `distance` words from the first to the second ones."""
    pairs = [(first, second)] if ordered else [(first, second), (second, first)]
    matches: list[Match] = []
    for left, right in pairs:
        for place, sign in [(FIELDED, sign) for sign in field.places] or [(_ALL_WORDS, "")]:
            first_tokens, second_tokens = (tuple(sign + word for word in words) for words in (left, right))
            matches.append(Near(place, first_tokens, second_tokens, distance, weights.PHRASE))
    return combined("any", matches)


def combined(relation: str, matches: Sequence[Match]) -> Match:
    """Match any of these, or all of them."""
    if len(matches) == 1:
        return matches[0]
    return Or(tuple(matches)) if relation == "any" else And(tuple(matches))


def _side_by_side(field: SearchField, part: Part) -> Match:
    phrase_boost = weights.PHRASE_IN.get(field.name, weights.PHRASE)
    if field.name != "any":
        return combined("any", [tokens_match(FIELDED, _signed(sign, part), phrase_boost) for sign in field.places])
    if part.first or part.last:
        choices = [tokens_match(FIELDED, _signed(sign, part), phrase_boost) for sign in _WORD_SIGNS]
    else:
        choices = [tokens_match(_ALL_WORDS, part.words, phrase_boost)]
    number = "".join(part.words)
    if any(map(str.isdigit, number)) and not MASKS.search(number):
        number = isbn13(number) or _cut(number)
        choices += [tokens_match(FIELDED, (sign + number,), weights.IDENTIFIER) for sign in _NUMBER_SIGNS]
    # The roots rank the hits by the fields that have the words, as in every search.
    roots = [Term("any", root(word), weights.ANYWHERE) for word in part.words if not MASKS.search(word)]
    return Boosted(combined("any", choices), tuple(roots)) if roots else combined("any", choices)


def _cut(number: str) -> str:
    """Cut a number without masks as `squeeze` does for the index."""
    return number if MASKS.search(number) else number[:MAX_TOKEN]


def _signed(sign: str, part: Part) -> tuple[str, ...]:
    border = (sign + BORDER,)
    return (*(border if part.first else ()), *(sign + word for word in part.words), *(border if part.last else ()))


def tokens_match(field: str, tokens: tuple[str, ...], boost: float = weights.PHRASE) -> Match:
    """Match tokens side by side, with masks or without."""
    if not any(map(MASKS.search, tokens)):
        return Term(field, tokens[0]) if len(tokens) == 1 else Phrase(field, tokens, boost)
    if len(tokens) == 1 and not MASKS.search(tokens[0][:-1]) and tokens[0][-1] == "*":
        return Prefix(field, tokens[0][:-1], boost)
    return Pattern(field, tokens, boost)
