"""Records that may be the same as one that a cataloguer is about to save."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from chassis.ids import new_id
from services.catalog.cataloguing.duplicates import find_duplicates
from services.catalog.marc.record import Record as Marc
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer

ISBN, OTHER_ISBN = "9789794030462", "9786020324784"
STORED = {"title": "Bulan lebam", "year": "1999", "isbn": ISBN}


def duplicates(cataloguer: Cataloguer, marc: Marc) -> dict[UUID, tuple[int, list[str]]]:
    """Score and reasons of each record, the likeliest first."""
    with cataloguer.database.reading(cataloguer.context) as session:
        found = find_duplicates(session, marc, context=cataloguer.context)
    return {each.id: (each.score, [reason.en for reason in each.reasons]) for each in found}


@pytest.mark.parametrize(
    ("given", "score", "reasons"),
    [
        ({}, 99, ["Same author and title", "Same ISBN"]),
        ({"isbn": ""}, 95, ["Same author and title"]),
        ({"isbn": "", "year": "2007"}, 70, ["Same author and title", "Different year"]),
        ({"title": "Bulan lebam di tepian toba"}, 88, ["Same ISBN"]),
        ({"title": "Salah ketik", "author": "Orang Lain"}, 88, ["Same ISBN"]),
    ],
)
def test_a_record_that_may_be_the_same_has_a_score_and_reasons(
    cataloguer: Cataloguer, given: dict[str, str], score: int, reasons: list[str]
) -> None:
    stored = cataloguer.create(book(None, **STORED))
    assert duplicates(cataloguer, book(None, **STORED | given)) == {stored.id: (score, reasons)}


@pytest.mark.parametrize(
    "given", [{"isbn": OTHER_ISBN, "year": "2007"}, {"isbn": "", "title": "Kemarau panjang"}, {"isbn": "", "title": ""}]
)
def test_another_edition_and_another_book_are_left_out(cataloguer: Cataloguer, given: dict[str, str]) -> None:
    cataloguer.create(book(None, **STORED))
    assert duplicates(cataloguer, book(None, **STORED | given)) == {}


def test_deleted_records_and_those_of_other_institutions_are_left_out(cataloguer: Cataloguer) -> None:
    stored = cataloguer.create(book(None, **STORED))
    stranger = replace(cataloguer, context=replace(cataloguer.context, institution=str(new_id())))
    assert duplicates(stranger, book(None, **STORED)) == {}
    cataloguer.delete(stored.id, 1)
    assert duplicates(cataloguer, book(None, **STORED)) == {}
