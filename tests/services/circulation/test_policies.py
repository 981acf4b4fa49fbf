"""Policies: the most specific row decides, and a set of rows is judged as a whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import pytest

from chassis.errors import Invalid
from chassis.sentences import LocalText
from services.circulation.policies import (
    PolicyRow,
    PolicySet,
    judge,
    read_here_only,
    read_rows,
    row_for,
    seed_of,
    write_rows,
)
from services.members.people import categories

HERE = LocalText("Dibaca di tempat.", "Read here.")
# Named by what they name: category, collection, branch.
ROWS = [PolicyRow(category=c, collection=k, branch=b) for c, k, b in product(("", "c"), ("", "k"), ("", "b"))]


@pytest.mark.parametrize(
    ("place", "decides"),
    [
        (("c", "k", "b"), ("c", "k", "b")),
        (("c", "k", "x"), ("c", "k", "")),
        (("c", "x", "b"), ("c", "", "b")),
        (("c", "x", "x"), ("c", "", "")),
        (("x", "k", "b"), ("", "k", "b")),
        (("x", "x", "b"), ("", "", "b")),
        (("x", "x", "x"), ("", "", "")),
    ],
)
def test_the_most_specific_row_decides(place, decides):
    category, collection, branch = place
    for rows in (ROWS, ROWS[::-1]):
        assert row_for(rows, category=category, collection=collection, branch=branch).place == decides


def test_a_category_outranks_a_collection_and_a_collection_a_branch():
    alone = [PolicyRow(category="c"), PolicyRow(collection="k"), PolicyRow(branch="b")]
    for rows in permutations(alone):
        assert row_for(rows, category="c", collection="k", branch="b").category == "c"
    for rows in permutations(alone[1:]):
        assert row_for(rows, category="c", collection="k", branch="b").collection == "k"


def test_no_row_is_for_a_loan_that_none_names():
    assert row_for([PolicyRow(category="c")], category="x", collection="", branch="") is None


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([], {("POLICY_GAP", "rows")}),
        ([PolicyRow(category="umum")], {("POLICY_GAP", "rows")}),
        ([PolicyRow(), PolicyRow(loan_limit=9)], {("POLICY_TWICE", "rows[1]")}),
        ([PolicyRow(unit="week")], {("POLICY_VALUE_INVALID", "rows[0].unit")}),
        ([PolicyRow(period=0)], {("POLICY_VALUE_INVALID", "rows[0].period")}),
        ([PolicyRow(period=367)], {("POLICY_VALUE_INVALID", "rows[0].period")}),
        ([PolicyRow(unit="hour", period=169)], {("POLICY_VALUE_INVALID", "rows[0].period")}),
        ([PolicyRow(renew_from="never")], {("POLICY_VALUE_INVALID", "rows[0].renew_from")}),
        ([PolicyRow(loan_limit=-1)], {("POLICY_VALUE_INVALID", "rows[0].loan_limit")}),
        ([PolicyRow(loan_limit=2, collection_limit=3)], {("POLICY_VALUE_INVALID", "rows[0].collection_limit")}),
        ([PolicyRow(fine_per_day=1000, fine_cap=500)], {("POLICY_VALUE_INVALID", "rows[0].fine_cap")}),
        (
            [PolicyRow(fine_per_day=1000, suspension_cap=30)],
            {("POLICY_FINE_AND_SUSPENSION", "rows[0].suspension_cap")},
        ),
        ([PolicyRow(), PolicyRow(category="umun")], {("POLICY_CODE_UNKNOWN", "rows[1].category")}),
        ([PolicyRow(), PolicyRow(branch="x")], {("POLICY_CODE_UNKNOWN", "rows[1].branch")}),
        ([PolicyRow(collection="x" * 65), PolicyRow()], {("POLICY_VALUE_INVALID", "rows[0].collection")}),
        (
            [PolicyRow(category="umum", period=0), PolicyRow(category="umum", renewals=100)],
            {
                ("POLICY_GAP", "rows"),
                ("POLICY_TWICE", "rows[1]"),
                ("POLICY_VALUE_INVALID", "rows[0].period"),
                ("POLICY_VALUE_INVALID", "rows[1].renewals"),
            },
        ),
    ],
)
def test_a_set_is_refused_with_every_fault(rows, faults):
    with pytest.raises(Invalid) as refusal:
        judge(rows, categories=["umum", "anak"], branches=["pusat"])
    assert {(fault.reason, fault.facts["field"]) for fault in refusal.value.refusals} == faults


def test_a_row_of_a_category_must_not_hide_that_a_collection_is_not_for_loan():
    closed = PolicyRow(collection="reference", is_for_loan=False, not_for_loan_sentence=HERE)
    rows = [PolicyRow(), closed, PolicyRow(category="dosen", loan_limit=10)]
    with pytest.raises(Invalid) as refusal:
        judge(rows)
    assert (refusal.value.reason, refusal.value.facts["field"]) == ("POLICY_NOT_FOR_LOAN_HIDDEN", "rows[2]")
    judge([*rows, PolicyRow(category="dosen", collection="reference")])
    judge([*rows, replace(closed, category="dosen")])


WIDEST = {"period": 7, "unit": "day", "loan_limit": 3, "renewals": 1, "suspension_cap": 30}


def test_children_with_two_books_for_14_days_are_one_row():
    rows = read_rows(
        [
            WIDEST,
            {"collection": "reference", "is_for_loan": False},
            {"category": "anak", "loan_limit": 2, "unit": "day", "period": 14},
        ]
    )
    judge(rows)
    child = row_for(rows, category="anak", collection="children", branch="pusat")
    assert (child.loan_limit, child.period, child.renewals, child.suspension_cap) == (2, 14, 1, 30)
    assert (child.is_for_loan, child.inherits) == (True, frozenset())
    reference = row_for(rows, category="anak", collection="reference", branch="pusat")
    assert (reference.is_for_loan, reference.loan_limit) == (False, 2)


def test_a_value_comes_from_the_next_wider_row_that_has_it():
    rows = read_rows(
        [
            {**WIDEST, "grace_days": 1},
            {"collection": "k", "renewals": 2, "grace_days": 2},
            {"category": "c", "renewals": 3},
            {"category": "c", "collection": "k", "branch": "b"},
        ]
    )
    row = row_for(rows, category="c", collection="k", branch="b")
    assert (row.renewals, row.grace_days, row.loan_limit, row.place) == (3, 2, 3, ("c", "k", "b"))
    # Before a loan is known, a row shows the values of the rows that cover all its loans.
    assert [(row.renewals, row.grace_days) for row in rows] == [(1, 1), (2, 2), (3, 1), (3, 2)]
    assert rows[3].inherits >= {"renewals", "grace_days", "unit", "period"}
    assert read_rows(write_rows(rows)) == rows


def test_values_that_belong_together_are_inherited_together():
    rows = read_rows([WIDEST, {"category": "c", "fine_per_day": 500}, {"category": "d", "period": 2}])
    assert (rows[1].fine_per_day, rows[1].suspension_cap) == (500, 0)
    assert (rows[2].unit, rows[2].period, rows[2].suspension_cap) == ("day", 2, 30)
    judge(rows)


def test_a_set_has_a_bound():
    with pytest.raises(Invalid) as refusal:
        judge([PolicyRow(category=str(number)) for number in range(501)])
    assert refusal.value.reason == "POLICY_TOO_MANY_ROWS"


@pytest.mark.parametrize("kind", ["public", "academic", "university", "school", ""])
def test_the_seed_of_each_kind_is_sound_and_suits_the_categories_of_members(kind):
    seed = seed_of(kind)
    codes = [category.code for category in categories.seeds_of(kind)]
    judge(seed.rows, categories=codes, default_category=seed.default_category)
    assert (seed.version, seed.categories) == (0, tuple(codes))
    for code in codes:
        reference = row_for(seed.rows, category=code, collection="reference", branch="any")
        assert not reference.is_for_loan
        row = row_for(seed.rows, category=code, collection="circulation", branch="any")
        assert row.is_for_loan
        assert bool(row.fine_per_day) == (kind in ("academic", "university")) == (not row.suspension_cap)


def test_the_seed_of_a_city_has_the_rules_of_the_neighbours():
    rows = seed_of("public").rows
    person = row_for(rows, category="pelajar", collection="children", branch="pusat")
    assert (person.loan_limit, person.unit, person.period, person.renewals) == (3, "day", 7, 1)
    assert (person.hold_limit, person.shelf_days, person.suspension_cap) == (2, 3, 30)
    organisation = row_for(rows, category="lembaga", collection="children", branch="pusat")
    assert (organisation.loan_limit, organisation.period) == (30, 30)


def test_rows_are_read_as_they_were_written():
    rows = seed_of("academic").rows
    assert read_rows(write_rows(rows)) == rows


@pytest.mark.parametrize(
    "document", [{"loan_limit": "3"}, {"loan_limit": True}, {"colour": "red"}, {"last_due_on": "x"}]
)
def test_a_value_of_another_type_is_refused_by_its_name(document):
    with pytest.raises(Invalid) as refusal:
        read_rows([document])
    assert refusal.value.facts["field"] == f"rows[0].{next(iter(document))}"


def test_items_for_reading_here_only_are_listed_by_collection_and_branch():
    closed = {"is_for_loan": False, "not_for_loan_sentence": HERE}
    rows = (
        PolicyRow(),
        PolicyRow(collection="reference", **closed),
        PolicyRow(branch="arsip", **closed),
        PolicyRow(category="dosen", collection="reference"),
    )
    assert read_here_only(PolicySet(1, rows, "umum")) == [
        ("", "", False),
        ("", "arsip", True),
        ("reference", "", True),
        ("reference", "arsip", True),
    ]
