"""Where nothing has all the words: records that have most of them."""

from __future__ import annotations

import math
from itertools import combinations

from services.catalog.analysis import is_stop_word, tokens
from services.catalog.index.matches import And, Boosted, DisMax, Match, Not
from services.catalog.index.port import Index, Request
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of

LEAST_WORDS = 3  # of two words one alone is another question
SHARE = 0.6  # of the words that decide must be there
MOST_WORDS = 8  # of a longer query the first ones are asked for


def relax(index: Index, query: Query) -> Match | None:
    """What to ask for records that have most of a query's words; None when too few of them are anywhere.

    Words that are nowhere count among those that may fail. Everything else that the query says (years, languages,
    what it excludes) stays demanded. Those records come first that have more, and rarer, words.
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    deciding = [part for part in query.parts if _decides(part)][:MOST_WORDS]
    least = math.ceil(SHARE * len(deciding))
    if len(deciding) < LEAST_WORDS:
        return None
    known = [match for part in deciding if index.search(Request(match := match_of(part), limit=0)).total]
    if len(known) < least:
        return None
    rest = [match_of(part) for part in query.parts if not isinstance(part, Word | Phrase)]
    enough = DisMax(tuple(And(each) for each in combinations(known, least)), 0.0)
    most = Boosted(And((enough, *rest)), tuple(known))
    return Not(most, tuple(match_of(each) for each in query.without)) if query.without else most


def _decides(part: Part) -> bool:
    if isinstance(part, Phrase):
        return True
    return isinstance(part, Word) and not all(is_stop_word(each) for each in tokens(part.text))
