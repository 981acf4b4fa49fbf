"""A facet page by page."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.context import READER
from chassis.errors import Invalid
from services.catalog.search.facets import FacetPage, count_facet
from tests.fakes.library import Library, book


def counted(library: Library, query: str = "", *, facet: str = "subject", **more: Any) -> FacetPage:
    return count_facet(library.database, library.index, context=READER, query=query, facet=facet, **more)


def pairs(page: FacetPage) -> list[tuple[str, int]]:
    return [(value.value, value.count) for value in page.values]


def test_pages_of_a_facet_are_one_list_of_every_value(stocked: Library) -> None:
    whole, offset = [], 0
    while True:
        page = counted(stocked, "novel", offset=offset, limit=40)
        whole += pairs(page)
        if not page.more:
            break
        offset += 40
    assert len(whole) > 80
    assert whole == sorted(set(whole), key=lambda pair: (-pair[1], pair[0]))
    beside = stocked.find("novel", facets=("subject",)).facets[0].values
    assert whole[:10] == [(each.value, each.count) for each in beside]
    by_value = pairs(counted(stocked, "novel", sort="value", limit=100))
    assert by_value == sorted(whole)[:100]


def test_its_own_filter_does_not_narrow_a_facet_and_others_do(stocked: Library) -> None:
    free = counted(stocked, "minangkabau", facet="language")
    chosen = counted(stocked, "minangkabau", facet="language", filters={"language": ("eng",)})
    assert pairs(free) == pairs(chosen)
    assert [value.value for value in chosen.values if value.selected] == ["eng"]
    assert chosen.total == dict(pairs(free))["eng"]
    narrowed = counted(stocked, "minangkabau", facet="subject", filters={"language": ("eng",)}, limit=100)
    assert max(count for _value, count in pairs(narrowed)) <= chosen.total


def test_a_chosen_value_of_a_later_page_stays_there(library: Library) -> None:
    library.put(book(f"Buku {each}", subject=subject) for each, subject in enumerate(["Adat", "Adat", "Surau"]))
    first = counted(library, filters={"subject": ("Surau",)}, limit=1)
    assert (pairs(first), first.more) == ([("Adat", 2)], True)
    assert pairs(counted(library, filters={"subject": ("Surau",)}, offset=1)) == [("Surau", 1)]


def test_what_was_misspelt_is_forgiven_as_beside_the_hits(stocked: Library) -> None:
    found = stocked.find("minangkabua", facets=("language",))
    assert pairs(counted(stocked, "minangkabua", facet="language")) == [
        (value.value, value.count) for value in found.facets[0].values
    ]


def test_places_are_named(library: Library) -> None:
    library.put([book("Satu")])
    (value,) = counted(library, facet="branch").values
    assert value.label is not None
    assert value.label.en == "Main library"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"facet": "colour"}, "FACET_UNKNOWN"),
        ({"sort": "colour"}, "SORT_UNKNOWN"),
        ({"offset": 1001}, "OFFSET_OUT_OF_BOUNDS"),
        ({"limit": 101}, "LIMIT_OUT_OF_BOUNDS"),
        ({"query": "x" * 501}, "QUERY_TOO_LONG"),
        ({"filters": {"colour": ("red",)}}, "FACET_UNKNOWN"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(stocked: Library, asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        counted(stocked, **asked)
    assert refusal.value.reason == reason
