"""`export`: all records, or those of a search, in any format."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from chassis.context import system
from chassis.errors import Invalid
from chassis.output import bar_for, print_json, print_warning
from services.catalog.commands.database import Json, open_catalogue
from services.catalog.formats import FORMS
from services.catalog.formats import export as exports
from services.catalog.index.installation import open_index
from services.catalog.index.port import Index
from services.catalog.settings import CatalogSettings

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMS)]  # the choices of the option

PUT_ASIDE = 1
# Seconds between two saved positions; after a kill an export repeats at most this much.
KEEP_SECONDS = 1.0


def export(
    form: Annotated[
        FormatName, typer.Option("--format", help="marcjson, json, brief and jsonld have one record per line.")
    ] = "marc",
    query: Annotated[str, typer.Option(help="Only the records that this search finds.")] = "",
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", help="Only records with this value of a facet, such as language=min; can be repeated."
        ),
    ] = None,
    source: Annotated[str, typer.Option(help="Only records of this source.")] = "",
    deleted: Annotated[bool, typer.Option("--deleted", help="Also deleted records; MARC and json mark them.")] = False,
    to: Annotated[Path | None, typer.Option(help="File to write; standard output when not given.")] = None,
    as_received: Annotated[
        bool,
        typer.Option("--as-received", help="Export repaired records with their original bytes; with --format marc."),
    ] = False,
    json: Json = False,
) -> None:
    """Export records; as MARC with every field as it was imported.

    The same command continues an export that was stopped: FILE.state holds its position.
    Exit code 1: this format cannot hold a record.
    """
    if json and to is None:
        raise Invalid("OUTPUT_TAKEN")
    reached = exports.ExportProgress()
    with open_catalogue() as resources, contextlib.ExitStack() as stack:
        settings, database = resources.settings.of(CatalogSettings), resources.database
        public = settings.public_url.rstrip("/")
        address = f"{public}/records/{{id}}" if public else ""
        request = exports.ExportRequest(form, query, _filters(filters or []), source, address, as_received, deleted)
        exports.check_deletions(request)
        index: Index | None = None
        if request.searches:
            index = open_index(resources)
            stack.callback(index.close)
        place = stack.enter_context(exports.ExportFile(to, request)) if to else None
        stream: BinaryIO = sys.stdout.buffer if place is None else place.file
        context = system("export")
        total = (
            exports.count_matches(index, request)
            if index
            else exports.count(database, context, source=source, deleted=deleted)
        )
        bar = stack.enter_context(bar_for(quiet=json))
        task = bar.add_task("export", total=total, note="")
        started = time.monotonic()
        since = place.since if place else None
        reached = since or reached
        for reached in exports.export(database, context, to=stream, request=request, index=index, since=since):
            bar.update(task, completed=reached.written)
            for problem in reached.problems:
                print_warning(f"{problem.record}: {problem.reason} {problem.detail}")
            if place and time.monotonic() - started > KEEP_SECONDS:
                place.save(reached)
                started = time.monotonic()
        if place:
            place.finish()
    if json:
        print_json({"written": reached.written, "left": reached.left})
    if reached.left:
        raise typer.Exit(PUT_ASIDE)


def _filters(values: list[str]) -> dict[str, tuple[str, ...]]:
    """Parse `facet=value` options. Returns facet -> values."""
    filters: dict[str, tuple[str, ...]] = {}
    for text in values:
        facet, equals, value = text.partition("=")
        if not equals or not value:
            raise Invalid("FILTER_INVALID", given=text[:80])
        filters[facet] = (*filters.get(facet, ()), value)
    return filters
