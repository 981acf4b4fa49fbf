"""Boolean searches have the same hits on tantivy, on Elasticsearch and in plain Python, whatever the tree is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import Invalid
from chassis.urls import open_url
from services.catalog import sample
from services.catalog.index.port import ENGINES, Change, Index, Request
from services.catalog.items.parsing import items_of
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record
from services.catalog.record.index_document import document
from services.catalog.search.boolean.matching import build_match
from services.catalog.search.boolean.tree import Clause, Group, Tree
from tests import corpus as files
from tests import servers as development
from tests.conftest import fresh_name
from tests.fakes.documents import made
from tests.services.catalog.indexes import eventually
from tests.services.catalog.search.boolean.oracle import Documents, IndexedDocument, matches
from tests.services.catalog.search.boolean.trees import trees

MANY_WORDS = 1_000_000  # number of a record
MOST_OF_A_FILE = 20  # real records; the oracle reads every document for every tree
TREES = (
    Clause("surau", "title"),
    Clause("robohnya surau kami", "title", "=="),
    Clause("^robohnya sur*", "title"),
    Clause("kami^", "title"),
    Clause("kami surau", "title", "all"),
    Clause("sur?u k*mi", "any"),
    Clause("navis a a", "author", "=="),
    Clause("masak", "title", "=", ("stem",)),
    Clause("1950 1969", "year", "within"),
    Clause("899.2213", "class"),
    Clause("899.22*", "class", "=="),
    Group("near", (Clause("robohnya", "title"), Clause("kami", "title")), distance=2, ordered=True),
    Group("near", (Clause("kami", "title"), Clause("robohnya", "title")), distance=2),
    Group("near", (Clause("khairul jasmi"), Clause("khairul jasmi"))),
    Group("not", (Clause("ind", "language"), Clause("surau"), Clause("2000", "year", ">"))),
)


class Corpus(NamedTuple):
    documents: Documents
    tantivy: Index
    elasticsearch: Index


def _records() -> Iterator[tuple[Record, str]]:
    for source, institution in sample.sources():
        yield from ((record, institution) for record in sample.records(source))
    for file in files.sound_files():
        for number, frame in enumerate(frames(BytesIO(file.read()))):
            if number < MOST_OF_A_FILE:
                yield decode(frame).record, "REAL"


@pytest.fixture(scope="module")
def corpus(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """The sample and a part of the real records in both engines."""
    documents = [
        document(record, number=number, institution=institution, items=items_of(record))
        for number, (record, institution) in enumerate(_records(), 1)
    ]
    name, folder = fresh_name().replace("_", "-"), tmp_path_factory.mktemp("boolean")
    indexes = [open_url(url, ENGINES) for url in (_folder_url(folder), f"{servers['SEARCH_ROOT_URL']}/{name}")]
    for index in indexes:
        rebuild = index.begin_rebuild("boolean-1")
        rebuild.write(Change(document.number, 1, document) for document in documents)
        rebuild.swap()
    yield Corpus(Documents(map(IndexedDocument, documents)), *indexes)
    for index in indexes:
        index.close()
    development.drop_indices(name)


def _folder_url(folder: Path) -> str:
    return f"tantivy:///{folder}/index"


def _no_ids(_ids: Sequence[str]) -> dict[str, int]:
    return {}


def _finds(index: Index, tree: Tree) -> bool:
    return index.search(Request(build_match(tree, _no_ids))).total > 0


def _compare(corpus: Corpus, tree: Tree) -> int:
    match = build_match(tree, _no_ids)
    expected = [indexed.number for indexed in corpus.documents if matches(indexed, tree)]
    for index in (corpus.tantivy, corpus.elasticsearch):
        hits = index.search(Request(match, limit=10_000))
        assert hits.total == len(hits.numbers), tree
        assert sorted(hits.numbers) == expected, (tree, index)
    return len(expected)


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_a_boolean_search_has_the_same_hits_everywhere(corpus: Corpus, tree: Tree) -> None:
    assert _compare(corpus, tree) > 0


@settings(max_examples=60)
@given(data=st.data())
def test_any_tree_has_the_same_hits_everywhere(corpus: Corpus, data: st.DataObject) -> None:
    _compare(corpus, data.draw(trees(corpus.documents)))


def test_a_pattern_in_a_phrase_that_too_many_words_fit_is_refused(corpus: Corpus) -> None:
    words = " ".join(f"t=qqq{number:05}" for number in range(17_000))
    for index in (corpus.tantivy, corpus.elasticsearch):
        index.write([Change(MANY_WORDS, 1, made(MANY_WORDS, text={"fielded": f"t=| {words} t=akhir t=|"}))])
        eventually(partial(_finds, index, Clause("qqq00001", "title")))
        assert index.search(Request(build_match(Clause("qqq0001* qqq0002*", "title"), _no_ids))).total == 1
        with pytest.raises(Invalid, match="WILDCARD_TOO_BROAD"):
            index.search(Request(build_match(Clause("qqq* akhir", "title"), _no_ids)))
