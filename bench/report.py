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
            str(self.clients),
            f"{self.per_second:,.0f}",
            f"{self.figure.p50_ms:.1f}" if timed else "",
            f"{self.figure.p99_ms:.1f}" if timed else "",
            "" if self.ratio is None else f"{self.ratio:.2f}",
        ]
        return "| " + " | ".join(cells) + " |"


def renew(size: str, rows: list[Row]) -> None:
    """Put these rows in the README's section of this size."""
    text = README.read_text()
    when = f"{clock.today('UTC')}, Python {platform.python_version()}, {os.cpu_count()} cores"
    section = f"<!-- {size} -->\n### {size} records\n\n{when}\n\n{HEAD}" + "".join(f"{row.line()}\n" for row in rows)
    section += f"<!-- /{size} -->"
    pattern = re.compile(rf"<!-- {size} -->.*?<!-- /{size} -->", re.DOTALL)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else text.rstrip() + "\n\n" + section + "\n"
    README.write_text(text)
