"""The query log keeps searches and no persons."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid
from services.catalog import query_log
from services.catalog.query_log import (
    LONGEST_TEXT,
    SearchEntry,
    count_over_bound,
    log_searches,
    report_searches,
    strip_personal_data,
)
from services.catalog.tables import Search


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with clock.frozen(datetime(2026, 11, 25, 9, tzinfo=UTC)):
        yield


def searched(query: str, *, total: int = 1, day: str = "2026-11-25", language: str = "id") -> SearchEntry:
    return SearchEntry(day, query, total, 0, language)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("  Robohnya   SURAU kami ", "robohnya surau kami"),
        ("1371031502900001", "…"),
        ("1371-0315 0290.0001 kartu", "… kartu"),
        ("hubungi 0812 3456 7890", "hubungi …"),
        ("+62 (812) 3456-7890", "…"),
        ("siti.nurbaya@contoh.id buku", "… buku"),
        ("nik 1371_2345_0101_9001", "nik …"),
        ("1371,2345;0101:9001", "…"),
        ("1371 -- 2345 -- 0101 -- 9001", "…"),
        ("1*3*7*1*2*3*4*5*0*1*0*1*9*0*0*1", "…"),
        ("１３７１２３４５０１０１９００１", "…"),
        ("siti @ contoh.id", "…"),
        ("siti at contoh.id", "…"),
        ("buku siti.rahma (at) contoh.co.id", "buku …"),
        ("siti[at]contoh[dot]id surau", "… surau"),
        ("siti dot rahma at contoh dot id", "…"),
        ("siti_at_contoh_titik_com", "…"),
        ("978-602-8811-30-9", "978-602-8811-30-9"),
        ("978 602 8811 30 9", "978 602 8811 30 9"),
        ("9786028811309 2019", "9786028811309 2019"),
        ("2001 2002 2003", "2001 2002 2003"),
        ("pemilu 1999, 2004, 2009", "pemilu 1999, 2004, 2009"),
        ("1945-1950 1955-1959", "1945-1950 1955-1959"),
        ("a day at the beach", "a day at the beach"),
        ("looking at the dot that moves", "looking at the dot that moves"),
        ("death at st. mary", "death at st. mary"),
        ("harimau! harimau!", "harimau! harimau!"),
        # A card, whose digits are those of an ISBN-10 too.
        ("1000000052", "…"),
        ("kartu 1000000018", "kartu …"),
        ("899.2213 nav r", "899.2213 nav r"),
        ("1945..1950 sejarah", "1945..1950 sejarah"),
        ("surau\x00 \x1b[31mkami\u202e\x85baru", "surau [31mkami baru"),
    ],
)
def test_possible_personal_data_is_removed(typed: str, expected: str) -> None:
    assert strip_personal_data(typed, has_hits=False) == expected


def test_a_long_number_that_finds_something_is_a_barcode() -> None:
    assert strip_personal_data("00000000012345", has_hits=True) == "00000000012345"
    assert strip_personal_data("00000000012345", has_hits=False) == "…"
    assert strip_personal_data("buku 081234567890", has_hits=True) == "buku …"


@given(st.text(max_size=600))
def test_any_text_may_be_noted(text: str) -> None:
    assert len(stored := strip_personal_data(text, has_hits=False)) <= LONGEST_TEXT
    assert stored.isprintable()


@pytest.mark.parametrize("personal", [
    "siti@contoh.id", "1371031502900001", "13710 31502 90000 1", "0812-3456-7890", "1371_0315_0290_0001",
    "siti at contoh.id", "siti dot rahma at contoh dot id",
])  # fmt: skip
def test_half_of_an_address_or_of_a_number_is_not_stored(personal: str) -> None:
    """Texts are cut before persons are looked for: what would have been recognised whole may not remain as a half."""
    for remaining in range(1, len(personal)):
        beginning = ("kata " * 30)[: LONGEST_TEXT - remaining - 1]
        stored = strip_personal_data(f"{beginning} {personal} kata", has_hits=False)
        assert beginning.startswith(stored)


def test_a_batch_of_long_hostile_texts_takes_little_time(database: Database) -> None:
    shapes = [
        "1 " * 250,
        "a@" * 250,
        "1." * 249 + "x",
        "x" * 500,
        "@" * 500,
        "a at " * 100,
        "a_dot_at_" * 50,
        "1------" * 70,
    ]
    started = time.process_time()
    with database.transaction(system("test")) as session:
        log_searches(session, [searched(shapes[at % len(shapes)]) for at in range(1000)])
    assert time.process_time() - started < 2


def test_a_day_has_a_bounded_number_of_rows_and_further_searches_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log, "MOST_ROWS_A_DAY", 3)
    with database.transaction(system("test")) as session:
        assert log_searches(session, [searched("surau")] * 2) == 2
        assert log_searches(session, [searched("adat")] * 5 + [searched("lain", day="2026-11-24")]) == 2
        assert log_searches(session, [searched("nagari")] * 7) == 0
    with database.reading(READER) as session:
        assert count_over_bound(session, since="2026-11-01") == 4 + 7
        assert count_over_bound(session, since="2026-11-26") == 0
        rows = report_searches(session, since="2026-11-01", failed=False, limit=10)
    assert [(row.query, row.searches) for row in rows] == [("surau", 2), ("adat", 1), ("lain", 1)]


def test_searches_are_kept_and_empty_ones_passed_over(database: Database) -> None:
    with database.transaction(system("test")) as session:
        searches = [searched("sur\x00au"), searched("  "), searched("081234567890", total=0)]
        assert log_searches(session, searches) == 1
    with database.reading(READER) as session:
        rows = session.scalars(select(Search)).all()
    assert [(row.day, row.query, row.total, row.clicked, row.language) for row in rows] == [
        ("2026-11-25", "surau", 1, 0, "id")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        [searched("surau", day="25 November")],
        [searched("surau", day="2026-W48-3")],
        [searched("surau", day="9999-12-31")],
        [searched("surau", day="2026-11-27")],
        [searched("surau", day="2026-10-25")],
        [searched("x" * 501)],
        [searched("surau", language="xx")],
        [searched("surau")] * 1001,
    ],
)
def test_an_invalid_batch_is_refused(database: Database, wrong: list[SearchEntry]) -> None:
    with database.transaction(system("test")) as session, pytest.raises(Invalid) as refusal:
        log_searches(session, wrong)
    assert refusal.value.reason == "SEARCHES_OUT_OF_BOUNDS"
