"""The index port: an index of another installation, format or program returns nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chassis.errors import Unavailable
from chassis.urls import open_url
from services.catalog.index.matches import Term
from services.catalog.index.port import ENGINES, NO_INSTALLATION, Index, Request, Sums
from tests.contract.indexes import (
    ANYWHERE,
    BOOKS,
    EVERYTHING,
    Elasticsearch,
    Named,
    Shelf,
    Tantivy,
    changes,
    engine,
    eventually,
    filled,
    numbers,
    rebuilds_at,
    red_index,
)
from tests.fakes.proxy import Proxy, proxy_to


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(Unavailable) as refusal:
        act()
    return refusal.value.reason


def move_alias(url: str) -> None:
    """Move the alias of the live index to one without a marker, as somebody may do by hand."""
    client, base = engine(url), urlsplit(url).path[1:]
    (live,) = client.indices.get(index=f"{base}-*").body
    alias, other = live.removesuffix("-first"), f"{base}-of-others"
    mappings = client.indices.get_mapping(index=live)[live]["mappings"]
    client.indices.create(index=other, mappings={**mappings, "_meta": {}})
    client.indices.update_aliases(
        actions=[{"remove": {"index": live, "alias": alias}}, {"add": {"index": other, "alias": alias}}]
    )


class Contract(Shelf):
    """Owners and forms on every engine."""

    @pytest.fixture
    def other(self, url: str, books: Index) -> Iterator[Index]:
        """The index of another installation at the same URL, after `books`."""
        with closing(open_url(url, ENGINES, installation=Named("other"))) as other:
            yield other

    def test_an_index_of_another_installation_is_refused_and_named(self, books: Index, other: Index) -> None:
        for act in (other.marker_fault, other.fault):
            with pytest.raises(Unavailable) as refusal:
                act()
            facts = refusal.value.facts
            assert refusal.value.reason == "INDEX_FOREIGN"
            assert (facts["owner"], facts["installation"]) == ("none", "other")
            assert facts["index"].endswith("first")
            assert facts["index"] in refusal.value.sentence.en
        assert books.fault() == ""

    def test_it_gives_no_answer_and_takes_no_change(self, books: Index, other: Index) -> None:
        for act in (
            lambda: other.search(Request(EVERYTHING)),
            other.count,
            lambda: list(other.totals([EVERYTHING])),
            lambda: other.count_values("facet_language", ["ind"]),
            lambda: other.near_words("pelango", fields=("title",), distance=1, limit=1),
        ):
            assert reason_of(act) in ("INDEX_FOREIGN", "INDEX_BUILDING")
        assert reason_of(lambda: other.write(changes(BOOKS[:1], 9))) in ("INDEX_FOREIGN", "INDEX_NOT_WRITTEN")
        assert books.sums() == Sums(5, 15, 5)

    def test_even_if_it_builds_an_index_it_deletes_none_of_another_installation(
        self, books: Index, other: Index, url: str
    ) -> None:
        filled(other, changes(BOOKS[:1]), name="second").delete_old()
        assert rebuilds_at(url) == {"first", "second"}


class TestTantivy(Tantivy, Contract):
    @pytest.mark.parametrize(
        "garbage", [b"\xff\xfe\x00\x80", b"\0" * 40, b"../..\n", b"/etc\n", b"", b"a/b", b"x" * 300]
    )
    @pytest.mark.parametrize("pointer", ["current", "next"])
    def test_garbage_in_a_pointer_is_a_missing_index(
        self, books: Index, url: str, garbage: bytes, pointer: str
    ) -> None:
        books.begin_rebuild("second")
        books.close()
        (Path(url.removeprefix("tantivy:///")) / pointer).write_bytes(garbage)
        with closing(open_url(url, ENGINES)) as index:
            if pointer == "current":
                assert (index.fault(), index.name()) == ("INDEX_MISSING", "")
                assert reason_of(lambda: index.search(Request(EVERYTHING))) == "INDEX_BUILDING"
            assert (index.unfinished_rebuild() is None) == (pointer == "next")
            filled(index, changes(BOOKS), name="third")
            assert numbers(index, EVERYTHING) == [1, 2, 3, 4, 5]


class TestElasticsearch(Elasticsearch, Contract):
    def test_an_answer_without_our_marker_is_an_error_and_never_nothing_found(self, books: Index, url: str) -> None:
        move_alias(url)
        with closing(open_url(url, ENGINES)) as index:
            for act in (lambda: index.search(Request(Term("title", "pelangi"))), index.count, index.fault):
                assert reason_of(act) == "INDEX_FOREIGN"

    def test_a_search_is_compared_though_the_last_comparison_is_recent(self, books: Index, url: str) -> None:
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]
        move_alias(url)
        assert reason_of(lambda: books.search(Request(Term("title", "pelangi")))) == "INDEX_FOREIGN"

    def test_every_bulk_answer_is_compared(self, books: Index, url: str) -> None:
        move_alias(url)
        assert reason_of(lambda: books.write(changes(BOOKS, 2))) == "INDEX_FOREIGN"

    def test_red_shards_are_an_outage_and_the_index_answers_when_they_are_back(self, index: Index, url: str) -> None:
        client, name = red_index(url, NO_INSTALLATION, "first")
        assert (index.name(), index.marker_fault()) == ("first", "")
        for act in (index.fault, lambda: index.search(Request(EVERYTHING)), index.count, index.delete_old):
            assert reason_of(act) == "SEARCH_UNAVAILABLE"
        client.indices.put_settings(index=name, settings=ANYWHERE)
        eventually(lambda: client.cluster.health(index=name)["status"] != "red", 20)
        assert (index.fault(), index.count()) == ("", 0)

    def test_indexes_of_two_formats_exist_beside_each_other(
        self, books: Index, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.catalog.index.elastic_writing.FORM", "newer")
        with closing(open_url(url, ENGINES)) as newer:
            assert newer.fault() == "INDEX_MISSING"
            assert reason_of(lambda: newer.search(Request(EVERYTHING))) == "INDEX_BUILDING"
            filled(newer, changes(BOOKS[:2]), name="second")
            assert (numbers(newer, EVERYTHING), numbers(books, EVERYTHING)) == ([1, 2], [1, 2, 3, 4, 5])
            newer.delete_old()
        assert reason_of(lambda: books.search(Request(EVERYTHING))) == "INDEX_BUILDING"

    def test_a_node_that_is_away_is_passed_over(self, books: Index, url: str, proxies: tuple[Proxy, Proxy]) -> None:
        hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies)
        with closing(open_url(f"http://somebody:p%40ss@{hosts}{urlsplit(url).path}", ENGINES)) as index:
            for proxy in proxies:
                proxy.shut()
                for _ in range(4):
                    assert numbers(index, EVERYTHING) == [1, 2, 3, 4, 5]
                    index.write(changes(BOOKS))
                proxy.open()

    @pytest.fixture
    def proxies(self, url: str) -> Iterator[tuple[Proxy, Proxy]]:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 0)
        with proxy_to(*address) as first, proxy_to(*address) as second:
            yield first, second
