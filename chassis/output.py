"""Text for terminals, logs, spreadsheets and PDF files: without characters that a terminal or a spreadsheet obeys."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from rich.progress import Progress

# Characters that move the cursor, change the terminal, reverse the order of text or end a line: C0, DEL, C1,
# bidirectional controls (Unicode UAX #9), line and paragraph separators; and surrogates, which Python uses for bytes
# that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LAYOUT = "\n\t"
Colours = Mapping[str, str]
NO_COLOURS: Colours = {}
SHORTEST_PASSWORD = 4  # a shorter text would hide parts of ordinary words
hidden_texts: set[str] = set()


def visible(text: str, *, layout: str = "") -> str:
    """Replace each character on which a terminal acts by a visible form: ESC becomes ⟨U+001B⟩.

    layout  control characters that stay, such as LAYOUT in a text of several lines
    """
    text = _without_passwords(text)
    return _CONTROLS.sub(lambda match: match[0] if match[0] in layout else f"⟨U+{ord(match[0]):04X}⟩", text)


def json_text(value: Any) -> str:
    """Return one line of JSON, in which characters that `visible` replaces are escaped; the value does not change."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    text = _without_passwords(text)
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def hide_passwords(passwords: Iterable[str], *, known: Collection[str]) -> None:
    """Print *** in place of these passwords from now on.

    passwords  in the form in which URLs have them
    known      passwords of development, such as the product's name, which are hidden only in URLs
    """
    for written in filter(None, passwords):
        for plain in {written, unquote(written)}:
            for form in {plain, quote(plain, safe=""), json.dumps(plain, ensure_ascii=False)[1:-1], repr(plain)[1:-1]}:
                hidden_texts.add(f":{form}@")
                if plain not in known and len(plain) >= SHORTEST_PASSWORD:
                    hidden_texts.add(form)


def _without_passwords(text: str) -> str:
    for form in sorted(hidden_texts, key=len, reverse=True):
        text = text.replace(form, ":***@" if form[0] + form[-1] == ":@" else "***")
    return text


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return str(value)


def accept_any_text() -> None:
    """Print an escape in place of a character that is not in the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_text(text: str, *, to_errors: bool = False) -> None:
    """Print a text of one or more lines to standard output, or to standard error."""
    print(visible(text, layout=LAYOUT), file=sys.stderr if to_errors else sys.stdout, flush=True)


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    print(json_text(value), flush=True)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    colours: Colours = NO_COLOURS,
) -> None:
    """Print a table.

    numbers  names of the columns that are aligned to the right
    colours  text of the first cell -> its colour
    """
    # A local import, because rich takes 50 ms and most commands print no table.
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in columns:
        table.add_column(Text(visible(column)), justify="right" if column in numbers else "left")
    for row in rows:
        # As a Text, which is never parsed as markup, because a branch may have the name `![/b]`.
        first, *others = (Text(visible(cell, layout=LAYOUT)) for cell in row)
        first.stylize(colours.get(first.plain, ""))
        table.add_row(first, *others)
    screen().print(table)


def screen(*, to_errors: bool = False) -> Any:
    """Return rich's Console for standard output or standard error, without markup and names of emoji."""
    from rich.console import Console

    return Console(stderr=to_errors, markup=False, emoji=False, highlight=False)


def print_warning(text: str) -> None:
    """Print a line to standard error, in yellow on a terminal, above a progress bar."""
    screen(to_errors=True).print(visible(text), style="yellow", soft_wrap=True)


def bar_for(*, quiet: bool, in_bytes: bool = False) -> Progress:
    """Create a progress bar on standard error for bytes or counts; without output when `quiet`."""
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False),
        console=screen(to_errors=True),
        disable=quiet,
    )


# A spreadsheet runs a cell that begins with one of these signs, also in full width, as a formula. Excel with Indonesian
# settings splits a line at `;`, also inside quotes that do not begin the cell.
_FORMULA = re.compile(r'(\A|[;\t\r\n])([ \u00a0"]*)(?=[=+\-@＝＋－＠])')


def csv_line(cells: Iterable[object]) -> str:
    """Return a line that ends with CR LF, with an apostrophe before each sign that could begin a formula."""
    line = io.StringIO()
    csv.writer(line).writerow(_FORMULA.sub(r"\1\2'", str(cell)) for cell in cells)
    return line.getvalue()


# anyascii leaves alif out.
_ALIF = "\u0627"


def printable(text: str) -> str:
    """Replace letters that the fonts lack: by their plain form, else by Latin letters that stand for them.

    A title in Arabic script can then still be recognised: "بداية" becomes "bdayh".
    """
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return "".join(map(_printable, text))
    return text


def _printable(letter: str) -> str:
    plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    for form in (letter, plain):
        try:
            form.encode("cp1252")
        except UnicodeEncodeError:
            continue
        return form
    return "".join(map(_latin, plain))


def _latin(letter: str) -> str:
    if unicodedata.category(letter) == "Cf":
        return ""  # a direction mark, or a joiner
    from anyascii import anyascii  # a local import, because few commands print

    return "a" if letter == _ALIF else anyascii(letter) or "?"
