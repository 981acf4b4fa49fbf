"""Every search in the tables of docs/search.md finds in the sample library the books of the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from bench.relevance.judging import KINDS, read
from bench.relevance.library import Prepared
from chassis.context import READER
from services.catalog.search import fallback, spelling, validation, wanted_words
from services.catalog.search.boolean import matching, tree
from services.catalog.search.query.fields import FIELDS, SEARCH_FIELDS
from services.catalog.search.query.parser import MOST_DEPTH
from services.catalog.search.search import SearchResult, search
from services.catalog.settings import CatalogSettings
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs" / "search.md").read_text(encoding="utf-8")
INDONESIAN, ENGLISH = PAGE.split("\n# Search, for librarians\n")
HEADS = {
    "pencarian | menemukan | tidak menemukan": "finding",
    "search | finds | does not find": "finding",
    "pencarian | menemukan | jawaban": "answering",
    "search | finds | answer": "answering",
    "bidang | artinya": "fields",
    "field | what it is": "fields",
    "bidang syarat | hubungan": "relations",
    "field of a clause | relations": "relations",
}
CELLS = re.compile(r"(?<!\\)\|")


class Row(NamedTuple):
    """A line of a table: the search, titles in order, and the third cell."""

    search: str
    finds: list[str]
    note: str


def lines(kind: str, page: str = PAGE) -> Iterator[list[str]]:
    """The cells of every line of the page's tables of a kind."""
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        head, _, *rows = table.splitlines()
        if HEADS[head.strip("| ")] == kind:
            for row in rows:
                yield [cell.strip().replace("\\|", "|") for cell in CELLS.split(row)[1:-1]]


def rows(kind: str) -> list[Row]:
    return [Row(search.removeprefix("`").removesuffix("`"), titles(finds), note) for search, finds, note in lines(kind)]


def titles(cell: str) -> list[str]:
    return [title.strip() for title in cell.split(";") if title.strip()]


def results(library: Prepared, query: str, **options: bool) -> tuple[SearchResult, list[str]]:
    """Return the result of a search and the titles of the first hundred hits, without those that follow the others."""
    result = search(library.database, library.index, context=READER, query=query, limit=100, **options)
    hits = result.hits[: result.complete or None]
    return result, list(dict.fromkeys(orjson.loads(hit.brief)["title"] for hit in hits))


def in_order(expected: list[str], found: list[str]) -> bool:
    """Return True when the found titles begin with the first expected one and have the others in order."""
    return [title for title in found if title in expected] == expected and found[:1] == expected[:1]


@pytest.mark.parametrize("row", rows("finding"), ids=lambda row: row.search)
def test_a_search_finds_the_titles_of_the_page(embedded: Prepared, row: Row) -> None:
    result, found_titles = results(embedded, row.search)
    assert in_order(row.finds, found_titles)
    assert (result.corrected, result.relaxed, result.read_as_words) == (False, False, False)
    if row.note:
        assert (result.complete or result.total) <= 100
        assert set(titles(row.note)).isdisjoint(found_titles)


@pytest.mark.parametrize("row", rows("answering"), ids=lambda row: f"{row.search}: {row.note}")
def test_a_search_behaves_as_the_page_says(embedded: Prepared, row: Row) -> None:
    label, _, value = row.note.partition(": ")
    grouped = label in ("edisi", "editions")
    result, found_titles = results(embedded, row.search, by_work=grouped, explain=True)
    assert in_order(row.finds, found_titles)
    suggestion = result.did_you_mean
    reasons = [
        text for reason in (result.hits[0].reasons if result.hits else ()) for text in (reason.text.id, reason.text.en)
    ]
    behaviours = {
        "diganti": result.corrected and suggestion == value,
        "ditawarkan": not result.corrected and suggestion == value,
        "sebagian kata": result.relaxed,
        "sebagai kata biasa": result.read_as_words,
        "tidak ada": not result.total,
        "sebab": value in reasons,
        "edisi": result.hits[0].editions == int(value) if grouped else False,
    }
    english = ("replaced", "offered", "some words", "as plain words", "nothing", "reason", "editions")
    behaviours |= dict(zip(english, list(behaviours.values()), strict=True))
    assert behaviours[label]


def test_both_languages_have_the_same_examples() -> None:
    for kind in HEADS.values():
        counts = [len(list(lines(kind, page))) for page in (INDONESIAN, ENGLISH)]
        assert counts[0] == counts[1] > 0


def test_every_field_is_named_in_both_languages() -> None:
    for page in (INDONESIAN, ENGLISH):
        assert {name for field, _ in lines("fields", page) for name in re.findall(r"`(\w+):`", field)} == set(FIELDS)


def test_every_field_of_a_clause_has_its_relations_in_both_languages() -> None:
    for page in (INDONESIAN, ENGLISH):
        table = [[re.findall(r"`([^`]+)`", cell) for cell in row] for row in lines("relations", page)]
        relations = {name: tuple(known) for names, known in table for name in names}
        assert relations == {row.name: matching.RELATIONS[row.kind] for row in SEARCH_FIELDS.values()}


@pytest.mark.parametrize("page", [INDONESIAN, ENGLISH], ids=["id", "en"])
def test_the_example_of_a_judged_search_is_valid(page: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "own.toml").write_text(example)
    (search,) = read(tmp_path / "own.toml")
    assert (search.text, search.known, sorted(search.grades.values())) == ("laskar pelangi", True, [1, 2, 2, 3])
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []


def test_the_numbers_in_the_page_are_those_of_the_code() -> None:
    days = CatalogSettings.model_fields["query_log_days"].default
    statements = {
        (f"{validation.MOST_CHARACTERS} huruf dan {validation.MOST_WORDS} kata", INDONESIAN),
        (f"{validation.MOST_CHARACTERS} characters and {validation.MOST_WORDS} words", ENGLISH),
        (
            f"sedikit {validation.SHORTEST_WILDCARD} huruf; paling banyak {validation.MOST_WILDCARDS} bintang",
            INDONESIAN,
        ),
        (f"least {validation.SHORTEST_WILDCARD} letters; at most {validation.MOST_WILDCARDS} stars", ENGLISH),
        (f"banyak {MOST_DEPTH} tingkat", INDONESIAN),
        (f"most {MOST_DEPTH} levels", ENGLISH),
        (f"banyak {fallback.MOST_CANDIDATES} cantuman", INDONESIAN),
        (f"most {fallback.MOST_CANDIDATES} records", ENGLISH),
        (f"{tree.MOST_CLAUSES} syarat, {tree.MOST_LEVELS} tingkat, {matching.MOST_WORDS} kata, ", INDONESIAN),
        (f"{tree.MOST_CLAUSES} clauses, {tree.MOST_LEVELS} levels, {matching.MOST_WORDS} words, ", ENGLISH),
        (f"{matching.MOST_MASKED_WORDS} kata dengan `*`", INDONESIAN),
        (f"{matching.MOST_MASKED_WORDS} words with `*`", ENGLISH),
        (f"{matching.MOST_DISTANCE} kata, dalam urutan", INDONESIAN),
        (f"{matching.MOST_DISTANCE} words apart", ENGLISH),
        (f"{days} hari", INDONESIAN),
        (f"{days} days", ENGLISH),
    }
    assert [text for text, page in statements if text not in page] == []
    # Numbers that the page has in words.
    assert (wanted_words.MOST_BY_NUMBER, wanted_words.MOST_BY_RARITY, spelling.FEW_HITS) == (0.6, 0.5, 5)
