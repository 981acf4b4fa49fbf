"""What a query asks for besides its topic: an audience, a kind of book, a language; as bonuses for hits.

A bonus excludes no record: `novel tentang laut` also finds books about the sea, after the novels.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

from services.catalog.analysis import audience_of, kind_asked_for, language_asked_for, root
from services.catalog.index.matches import DisMax, Keyword, Match, Term
from services.catalog.record.index_document import KIND_SIGNS
from services.catalog.search.ranking import weights

# Main classes of facts. Literature is 800; folklore, 398, has stories too.
_FACTS = ("000", "100", "200", "2X", "300", "400", "500", "600", "700", "900")
_LITERATURE, _FOLKLORE = ("800",), ("398",)


class Preferences(NamedTuple):
    """audience: child or teen; kind: fiction or facts; language: a code of ISO 639-2. Each "" for most queries.

    forms  roots of the words that ask for stories (cerpen, novel): such a word in a subject heading names the form
    """

    audience: str = ""
    kind: str = ""
    language: str = ""
    forms: tuple[str, ...] = ()

    @property
    def matches(self) -> tuple[Match, ...]:
        """Return a match for each preference; all but those of forms have constant weights."""
        matches: list[Match] = []
        if self.audience:
            matches.append(audience_match(self.audience))
        if self.kind:
            matches.append(kind_match(self.kind))
        matches += [Term("any", KIND_SIGNS["subject"] + form, weights.OF_FORM) for form in self.forms]
        if self.language:
            matches.append(Keyword("facet_language", (self.language,), weights.IN_LANGUAGE))
        return tuple(matches)


NO_PREFERENCES = Preferences()


def preferences_of(words: Sequence[str], light: Set[str], roots: Set[str]) -> Preferences:
    """Return the preferences of a query.

    words  all plain words in their order, folded
    light  those that are light; only these ask for a kind, and only in a query with other words
    roots  roots of the others; only these ask for an audience
    """
    kind = kind_asked_for(light) if light and roots else ""
    forms = tuple(sorted({root(word) for word in light if kind_asked_for({word}) == kind})) if kind == "fiction" else ()
    return Preferences(_audience_asked_for(roots), kind, language_asked_for(words)[0], forms)


def audience_match(audience: str) -> Match:
    return Keyword("facet_audience", (audience,), weights.FOR_AUDIENCE)


def kind_match(kind: str) -> Match:
    if kind == "facts":
        return Keyword("facet_ddc", _FACTS, weights.OF_KIND)
    literature = Keyword("facet_ddc", _LITERATURE, weights.OF_KIND)
    return DisMax((literature, Keyword("facet_class", _FOLKLORE, weights.OF_KIND)), 0.0)


def _audience_asked_for(roots: Set[str]) -> str:
    """Return the audience that the words ask for: `anak remaja` asks for books for teenagers, not for children."""
    audiences = set(map(audience_of, roots))
    return next((audience for audience in ("teen", "child") if audience in audiences), "")
