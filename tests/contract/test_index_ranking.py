"""Both engines rank alike: their hits and scores for random requests are compared."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.urls import open_url
from services.catalog.index.matches import And, Between, Boosted, DisMax, Match, Not, Or, Phrase, Prefix, Term
from services.catalog.index.port import ENGINES, Change, Index, Request
from tests.contract.indexes import (
    eventually,
    filled,
)
from tests.fakes.documents import random_changes, word


def random_word(generator: random.Random) -> Match:
    """Match a random word in its best field; sometimes with a prefix or a phrase."""
    title, token = word(generator.choice([1, 2, 3, 8, 30, 200])), word(min(int(generator.paretovariate(0.7)), 4000))
    fields = (("title", 4.0), ("any", 3.0), ("author", 3.5), ("subject", 2.0), ("text", 0.7))
    choices: list[Match] = [Term(field, token[:5] if field == "any" else token, boost) for field, boost in fields]
    choices += generator.choice([[], [Prefix("title", token[:3], 0.8)], [Phrase("title", (token, title), 6.0)]])
    return DisMax(tuple(choices), tie=0.1)


def random_request(generator: random.Random) -> Request:
    words = tuple(random_word(generator) for _ in range(generator.choice([1, 1, 2, 2, 3])))
    match: Match = generator.choice([And, Or])(words)
    match = generator.choice(
        [
            match,
            Not(match, (Term("text", word(2)),)),
            Boosted(match, (Phrase("title", (word(1), word(1)), 5.0), Term("subject", word(3), 2.0))),
            Boosted(Term("any", f"#{word(1)[:3]}", 3.0), tuple(Term("text", word(rank)) for rank in (1, 2, 3, 5))),
            And((match, Between("year", 2000, generator.choice([2010, None])))),
        ]
    )
    filters: dict[str, tuple[str, ...]] = {}
    if generator.random() < 0.4:
        filters["language"] = tuple(generator.sample(("ind", "min", "eng"), 2))
    if generator.random() < 0.2:
        filters["author"] = (f"Pengarang {generator.randint(1, 5)}",)
    facets = generator.choice([(), ("language", "author"), ("subject", "year", "availability", "author")])
    offset = generator.choice([0, 0, 10, 300])
    return Request(match, filters, facets, offset=offset, limit=generator.choice([10, 20]))


def assert_alike(left_index: Index, right_index: Index, request: Request) -> bool:
    """Assert the same hits, facets, scores and order; hits whose scores differ by less than a thousandth may swap.

    Returns whether none has swapped.
    """
    left_hits, right_hits = left_index.search(request), right_index.search(request)
    assert (left_hits.total, left_hits.facets) == (right_hits.total, right_hits.facets)
    assert list(left_hits.scores) == pytest.approx(list(right_hits.scores), rel=1e-3)
    right_scores = dict(zip(right_hits.numbers, right_hits.scores, strict=True))
    for number, score, right_number in zip(left_hits.numbers, left_hits.scores, right_hits.numbers, strict=True):
        if number != right_number:
            # A hit at the edge of the page may tie with hits of another page.
            possible_scores = (
                [right_scores[number]] if number in right_scores else [right_hits.scores[0], right_hits.scores[-1]]
            )
            assert any(score == pytest.approx(possible_score, rel=1e-3) for possible_score in possible_scores)
    return list(left_hits.numbers) == list(right_hits.numbers)


class TestBothEngines:
    """Both engines rank random requests alike."""

    REQUESTS = 200

    @pytest.fixture
    def engines(self, tmp_path: Path, elasticsearch_url: str) -> Iterator[tuple[Index, Index]]:
        indexes = (open_url(f"tantivy:///{tmp_path}/index", ENGINES), open_url(elasticsearch_url, ENGINES))
        yield indexes
        for index in indexes:
            index.close()

    @staticmethod
    def settle(engines: tuple[Index, Index], count: int) -> None:
        """Wait until both engines have refreshed after the last write."""
        eventually(lambda: all(index.count() == count for index in engines))
        time.sleep(0.6)

    def compare(self, engines: tuple[Index, Index], seed: int) -> float:
        generator = random.Random(seed)
        return sum(assert_alike(*engines, random_request(generator)) for _ in range(self.REQUESTS)) / self.REQUESTS

    def test_both_find_score_count_and_sort_alike(self, engines: tuple[Index, Index]) -> None:
        for index in engines:
            filled(index, list(random_changes(3000, seed=1)))
        assert self.compare(engines, seed=2) > 0.9

    def test_both_rank_alike_after_updates_deletions_and_a_rebuild(self, engines: tuple[Index, Index]) -> None:
        for index in engines:
            filled(index, list(random_changes(3000, seed=1)))
            index.write(list(random_changes(1000, seed=3, first=2001, version=2)))
            index.write([Change(number, 2, None) for number in range(1, 301)])
        self.settle(engines, 2700)
        for index in engines:
            rebuild = index.begin_rebuild("second")
            rebuild.write([change for change in random_changes(3000, seed=1) if 300 < change.number <= 2000])
            rebuild.write(list(random_changes(1000, seed=3, first=2001, version=2)))
            rebuild.swap()
        self.settle(engines, 2700)
        assert self.compare(engines, seed=4) > 0.9

    def test_both_have_the_same_near_words(self, engines: tuple[Index, Index]) -> None:
        for index in engines:
            filled(index, list(random_changes(1500, seed=5)))
        generator = random.Random(6)
        for _ in range(40):
            letters = list(word(generator.randint(1, 500)))
            letters[generator.randrange(1, len(letters))] = "e"
            token, distance = "".join(letters), generator.choice([1, 2])
            near_words = [
                index.near_words(token, fields=("title", "author"), distance=distance, limit=5) for index in engines
            ]
            assert near_words[0] == near_words[1]
