"""A query becomes what the index is asked: one root for each word, and bonuses for where and how it stands there.

What is demanded decides which records come; a bonus is a Prefer of what is demanded, and costs only where that leads.
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
from services.catalog.record.index_fields import BEGUN, BEGUN_LENGTHS, END, IN
from services.catalog.search.query.tree import AnyOf, Classes, FacetCode, Identifier, Isbn, Part, Query, Word, Years
from services.catalog.search.query.tree import Phrase as Quoted
from services.catalog.search.ranking import weights

_FACETS = {"language": "facet_language", "format": "facet_material", "audience": "facet_audience",
           "collection": "facet_collection"}  # fmt: skip
_MOST_CLOSE_WORDS = 8  # a longer query is nobody's name or call number
_ENDINGS = ("an", "nya", "lah", "kah")
_SHORTEST, _LONGEST = BEGUN_LENGTHS


@dataclass(slots=True)
class _Token:
    """A folded word of the query.

    begun  it may be the beginning of a word
    light  it decides nothing where others do
    old    it stands among words in old spelling
    """

    word: str
    field: str
    begun: bool
    light: bool
    old: bool = False


def rank(query: Query) -> Match:
    """What the index is asked for a query: which records match, and what each scores."""
    found = [_tokens(each, begun=place == len(query.parts) - 1) for place, each in enumerate(query.parts)]
    words = [token for each in found if each for token in each]
    _mark_context(words)
    if not query.parts or any(each is None for each in found) or not all(each.light for each in words):
        asked = [each for each in words if not each.light]
    else:
        asked = words
    must: list[Match] = [match_of(part) for part, each in zip(query.parts, found, strict=True) if each is None]
    must.extend(_required(asked))
    bonus = [wish for token in asked if (wish := _as_typed(token)) is not None]
    helping = dict.fromkeys(each.word for each in words if each.light) if asked is not words else ()
    bonus.extend(Term("title", word, weights.COMMON) for word in helping)
    bonus.extend(_closeness_bonuses(query, words))
    match = _or_identifier(query, words, must[0] if len(must) == 1 else And(tuple(must)))
    if bonus:
        match = Boosted(match, tuple(bonus))
    if query.without:
        match = Not(match, tuple(match_of(each) for each in query.without))
    return match


def _mark_context(words: Sequence[_Token]) -> None:
    """What words are among others: initials that belong together, a j among words in old spelling."""
    for start, end in _initial_runs(words):
        for each in words[start:end]:
            each.light = False
    if any(is_old(each.word) for each in words):
        for each in words:
            each.old = "j" in each.word


def _initial_runs(words: Sequence[_Token]) -> list[tuple[int, int]]:
    """Where initials stand side by side."""
    letters = [each.word if not each.field else "" for each in words]
    if sum(len(each) == 1 for each in letters) < 2:
        return []
    found = [(place, place + run) for place in range(len(letters)) if (run := initials(letters, place))]
    return [each for each in found if not any(start < each[0] < end for start, end in found)]


def match_of(part: Part, *, begun: bool = False) -> Match:
    """Records that have this part, whatever they score. `begun`: it is the last one and may be half typed."""
    match part:
        case Word():
            found = _tokens(part, begun=begun) or []
            demanded = _required([each for each in found if not each.light] or found)
            return demanded[0] if len(demanded) == 1 else And(tuple(demanded))
        case Quoted():
            return _phrase(part)
        case Isbn(number=number, ten=ten):
            named = (number.lower(), ten) if ten else (number.lower(),)
            return Or(
                (Keyword("isbn", (number,), weights.IDENTIFIER), Keyword("identifier", named, weights.IDENTIFIER))
            )
        case Identifier(kind=kind, number=number):
            return _identifier(kind, number)
        case Years(low=low, high=high):
            return Between("year", low, high)
        case Classes():
            return _class_range(part)
        case FacetCode(field=field, code=code):
            return Keyword(_FACETS[field], (code,))
        case AnyOf(choices=choices):
            return Or(tuple(rank(each) for each in choices))


def _tokens(part: Part, *, begun: bool) -> list[_Token] | None:
    """The words of a Word, each once; None for what is no word."""
    if not isinstance(part, Word):
        return None
    found = tokens(part.text)
    typed_last = begun or part.prefix
    return [
        _Token(token, part.field, typed_last and place == len(found) - 1, not part.prefix and _is_light(token, part))
        for place, token in enumerate(found)
        if token not in found[:place] or len(token) == 1
    ]


def _is_light(token: str, word: Word) -> bool:
    return not word.field and (is_stop_word(token) or token in TITLES or token in ARTICLES)


def _required(words: Sequence[_Token]) -> list[Match]:
    """One match a word; initials side by side are one."""
    ends = dict(_initial_runs(words))
    made: list[Match] = []
    place = 0
    while place < len(words):
        end = ends.get(place, place)
        if end > place:
            letters = tuple(Term("any", each.word, weights.ANYWHERE) for each in words[place:end])
            joined = Term("any", "".join(each.word for each in words[place:end]), weights.ANYWHERE)
            made.append(DisMax((joined, And(letters)), weights.TIE))
        else:
            made.append(_any_form(words[place]))
        place = max(end, place + 1)
    return made if len({each.word for each in words}) == len(words) else list(dict.fromkeys(made))


def _any_form(token: _Token) -> Match:
    """One word wherever it may stand, in any form; perhaps begun."""
    roots = [root(token.word)]
    if token.old and (other := root(as_old(token.word))) != roots[0]:
        roots.append(other)
    field = token.field
    choices: list[Match]
    if field:
        choices = [Term("any", IN[field] + each, weights.ANYWHERE) for each in roots]
        if token.begun and field in weights.BEGUN and len(token.word) >= weights.PREFIX_LENGTH:
            choices.append(Prefix(field, token.word, weights.BEGUN[field]))
    elif token.begun and _SHORTEST <= len(token.word) <= _LONGEST and not _is_whole(token.word):
        # The beginning has the whole root among what it finds, so that one look-up does for most words.
        beginning = Term("any", BEGUN + token.word, weights.ANYWHERE)
        choices = [beginning, *(Term("any", each, weights.ANYWHERE) for each in roots if each != token.word)]
    else:
        choices = [Term("any", each, weights.ANYWHERE) for each in roots]
    return _best_of(choices)


def _is_whole(word: str) -> bool:
    """Whether a word is at its end: its root has lost a suffix that only ends words, so it is not half typed."""
    return len(word) >= 6 and word.endswith(_ENDINGS) and root(word) != word


def _as_typed(token: _Token) -> Match | None:
    """A bonus for a word that stands as it was typed."""
    if token.field:
        boost = weights.AS_TYPED.get(token.field)
        return Term(token.field, token.word, boost) if boost is not None else None
    # A word that is its own root counts more where it is whole already: see STANDING.
    return Term("text", token.word, weights.AS_TYPED[""]) if root(token.word) != token.word else None


def _best_of(choices: list[Match]) -> Match:
    return choices[0] if len(choices) == 1 else DisMax(tuple(choices), weights.TIE)


def _phrase(phrase: Quoted) -> Match:
    words = tuple(tokens(phrase.text))
    if phrase.field in weights.PHRASE_IN:
        return Phrase(phrase.field, words, weights.PHRASE_IN[phrase.field])
    anywhere = Phrase("text", words, weights.PHRASE)
    if phrase.field:
        return And((*(Term("any", IN[phrase.field] + root(each), weights.ANYWHERE) for each in words), anywhere))
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


def _class_digits(written: str) -> str:
    """A bound of a range of classes: the local class stands at 297."""
    return "297" if written[:2] == "2X" else written.replace(".", "")


def _closeness_bonuses(query: Query, words: Sequence[_Token]) -> list[Match]:
    """Bonuses for records whose title or author is close to the whole of what was typed."""
    typed = tuple(each.word for each in words)
    if not typed or not all(isinstance(each, Word) and each.field in ("", "title", "author") for each in query.parts):
        return []
    fields = {each.field for each in words}
    close: list[Match] = []
    if "author" not in fields:
        close.append(Keyword("opening", (" ".join((*typed, END)),), weights.WHOLE_TITLE))
        if len(typed) > 1:
            close.append(Phrase("title", typed, weights.TITLE_HAS))
    if "title" not in fields and len(typed) <= _MOST_CLOSE_WORDS:
        close.append(Keyword("name", (name_key([root(each) for each in typed]),), weights.WHOLE_NAME))
    return close


def _or_identifier(query: Query, words: Sequence[_Token], match: Match) -> Match:
    """A barcode or a call number is one word or several that name one thing: `899.221 3 NAV k`."""
    if len(query.parts) > _MOST_CLOSE_WORDS or not all(
        isinstance(each, Word) and not each.field for each in query.parts
    ):
        return match
    if not any(any(map(str.isdigit, each.word)) for each in words):
        return match
    name = squeeze(" ".join(each.text for each in query.parts if isinstance(each, Word)))
    if len(name) < 4:
        return match
    return Or((match, Keyword("identifier", (name,), weights.IDENTIFIER)))
