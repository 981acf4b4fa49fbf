"""Volumes of a series are in order among hits of nearly the same score."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.catalog.search.series_order import series_of
from tests.fakes.library import Library, book


@pytest.mark.parametrize(
    ("brief", "series"),
    [
        ({"series": "Harry Potter ; 2", "title": "Harry Potter dan Kamar Rahasia"}, ("harry potter", 2)),
        ({"series": "Tetralogi Buru, jilid 4"}, ("tetralogi buru", 4)),
        ({"title": "Catatan pinggir 1"}, ("catatan pinggir", 1)),
        ({"title": "Tan Malaka. Jilid 2"}, ("tan malaka", 2)),
        ({"title": "1984"}, None),
        ({"title": "Negeri 5 Menara"}, None),
        ({"title": "Kemarau"}, None),
    ],
)
def test_a_volume_is_read_from_the_series_or_the_title(
    brief: dict[str, object], series: tuple[str, int] | None
) -> None:
    assert series_of(brief) == series


def test_volumes_are_in_order_and_a_better_match_stays_first(library: Library) -> None:
    library.put([book(f"Kisah rantau {volume}", summary="kata " * (7 - volume)) for volume in (3, 1, 4, 2)])
    assert library.titles("kisah rantau") == [f"Kisah rantau {volume}" for volume in (1, 2, 3, 4)]
    assert library.titles("kisah rantau 3")[0] == "Kisah rantau 3"


def test_volumes_of_the_sample_are_in_order(sample_library: Library) -> None:
    for query, expected in (("harry potter", "Harry Potter dan"), ("supernova", "Supernova")):
        titles = [title for title in sample_library.titles(query, strict=True) if title.startswith(expected)]
        assert len(titles) >= 3
    titles = sample_library.titles("tetralogi buru", strict=True)
    assert list(dict.fromkeys(titles)) == ["Bumi Manusia", "Anak Semua Bangsa", "Jejak Langkah", "Rumah Kaca"]


def test_pages_neither_repeat_nor_miss_a_volume(open_library: Callable[[], Library]) -> None:
    library = open_library()
    library.put([book(f"Kisah rantau {volume}", summary="kata " * (volume % 5)) for volume in range(12, 0, -1)])
    cursor, titles = "", []
    for _page in range(4):
        result = library.find("kisah rantau", limit=4, cursor=cursor)
        titles += library.titles("kisah rantau", limit=4, cursor=cursor)
        cursor = result.next
        if not cursor:
            break
    assert sorted(titles) == sorted(f"Kisah rantau {volume}" for volume in range(1, 13))


def test_a_list_in_order_of_year_keeps_it(library: Library) -> None:
    library.put([book(f"Kisah rantau {volume}", year=2000 + volume) for volume in (1, 2, 3)])
    assert library.titles("kisah rantau", sort="year") == [f"Kisah rantau {volume}" for volume in (3, 2, 1)]
