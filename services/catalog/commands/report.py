"""`report`: figures for librarians."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from chassis import clock
from chassis.context import system
from chassis.errors import Invalid
from chassis.output import csv_line, print_json, print_table, print_text, visible
from chassis.sentences import sentence
from services.catalog.commands.database import Json, open_catalogue
from services.catalog.query_log import MOST_ROWS_A_DAY, count_over_bound, report_searches

app = typer.Typer(no_args_is_help=True, help="Figures for librarians.")

COLUMNS = {
    "query": "REPORT_QUERY",
    "searches": "REPORT_SEARCHES",
    "failed": "REPORT_FAILED",
    "total": "REPORT_TOTAL",
    "opened": "REPORT_OPENED",
    "rank": "REPORT_RANK",
    "last": "REPORT_LAST",
}
TEXTS = ("query", "last")


class Form(StrEnum):
    table = "table"
    csv = "csv"


@app.command()
def searches(
    failed: Annotated[bool, typer.Option("--failed", help="Only searches without hits.")] = False,
    since: Annotated[str, typer.Option(help="First day, such as 2026-11-01; 30 days ago when not given.")] = "",
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of searches to list, the most frequent first.")
    ] = 50,
    form: Annotated[Form, typer.Option("--format", help="csv goes to standard output, with names of columns.")] = (
        Form.table
    ),
    json: Json = False,
) -> None:
    """List what readers searched for, how often and with which result, without personal data."""
    with open_catalogue() as resources:
        first = _day(since) if since else (clock.now().date() - timedelta(days=30)).isoformat()
        with resources.database.reading(system("report")) as session:
            queries = report_searches(session, since=first, failed=failed, limit=limit)
            not_stored = count_over_bound(session, since=first)
        speaks = resources.settings.language
    rows = [query._asdict() for query in queries]
    if json:
        print_json({"since": first, "not_stored": not_stored, "searches": rows})
    elif form is Form.csv:
        sys.stdout.write(csv_line(COLUMNS))
        sys.stdout.writelines(
            csv_line("" if row[name] is None else visible(str(row[name])) for name in COLUMNS) for row in rows
        )
    else:
        _show(rows, speaks, first)
        if not_stored:
            message = sentence("REPORT_NOT_STORED", searches=not_stored, most=MOST_ROWS_A_DAY)
            print_text(message.in_language(speaks))


def _show(rows: list[dict[str, object]], speaks: str, since: str) -> None:
    if not rows:
        print_text(sentence("REPORT_NO_SEARCHES", since=since).in_language(speaks))
        return
    titles = {name: sentence(title).in_language(speaks) for name, title in COLUMNS.items()}
    cells = [["" if row[name] is None else str(row[name]) for name in COLUMNS] for row in rows]
    print_table(list(titles.values()), cells, numbers={titles[name] for name in COLUMNS if name not in TEXTS})


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Invalid("DAY_INVALID", given=text[:40]) from None
