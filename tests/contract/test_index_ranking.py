"""Both engines rank alike: random questions to both, scores and lists compared."""

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


def a_word(chance: random.Random) -> Match:
    """One word of a search box: in any field, the best counts; sometimes also a prefix or a phrase."""
    title, token = word(chance.choice([1, 2, 3, 8, 30, 200])), word(min(int(chance.paretovariate(0.7)), 4000))
    fields = (("title", 4.0), ("any", 3.0), ("author", 3.5), ("subject", 2.0), ("text", 0.7))
    choices: list[Match] = [Term(field, token[:5] if field == "any" else token, boost) for field, boost in fields]
    choices += chance.choice([[], [Prefix("title", token[:3], 0.8)], [Phrase("title", (token, title), 6.0)]])
    return DisMax(tuple(choices), tie=0.1)


def a_request(chance: random.Random) -> Request:
    words = tuple(a_word(chance) for _ in range(chance.choice([1, 1, 2, 2, 3])))
    match: Match = chance.choice([And, Or])(words)
    match = chance.choice(
        [
            match,
            Not(match, (Term("text", word(2)),)),
            Boosted(match, (Phrase("title", (word(1), word(1)), 5.0), Term("subject", word(3), 2.0))),
            Boosted(Term("any", f"#{word(1)[:3]}", 3.0), tuple(Term("text", word(rank)) for rank in (1, 2, 3, 5))),
            And((match, Between("year", 2000, chance.choice([2010, None])))),
        ]
    )
    filters: dict[str, tuple[str, ...]] = {}
    if chance.random() < 0.4:
        filters["language"] = tuple(chance.sample(("ind", "min", "eng"), 2))
    if chance.random() < 0.2:
        filters["author"] = (f"Pengarang {chance.randint(1, 5)}",)
    facets = chance.choice([(), ("language", "author"), ("subject", "year", "availability", "author")])
    offset = chance.choice([0, 0, 10, 300])
    return Request(match, filters, facets, offset=offset, limit=chance.choice([10, 20]))


def assert_alike(one: Index, other: Index, request: Request) -> None:
    """The same hits, facets, scores and order; those whose scores agree to a thousandth may change places."""
    left, right = one.search(request), other.search(request)
    assert (left.total, left.facets) == (right.total, right.facets)
    assert list(left.scores) == pytest.approx(list(right.scores), rel=1e-3)
    theirs = dict(zip(right.numbers, right.scores, strict=True))
    for number, score, there in zip(left.numbers, left.scores, right.numbers, strict=True):
        if number != there:
            # A tie at an edge of the page has others beyond it.
            near = [theirs[number]] if number in theirs else [right.scores[0], right.scores[-1]]
            assert any(score == pytest.approx(each, rel=1e-3) for each in near)


class TestBothEngines:
    """The two editions rank alike."""

    QUESTIONS = 200

    @pytest.fixture
    def both(self, tmp_path: Path, elasticsearch_url: str) -> Iterator[tuple[Index, Index]]:
        opened = (open_url(f"tantivy:///{tmp_path}/index", ENGINES), open_url(elasticsearch_url, ENGINES))
        yield opened
        for each in opened:
            each.close()

    @staticmethod
    def settle(both: tuple[Index, Index], count: int) -> None:
        """Wait until both have refreshed after the last write."""
        eventually(lambda: all(index.count() == count for index in both))
        time.sleep(0.6)

    def compare(self, both: tuple[Index, Index], seed: int) -> float:
        chance, same = random.Random(seed), 0
        for _ in range(self.QUESTIONS):
            request = a_request(chance)
            assert_alike(*both, request)
            same += list(both[0].search(request).numbers) == list(both[1].search(request).numbers)
        return same / self.QUESTIONS

    def test_they_find_score_count_and_order_alike(self, both: tuple[Index, Index]) -> None:
        for index in both:
            filled(index, list(random_changes(3000, seed=1)))
        assert self.compare(both, seed=2) > 0.9

    def test_they_still_do_after_updates_deletions_and_a_rebuild(self, both: tuple[Index, Index]) -> None:
        for index in both:
            filled(index, list(random_changes(3000, seed=1)))
            index.write(list(random_changes(1000, seed=3, first=2001, version=2)))
            index.write([Change(number, 2, None) for number in range(1, 301)])
        self.settle(both, 2700)
        for index in both:
            rebuild = index.begin_rebuild("second")
            rebuild.write([change for change in random_changes(3000, seed=1) if 300 < change.number <= 2000])
            rebuild.write(list(random_changes(1000, seed=3, first=2001, version=2)))
            rebuild.swap()
        self.settle(both, 2700)
        assert self.compare(both, seed=4) > 0.9

    def test_they_know_the_same_words(self, both: tuple[Index, Index]) -> None:
        for index in both:
            filled(index, list(random_changes(1500, seed=5)))
        chance = random.Random(6)
        for _ in range(40):
            typed = list(word(chance.randint(1, 500)))
            typed[chance.randrange(1, len(typed))] = "e"
            asked = ("".join(typed), {"fields": ("title", "author"), "distance": chance.choice([1, 2]), "limit": 5})
            assert both[0].near_words(asked[0], **asked[1]) == both[1].near_words(asked[0], **asked[1])  # type: ignore[arg-type]
