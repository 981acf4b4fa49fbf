"""Works change with imported, changed and deleted records."""

from __future__ import annotations

from itertools import permutations
from threading import Thread
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from chassis.bus.outbox import outbox
from chassis.context import READER
from chassis.database.db import Database
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import IndexQueue, Record, Work
from services.catalog.works.assignment import WorkSets, connected_parts
from tests.builders import book
from tests.services.catalog.works.conftest import Works, of


def made(number: str, *keys: str) -> Marc:
    """A record known by these and by nothing else: titles of one author, as its own and as its originals."""
    own, *others = keys or (f"sendirian {number}",)
    return book(
        number,
        f"Kitab {own}",
        author="Navis, A. A.",
        more=[["246", "1 ", "i", "Asli:", "a", f"Kitab {other}"] for other in others],
    )


def test_each_record_has_a_work_alone_its_own(works: Works) -> None:
    works.put(made("1"), made("2"))
    assert works.partition() == of("1", "2")


def test_editions_are_of_one_work_whatever_batch_brings_them(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "dua"), made("3", "satu"))
    works.put(made("4", "dua"), source="LAIN")
    assert works.partition() == of("13", "24")


def test_a_record_that_connects_two_works_merges_the_younger_into_the_older(works: Works) -> None:
    works.put(made("1", "satu"))
    works.put(made("2", "dua"))
    older, younger = works.work_id("1"), works.work_id("2")
    works.put(made("3", "dua", "satu"))
    assert works.partition() == of("123")
    assert works.work_id("2") == older
    with works.database.reading(READER) as session:
        merged = session.scalars(select(Work).where(Work.id == younger)).one()
        assert merged.merged_into == works.number("1")


def test_a_record_that_changes_its_work_gets_a_new_version_is_indexed_and_published(works: Works) -> None:
    works.put(made("1", "satu"))
    works.put(made("2", "dua"))
    works.put(made("3", "dua", "satu"))
    assert (works.version("1"), works.version("2")) == (1, 2)
    with works.database.reading(READER) as session:
        number = session.scalars(select(Record.number).where(Record.id == works.record_id("2"))).one()
        queued = session.scalars(select(IndexQueue.version).where(IndexQueue.record_number == number)).one()
        events = session.scalars(select(outbox.c.body).where(outbox.c.aggregate_id.like("works:%"))).all()
    assert queued == 2
    assert [str(works.record_id("2")) in event for event in events] == [True]


def test_a_record_of_several_originals_does_not_connect_their_works(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "dua"), made("3", "tiga", "satu", "dua"))
    assert works.partition() == of("1", "2", "3")


def test_a_merged_work_that_merges_on_leads_to_the_last(works: Works) -> None:
    for number, keys in (
        ("1", ["satu"]),
        ("2", ["dua"]),
        ("3", ["tiga"]),
        ("4", ["tiga", "dua"]),
        ("5", ["dua", "satu"]),
    ):
        works.put(made(number, *keys))
    with works.database.reading(READER) as session:
        assert set(session.scalars(select(Work.merged_into).where(Work.merged_into.is_not(None)))) == {
            works.number("1")
        }
    assert works.partition() == of("12345")


def test_a_changed_record_leaves_and_joins_another(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu"), made("3", "tiga"))
    works.put(made("2", "tiga"))
    assert works.partition() == of("1", "23")
    works.put(made("4", "satu"))
    assert works.partition() == of("14", "23")


def test_records_that_only_a_changed_record_connected_become_separate_works(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu", "dua"), made("3", "dua"), made("4", "dua"))
    first_work, version = works.work_id("1"), works.version("4")
    works.put(made("2", "lain"))
    assert works.partition() == of("1", "2", "34")
    assert works.work_id("1") == first_work
    assert works.version("4") == version + 1
    works.put(made("5", "dua"))
    assert works.partition() == of("1", "2", "345")


def test_a_record_alone_keeps_its_work_when_it_changes(works: Works) -> None:
    works.put(made("1", "satu"))
    own = works.work_id("1")
    works.put(made("1", "berubah"))
    assert works.work_id("1") == own
    works.put(made("2", "satu"))
    assert works.partition() == of("1", "2")


def test_a_record_that_goes_pulls_nobody_any_more(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu", "dua"), made("3", "dua"))
    works.delete("2")
    assert works.partition() == of("1", "3")
    works.put(made("4", "dua"))
    assert works.partition() == of("1", "34")


def test_an_unchanged_import_moves_nobody(works: Works) -> None:
    records = [made("1", "satu"), made("2", "satu"), made("3")]
    works.put(*records)
    old_numbers = [works.number(key) for key in "123"]
    works.put(*records)
    assert [(works.number(key), works.version(key)) for key in "123"] == [(number, 1) for number in old_numbers]


@pytest.mark.parametrize("order", list(permutations("123"))[3:5])
def test_any_order_in_one_batch_gives_the_same_works(works: Works, order: tuple[str, ...]) -> None:
    records = {"1": made("1", "satu"), "2": made("2", "satu", "dua"), "3": made("3", "dua")}
    works.put(*(records[at] for at in order))
    assert works.partition() == of("123")


KEYS = st.lists(st.sampled_from(["satu", "dua", "tiga", "empat", "lima"]), min_size=1, max_size=2, unique=True)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("123456"), KEYS), min_size=2, max_size=10))
def test_works_depend_on_the_records_and_not_on_how_they_came(works: Works, steps: list[tuple[str, list[str]]]) -> None:
    """Whatever came and changed, in whatever batches: the works are the connected parts of what is there now."""
    prefix = uuid4().hex  # one database for all examples: each has keys of its own
    keys_by_work: dict[str, list[str]] = {}
    for number, keys in steps:
        keys_by_work[number] = keys
        works.put(made(f"{prefix}{number}", *(f"{prefix} {key}" for key in keys)))
    hashes = {key: at for at, key in enumerate(["satu", "dua", "tiga", "empat", "lima"])}
    expected = connected_parts(
        [(int(number), tuple(hashes[key] for key in keys)) for number, keys in sorted(keys_by_work.items())]
    )
    works_of_prefix = {work for work in works.partition() if any(key.startswith(prefix) for key in work)}
    assert works_of_prefix == {frozenset(f"{prefix}{number}" for number in work) for work in expected}


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=12), st.randoms())
def test_the_parts_of_a_net_are_the_same_in_any_order(keys: list[list[int]], generator: object) -> None:
    members = [(at, tuple(values)) for at, values in enumerate(keys)]
    shuffled = list(members)
    generator.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {frozenset(part) for part in connected_parts(members)} == {
        frozenset(part) for part in connected_parts(shuffled)
    }


def test_a_net_keeps_the_lowest_work() -> None:
    sets = WorkSets({1: 7, 2: 3})
    assert sets.add((1, 2, 9), None) == 3
    assert (sets.root(7), sets.works[9]) == (3, 3)
    assert sets.add((9,), 5) == 3
    assert sets.merged == {7: 3, 5: 3}


def test_two_imports_at_once_that_bring_one_key_make_one_work(database: Database, works: Works) -> None:
    sources = ["A", "B", "C", "D"]
    threads = [
        Thread(target=lambda source=source: type(works.import_)(database)([made(source, "satu")], source=source))
        for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert works.partition() == of("ABCD")
