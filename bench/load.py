"""Loads an HTTP server with wrk and measures requests per second, median and 99th percentile."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SECONDS = 4
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians of the rounds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def require_wrk() -> None:
    """Check that wrk is installed; exit otherwise."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install -y wrk")


def measure_searches(
    address: str, queries: list[str], *, clients: int, parameters: str = "", seconds: int = SECONDS
) -> Figure:
    """Load `address` with these searches.

    raises  RuntimeError  a response was not 200
    """
    lines = [f"/api/v1/search?q={quote(query)}{parameters}" for query in queries]
    return measure(address, lines, clients=clients, seconds=seconds)


def measure(address: str, lines: list[str], *, clients: int, seconds: int = SECONDS, rounds: int = ROUNDS) -> Figure:
    """Load `address` with these lines in turn: a path to GET, or a path, a space and JSON to POST.

    raises  RuntimeError  a response was not 200
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "paths"
        paths.write_text("".join(f"{line}\n" for line in lines))
        figures = []
        for _ in range(rounds):
            process = subprocess.run(
                [
                    "wrk",
                    "-t1",
                    f"-c{clients}",
                    f"-d{seconds}s",
                    "--timeout=20s",
                    "-s",
                    str(Path(__file__).parent / "search.lua"),
                    address,
                ],
                env={**os.environ, "QUERIES": str(paths)},
                capture_output=True,
                text=True,
                check=True,
            )
            report = json.loads(process.stdout.splitlines()[-1])
            if report["bad"]:
                raise RuntimeError(f"{report['bad']} of {report['requests']} answers were not 200")
            figures.append(Figure(report["requests"] / report["seconds"], report["p50_ms"], report["p99_ms"]))
    return Figure(*(statistics.median(getattr(figure, name) for figure in figures) for name in Figure.__slots__))
