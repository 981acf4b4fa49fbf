"""No cell of a CSV file is a formula, whatever the spreadsheet takes for the separator."""

from __future__ import annotations

import csv
import io
from itertools import product

import pytest

from chassis.output import csv_line
from tests.conftest import CHECKOUT

SIGNS = "=+-@＝＋－＠"
BEFORE = ["", " ", '"', "\u00a0", "Buku;", "Buku; ", 'Buku;"', "Buku\t", "Buku\n", "Buku\r\n", "Buku\r", ";;\n\t "]


def cells_of(text: str, separator: str) -> list[str]:
    """Read CSV as a spreadsheet with this separator does; text after a closing quote belongs to the cell."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_no_separator_of_a_spreadsheet_makes_a_formula(separator):
    for before, sign in product(BEFORE, SIGNS):
        line = csv_line(["B1", f"{before}{sign}HYPERLINK(1);x", "-"])
        formulas = [cell for cell in cells_of(line, separator) if cell.lstrip(" \u00a0\r\n").startswith(tuple(SIGNS))]
        assert formulas == [], repr(before + sign)


@pytest.mark.parametrize(
    "text", ["1984 - sebuah novel", "Bahasa ; Sastra", "a=b;c", "C++; Java", "kata-kata\nlagi", 'Kata "=" kita']
)
def test_other_texts_stay(text):
    assert cells_of(csv_line(["B1", text]), ",") == ["B1", text]


def test_a_long_text_takes_linear_time():
    for text in (";" * 100_000, "\n" * 100_000, '"' * 100_000, " ;" * 100_000):
        assert csv_line([text])


def test_one_module_writes_every_csv_file():
    writers = [
        str(path.relative_to(CHECKOUT))
        for folder in ("chassis", "gateway", "services")
        for path in (CHECKOUT / folder).rglob("*.py")
        if "csv.writer(" in (text := path.read_text(encoding="utf-8")) or "csv.DictWriter(" in text
    ]
    assert writers == ["chassis/output.py"]
