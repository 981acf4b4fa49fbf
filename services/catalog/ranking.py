"""What the index is asked, engine-neutral (a small tree of matches that each engine translates word for word), and how
a query becomes it: every weight of the search stands here, with its reason.

Both engines score a Term by BM25 (k1 1.2, b 0.75) over the field's tokens and multiply by its boost; Prefix, Fuzzy,
Phrase and Keyword score a constant. That, the constant first token of every analysed field and one shard make both
editions rank alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.catalog.analysis import is_stop_word, query_stems, squeeze, tokens
from services.catalog.document.fields import END
from services.catalog.query import Isbn, Part, Query, Word, Years
from services.catalog.query import Phrase as Quoted

# BM25 of a rare word in a title is about 8 to 12, of a common one 2 to 4. Weights multiply that; constants add to it.
#
# A word in the title is what people mean most; an author's name is as sure a sign but names are rarer, so their BM25
# is higher already. A subject says what a book is about, not what it is called. Notes (summary, contents, series,
# publisher) are long and mention much.
EXACT = {"title": 3.0, "author": 2.5, "subject": 1.4, "notes": 0.5}
# A stem is a guess: below the same field's exact word, above the next field's.
STEMMED = {"title_stem": 1.8, "subject_stem": 0.9, "notes_stem": 0.3}
# The last word may still be being typed. A constant, below any whole word: finding, not ranking.
BEGUN = {"title": 1.2, "author": 1.0, "subject": 0.5}
PREFIX_LENGTH = 3  # characters; what is shorter begins half of all words
# The best field decides and the others help a little: a word in title and subject is not two words.
TIE = 0.1
# A title that is the query (subtitle or not), one that begins with its first word, one that has its words side by side:
# added to what the words score. The first two are looked up, the third walks through positions: for common words it is
# the dearest part of a search, so it is done for titles and authors only.
WHOLE_TITLE, TITLE_BEGINS, TITLE_HAS, AUTHOR_HAS = 12.0, 3.0, 4.0, 3.0
# Words in quotes, by field; somebody asked for just this.
QUOTED = {"title": 6.0, "author": 5.0, "subject": 3.0, "notes": 1.0}
# A barcode, an ISSN or a call number names one thing: above anything that words can reach.
NAMED = 60.0
# A word too common to decide anything helps the order a little, and never excludes.
COMMON = 0.1
_FIELDS = {
    "title": ("title", "title_stem"),
    "author": ("author",),
    "subject": ("subject", "subject_stem"),
}
_ANYWHERE = ("title", "title_stem", "author", "subject", "subject_stem", "notes", "notes_stem")


@dataclass(frozen=True, slots=True)
class Term:
    """A token in an analysed field; BM25 × boost."""

    field: str
    token: str
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Prefix:
    """Any token beginning so, in an analysed field, or any value in a keyword field; scores `boost`."""

    field: str
    token: str
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """Any token within `distance` edits (transposition counts one), first letter kept; scores `boost`."""

    field: str
    token: str
    distance: int
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """These tokens side by side in an analysed field; at least one token; scores `boost`, a constant."""

    field: str
    tokens: tuple[str, ...]
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Keyword:
    """Any of these values in a keyword field; scores `boost`, a constant (0 where it only restricts)."""

    field: str
    values: tuple[str, ...]
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class Between:
    """An integer field from `low` to `high`, both included, None for open; scores 0."""

    field: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Best:
    """The best-scoring choice, plus `tie` × the others: how one word counts that may stand in many fields."""

    choices: tuple[Match, ...]
    tie: float = 0.1


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these; scores add up. Of none: everything, scoring 0."""

    of: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of these; scores add up. Of none: nothing."""

    of: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class But:
    """What matches, unless one of `without` does too."""

    match: Match
    without: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Prefer:
    """What matches `match`, and only that; each bonus that matches as well adds its score."""

    match: Match
    bonus: tuple[Match, ...]


Match = Term | Prefix | Fuzzy | Phrase | Keyword | Between | Best | All | Any | But | Prefer


def rank(query: Query) -> Match:
    """What the index is asked for a query: which records match, and what each scores."""
    must: list[Match] = []
    bonus: list[Match] = []
    decided = any(not _is_common(each) for each in query.parts)
    for place, part in enumerate(query.parts):
        last = place == len(query.parts) - 1
        if decided and isinstance(part, Word) and _is_common(part):
            bonus.append(_scaled(part, COMMON))
        else:
            must.append(match_of(part, begun=last))
    bonus.extend(_closeness(query))
    match: Match = must[0] if len(must) == 1 else All(tuple(must))
    match = _or_named(query, match)
    if bonus:
        match = Prefer(match, tuple(bonus))
    if query.without:
        match = But(match, tuple(match_of(each) for each in query.without))
    return match


def match_of(part: Part, *, begun: bool = False) -> Match:
    """Records that have this part. `begun`: it is the last one and may be half typed."""
    if isinstance(part, Word):
        return _word(part, begun=begun)
    if isinstance(part, Quoted):
        words = tuple(tokens(part.text))
        fields = (part.field,) if part.field else tuple(QUOTED)
        return _best([Phrase(field, words, QUOTED[field]) for field in fields])
    if isinstance(part, Isbn):
        return Any((Keyword("isbn", (part.number,), NAMED), Keyword("identifier", (part.number.lower(),), NAMED)))
    if isinstance(part, Years):
        return Between("year", part.low, part.high)
    return Keyword("facet_language", (part.code,))


def _word(word: Word, *, begun: bool) -> Match:
    found = tokens(word.text)
    fields = _FIELDS.get(word.field, _ANYWHERE)
    matches = [
        _token(token, fields, begun=(begun or word.prefix) and place == len(found) - 1)
        for place, token in enumerate(found)
        if token not in found[:place]
    ]
    match = matches[0] if len(matches) == 1 else All(tuple(matches))
    name = squeeze(word.text)
    if not word.field and len(name) >= 4 and any(map(str.isdigit, name)):
        return Any((match, Keyword("identifier", (name,), NAMED)))
    return match


def _token(token: str, fields: tuple[str, ...], *, begun: bool) -> Match:
    """One token wherever it may stand: exact, stemmed, and begun."""
    choices: list[Match] = []
    in_indonesian, in_english = query_stems(token)
    for field in fields:
        if field in EXACT:
            choices.append(Term(field, token, EXACT[field]))
        else:
            choices.append(Term(field, in_indonesian, STEMMED[field]))
            choices.append(Term(field, in_english, STEMMED[field]))
    if begun and len(token) >= PREFIX_LENGTH:
        choices.extend(Prefix(field, token, BEGUN[field]) for field in fields if field in BEGUN)
    return _best(choices)


def _is_common(part: Part) -> bool:
    return isinstance(part, Word) and not part.prefix and is_stop_word(part.text.lower())


def _scaled(word: Word, scale: float) -> Match:
    return _best(
        [Term(field, token, EXACT[field] * scale) for token in tokens(word.text) for field in ("title", "author")]
    )


def _best(choices: list[Match]) -> Match:
    return choices[0] if len(choices) == 1 else Best(tuple(choices), TIE)


def _closeness(query: Query) -> list[Match]:
    """Bonuses for records whose title or author is close to the whole of what was typed."""
    if not query.parts or not all(isinstance(each, Word) and each.field in ("", "title") for each in query.parts):
        return []
    words = tuple(token for each in query.parts if isinstance(each, Word) for token in tokens(each.text))
    whole: list[Match] = [
        Keyword("opening", (" ".join((*words, END)),), WHOLE_TITLE),
        Keyword("opening", (words[0],), TITLE_BEGINS),
    ]
    if len(words) > 1:
        whole.append(Phrase("title", words, TITLE_HAS))
        if all(isinstance(each, Word) and not each.field for each in query.parts):
            whole.append(Phrase("author", words, AUTHOR_HAS))
    return whole


def _or_named(query: Query, match: Match) -> Match:
    """A call number is several words that name one thing: `899.221 3 NAV k`."""
    if not 2 <= len(query.parts) <= 6 or not all(isinstance(each, Word) and not each.field for each in query.parts):
        return match
    name = squeeze(" ".join(each.text for each in query.parts if isinstance(each, Word)))
    if not any(map(str.isdigit, name)):
        return match
    return Any((match, Keyword("identifier", (name,), NAMED)))
