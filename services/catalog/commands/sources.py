"""`sources`: sources of records, their item maps, and the findings of their last imports."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from chassis.context import system
from chassis.errors import Invalid, NotFound
from chassis.output import bar_for, print_json, print_table, print_text
from chassis.sentences import sentence
from services.catalog.commands.database import Json, open_catalogue, wait_until_indexed
from services.catalog.importing import dropped_sources
from services.catalog.importing import sources as stored_sources
from services.catalog.importing.findings import Findings
from services.catalog.items.item_maps import USUAL_FILE
from services.catalog.tables.institutions import HERE, IMPORT

COLUMNS = {
    "source": "SOURCES_SOURCE",
    "institution": "SOURCES_INSTITUTION",
    "records": "SOURCES_RECORDS",
    "last": "SOURCES_LAST",
    "warnings": "SOURCES_WARNINGS",
    "rejected": "SOURCES_REJECTED",
    "state": "SOURCES_STATE",
}
NUMBERS = ("records", "warnings", "rejected")

sources_app = typer.Typer(no_args_is_help=True, help="Sources of records, and how items are read from them.")


@sources_app.command("list")
def list_sources(json: Json = False) -> None:
    """List the sources with their records, their last import with its warnings, and whether they have a map."""
    with open_catalogue() as resources, resources.database.reading(system("sources")) as session:
        summaries = stored_sources.sources(session)
        speaks = resources.settings.language
    if json:
        print_json([_row(summary) for summary in summaries])
        return
    titles = {name: sentence(title).in_language(speaks) for name, title in COLUMNS.items()}
    rows = [list(_cells(summary, speaks).values()) for summary in summaries]
    print_table(list(titles.values()), rows, numbers={titles[name] for name in NUMBERS})


def _row(summary: stored_sources.SourceSummary) -> dict[str, object]:
    return {
        "source": summary.code,
        "institution": summary.institution,
        "records": summary.records,
        "owner": summary.owner,
        "map": bool(summary.item_map),
        "imported_at": _moment(summary.imported_at),
        "finished": summary.is_finished,
        "read": summary.read,
        "warnings": summary.warnings,
        "put_aside": summary.put_aside,
        "findings": Findings.read(summary.findings).rows(),
        "dropped_at": _moment(summary.dropped_at),
    }


def _cells(summary: stored_sources.SourceSummary, speaks: str) -> dict[str, str]:
    state = ""
    if summary.dropped_at is not None:
        state = sentence("SOURCES_DROPPED").in_language(speaks)
    elif not summary.is_finished:
        state = sentence("SOURCES_UNFINISHED").in_language(speaks)
    elif summary.item_map:
        state = sentence("SOURCES_OWN_MAP").in_language(speaks)
    return {
        "source": summary.code,
        "institution": summary.institution,
        "records": str(summary.records),
        "last": "–" if summary.imported_at is None else f"{summary.imported_at:%Y-%m-%d}",
        "warnings": str(summary.warnings),
        "rejected": str(summary.put_aside),
        "state": state,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


@sources_app.command("drop")
def drop_source(
    code: Annotated[str, typer.Argument(help="Code of the source.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be deleted; change nothing.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Restore the records; possible until the source's next import.")
    ] = False,
    json: Json = False,
) -> None:
    """Delete all records of a source with their items. Items that are out are withdrawn when they come back."""
    if dry_run and undo:
        raise Invalid("ARGUMENTS_INVALID")
    context = system("sources")
    with open_catalogue(working=not dry_run) as resources:
        if dry_run:
            with resources.database.reading(context) as session:
                result = dropped_sources.preview_drop(session, code)
        else:
            with bar_for(quiet=json) as bar:
                task = bar.add_task("records", total=None, note="")
                act = dropped_sources.undo_drop if undo else dropped_sources.drop_source
                result = act(
                    resources.database, context, code, on_progress=lambda seen: bar.update(task, completed=seen)
                )
            wait_until_indexed(resources, quiet=json)
        speaks = resources.settings.language
    if json:
        print_json({"source": code, "dry_run": dry_run, "undone": undo, **asdict(result)})
        return
    facts = {"source": code, "records": result.records, "authorities": result.authorities, "items": result.items}
    if undo:
        message = sentence("SOURCE_RESTORED", **facts)
    elif dry_run:
        message = sentence("SOURCE_WOULD_GO", **facts, kept=result.kept)
    else:
        message = sentence("SOURCE_GONE", **facts, kept=result.kept)
    print_text(message.in_language(speaks))


@sources_app.command("owner")
def set_owner(
    code: Annotated[str, typer.Argument(help="Code of the source.")],
    here: Annotated[bool, typer.Option("--here/--import", help="The library here, or imports.")],
    json: Json = False,
) -> None:
    """Say who owns the records of a source: imports, which replace them, or the library here; then imports offer."""
    owner, context = HERE if here else IMPORT, system("sources")
    with open_catalogue(working=True) as resources, resources.database.transaction(context) as session:
        stored_sources.set_owner(session, code, owner, context=context)
    result = {"source": code, "owner": owner}
    print_json(result) if json else print_text(f"{code}: {owner}")


@sources_app.command("show")
def show_source(code: Annotated[str, typer.Argument(help="Code of the source.")], json: Json = False) -> None:
    """Print the item map of a source, to edit and load with `sources map`."""
    with open_catalogue() as resources, resources.database.reading(system("sources")) as session:
        summary = stored_sources.source(session, code)
    text = summary.item_map or USUAL_FILE.read_text(encoding="utf-8")
    if json:
        print_json({"source": summary.code, "own": bool(summary.item_map), "map": text})
    else:
        print_text(text.removesuffix("\n"))


@sources_app.command("map")
def map_source(
    code: Annotated[str, typer.Argument(help="Code of the source.")],
    file: Annotated[Path | None, typer.Argument(help="The map, a TOML file.")] = None,
    usual: Annotated[bool, typer.Option("--usual", help="Delete the source's own map.")] = False,
    json: Json = False,
) -> None:
    """Store an item map for a source and read the items of its records again; later imports use it."""
    if (file is None) != usual:
        raise Invalid("ARGUMENTS_INVALID")
    text = "" if file is None else _read(file)
    with open_catalogue(working=True) as resources:
        with bar_for(quiet=json) as bar:
            task = bar.add_task("records", total=None, note="")
            changed = stored_sources.set_item_map(
                resources.database,
                system("sources"),
                code=code,
                text=text,
                on_progress=lambda seen: bar.update(task, completed=seen),
            )
        wait_until_indexed(resources, quiet=json)
    result = {"source": code, "own": bool(text), "changed": changed}
    print_json(result) if json else print_text(f"{code}: items of {changed} records changed")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
    except (UnicodeDecodeError, OSError) as problem:
        raise Invalid("ITEM_MAP_UNREADABLE", path=str(path), why=str(problem)) from None
