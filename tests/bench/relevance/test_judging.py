"""The judged searches are valid, there are enough of each kind, and no search is in two of the sets."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from bench.relevance.judging import HALVES, KINDS, LATER_SETS, read

MIN_OF_A_KIND = 4
# The test half is not changed, and what people type on a phone came with the seventh set.
LATER_KINDS = {"test": {"question", "cross-language", "minangkabau", "phone"}, "tuning": {"phone"}}


@pytest.mark.parametrize("half", HALVES)
def test_a_half_has_searches_of_every_kind(half):
    searches = read(HALVES[half])
    counts = Counter(search.kind for search in searches)
    assert len(searches) >= 80
    kinds = [kind for kind in KINDS if kind not in LATER_KINDS.get(half, ())]
    assert {kind: counts[kind] for kind in kinds if counts[kind] < MIN_OF_A_KIND} == {}
    assert sum(search.known for search in searches) >= 30


def test_no_search_is_in_both_halves():
    test, tuning = ({search.text.casefold() for search in read(path)} for path in HALVES.values())
    assert not test & tuning


@pytest.mark.parametrize("name", list(LATER_SETS)[1:])
def test_no_search_of_a_blind_set_is_in_an_earlier_one(name):
    earlier = itertools.takewhile(lambda other: other != name, LATER_SETS)
    paths = [*HALVES.values(), *(LATER_SETS[other] for other in earlier)]
    others = {search.text.casefold() for path in paths for search in read(path)}
    assert not others & {search.text.casefold() for search in read(LATER_SETS[name])}


def test_a_later_set_is_valid():
    sizes = {name: len(read(path)) for name, path in LATER_SETS.items()}
    assert sizes == {
        "third": 70, "fifth": 126, "sixth": 150, "seventh": 126,
        "eighth": 143, "ninth": 157, "tenth": 151, "eleventh": 142, "twelfth": 141, "thirteenth": 158,
        "fourteenth": 256, "fifteenth": 242, "sixteenth": 247,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('text = "a"\nkind = "title"\n3 = ["1281 Laskar Palangi"]', "no such book"),
        ('text = "a"\nkind = "title"\n3 = ["1281 Laskar Pelangi"]\n2 = ["1281 Laskar Pelangi"]', "two grades"),
        ('text = "a"\nkind = "title"\n2 = ["1281 Laskar Pelangi"]', "grade 3"),
        ('text = "a"\nkind = "judul"\n3 = ["1281 Laskar Pelangi"]', "kind"),
        ('text = "a"\nkind = "title"\n4 = ["1281 Laskar Pelangi"]', "unknown: 4"),
        ('text = "a"\nkind = "nothing"\n[[query]]\ntext = "a"\nkind = "nothing"', "twice"),
    ],
)
def test_an_error_in_the_file_is_named_with_its_search(tmp_path, entry, message):
    path = tmp_path / "own.toml"
    path.write_text(f"[[query]]\n{entry}\n")
    with pytest.raises(ValueError, match=f"own.toml: 'a': .*{message}"):
        read(path)
