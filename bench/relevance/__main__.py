"""Run all judged searches on both engines and report their relevance by kind of search.

    python -m bench.relevance               (or make relevance)
    python -m bench.relevance tuning        print the results of tuning searches that are not perfect
    python -m bench.relevance --set FILE    print the figures of a set of searches that is in no table (tantivy)
    python -m bench.relevance words         count the words of unknown_words.txt that are replaced by others (tantivy)

Without any of these, the table of bench/README.md is replaced. The test half and the later sets are reported only as
totals, so that nobody tunes to their searches.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from bench.relevance.corrected import Corrected, real_words
from bench.relevance.figures import ALL, figures, ndcg
from bench.relevance.judging import HALVES, KINDS, LATER_SETS, NOTHING, Judged, read
from bench.relevance.library import Prepared, prepared
from bench.report import replace_section, table
from chassis import clock
from services.catalog.sample.books_toml import books
from tests import servers


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    reader = argparse.ArgumentParser("python -m bench.relevance", description=__doc__, formatter_class=form)
    reader.add_argument("half", nargs="?", choices=["tuning", "words"])
    reader.add_argument("--set", type=Path, metavar="FILE", help="a TOML file of judged searches")
    arguments = reader.parse_args()
    only = arguments.half
    with prepared_on("tantivy") as embedded:
        if arguments.set:
            print_figures(embedded.answer(read(arguments.set)))
            return
        if only == "words":
            print(Corrected.of(embedded, real_words()))
            return
        if only:
            print_imperfect(embedded.answer(read(HALVES["tuning"])))
            return
        with prepared_on("elasticsearch") as cluster:
            sets = HALVES | LATER_SETS
            columns = {name: compare(read(path), embedded, cluster) for name, path in sets.items()}
    lines = table(f"nDCG@10, {clock.now():%Y-%m-%d}", columns)
    print(lines)
    replace_section("relevance", lines)


@contextmanager
def prepared_on(engine: str) -> Iterator[Prepared]:
    """Prepare the sample library on this engine; remove it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"relevance-{uuid4().hex[:12]}"
        url = f"tantivy:///{folder}/index" if engine == "tantivy" else f"{servers.urls()['SEARCH_ROOT_URL']}/{name}"
        try:
            with prepared(Path(folder), url) as library:
                yield library
        finally:
            if engine == "elasticsearch":
                servers.drop_indices(name)


def compare(searches: list[Judged], embedded: Prepared, cluster: Prepared) -> dict[str, str]:
    """Return one column of the table: row -> cell."""
    by_kind, cluster_figures = figures(embedded.answer(searches)), figures(cluster.answer(searches))
    cells = {kind: decimal(figure.right if kind == NOTHING else figure.ndcg) for kind, figure in by_kind.items()}
    return (
        dict.fromkeys(KINDS, "")
        | cells
        | {
            "all, Elasticsearch": decimal(cluster_figures[ALL].ndcg),
            "success@1": decimal(by_kind[ALL].success),
            "searches, known": f"{by_kind[ALL].searches}, {by_kind[ALL].known}",
        }
    )


def decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def print_imperfect(answers: list[tuple[Judged, list[int]]]) -> None:
    """Print the searches without a perfect result: the books found with their grades, and those missing."""
    titles = {book.number: book.title for book in books()}
    for search, numbers in answers:
        gain = ndcg(numbers, search.grades)
        if gain > 0.999 or (search.kind == NOTHING and set(numbers) <= search.grades.keys()):
            continue
        print(f"{gain:.2f}  {search.kind}: {search.text}")
        for number in numbers:
            print(f"        {search.grades.get(number, 0)}  {number} {titles[number]}")
        for number in sorted(search.grades.keys() - set(numbers), key=lambda book: -search.grades[book])[:5]:
            print(f"     -  {search.grades[number]}  {number} {titles[number]}")
    print_figures(answers)


def print_figures(answers: list[tuple[Judged, list[int]]]) -> None:
    """Print searches, success@1, nDCG@10 and the share of right empty searches, by kind."""
    for kind, figure in figures(answers).items():
        print(kind, figure.searches, decimal(figure.success), decimal(figure.ndcg), decimal(figure.right))


if __name__ == "__main__":
    main()
