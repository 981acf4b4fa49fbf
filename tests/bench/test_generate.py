"""The queries of the benchmarks come from a seed."""

from __future__ import annotations

from bench import generate


def test_mixed_queries_have_the_kinds_by_their_shares_and_never_repeat() -> None:
    queries = generate.mixed_queries(2_000)
    assert queries == generate.mixed_queries(2_000)
    assert len(set(queries)) == 2_000
    vocabulary = set(generate.vocabulary()[0]) | set(generate.LAST)
    with_an_unknown_word = [
        query for query in queries if any(word not in vocabulary and ":" not in word for word in query.split())
    ]
    assert 0.17 < len(with_an_unknown_word) / 2_000 < 0.23
    assert 0.04 < sum(len(query.split()) == 4 for query in queries) / 2_000 < 0.08


def test_each_query_without_hits_has_a_word_that_no_record_has() -> None:
    vocabulary = set(generate.vocabulary()[0])
    for query in generate.mixed_queries(500, generate.WITHOUT_HITS):
        assert not vocabulary.issuperset(query.split())
