"""Updates bench/README.md in place: the table of all sizes, and sections of other benchmarks."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import Figure
from chassis import clock

README = Path(__file__).parent / "README.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; `ratio` is our rate divided by that of the bare path, or of Elasticsearch, in the same run."""

    what: str
    clients: int
    per_second: float
    figure: Figure
    ratio: float | None = None
    note: str = ""


def cell(rows: Sequence[Row]) -> str:
    """Return the rates by number of clients; in brackets p99, ratio and note of the middle one.

    The rows differ in their clients alone. Example: `365 / 413 / 383 (30.9 ms, 0.69)`.
    """
    rates = " / ".join(f"{row.per_second:,.0f}" for row in rows if row.per_second)
    middle = rows[len(rows) // 2]
    details = [
        f"{middle.figure.p99_ms:.1f} ms" if middle.figure.p50_ms > 0 else "",
        "" if middle.ratio is None else f"{middle.ratio:.2f}",
        middle.note,
    ]
    in_brackets = ", ".join(filter(None, details))
    return f"{rates} ({in_brackets})" if rates and in_brackets else rates or in_brackets


def read_columns() -> dict[str, dict[str, str]]:
    """Return the README's table of sizes: size -> label -> cell."""
    head, *lines = (
        [text.strip() for text in line.strip("|\n").split("|")]
        for line in section("sizes").splitlines()
        if line.startswith("| ")
    )
    return {size: {line[0]: line[number] for line in lines} for number, size in enumerate(head[1:], 1)}


def replace_column(size: str, rows: Iterable[Row]) -> None:
    """Replace the column of this size in the README's table of sizes; the other columns stay."""
    by_label: dict[str, list[Row]] = {}
    for row in rows:
        by_label.setdefault(row.what, []).append(row)
    when = f"{clock.now():%Y-%m-%d}, Python {platform.python_version()}"
    column = {"measured": when} | {label: cell(measured) for label, measured in by_label.items()}
    replace_section("sizes", table("records", read_columns() | {size: column}))


def table(title: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """Return a Markdown table: a column for each key, a row for each label in one of them."""
    labels = dict.fromkeys(label for column in columns.values() for label in column)
    head = f"| {title} | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}\n"
    return head + "".join(
        f"| {label} | {' | '.join(column.get(label, '') for column in columns.values())} |\n" for label in labels
    )


def section(name: str) -> str:
    """Return the text between the README's marks of this name, or nothing without them."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README.read_text(), re.DOTALL)
    return found.group(1) if found else ""


def replace_section(name: str, text: str) -> None:
    """Replace the text between the README's marks of this name; append a new section without them."""
    old_text = README.read_text()
    new_section = f"<!-- {name} -->\n{text}<!-- /{name} -->"
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    new_text = (
        pattern.sub(lambda _: new_section, old_text)
        if pattern.search(old_text)
        else f"{old_text.rstrip()}\n\n{new_section}\n"
    )
    README.write_text(new_text)
