"""Differences and versions of records with many fields."""

from __future__ import annotations

import time
from itertools import islice, pairwise

from chassis import clock
from services.catalog.cataloguing import history
from services.catalog.cataloguing.records import MOST_FIELDS
from services.catalog.marc.record import Record as Marc

LEADER = "00000nam a2200000 i 4500"


def of(*texts: str) -> Marc:
    return Marc(LEADER, [["001", "1"], *(["650", " 4", "a", text] for text in texts)])


def test_records_with_many_equal_fields_are_compared_in_time() -> None:
    left, right = of(*["a"] * MOST_FIELDS, "b"), of("c", *["a"] * MOST_FIELDS)
    begun = time.process_time()
    differences = history.differences_of(left, right)
    assert time.process_time() - begun < 2
    assert {(change.before, change.after) for change in differences} == {
        ("650 #4 $aa", "650 #4 $ac"),
        ("650 #4 $ab", "650 #4 $aa"),
    }
    assert history.take_differences(left, right, differences) == right


def test_the_version_before_a_change_of_all_fields_is_computed() -> None:
    before = of(*(f"a{number}" for number in range(MOST_FIELDS)))
    after = of(*(f"b{number}" for number in range(MOST_FIELDS)))
    entries = history.begin(None, before.pack(), version=1, at=clock.now())
    changed = history.add(
        entries, version=2, at=clock.now(), actor="a", act="edit", before=before.pack(), after=after.pack()
    )
    assert [version.record for version in history.versions(changed, after.pack())] == [after, before]


def test_fields_between_equal_ones_are_the_difference() -> None:
    left, right = of("a", "b", "c", "d"), of("a", "x", "c", "d", "e")
    assert [(change.before, change.after) for change in history.differences_of(left, right)] == [
        ("650 #4 $ab", "650 #4 $ax"),
        ("", "650 #4 $ae"),
    ]
    assert history.differences_of(left, left) == []


def test_versions_below_a_number_are_listed_from_there() -> None:
    contents = [of("a"), of("a", "b"), of("b"), of("c")]
    entries = history.begin(None, contents[0].pack(), version=1, at=clock.now())
    changed = b""
    for version, (before, after) in enumerate(pairwise(contents), start=2):
        changed = history.add(
            entries, version=version, at=clock.now(), actor="a", act="edit", before=before.pack(), after=after.pack()
        )
        entries = history.begin(changed, after.pack(), version=0, at=clock.now())
    page = list(islice(history.versions(changed, contents[-1].pack(), below=4), 2))
    assert [(version.version, version.record) for version in page] == [(3, contents[2]), (2, contents[1])]
