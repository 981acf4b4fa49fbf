"""Lines of CSV files (RFC 4180) that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

# A spreadsheet runs a cell that begins with one of these signs, also in full width, as a formula. Excel with Indonesian
# settings splits a line at `;`, also inside quotes that do not begin the cell.
_FORMULA = re.compile(r'(\A|[;\t\r\n])([ \u00a0"]*)(?=[=+\-@＝＋－＠])')


def csv_line(cells: Iterable[object]) -> str:
    """Return a line that ends with CR LF, with an apostrophe before each sign that could begin a formula."""
    line = io.StringIO()
    csv.writer(line).writerow(_FORMULA.sub(r"\1\2'", str(cell)) for cell in cells)
    return line.getvalue()
