"""Matches as tantivy queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tantivy import FieldType, Occur, Query, Schema, SchemaBuilder

from chassis.errors import Unavailable
from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Fuzzy,
    Keyword,
    Match,
    Not,
    Or,
    Phrase,
    Prefix,
    Term,
)
from services.catalog.index.stored_fields import INTEGERS, KEYWORD_FIELDS
from services.catalog.record.index_fields import WORD_FIELDS

# field, token, distance -> tokens of the index
Nearby = Callable[[str, str, int], list[str]]
# field, token -> documents that have it
Having = Callable[[str, str], int]


def schema() -> Schema:
    """The index's fields. Integers are signed: an int given to an unsigned field kills the writer's thread."""
    builder = SchemaBuilder()
    for name in WORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("any", tokenizer_name="whitespace", index_option="freq")
    for name in KEYWORD_FIELDS:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("title_key", fast=True, tokenizer_name="raw", index_option="basic")
    for name in INTEGERS:
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in ("newest", "oldest", "edition"):
        builder.add_integer_field(name, fast=True)
    return builder.build()


@contextmanager
def translated(trouble: Callable[[object], Unavailable]) -> Iterator[None]:
    """What tantivy raises, as one of ours. It refuses some things by panic, which is a BaseException."""
    try:
        yield
    except (ValueError, OverflowError, OSError) as problem:
        raise trouble(problem) from problem
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":
            raise
        raise trouble(problem) from problem


class Translation:
    """Translates for one index.

    nearby  looks up the tokens that a Fuzzy means
    having  counts the documents that have a token
    """

    def __init__(self, fields: Schema, nearby: Nearby, having: Having) -> None:
        self._fields, self._nearby, self._having = fields, nearby, having

    def query(self, match: Match) -> Query:
        """Raises ValueError when the index lacks a field."""
        if type(match) is Term:  # most of any search, and the cases below cost more than the translation
            return Query.boost_query(Query.term_query(self._fields, match.field, match.token), match.boost)
        match match:
            case Term() | Prefix() | Fuzzy() | Phrase() | Keyword() | Between():
                return self._leaf(match)
            case DisMax(choices=choices, tie=tie):
                return Query.disjunction_max_query(self._each(choices), tie) if choices else Query.empty_query()
            case And(of=parts):
                if not parts:
                    return Query.const_score_query(Query.all_query(), 0.0)
                return _bool((Occur.Must, part) for part in self._each(parts))
            case Or(of=parts):
                return _bool((Occur.Should, part) for part in self._each(parts)) if parts else Query.empty_query()
            case Not(match=inner, without=without):
                excluded = [(Occur.MustNot, part) for part in self._each(without)]
                return _bool([(Occur.Must, self.query(inner)), *excluded])
            case Boosted(match=inner, bonus=bonus):
                return self._preferred(self.query(inner), bonus)

    def narrowed(self, query: Query, parts: Iterable[Match]) -> Query:
        """What matches the query and each of the parts."""
        return _bool([(Occur.Must, query), *((Occur.Must, part) for part in self._each(parts))])

    def _preferred(self, query: Query, bonus: Iterable[Match]) -> Query:
        """One bonus a level: then each is looked up where the query leads; several of one level are walked through.

        Even one that nothing has is asked about at every hit, which is a tenth of a search.
        """
        for each in filter(self._is_there, bonus):
            query = Query.boolean_query([(Occur.Must, query), (Occur.Should, self.query(each))])
        return query

    def _is_there(self, match: Match) -> bool:
        """Whether anything may have it."""
        match match:
            case Term(field=field, token=token) | Keyword(field=field, values=(token,)):
                return self._having(field, token) > 0
            case Phrase(field=field, tokens=tokens):
                return all(self._having(field, token) for token in tokens)
        return True

    def _each(self, matches: Iterable[Match]) -> list[Query]:
        return [self.query(each) for each in matches]

    def _leaf(self, match: Term | Prefix | Fuzzy | Phrase | Keyword | Between) -> Query:
        fields = self._fields
        match match:
            case Term(field=field, token=token, boost=boost):
                return Query.boost_query(Query.term_query(fields, field, token), boost)
            case Prefix(field=field, token=token, boost=boost):
                beginning = Query.fuzzy_term_query(fields, field, token, distance=0, prefix=True)
                return Query.const_score_query(beginning, boost)
            case Fuzzy(field=field, token=token, distance=distance, boost=boost):
                near = Query.term_set_query(fields, field, self._nearby(field, token, distance))
                return Query.const_score_query(near, boost)
            case Phrase(field=field, tokens=(token,), boost=boost):
                return Query.const_score_query(Query.term_query(fields, field, token), boost)
            case Phrase(field=field, tokens=tokens, boost=boost):
                return Query.const_score_query(Query.phrase_query(fields, field, list(tokens)), boost)
            case Keyword(field=field, values=(value,), boost=boost):  # a set of one costs fifteen times a term
                return Query.const_score_query(Query.term_query(fields, field, value), boost)
            case Keyword(field=field, values=values, boost=boost):
                return Query.const_score_query(Query.term_set_query(fields, field, list(values)), boost)
            case Between(field=field, low=None, high=None):
                return Query.const_score_query(Query.exists_query(field), 0.0)
            case Between(field=field, low=low, high=high):
                between = Query.range_query(fields, field, FieldType.Integer, low, high)
                return Query.const_score_query(between, 0.0)


def _bool(clauses: Iterable[tuple[Occur, Query]]) -> Query:
    listed = list(clauses)
    return listed[0][1] if len(listed) == 1 and listed[0][0] is not Occur.MustNot else Query.boolean_query(listed)
