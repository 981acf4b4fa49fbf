"""Builds the match tree of a query: one root for each word, and bonuses for the field and the form of its matches.

The required matches decide which records are hits; a bonus only adds to the score of a hit, and is tested at hits only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.catalog.analysis import (
    ARTICLES,
    TITLES,
    as_old,
    initials,
    is_old,
    is_stop_word,
    name_key,
    root,
    squeeze,
    tokens,
)
from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Not, Or, Phrase, Prefix, Term
from services.catalog.record.index_document import BEGINNING, BEGINNING_LENGTHS, END, KIND_SIGNS
from services.catalog.search.query.fields import FACETS
from services.catalog.search.query.tree import AnyOf, Classes, FacetCode, Identifier, Isbn, Part, Query, Word, Years
from services.catalog.search.query.tree import Phrase as Quoted
from services.catalog.search.ranking import weights

_MOST_CLOSE_WORDS = 8  # a longer query is neither a name nor a call number
_ENDINGS = ("an", "nya", "lah", "kah")
_SHORTEST, _LONGEST = BEGINNING_LENGTHS


@dataclass(slots=True)
class _Token:
    """A folded word of the query.

    may_be_beginning  it may be the beginning of a word
    light             a stop word: the other words decide
    old               another word of the query is in old spelling
    """

    word: str
    field: str
    may_be_beginning: bool
    light: bool
    old: bool = False


def rank(query: Query) -> Match:
    """Build the match tree of a query: which records match, and what each scores."""
    last = len(query.parts) - 1
    part_tokens = [_tokens(part, may_be_beginning=position == last) for position, part in enumerate(query.parts)]
    words = [token for tokens_ in part_tokens if tokens_ for token in tokens_]
    _mark_context(words)
    if not query.parts or any(tokens_ is None for tokens_ in part_tokens) or not all(word.light for word in words):
        content_words = [word for word in words if not word.light]
    else:
        content_words = words
    required: list[Match] = [
        match_of(part) for part, tokens_ in zip(query.parts, part_tokens, strict=True) if tokens_ is None
    ]
    required.extend(_required(content_words))
    bonus = [match for token in content_words if (match := _as_typed(token)) is not None]
    light = dict.fromkeys(word.word for word in words if word.light) if content_words is not words else ()
    bonus.extend(Term("title", word, weights.COMMON) for word in light)
    bonus.extend(_closeness_bonuses(query, words))
    match = _or_identifier(query, words, required[0] if len(required) == 1 else And(tuple(required)))
    if bonus:
        match = Boosted(match, tuple(bonus))
    if query.without:
        match = Not(match, tuple(match_of(part) for part in query.without))
    return match


def _mark_context(words: Sequence[_Token]) -> None:
    """Mark adjacent initials as no stop words, and words with j beside words in old spelling as old."""
    for start, end in _initial_runs(words):
        for word in words[start:end]:
            word.light = False
    if any(is_old(word.word) for word in words):
        for word in words:
            word.old = "j" in word.word


def _initial_runs(words: Sequence[_Token]) -> list[tuple[int, int]]:
    """Return (start, end) of adjacent initials."""
    letters = [word.word if not word.field else "" for word in words]
    if sum(len(word) == 1 for word in letters) < 2:
        return []
    runs = [(position, position + run) for position in range(len(letters)) if (run := initials(letters, position))]
    return [word for word in runs if not any(start < word[0] < end for start, end in runs)]


def match_of(part: Part, *, may_be_beginning: bool = False) -> Match:
    """Match records that have this part. may_be_beginning: the reader may still be typing it."""
    match part:
        case Word():
            part_tokens = _tokens(part, may_be_beginning=may_be_beginning) or []
            required = _required([token for token in part_tokens if not token.light] or part_tokens)
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
            return Or(tuple(rank(token) for token in choices))


def _tokens(part: Part, *, may_be_beginning: bool) -> list[_Token] | None:
    """Return the tokens of a Word, without repetition; None for another part."""
    if not isinstance(part, Word):
        return None
    words = tokens(part.text)
    is_last = may_be_beginning or part.prefix
    return [
        _Token(token, part.field, is_last and position == len(words) - 1, not part.prefix and _is_light(token, part))
        for position, token in enumerate(words)
        if token not in words[:position] or len(token) == 1
    ]


def _is_light(token: str, word: Word) -> bool:
    return not word.field and (is_stop_word(token) or token in TITLES or token in ARTICLES)


def _required(words: Sequence[_Token]) -> list[Match]:
    """Build one match for each word, and one for adjacent initials."""
    ends = dict(_initial_runs(words))
    matches: list[Match] = []
    position = 0
    while position < len(words):
        end = ends.get(position, position)
        if end > position:
            letters = tuple(Term("any", word.word, weights.ANYWHERE) for word in words[position:end])
            joined = Term("any", "".join(word.word for word in words[position:end]), weights.ANYWHERE)
            matches.append(DisMax((joined, And(letters)), weights.TIE))
        else:
            matches.append(_any_form(words[position]))
        position = max(end, position + 1)
    return matches if len({word.word for word in words}) == len(words) else list(dict.fromkeys(matches))


def _any_form(token: _Token) -> Match:
    """Match one word in any field and any form; also as a beginning, if it may be one."""
    roots = [root(token.word)]
    if token.old and (modern := root(as_old(token.word))) != roots[0]:
        roots.append(modern)
    field = token.field
    choices: list[Match]
    if field:
        choices = [Term("any", KIND_SIGNS[field] + form, weights.ANYWHERE) for form in roots]
        if token.may_be_beginning and field in weights.BEGINNING and len(token.word) >= weights.PREFIX_LENGTH:
            choices.append(Prefix(field, token.word, weights.BEGINNING[field]))
    elif token.may_be_beginning and _SHORTEST <= len(token.word) <= _LONGEST and not _is_whole(token.word):
        # The beginning also matches the whole root, so that most words need one look-up.
        beginning = Term("any", BEGINNING + token.word, weights.ANYWHERE)
        choices = [beginning, *(Term("any", form, weights.ANYWHERE) for form in roots if form != token.word)]
    else:
        choices = [Term("any", form, weights.ANYWHERE) for form in roots]
    return _best_of(choices)


def _is_whole(word: str) -> bool:
    """Tell whether a word is complete: it ends in a suffix that its root lacks, so more letters are unlikely."""
    return len(word) >= 6 and word.endswith(_ENDINGS) and root(word) != word


def _as_typed(token: _Token) -> Match | None:
    """Build the bonus for a word that matches as typed."""
    if token.field:
        boost = weights.AS_TYPED.get(token.field)
        return Term(token.field, token.word, boost) if boost is not None else None
    # A word that is its own root already has a higher count: see ROOT_COUNTS.
    return Term("text", token.word, weights.AS_TYPED[""]) if root(token.word) != token.word else None


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
    return Boosted(anywhere, tuple(Phrase(field, words, boost) for field, boost in weights.PHRASE_IN.items()))


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


def _closeness_bonuses(query: Query, words: Sequence[_Token]) -> list[Match]:
    """Build bonuses for records whose title or author is close to the whole query."""
    typed = tuple(word.word for word in words)
    if not typed or not all(isinstance(part, Word) and part.field in ("", "title", "author") for part in query.parts):
        return []
    fields = {word.field for word in words}
    bonuses: list[Match] = []
    if "author" not in fields:
        bonuses.append(Keyword("opening", (" ".join((*typed, END)),), weights.WHOLE_TITLE))
        if len(typed) > 1:
            bonuses.append(Phrase("title", typed, weights.TITLE_HAS))
    if "title" not in fields and len(typed) <= _MOST_CLOSE_WORDS:
        bonuses.append(Keyword("name", (name_key([root(part) for part in typed]),), weights.WHOLE_NAME))
    return bonuses


def _or_identifier(query: Query, words: Sequence[_Token], match: Match) -> Match:
    """Match the whole query as an identifier, too: a call number may have several words, `899.221 3 NAV k`."""
    if len(query.parts) > _MOST_CLOSE_WORDS or not all(
        isinstance(part, Word) and not part.field for part in query.parts
    ):
        return match
    if not any(any(map(str.isdigit, word.word)) for word in words):
        return match
    identifier = squeeze(" ".join(part.text for part in query.parts if isinstance(part, Word)))
    if len(identifier) < 4:
        return match
    return Or((match, Keyword("identifier", (identifier,), weights.IDENTIFIER)))
