"""Builds the match tree of a query: one root for each word, and bonuses for the field and the form of its matches.

The required matches decide which records are hits. A bonus only adds to the score of a hit, and the engine tests it
only for hits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.catalog.analysis import (
    ARTICLES,
    TITLES,
    as_old,
    initials,
    is_light_word,
    is_old,
    is_stop_word,
    light_words,
    name_key,
    reading_of,
    root,
    squeeze,
    tokens,
    variants_of,
)
from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Not, Or, Phrase, Prefix, Term
from services.catalog.record.headings import subject_key
from services.catalog.record.index_document import BEGINNING, BEGINNING_LENGTHS, END, KIND_SIGNS
from services.catalog.search.query.fields import FACETS
from services.catalog.search.query.tree import AnyOf, Classes, FacetCode, Identifier, Isbn, Part, Query, Word, Years
from services.catalog.search.query.tree import Phrase as Quoted
from services.catalog.search.ranking import weights

_MOST_CACHED = 4_096  # words whose tokens and matches are cached, because queries share words
_MOST_CLOSE_WORDS = 8  # of a query; a longer one is neither a name nor a call number
_ENDINGS = ("an", "nya", "lah", "kah")
_SHORTEST, _LONGEST = BEGINNING_LENGTHS
_YEAR = re.compile(r"1[4-9][0-9]{2}|20[0-9]{2}")
_CLASS = re.compile(r"[0-9]{3}|2x[0-9]{1,2}")
_DECIMAL_CLASS = re.compile(r"[0-9]{3}\.[0-9]+")


@dataclass(slots=True)
class _Token:
    """A folded word of the query.

    may_be_beginning  it may be the beginning of a word
    is_light          a light word, a title of a person or an article: the other words decide
    may_be_old        this word has a j, and another word of the query is in old spelling
    """

    text: str
    field: str
    may_be_beginning: bool
    is_light: bool
    may_be_old: bool = False


def rank(query: Query, *, scored: bool = True) -> Match:
    """Build the match tree of a query: which records match, and the score of each.

    scored  False for a query whose hits are only counted: without bonuses
    """
    last = len(query.parts) - 1
    tokens_of_parts = [_tokens(part, may_be_beginning=position == last) for position, part in enumerate(query.parts)]
    query_tokens = [token for part_tokens in tokens_of_parts if part_tokens for token in part_tokens]
    _mark_context(query_tokens)
    has_other_parts = not query.parts or None in tokens_of_parts
    if has_other_parts or not all(token.is_light for token in query_tokens):
        content_tokens = [token for token in query_tokens if not token.is_light]
        light_words = dict.fromkeys(token.text for token in query_tokens if token.is_light)
    else:
        content_tokens, light_words = query_tokens, {}
    required: list[Match] = [
        match_of(part) for part, part_tokens in zip(query.parts, tokens_of_parts, strict=True) if part_tokens is None
    ]
    required.extend(_required(content_tokens))
    match = _or_identifier(query, query_tokens, required[0] if len(required) == 1 else And(tuple(required)))
    bonus: list[Match] = []
    if scored:
        bonus += [as_typed for token in content_tokens if (as_typed := _as_typed(token)) is not None]
        bonus.extend(map(_light_bonus, light_words))
        bonus.extend(_closeness_bonuses(query, query_tokens))
    if bonus:
        match = Boosted(match, tuple(bonus))
    if query.without:
        match = Not(match, tuple(match_of(part) for part in query.without))
    return match


@lru_cache(_MOST_CACHED)
def rank_alone(part: Part) -> Match:
    """Build the match tree of a query of one part whose hits are only counted."""
    return rank(Query((part,)), scored=False)


def _mark_context(query_tokens: Sequence[_Token]) -> None:
    """Set is_light for weak words of a question, clear it for initials in a row, and set may_be_old."""
    plain_tokens = [token for token in query_tokens if not token.field]
    if len(plain_tokens) > 1:
        light = light_words([token.text for token in plain_tokens])
        for token in plain_tokens:
            token.is_light = token.is_light or token.text in light
    for start, end in _initial_runs(query_tokens):
        for token in query_tokens[start:end]:
            token.is_light = False
    if any(is_old(token.text) for token in query_tokens):
        for token in query_tokens:
            token.may_be_old = "j" in token.text


def _initial_runs(query_tokens: Sequence[_Token]) -> list[tuple[int, int]]:
    """Return (start, end) of each run of initials."""
    letters = [token.text if not token.field else "" for token in query_tokens]
    if sum(len(letter) == 1 for letter in letters) < 2:
        return []
    runs = [(position, position + run) for position in range(len(letters)) if (run := initials(letters, position))]
    return [run for run in runs if not any(start < run[0] < end for start, end in runs)]


def match_of(part: Part, *, may_be_beginning: bool = False) -> Match:
    """Match records that have this part. may_be_beginning: the reader may still be typing it."""
    match part:
        case Word():
            part_tokens = _tokens(part, may_be_beginning=may_be_beginning) or []
            required = _required([token for token in part_tokens if not token.is_light] or part_tokens)
            return required[0] if len(required) == 1 else And(tuple(required))
        case Quoted():
            return _phrase(part)
        case Isbn(number=number, ten=ten):
            identifiers = (number.lower(), ten) if ten else (number.lower(),)
            return Or(
                (Keyword("isbn", (number,), weights.IDENTIFIER), Keyword("identifier", identifiers, weights.IDENTIFIER))
            )
        case Identifier(kind=kind, number=number):
            return _identifier(kind, number)
        case Years(low=low, high=high):
            return Between("year", low, high)
        case Classes():
            return _class_range(part)
        case FacetCode(field=field, code=code):
            return Keyword(f"facet_{FACETS[field]}", (code,))
        case AnyOf(choices=choices):
            return Or(tuple(rank(choice) for choice in choices))


def _tokens(part: Part, *, may_be_beginning: bool) -> list[_Token] | None:
    """Return the tokens of a Word, without repetition; None for another part."""
    if not isinstance(part, Word):
        return None
    is_last = may_be_beginning or part.prefix
    return [_Token(text, part.field, is_last and ends_word, is_light) for text, ends_word, is_light in _read_word(part)]


@lru_cache(_MOST_CACHED)
def _read_word(word: Word) -> tuple[tuple[str, bool, bool], ...]:
    """Return (text, whether it is the last token, whether it is light) for each different token of a word."""
    words = tokens(word.text)
    return tuple(
        (
            token if word.prefix else reading_of(token),
            position == len(words) - 1,
            not word.prefix and _is_light(token, word),
        )
        for position, token in enumerate(words)
        if token not in words[:position] or len(token) == 1
    )


def forget_words() -> None:
    """Clear what is cached of words; after a change of the vocabulary."""
    _read_word.cache_clear()
    _any_form.cache_clear()
    rank_alone.cache_clear()


def _is_light(token: str, word: Word) -> bool:
    return not word.field and (is_light_word(token) or token in TITLES or token in ARTICLES)


def _required(query_tokens: Sequence[_Token]) -> list[Match]:
    """Build one match for each word, and one for adjacent initials."""
    ends = dict(_initial_runs(query_tokens))
    matches: list[Match] = []
    position = 0
    while position < len(query_tokens):
        end = ends.get(position, position)
        if end > position:
            letters = tuple(Term("any", token.text, weights.ANYWHERE) for token in query_tokens[position:end])
            joined = Term("any", "".join(token.text for token in query_tokens[position:end]), weights.ANYWHERE)
            matches.append(DisMax((joined, And(letters)), weights.TIE))
        else:
            token = query_tokens[position]
            matches.append(_any_form(token.text, token.field, token.may_be_beginning, token.may_be_old))
        position = max(end, position + 1)
    return matches if len({token.text for token in query_tokens}) == len(query_tokens) else list(dict.fromkeys(matches))


@lru_cache(_MOST_CACHED)
def _any_form(word: str, field: str, may_be_beginning: bool, may_be_old: bool) -> Match:
    """Match one word in any field and any form, and as the beginning of a word if it may be one."""
    roots = [root(word)]
    if may_be_old and (modern := root(as_old(word))) != roots[0]:
        roots.append(modern)
    others = [*variants_of(word), *(other for form in roots[1:] for other in variants_of(form))]
    choices: list[Match]
    if field:
        choices = [Term("any", KIND_SIGNS[field] + form, weights.ANYWHERE) for form in roots]
        if may_be_beginning and field in weights.BEGINNING and len(word) >= weights.PREFIX_LENGTH:
            choices.append(Prefix(field, word, weights.BEGINNING[field]))
    elif may_be_beginning and _SHORTEST <= len(word) <= _LONGEST and not _is_whole(word):
        # A beginning also matches the whole root, so most words need one look-up.
        beginning = Term("any", BEGINNING + word, weights.ANYWHERE)
        choices = [beginning, *(Term("any", form, weights.ANYWHERE) for form in roots if form != word)]
    else:
        choices = [Term("any", form, weights.ANYWHERE) for form in roots]
    if not field:
        choices += _by_number(word)
    sign = KIND_SIGNS[field] if field else ""
    choices += [Term("any", sign + other, weights.VARIANT) for other in others]
    return _best_of(choices)


def _by_number(word: str) -> list[Match]:
    """Match the books of a year, or of a class: `novel 2016`, `340 hukum`, `2X4`."""
    if _YEAR.fullmatch(word):
        return [Between("year", int(word), int(word), weights.OF_YEAR)]
    if _CLASS.fullmatch(word):
        return [Keyword("facet_class", (word.upper(),), weights.OF_NUMBER)]
    return []


def _is_whole(word: str) -> bool:
    """Tell whether a word is complete: it ends in a suffix that its root lacks, so further letters are unlikely."""
    return len(word) >= 6 and word.endswith(_ENDINGS) and root(word) != word


def _as_typed(token: _Token) -> Match | None:
    """Build the bonus for a word that matches as typed."""
    if token.field:
        boost = weights.AS_TYPED.get(token.field)
        return Term(token.field, token.text, boost) if boost is not None else None
    # A word that is its own root already has a higher count (ROOT_COUNTS).
    return Term("text", token.text, weights.AS_TYPED[""]) if root(token.text) != token.text else None


def _light_bonus(word: str) -> Match:
    if is_stop_word(word):
        return Term("title", word, weights.COMMON)
    return Term("any", KIND_SIGNS["title"] + root(word), weights.LIGHT)


def _best_of(choices: list[Match]) -> Match:
    return choices[0] if len(choices) == 1 else DisMax(tuple(choices), weights.TIE)


def _phrase(phrase: Quoted) -> Match:
    words = tuple(tokens(phrase.text))
    if phrase.field in weights.PHRASE_IN:
        return Phrase(phrase.field, words, weights.PHRASE_IN[phrase.field])
    anywhere = Phrase("text", words, weights.PHRASE)
    if phrase.field:
        sign = KIND_SIGNS[phrase.field]
        return And((*(Term("any", sign + root(word), weights.ANYWHERE) for word in words), anywhere))
    whole_title = Keyword("opening", (" ".join((*words, END)),), weights.WHOLE_TITLE)
    in_fields = (Phrase(field, words, boost) for field, boost in weights.PHRASE_IN.items())
    return Boosted(anywhere, (*in_fields, whole_title))


def _identifier(kind: str, number: str) -> Match:
    if kind == "call" and len(number) >= _SHORTEST:
        return Boosted(Prefix("identifier", number, 0.0), (Keyword("identifier", (number,), weights.IDENTIFIER),))
    return Keyword("identifier", (number,), weights.IDENTIFIER)


def _class_range(classes: Classes) -> Match:
    low, high = classes.low, classes.high
    if low == high and low is not None:
        if low[:2] == "2X":
            return Prefix("facet_class", low, 0.0)
        digits = low.replace(".", "")
        digits = digits if "." in low else digits.rstrip("0") or "0"
        return Between("class_number", int(digits.ljust(6, "0")[:6]), int(digits.ljust(6, "9")[:6]))
    return Between(
        "class_number",
        None if low is None else int(_class_digits(low).ljust(6, "0")[:6]),
        None if high is None else int(_class_digits(high).ljust(6, "9")[:6]),
    )


def _class_digits(notation: str) -> str:
    """Return the digits of a class; the local class 2X is sorted at 297."""
    return "297" if notation[:2] == "2X" else notation.replace(".", "")


def _closeness_bonuses(query: Query, query_tokens: Sequence[_Token]) -> list[Match]:
    """Build bonuses for records whose title or author is similar to the whole query."""
    typed_words = tuple(token.text for token in query_tokens)
    if not typed_words or not all(
        isinstance(part, Word) and part.field in ("", "title", "author") for part in query.parts
    ):
        return []
    fields = {token.field for token in query_tokens}
    bonuses: list[Match] = []
    if "author" not in fields:
        bonuses.append(Keyword("opening", (" ".join((*typed_words, END)),), weights.WHOLE_TITLE))
        if len(typed_words) > 1:
            bonuses.append(Phrase("title", typed_words, weights.TITLE_HAS))
    if "title" not in fields and len(typed_words) <= _MOST_CLOSE_WORDS:
        bonuses.append(Keyword("name", (name_key([root(word) for word in typed_words]),), weights.WHOLE_NAME))
    content_words = [token.text for token in query_tokens if not token.is_light]
    if not any(fields) and 1 < len(content_words) <= _MOST_CLOSE_WORDS:
        bonuses.append(_whole_subject(content_words))
    return bonuses


def _whole_subject(words: Sequence[str]) -> Keyword:
    """Match records with a subject heading of exactly these words, in any order and form.

    Not used for one word: an author of that name ranks above a subject.
    """
    return Keyword("name", (subject_key(map(root, words)),), weights.WHOLE_SUBJECT)


def _or_identifier(query: Query, query_tokens: Sequence[_Token], match: Match) -> Match:
    """Match the whole query as an identifier, too: a call number may have several words, `899.221 3 NAV k`."""
    if not any(any(map(str.isdigit, token.text)) for token in query_tokens):
        return match
    number = whole_number(query)
    if number is None:
        return match
    text = str(query)
    classes = (_class_range(Classes(text, text)),) if _DECIMAL_CLASS.fullmatch(text) else ()
    return Or((match, number, *classes))


def whole_number(query: Query) -> Keyword | None:
    """Match the whole query as an identifier; None when it cannot be one."""
    if len(query.parts) > _MOST_CLOSE_WORDS or not all(
        isinstance(part, Word) and not part.field for part in query.parts
    ):
        return None
    identifier = squeeze(" ".join(part.text for part in query.parts if isinstance(part, Word)))
    if len(identifier) < 4 or not any(map(str.isdigit, identifier)):
        return None
    return Keyword("identifier", (identifier,), weights.IDENTIFIER)
