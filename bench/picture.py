"""Draws the chart of bench/README.md from its table of sizes: searches per second by number of records and clients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.report import README, read_columns

PICTURE = README.with_name("growth.svg")
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
LINES = (
    ("bare path over HTTP, one process", "#7a7a7a"),
    ("search, --workers 2", "#a3261f"),
    ("with five facets, --workers 2", "#c98a00"),
    ("cluster: search", "#1f5fa3"),
)
CLIENTS = (1, 8, 32)
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 400, 300, 46, 40, 250


class Point(NamedTuple):
    """at: number of records or clients; rate: searches per second."""

    at: int
    rate: float


def draw() -> None:
    """Draw the chart from the tables; sizes without measurements are left out."""
    rates = {
        (label, clients, size): float(rate.replace(",", ""))
        for size, column in read_columns().items()
        for label, _colour in LINES
        for clients, rate in zip(CLIENTS, column.get(label, "").split(" (")[0].split(" / "), strict=False)
        if rate
    }
    largest = next(size for size in reversed(SIZES) if any(key[2] == size for key in rates))
    by_records = {
        label: [Point(SIZES[size], rates[label, 8, size]) for size in SIZES if (label, 8, size) in rates]
        for label, _colour in LINES
    }
    by_clients = {
        label: [Point(count, rates[label, count, largest]) for count in CLIENTS if (label, count, largest) in rates]
        for label, _colour in LINES
    }
    head = f'viewBox="0 0 {2 * WIDTH} {HEIGHT + 12}" font-family="sans-serif" font-size="11" fill="#222"'
    PICTURE.write_text(
        "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" {head}>',
                f'<rect width="{2 * WIDTH}" height="{HEIGHT + 12}" fill="#fff"/>',
                *_chart(0, "searches a second, 8 clients, by records", by_records),
                *_chart(WIDTH, f"searches a second, {largest} records, by clients", by_clients),
                *_legend(),
                "</svg>\n",
            )
        )
    )


def _chart(left: int, title: str, lines: dict[str, list[Point]]) -> Iterator[str]:
    highest = max(point.rate for points in lines.values() for point in points)
    positions = sorted({point.at for points in lines.values() for point in points})
    yield f'<text x="{left + LEFT}" y="20" font-size="13">{title}</text>'
    step = 10 ** int(math.log10(highest))
    for rate in range(0, int(highest) + 1, step if highest / step > 2 else step // 2):
        y = _y(rate, highest)
        yield f'<path d="M{left + LEFT} {y:.0f}H{left + WIDTH - 20}" stroke="#ddd"/>'
        yield f'<text x="{left + LEFT - 4}" y="{y + 4:.0f}" text-anchor="end">{rate:,}</text>'
    for position in positions:
        x = _x(left, position, positions)
        yield f'<text x="{x:.0f}" y="{BOTTOM + 16}" text-anchor="middle">{position:,}</text>'
    for label, colour in LINES:
        spots = [(_x(left, point.at, positions), _y(point.rate, highest)) for point in lines[label]]
        if spots:
            path = "L".join(f"{x:.0f} {y:.0f}" for x, y in spots)
            yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            yield from (f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>' for x, y in spots)


def _x(left: int, position: int, positions: Sequence[int]) -> float:
    return left + LEFT + 24 + positions.index(position) * (WIDTH - LEFT - 90) / max(1, len(positions) - 1)


def _y(rate: float, highest: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * rate / highest


def _legend() -> Iterator[str]:
    for row, (label, colour) in enumerate(LINES):
        x = LEFT + row * 190 + (30 if row else 0)
        yield f'<rect x="{x}" y="{HEIGHT - 10}" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="{HEIGHT}">{label.replace("--", "&#8211;&#8211;")}</text>'
