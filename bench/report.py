"""The table in bench/README.md: one section a size, renewed in place."""

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
    """One line; `ratio` is ours by the bare path's in the same run."""

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


def renew(size: str, rows: list[Row]) -> None:
    """Put these rows in the README's section of this size."""
    when = f"{clock.now():%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores"
    put(size, f"### {size} records\n\n{when}\n\n{HEAD}" + "".join(f"{row.line()}\n" for row in rows))


def put(name: str, text: str) -> None:
    """Put a text between the README's marks of this name; at its end when they are not there yet."""
    before = README.read_text()
    section = f"<!-- {name} -->\n{text}<!-- /{name} -->"
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    after = pattern.sub(lambda _: section, before) if pattern.search(before) else f"{before.rstrip()}\n\n{section}\n"
    README.write_text(after)
