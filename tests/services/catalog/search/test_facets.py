"""Pages of one facet."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.context import READER
from chassis.errors import Invalid
from services.catalog.search.facets import FacetPage, count_facet
from tests.fakes.library import Library, book


def count_values(library: Library, query: str = "", *, facet: str = "subject", **more: Any) -> FacetPage:
    return count_facet(library.database, library.index, context=READER, query=query, facet=facet, **more)


def pairs(page: FacetPage) -> list[tuple[str, int]]:
    return [(value.value, value.count) for value in page.values]


def test_pages_of_a_facet_are_one_list_of_every_value(sample_library: Library) -> None:
    values, offset = [], 0
    while True:
        page = count_values(sample_library, "novel", offset=offset, limit=40)
        values += pairs(page)
        if not page.more:
            break
        offset += 40
    assert len(values) > 80
    assert values == sorted(set(values), key=lambda pair: (-pair[1], pair[0]))
    facet_values = sample_library.find("novel", facets=("subject",)).facets[0].values
    assert values[:10] == [(value.value, value.count) for value in facet_values]
    by_value = pairs(count_values(sample_library, "novel", sort="value", limit=100))
    assert by_value == sorted(values)[:100]


def test_other_filters_narrow_a_facet_and_its_own_filter_does_not(sample_library: Library) -> None:
    page = count_values(sample_library, "minangkabau", facet="language")
    chosen = count_values(sample_library, "minangkabau", facet="language", filters={"language": ("eng",)})
    assert pairs(page) == pairs(chosen)
    assert [value.value for value in chosen.values if value.selected] == ["eng"]
    assert chosen.total == dict(pairs(page))["eng"]
    narrowed = count_values(sample_library, "minangkabau", facet="subject", filters={"language": ("eng",)}, limit=100)
    assert max(count for _value, count in pairs(narrowed)) <= chosen.total


def test_a_chosen_value_of_a_later_page_stays_on_that_page(library: Library) -> None:
    library.put(book(f"Buku {value}", subject=subject) for value, subject in enumerate(["Adat", "Adat", "Surau"]))
    page = count_values(library, filters={"subject": ("Surau",)}, limit=1)
    assert (pairs(page), page.more) == ([("Adat", 2)], True)
    assert pairs(count_values(library, filters={"subject": ("Surau",)}, offset=1)) == [("Surau", 1)]


def test_a_misspelt_query_is_corrected_as_for_hits(sample_library: Library) -> None:
    result = sample_library.find("minangkabua", facets=("language",))
    assert pairs(count_values(sample_library, "minangkabua", facet="language")) == [
        (value.value, value.count) for value in result.facets[0].values
    ]


def test_institutions_and_branches_have_labels(library: Library) -> None:
    library.put([book("Satu")])
    (value,) = count_values(library, facet="branch").values
    assert value.label is not None
    assert value.label.en == "Main library"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"facet": "colour"}, "FACET_UNKNOWN"),
        ({"sort": "colour"}, "SORT_UNKNOWN"),
        ({"offset": 1001}, "OFFSET_OUT_OF_BOUNDS"),
        ({"limit": 101}, "LIMIT_OUT_OF_BOUNDS"),
        ({"query": "x" * 501}, "QUERY_TOO_LONG"),
        ({"filters": {"colour": ("red",)}}, "FACET_UNKNOWN"),
    ],
)
def test_parameters_out_of_bounds_are_refused_by_name(
    sample_library: Library, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        count_values(sample_library, **parameters)
    assert refusal.value.reason == reason
