"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

# A spreadsheet runs a cell that begins with one of these, also in full width, as a formula.
FORMULA_SIGNS = tuple("=+-@＝＋－＠\t\r")


def spreadsheet_cell(text: str) -> str:
    """Return a text that no spreadsheet runs, with an apostrophe before the sign of a formula."""
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
