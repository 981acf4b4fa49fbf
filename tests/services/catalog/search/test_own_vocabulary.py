"""A library's own vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chassis.errors import Invalid
from services.catalog.analysis.vocabulary import use_vocabulary
from services.catalog.search.own_vocabulary import read_vocabulary, use_own_vocabulary
from services.catalog.search.validation import forget_queries
from tests.fakes.library import Library, book


@pytest.fixture
def restored() -> Iterator[None]:
    yield
    use_vocabulary()
    forget_queries()


@pytest.mark.usefixtures("restored")
def test_words_of_a_library_find_each_other(open_library: Callable[[], Library], tmp_path: Path) -> None:
    library = open_library()
    library.put([book("Beternak belut"), book("Surau")])
    assert library.titles("baluak") == []
    file = tmp_path / "words.txt"
    file.write_text("baluak = belut\nlight: caro\n", encoding="utf-8")
    use_own_vocabulary(file)
    assert library.titles("caro baluak") == ["Beternak belut"]


def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    with pytest.raises(Invalid) as refusal:
        read_vocabulary(file)
    assert refusal.value.reason == "VOCABULARY_UNREADABLE"
    file.write_text("itiak = itik\nitiak itik\n", encoding="utf-8")
    with pytest.raises(Invalid) as refusal:
        read_vocabulary(file)
    assert (refusal.value.reason, refusal.value.facts["line"]) == ("VOCABULARY_INVALID", 2)
    use_own_vocabulary(None)
