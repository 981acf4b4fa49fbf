"""A librarian's decision on records and works stays after imports and regrouping."""

from __future__ import annotations

import pytest

from chassis.errors import Invalid, NotFound
from chassis.ids import new_id
from services.catalog.works.overrides import join_work
from tests.builders import book
from tests.services.catalog.works.conftest import CONTEXT, Works, of
from tests.services.catalog.works.test_assignment import made


def test_a_split_record_is_a_work_of_its_own_and_stays_it_after_a_new_import(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu"))
    works.split("2")
    assert works.partition() == of("1", "2")
    works.put(made("1", "satu"), made("2", "satu"), made("3", "satu"))
    works.put(made("2", "satu", "dua"))
    assert works.partition() == of("13", "2")


def test_a_split_record_gets_a_new_version(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu"))
    works.split("2")
    assert works.version("2") == 2


def test_records_that_only_a_split_record_connected_become_separate_works(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu", "dua"), made("3", "dua"))
    works.split("2")
    assert works.partition() == of("1", "2", "3")


def test_a_joined_record_stays_whatever_its_source_says_and_pulls_nobody(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "dua"), made("3", "dua"))
    works.join("2", into="1")
    assert works.partition() == of("12", "3")
    works.put(made("2", "lain"), made("4", "lain"), made("5", "dua"))
    assert works.partition() == of("12", "35", "4")


def test_a_joined_record_follows_when_its_work_merges_into_another(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "dua"), made("3", "tiga"))
    works.join("3", into="2")
    works.put(made("4", "satu", "dua"))
    assert works.partition() == of("1234")
    works.delete("3")
    works.put(made("3", "kembali"))
    assert works.partition() == of("1234")


def test_the_newest_word_counts(works: Works) -> None:
    works.put(made("1", "satu"), made("2", "satu"), made("3"))
    works.split("2")
    works.join("2", into="3")
    works.put(made("2", "satu", "dua"))
    assert works.partition() == of("1", "23")
    works.split("2")
    assert works.partition() == of("1", "2", "3")


def test_an_edition_with_a_ruling_shows_it_with_the_reason(works: Works) -> None:
    works.put(made("1", "satu"), made("2"))
    works.join("2", into="1")
    (edition,) = [edition for edition in works.shown("1").editions if edition.record.id == str(works.record_id("2"))]
    assert (edition.score, edition.reasons[0].en) == (100, "Decided by a librarian: terjemahan")


def test_an_impossible_ruling_is_refused_by_name(works: Works) -> None:
    works.put(made("1"))
    with pytest.raises(Invalid, match="WORK_OF_ONE"):
        works.split("1")
    with works.database.transaction(CONTEXT) as session:
        with pytest.raises(NotFound, match="RECORD_NOT_FOUND"):
            join_work(session, new_id(), works.work_id("1"), reason="x")
        with pytest.raises(NotFound, match="WORK_NOT_FOUND"):
            join_work(session, works.record_id("1"), new_id(), reason="x")
        with pytest.raises(Invalid, match="REASON_OUT_OF_BOUNDS"):
            join_work(session, works.record_id("1"), works.work_id("1"), reason=" ")


def test_editions_come_with_the_one_to_be_had_first_then_the_readers_language_then_the_newest(works: Works) -> None:
    toer = {"author": "Toer, Pramoedya Ananta"}
    original = [["240", "10", "a", "Bumi manusia."]]
    works.put(
        book("old", "Bumi manusia", year="1980", **toer),
        book("new", "Bumi manusia", year="2005", **toer),
        book("eng", "This earth of mankind", year="1996", language="eng", more=original, **toer),
        book("lent", "Bumi manusia", year="1990", items=[("PST", "1")], **toer),
    )
    ids = {str(works.record_id(key)): key for key in ("old", "new", "eng", "lent")}
    page = works.shown("old")
    assert [ids[edition.record.id] for edition in page.editions] == ["lent", "new", "old", "eng"]
    english = works.shown("eng", language="en", branch="PKS/LAIN")
    assert [ids[edition.record.id] for edition in english.editions] == ["lent", "eng", "new", "old"]
    assert (page.title, page.author) == ("Bumi manusia", "Toer, Pramoedya Ananta")
    assert {edition.score for edition in page.editions} == {90, 95}


def test_the_id_of_a_merged_work_shows_the_other(works: Works) -> None:
    works.put(made("1", "satu"))
    works.put(made("2", "dua"))
    younger = works.work_id("2")
    works.put(made("3", "satu", "dua"))
    assert works.shown("1") == works.shown("2")
    assert len(works.shown_by(younger).editions) == 3


def test_a_work_nobody_knows_or_without_records_is_not_found(works: Works) -> None:
    works.put(made("1"))
    work = works.work_id("1")
    works.delete("1")
    for work_id in (new_id(), work):
        with pytest.raises(NotFound, match="WORK_NOT_FOUND"):
            works.shown_by(work_id)
