"""The schema of a tantivy index, and match trees translated to tantivy queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from tantivy import FieldType, Occur, Query, Schema, SchemaBuilder

from chassis.errors import Unavailable
from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Keyword,
    Match,
    Not,
    Or,
    Phrase,
    Prefix,
    Term,
)
from services.catalog.index.stored_fields import INTEGERS, KEYWORD_FIELDS, UNINDEXED
from services.catalog.record.index_document import WORD_FIELDS

# More values are one set, which tantivy runs as an automaton over the terms of each segment. A set takes at least
# 0.3 ms with 10,000 records; up to this number, terms took less time in every measurement.
MOST_VALUES_AS_TERMS = 64
# field, token -> documents that have it
DocumentCount = Callable[[str, str], int]


def schema() -> Schema:
    """Return the index's fields. Integers are signed: an int in an unsigned field kills the writer's thread."""
    builder = SchemaBuilder()
    for name in WORD_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("any", tokenizer_name="whitespace", index_option="freq")
    for name in KEYWORD_FIELDS:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("title_key", fast=True, tokenizer_name="raw", index_option="basic")
    for name in INTEGERS:
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in UNINDEXED:
        builder.add_integer_field(name, fast=True)
    return builder.build()


@contextmanager
def engine_errors(error: Callable[[object], Unavailable]) -> Iterator[None]:
    """Translate tantivy's errors to one of the port. A panic of its Rust code arrives as a BaseException."""
    try:
        yield
    except (ValueError, OverflowError, OSError) as problem:
        raise error(problem) from problem
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":
            raise
        raise error(problem) from problem


class QueryTranslator:
    """Translates matches for one index.

    document_count  counts the documents that have a token
    """

    def __init__(self, fields: Schema, document_count: DocumentCount) -> None:
        self._fields, self._document_count = fields, document_count

    def query(self, match: Match) -> Query:
        """Translate a match. Raises ValueError when the index lacks a field."""
        query = self.translate(match)
        return Query.empty_query() if query is None else query

    def translate(self, match: Match) -> Query | None:
        """Translate a match; None when no document can match, because none has one of the tokens.

        Choices and bonuses that no document can match are left out: tantivy would test them at every hit.

        raises  ValueError  the index lacks a field
        """
        if type(match) is Term:  # the most frequent node; the cases below cost more than the translation
            if not self._document_count(match.field, match.token):
                return None
            return Query.boost_query(Query.term_query(self._fields, match.field, match.token), match.boost)
        match match:
            case Term() | Prefix() | Phrase() | Keyword() | Between():
                return self._leaf(match) if self._may_match(match) else None
            case DisMax(choices=choices, tie=tie):
                queries = self._possible(choices)
                return Query.disjunction_max_query(queries, tie) if len(queries) > 1 else next(iter(queries), None)
            case And(of=parts):
                return self._all(parts)
            case Or(of=parts):
                queries = self._possible(parts)
                return _boolean((Occur.Should, query) for query in queries) if queries else None
            case Not(match=inner, without=without):
                if (query := self.translate(inner)) is None:
                    return None
                return _boolean([(Occur.Must, query), *((Occur.MustNot, part) for part in self._possible(without))])
            case Boosted(match=inner, bonus=bonus):
                query = self.translate(inner)
                return None if query is None else self._boosted(query, bonus)

    def _all(self, parts: Sequence[Match]) -> Query | None:
        if not parts:
            return Query.const_score_query(Query.all_query(), 0.0)
        queries = []
        for part in parts:
            if (query := self.translate(part)) is None:
                return None
            queries.append(query)
        return _boolean((Occur.Must, query) for query in queries)

    def restrict(self, query: Query, parts: Iterable[Match]) -> Query:
        """Restrict a query to what each of the parts matches."""
        return _boolean([(Occur.Must, query), *((Occur.Must, self.query(part)) for part in parts)])

    def _boosted(self, query: Query, bonus: Iterable[Match]) -> Query:
        """Add bonuses, each one level further out, so that tantivy tests each at the query's hits only.

        For bonuses on one level tantivy reads all their documents.
        """
        for part in self._possible(bonus):
            query = Query.boolean_query([(Occur.Must, query), (Occur.Should, part)])
        return query

    def _possible(self, matches: Iterable[Match]) -> list[Query]:
        """Translate the matches that a document may match."""
        return [query for match in matches if (query := self.translate(match)) is not None]

    def _may_match(self, leaf: Term | Prefix | Phrase | Keyword | Between) -> bool:
        """Tell whether any document may match; reads only the counts of the tokens."""
        match leaf:
            case Keyword(field=field, values=values) if len(values) <= MOST_VALUES_AS_TERMS:
                return any(self._document_count(field, value) for value in values)
            case Phrase(field=field, tokens=tokens):
                return all(self._document_count(field, token) for token in tokens)
        return True

    def _leaf(self, match: Term | Prefix | Phrase | Keyword | Between) -> Query:
        fields = self._fields
        match match:
            case Term(field=field, token=token, boost=boost):
                return Query.boost_query(Query.term_query(fields, field, token), boost)
            case Prefix(field=field, token=token, boost=boost):
                beginning = Query.fuzzy_term_query(fields, field, token, distance=0, prefix=True)
                return Query.const_score_query(beginning, boost)
            case Phrase(field=field, tokens=(token,), boost=boost):
                return Query.const_score_query(Query.term_query(fields, field, token), boost)
            case Phrase(field=field, tokens=tokens, boost=boost):
                return Query.const_score_query(Query.phrase_query(fields, field, list(tokens)), boost)
            case Keyword(field=field, values=values, boost=boost):
                return Query.const_score_query(self._any_value(field, values), boost)
            case Between(field=field, low=None, high=None, boost=boost):
                return Query.const_score_query(Query.exists_query(field), boost)
            case Between(field=field, low=int(low), high=high, boost=boost) if low == high:
                # Read from its postings; for a range, tantivy reads the field's column from its beginning.
                return Query.const_score_query(Query.term_query(fields, field, low), boost)
            case Between(field=field, low=low, high=high, boost=boost):
                between = Query.range_query(fields, field, FieldType.Integer, low, high)
                return Query.const_score_query(between, boost)

    def _any_value(self, field: str, values: Sequence[str]) -> Query:
        """Match any of these values of a keyword field."""
        if len(values) > MOST_VALUES_AS_TERMS:
            return Query.term_set_query(self._fields, field, list(values))
        return _boolean((Occur.Should, Query.term_query(self._fields, field, value)) for value in values)


def _boolean(clauses: Iterable[tuple[Occur, Query]]) -> Query:
    clause_list = list(clauses)
    return (
        clause_list[0][1]
        if len(clause_list) == 1 and clause_list[0][0] is not Occur.MustNot
        else Query.boolean_query(clause_list)
    )
