"""Updates bench/README.md in place: one section with a table per size."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from bench.load import Figure
from chassis import clock

README = Path(__file__).parent / "README.md"
HEAD = "| what | clients | per second | p50 ms | p99 ms | of the bare path |\n|---|--:|--:|--:|--:|--:|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; `ratio` is our rate divided by that of the bare path in the same run."""

    what: str
    clients: int
    per_second: float
    figure: Figure
    ratio: float | None = None
    note: str = ""

    def line(self) -> str:
        timed = self.figure.p50_ms > 0
        cells = [
            self.what + (f" ({self.note})" if self.note else ""),
            str(self.clients) if self.clients else "",
            f"{self.per_second:,.0f}" if self.per_second else "",
            f"{self.figure.p50_ms:.1f}" if timed else "",
            f"{self.figure.p99_ms:.1f}" if timed else "",
            "" if self.ratio is None else f"{self.ratio:.2f}",
        ]
        return "| " + " | ".join(cells) + " |"


def replace_tables(size: str, rows: list[Row]) -> None:
    """Replace the README's section of this size with these rows."""
    when = f"{clock.now():%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores"
    replace_section(size, f"### {size} records\n\n{when}\n\n{HEAD}" + "".join(f"{row.line()}\n" for row in rows))


def replace_section(name: str, text: str) -> None:
    """Replace the text between the README's marks of this name; append a new section without them."""
    old_text = README.read_text()
    section = f"<!-- {name} -->\n{text}<!-- /{name} -->"
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    new_text = (
        pattern.sub(lambda _: section, old_text) if pattern.search(old_text) else f"{old_text.rstrip()}\n\n{section}\n"
    )
    README.write_text(new_text)
