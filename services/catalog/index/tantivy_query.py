"""The schema of a tantivy index, and match trees translated to tantivy queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Literal, TypeVar

from tantivy import FieldType, Occur, Query, Schema, SchemaBuilder

from chassis.errors import Error
from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Keyword,
    Match,
    Near,
    Not,
    Or,
    Pattern,
    Phrase,
    Prefix,
    Term,
)
from services.catalog.index.stored_fields import INTEGERS, KEYWORD_FIELDS, UNINDEXED
from services.catalog.record.field_words import FIELDED
from services.catalog.record.index_document import WORD_FIELDS

# More values are one set, which tantivy runs as an automaton over the terms of each segment. A set takes at least
# 0.3 ms with 10,000 records; up to this number, terms took less time in every measurement.
MOST_VALUES_AS_TERMS = 64
# field, token -> documents that have it
DocumentCount = Callable[[str, str], int]
Value = TypeVar("Value")
_MASK = re.compile(r"[*?]")


def schema() -> Schema:
    """Return the index's fields. Integers are signed: an int in an unsigned field kills the writer's thread."""
    builder = SchemaBuilder()
    for name in (*WORD_FIELDS, FIELDED):
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


class EngineErrors(Generic[Value]):
    """A block whose errors of tantivy are translated to one of the port. A panic of its Rust code is a BaseException.

    A class, because each search enters several such blocks, and a generator takes three times as long.
    """

    def __init__(self, error: Callable[[object], Error], value: Value) -> None:
        """
        value  what the block works with
        """
        self._error, self._value = error, value

    def __enter__(self) -> Value:
        return self._value

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> Literal[False]:
        if problem is not None and (
            isinstance(problem, ValueError | OverflowError | OSError) or type(problem).__name__ == "PanicException"
        ):
            raise self._error(problem) from problem
        return False


def engine_errors(error: Callable[[object], Error]) -> EngineErrors[None]:
    return EngineErrors(error, None)


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
        # The most frequent types come first; patterns of `match` take as long as the translation itself.
        if isinstance(match, Term):
            return self._term(match)
        if isinstance(match, DisMax):
            queries = self._possible(match.choices)
            return Query.disjunction_max_query(queries, match.tie) if len(queries) > 1 else next(iter(queries), None)
        if isinstance(match, And):
            return self._all(match.of)
        if isinstance(match, Or):
            return self._any(match.of)
        if isinstance(match, Phrase):
            return self._phrase(match)
        if isinstance(match, Keyword):
            return self._keyword(match)
        if isinstance(match, Boosted | Not):
            query = self.translate(match.match)
            if query is None:
                return None
            return self._boosted(query, match.bonus) if isinstance(match, Boosted) else self._not(query, match.without)
        if isinstance(match, Pattern):
            return self._pattern(match)
        if isinstance(match, Near):
            return self._near(match)
        return self._range(match)

    def _all(self, parts: Sequence[Match]) -> Query | None:
        if not parts:
            return Query.const_score_query(Query.all_query(), 0.0)
        queries = []
        for part in parts:
            if (query := self.translate(part)) is None:
                return None
            queries.append(query)
        return _boolean([(Occur.Must, query) for query in queries])

    def _any(self, parts: Iterable[Match]) -> Query | None:
        queries = self._possible(parts)
        return _boolean([(Occur.Should, query) for query in queries]) if queries else None

    def _not(self, query: Query, without: Iterable[Match]) -> Query:
        return _boolean([(Occur.Must, query), *((Occur.MustNot, part) for part in self._possible(without))])

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

    def _term(self, term: Term) -> Query | None:
        if not self._document_count(term.field, term.token):
            return None
        return Query.boost_query(Query.term_query(self._fields, term.field, term.token), term.boost)

    def _phrase(self, phrase: Phrase) -> Query | None:
        field, tokens = phrase.field, phrase.tokens
        for token in tokens:
            if not self._document_count(field, token):
                return None
        if len(tokens) == 1:
            query = Query.term_query(self._fields, field, tokens[0])
        else:
            query = Query.phrase_query(self._fields, field, list(tokens))
        return Query.const_score_query(query, phrase.boost)

    def _pattern(self, pattern: Pattern) -> Query | None:
        field, tokens = pattern.field, pattern.tokens
        if not all(_MASK.search(token) or self._document_count(field, token) for token in tokens):
            return None
        expressions = [re.escape(token).replace(r"\*", ".*").replace(r"\?", ".") for token in tokens]
        if len(expressions) == 1:
            query = Query.regex_query(self._fields, field, expressions[0])
        else:
            query = Query.regex_phrase_query(self._fields, field, list(enumerate(expressions)))
        return Query.const_score_query(query, pattern.boost)

    def _near(self, near: Near) -> Query | None:
        """Match one of the phrases with a gap: tantivy's own slop also accepts the other order."""
        if not all(self._document_count(near.field, token) for token in (*near.first, *near.second)):
            return None
        first, last = list(enumerate(near.first)), len(near.first) - 1
        phrases = [
            Query.phrase_query(self._fields, near.field, [*first, *enumerate(near.second, last + distance)])
            for distance in range(1, near.distance + 1)
        ]
        return Query.const_score_query(_boolean([(Occur.Should, phrase) for phrase in phrases]), near.boost)

    def _keyword(self, keyword: Keyword) -> Query | None:
        field, values = keyword.field, keyword.values
        if len(values) <= MOST_VALUES_AS_TERMS and not any(self._document_count(field, value) for value in values):
            return None
        return Query.const_score_query(self._any_value(field, values), keyword.boost)

    def _range(self, match: Prefix | Between) -> Query:
        fields = self._fields
        match match:
            case Prefix(field=field, token=token, boost=boost):
                beginning = Query.fuzzy_term_query(fields, field, token, distance=0, prefix=True)
                return Query.const_score_query(beginning, boost)
            case Between(field="number", low=None, high=None, boost=boost):  # every document has it
                return Query.const_score_query(Query.all_query(), boost)
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
        return _boolean([(Occur.Should, Query.term_query(self._fields, field, value)) for value in values])


def _boolean(clauses: list[tuple[Occur, Query]]) -> Query:
    if len(clauses) == 1 and clauses[0][0] is not Occur.MustNot:
        return clauses[0][1]
    return Query.boolean_query(clauses)
