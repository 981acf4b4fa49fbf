"""The index port: writes, rebuilds and the index state on every engine."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from chassis.errors import Invalid, Unavailable
from chassis.urls import open_url
from services.catalog.index import tantivy
from services.catalog.index.matches import Term
from services.catalog.index.port import ENGINES, Change, Index, Request, Sums
from tests.contract.indexes import (
    BOOKS,
    EVERYTHING,
    Elasticsearch,
    Shelf,
    Tantivy,
    changes,
    eventually,
    filled,
    numbers,
    rebuilds_at,
)
from tests.fakes.documents import made


class Contract(Shelf):
    """Writes and rebuilds on every engine."""

    def test_a_write_is_visible_within_a_second(self, books: Index) -> None:
        new_document = made(6, text={"title": "tenggelamnya kapal"})
        books.write(
            [Change(6, 1, new_document), Change(2, 2, None), Change(1, 2, made(1, text={"title": "laskar baru"}))]
        )
        took = eventually(lambda: numbers(books, EVERYTHING) == [1, 3, 4, 5, 6])
        assert took < 1
        assert numbers(books, Term("title", "pelangi")) == []
        assert numbers(books, Term("title", "baru")) == [1]
        assert books.count() == 5

    def test_a_repeated_write_changes_nothing(self, books: Index) -> None:
        books.write(changes(BOOKS))
        books.write([*changes(BOOKS), Change(99, 1, None)])
        eventually(lambda: books.count() == 5)
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]

    def test_another_process_reads_the_write(self, books: Index, url: str) -> None:
        second_index = open_url(url, ENGINES)
        assert numbers(second_index, EVERYTHING) == [1, 2, 3, 4, 5]
        books.write([Change(5, 2, None)])
        assert eventually(lambda: numbers(second_index, EVERYTHING) == [1, 2, 3, 4]) < 1
        assert second_index.search(Request(EVERYTHING)).generation == books.search(Request(EVERYTHING)).generation
        second_index.close()

    def test_the_generation_changes_with_every_write_and_only_then(self, books: Index) -> None:
        def generation() -> str:
            return books.search(Request(EVERYTHING, limit=1)).generation

        generations = [generation()]
        assert books.search(Request(Term("title", "nothing"), facets=("language",))).generation == generations[0]
        for change in (Change(6, 1, made(6)), Change(6, 2, None), Change(1, 2, BOOKS[0])):
            books.write([change])
            eventually(lambda: generation() != generations[-1])
            time.sleep(0.6)
            generations.append(generation())
        rebuild = books.begin_rebuild("second")
        rebuild.write(changes(BOOKS))
        assert generation() == generations[-1]
        rebuild.swap()
        generations.append(generation())
        assert len(set(generations)) == 5

    def test_the_generation_is_known_after_many_writes_in_a_row(self, books: Index) -> None:
        for at in range(30):
            books.write([Change(10 + at, 1, made(10 + at))])
        eventually(lambda: books.count() == 35)
        time.sleep(0.6)
        first_generation, second_generation = (books.search(Request(EVERYTHING, limit=1)).generation for _ in range(2))
        assert first_generation == second_generation

    def test_near_words_are_sorted_by_distance_then_by_frequency(self, index: Index) -> None:
        titles = ["minang kabau", "minang kabau", "minang kaba", "minang kabar", "minang kabar", "kayu", "sabau"]
        filled(index, changes([made(at, text={"title": title}) for at, title in enumerate(titles, 1)]))
        words = index.near_words("kabao", fields=("title", "subject"), distance=2, limit=5)
        assert words == [("kabar", 2), ("kabau", 2), ("kaba", 1)]
        assert index.near_words("kabao", fields=("title", "subject"), distance=2, limit=1) == [("kabar", 2)]
        assert index.near_words("kabau", fields=("title",), distance=1, limit=5) == [("kabar", 2), ("kaba", 1)]
        assert index.near_words("zzzzzz", fields=("title",), distance=2, limit=5) == []

    def test_near_words_exclude_words_of_deleted_documents(self, books: Index) -> None:
        books.write([Change(5, 2, None)])
        eventually(lambda: books.count() == 4)
        assert books.near_words("cindu", fields=("title",), distance=1, limit=5) == []
        assert books.known_words(["cindua"], fields=("title",)) == []

    def test_very_long_values_are_shortened_and_found(self, index: Index) -> None:
        long = "x" * 40_000
        filled(index, changes([made(1, facets={"subject": (long,)}, title_sort=long)]))
        hits = index.search(Request(EVERYTHING, filters={"subject": (long,)}, facets=("subject",), sort="title"))
        assert list(hits.numbers) == [1]
        assert [count for _value, count in hits.facets["subject"]] == [1]

    def test_a_rebuild_is_invisible_until_it_is_swapped_in(self, books: Index) -> None:
        rebuild = books.begin_rebuild("second")
        rebuild.write(changes(BOOKS[:2]))
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]
        rebuild.swap()
        assert numbers(books, EVERYTHING) == [1, 2]
        assert (books.name(), books.fault(), books.unfinished_rebuild()) == ("second", "", None)
        books.write(changes(BOOKS[2:3]))
        eventually(lambda: numbers(books, EVERYTHING) == [1, 2, 3])

    def test_a_rebuild_continues_after_a_restart(self, books: Index, url: str) -> None:
        books.begin_rebuild("second").write(changes(BOOKS[:2]))
        books.close()
        reopened_index = open_url(url, ENGINES)
        rebuild = reopened_index.unfinished_rebuild()
        assert rebuild is not None
        assert rebuild.name == "second"
        rebuild.write(changes(BOOKS[1:4]))
        rebuild.swap()
        assert numbers(reopened_index, EVERYTHING) == [1, 2, 3, 4]
        reopened_index.close()

    def test_an_abandoned_or_restarted_rebuild_leaves_nothing(self, books: Index) -> None:
        books.begin_rebuild("second").abandon()
        assert books.unfinished_rebuild() is None
        first_rebuild = books.begin_rebuild("third")
        first_rebuild.write(changes(BOOKS[:3]))
        second_rebuild = books.begin_rebuild("fourth")
        second_rebuild.swap()
        assert (books.name(), books.count()) == ("fourth", 0)

    def test_sums_are_those_of_the_newest_versions(self, books: Index) -> None:
        assert books.sums() == Sums(5, 15, 5)
        books.write([Change(2, 4, BOOKS[1]), Change(5, 2, None), Change(9, 2**40, made(9))])
        eventually(lambda: books.sums() == Sums(4 + 1, 10 + 9, 3 + 4 + 2**40))

    def test_old_indexes_are_deleted_only_by_a_newer_one_that_answers(self, index: Index, url: str) -> None:
        for name in ("b", "d", "c"):
            index.begin_rebuild(name).swap()
        index.begin_rebuild("a")
        index.delete_old()
        assert rebuilds_at(url) == {"a", "c", "d"}
        index.begin_rebuild("e")
        assert rebuilds_at(url) == {"c", "d", "e"}

    def test_no_search_fails_while_an_index_is_swapped_in(self, books: Index, url: str) -> None:
        answers, failures, stop = [0], list[Exception](), threading.Event()

        def reader() -> None:
            second_index = open_url(url, ENGINES)
            with suppress(StopIteration):
                while not stop.is_set():
                    try:
                        assert numbers(second_index, EVERYTHING) == [1, 2, 3, 4, 5]
                        answers[0] += 1
                    except Exception as failure:
                        failures.append(failure)
            second_index.close()

        readers = [threading.Thread(target=reader) for _ in range(2)]
        for thread in readers:
            thread.start()
        for name in ("second", "third", "fourth", "fifth"):
            rebuild = books.begin_rebuild(name)
            rebuild.write(changes(BOOKS))
            rebuild.swap()
        stop.set()
        for thread in readers:
            thread.join()
        assert failures == []
        assert answers[0] > 20


class TestTantivy(Tantivy, Contract):
    def test_the_memory_of_an_index_state_is_bounded(self, books: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tantivy, "MOST_TOKENS", 3)
        assert isinstance(books, tantivy.TantivyIndex)
        for _round in range(2):
            for token, near in (
                ("kabba", "kaba"),
                ("pelanggi", "pelangi"),
                ("negerii", "negeri"),
                ("menaraa", "menara"),
            ):
                assert books.near_words(token, fields=("title",), distance=1, limit=1) == [(near, 1)]
        snapshot = books._newest
        assert snapshot is not None
        assert sum(map(len, snapshot.token_sets.values())) <= 3

    def test_a_path_with_three_slashes_is_relative_and_with_four_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for url, folder in (("tantivy:///var/a", tmp_path / "var/a"), (f"tantivy:///{tmp_path}/b", tmp_path / "b")):
            index = open_url(url, ENGINES)
            filled(index, [])
            index.close()
            assert (folder / "current").read_text() == "first\n"
        for wrong in ("tantivy://var/index", "tantivy:///"):
            with pytest.raises(Invalid):
                open_url(wrong, ENGINES)

    def test_two_writers_keep_each_other_out(self, books: Index, url: str) -> None:
        books.write(changes(BOOKS))
        second_index = open_url(url, ENGINES)
        with pytest.raises(Unavailable) as error:
            second_index.write(changes(BOOKS))
        assert error.value.reason == "INDEX_NOT_WRITTEN"
        books.close()
        second_index.write([Change(5, 2, None)])
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4]
        second_index.close()


class TestElasticsearch(Elasticsearch, Contract):
    def test_a_late_write_of_an_older_version_is_refused(self, books: Index) -> None:
        books.write([Change(1, 3, made(1, text={"title": "third"}))])
        books.write([Change(1, 2, made(1, text={"title": "second"})), Change(2, 2, made(2, text={"title": "second"}))])
        eventually(lambda: numbers(books, Term("title", "second")) == [2])
        assert numbers(books, Term("title", "third")) == [1]
