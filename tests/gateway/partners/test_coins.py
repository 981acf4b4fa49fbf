"""COinS: no key without a value, over the sample library and every readable record of the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from urllib.parse import parse_qsl

import httpx
import pytest

from gateway.partners.coins import title_of
from gateway.web.hits import ABSENT
from services.catalog import sample
from services.catalog.marc.record import Record
from services.catalog.record.display import display
from tests import corpus
from tests.web.test_pages import Outline

ADDRESS = "https://katalog.example/records/1"
NOT_A_VALUE = ("", "None", "null", "[]", "{}")


def empty_pairs(title: str) -> list[tuple[str, str]]:
    return [pair for pair in parse_qsl(title, keep_blank_values=True) if pair[1] in NOT_A_VALUE]


def check(records: Iterable[Record]) -> int:
    """Check the COinS of hits and of record pages, whose data has a key for what is absent; return how many."""
    count = 0
    for record in records:
        data = {**ABSENT, **display(record, institution="PKS")}
        assert empty_pairs(title_of(data, address=ADDRESS)) == [], data["title"]
        count += 1
    return count


def test_the_sample_has_no_empty_value() -> None:
    assert check(chain.from_iterable(sample.all_records(source) for source, _ in sample.sources())) > 800


@pytest.mark.parametrize("records", corpus.sets())
def test_records_of_the_corpus_have_no_empty_value(records: str) -> None:
    assert check(corpus.loaded(records)) > 0


@pytest.mark.parametrize("path", ["/search", "/search?q=surau"])
def test_pages_have_no_empty_value(http: httpx.Client, path: str) -> None:
    html = http.get(path, headers={"Accept": "text/html"}).text
    titles = [str(span["title"]) for span in Outline(html).all("span") if span.get("class") == "Z3988"]
    assert titles
    assert [pair for title in titles for pair in empty_pairs(title)] == []


def test_a_title_that_is_the_word_none_stays() -> None:
    assert ("rft.btitle", "None") in parse_qsl(title_of({**ABSENT, "title": "None", "material": "book"}))
