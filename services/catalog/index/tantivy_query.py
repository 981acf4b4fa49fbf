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
        if type(match) is Term:  # the most frequent node; the cases below cost more than the translation
            return Query.boost_query(Query.term_query(self._fields, match.field, match.token), match.boost)
        match match:
            case Term() | Prefix() | Phrase() | Keyword() | Between():
                return self._leaf(match)
            case DisMax(choices=choices, tie=tie):
                possible = self._possible(choices)
                return possible[0] if len(possible) == 1 else Query.disjunction_max_query(possible, tie)
            case And(of=parts):
                if not parts:
                    return Query.const_score_query(Query.all_query(), 0.0)
                return _boolean((Occur.Must, part) for part in self._queries(parts))
            case Or(of=parts):
                return _boolean((Occur.Should, part) for part in self._possible(parts))
            case Not(match=inner, without=without):
                excluded = [(Occur.MustNot, part) for part in self._queries(without)]
                return _boolean([(Occur.Must, self.query(inner)), *excluded])
            case Boosted(match=inner, bonus=bonus):
                return self._boosted(self.query(inner), bonus)

    def restrict(self, query: Query, parts: Iterable[Match]) -> Query:
        """Restrict a query to what each of the parts matches."""
        return _boolean([(Occur.Must, query), *((Occur.Must, part) for part in self._queries(parts))])

    def _boosted(self, query: Query, bonus: Iterable[Match]) -> Query:
        """Add bonuses, each one level further out, so that tantivy tests each at the query's hits only.

        For bonuses on one level tantivy reads all their documents. A bonus that no document has is left out, because to
        test it at every hit takes a tenth of a search.
        """
        for part in filter(self.may_match, bonus):
            query = Query.boolean_query([(Occur.Must, query), (Occur.Should, self.query(part))])
        return query

    def may_match(self, match: Match) -> bool:
        """Tell whether any document may match; reads only the counts of the tokens."""
        match match:
            case Term(field=field, token=token):
                return self._document_count(field, token) > 0
            case Keyword(field=field, values=values) if len(values) <= MOST_VALUES_AS_TERMS:
                return any(self._document_count(field, value) for value in values)
            case Phrase(field=field, tokens=tokens):
                return all(self._document_count(field, token) for token in tokens)
            case Or(of=parts) | DisMax(choices=parts):
                return any(map(self.may_match, parts))
            case And(of=parts):
                return all(map(self.may_match, parts))
            case Boosted(match=inner) | Not(match=inner):
                return self.may_match(inner)
        return True

    def _possible(self, choices: Iterable[Match]) -> list[Query]:
        """Translate the choices that a document may match: tantivy takes longer for two choices than for one."""
        return self._queries(filter(self.may_match, choices)) or [Query.empty_query()]

    def _queries(self, matches: Iterable[Match]) -> list[Query]:
        return [self.query(match) for match in matches]

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
