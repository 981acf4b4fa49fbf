"""The query log keeps searches and no persons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from chassis.context import READER, system
from chassis.db import Database
from chassis.errors import Invalid
from services.catalog.query_log import SearchEntry, log_searches, strip_personal_data
from services.catalog.tables import Search


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
        ("978-602-8811-30-9", "978-602-8811-30-9"),
        ("899.2213 nav r", "899.2213 nav r"),
        ("1945..1950 sejarah", "1945..1950 sejarah"),
    ],
)
def test_what_may_be_a_persons_is_struck_out(typed: str, expected: str) -> None:
    assert strip_personal_data(typed, has_hits=False) == expected


def test_a_long_number_that_finds_something_is_a_barcode() -> None:
    assert strip_personal_data("00000000012345", has_hits=True) == "00000000012345"
    assert strip_personal_data("00000000012345", has_hits=False) == "…"
    assert strip_personal_data("buku 081234567890", has_hits=True) == "buku …"


@given(st.text(max_size=600))
def test_any_text_may_be_noted(text: str) -> None:
    assert len(strip_personal_data(text, has_hits=False)) <= 500


def test_searches_are_kept_and_empty_ones_passed_over(database: Database) -> None:
    with database.transaction(system("test")) as session:
        assert log_searches(session, [searched("surau"), searched("  "), searched("081234567890", total=0)]) == 1
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
        [searched("surau", language="xx")],
        [searched("surau")] * 1001,
    ],
)
def test_what_is_no_batch_is_refused(database: Database, wrong: list[SearchEntry]) -> None:
    with database.transaction(system("test")) as session, pytest.raises(Invalid) as refusal:
        log_searches(session, wrong)
    assert refusal.value.reason == "SEARCHES_OUT_OF_BOUNDS"
