"""Works of more than twenty records in the corpora: each is listed here with what joins its records."""

from __future__ import annotations

from collections import Counter

import pytest

from services.catalog.marc.record import by_tag
from services.catalog.works.assignment import connected_parts
from services.catalog.works.keys import keys_of
from services.catalog.works.likeness import compared_record
from tests import corpus

LARGE = 20
# Set, title of the first record -> (records, kinds of the keys that they share). A work that is new here, or whose
# records have other reasons, is to be looked at: a wrong key joins hundreds of records without any sign.
JUDGED = {
    # Generated records draw titles and authors from few words; those of damaged files are the same records again.
    ("own", "cerita rumah laut surau"): (33, {"title"}),
    ("own", "hukum bahasa padi alam"): (23, {"title"}),
    ("own", "laut adat padi alam"): (40, {"title"}),
    # Editions of one novel, and one with notes under another title and the novel's uniform title.
    ("real", "sense sensibility"): (25, {"title", "original", "isbn"}),
    # Editions and translations of one novel, by its uniform title.
    ("real", "pride prejudice"): (23, {"title", "original"}),
}


@pytest.mark.parametrize("records", corpus.sets())
def test_every_large_work_is_judged(records: str) -> None:
    loaded = list(corpus.loaded(records))
    keys = [keys_of(record.leader, by_tag(record.fields)) for record in loaded]
    parts = connected_parts([(at, tuple(key.number for key in own)) for at, own in enumerate(keys)])
    large = {}
    for numbers in parts:
        if len(numbers) <= LARGE:
            continue
        times = Counter(key.number for number in numbers for key in keys[number])
        kinds = {key.kind for number in numbers for key in keys[number] if times[key.number] > 1}
        large[(records, " ".join(compared_record(loaded[numbers[0]]).title))] = len(numbers), kinds
    assert large == {place: judged for place, judged in JUDGED.items() if place[0] == records}
