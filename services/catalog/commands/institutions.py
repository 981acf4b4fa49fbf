"""`institutions`, `classes` and `sources`: institutions, their captions of classes, their sources of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chassis.context import system
from chassis.errors import Invalid, NotFound
from chassis.output import bar_for, print_json, print_table, print_text
from services.catalog import institutions, queries
from services.catalog.browse import class_counts
from services.catalog.commands.database import Json, open_catalogue, wait_until_indexed
from services.catalog.importing import sources as stored_sources
from services.catalog.items.item_maps import USUAL_FILE
from services.catalog.record.class_table import class_table
from services.catalog.record.classes import notation
from services.catalog.settings import CatalogSettings

institutions_app = typer.Typer(no_args_is_help=True, help="Institutions and their branches.")
classes_app = typer.Typer(no_args_is_help=True, help="A library's own captions of classes.")
sources_app = typer.Typer(no_args_is_help=True, help="Sources of records, and how items are read from them.")


@institutions_app.command("load")
def load_institutions(file: Path, json: Json = False) -> None:
    """Load institutions and branches from a TOML file."""
    entries = institutions.read_institutions(file)
    context = system("institutions")
    with open_catalogue() as resources, resources.database.transaction(context) as session:
        loaded = institutions.load_institutions(session, entries, context=context)
    result = {"institutions": loaded.institutions, "branches": loaded.branches, "changed": loaded.changed}
    line = f"{loaded.institutions} institutions, {loaded.branches} branches, {loaded.changed} changed"
    print_json(result) if json else print_text(line)


@classes_app.callback()
def classes() -> None:
    """A library's own captions of classes."""


@classes_app.command("load")
def load_classes(
    file: Annotated[Path, typer.Argument(help="A TOML file; services/catalog/sample/classes.toml is one.")],
    institution: Annotated[str, typer.Option(help="Whose captions they are, when the file does not say.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Replace an institution's captions, and the words by which readers ask for its classes, with those of a file."""
    file_institution, captions = class_counts.read_captions(file)
    with open_catalogue() as resources, resources.database.transaction(system("classes")) as session:
        owner = file_institution or institution or resources.settings.of(CatalogSettings).default_institution
        loaded = class_counts.load_captions(session, owner, captions, dry_run=dry_run)
    words = sum(len(row.words) for row in captions.values())
    result = {"institution": owner, "classes": loaded, "words": words, "dry_run": dry_run}
    line = f"{'(dry run) ' if dry_run else ''}{owner}: {loaded} classes, {words} statements of words"
    print_json(result) if json else print_text(line)


@classes_app.command("show")
def show_classes(
    usual: Annotated[bool, typer.Option("--usual", help="List those of this release instead.")] = False,
    json: Json = False,
) -> None:
    """List the libraries' captions in shelf order, with the words by which readers ask for the classes."""
    if usual:
        listed = {value: (row.caption, tuple(map(str, row.words))) for value, row in class_table().items()}
    else:
        with open_catalogue() as resources, resources.database.reading(system("classes")) as session:
            listed = {value: (row.caption, row.words) for value, row in queries.own_classes(session).items()}
    ordered = sorted(listed.items(), key=lambda pair: (notation(pair[0]), pair[0]))
    if json:
        result = [
            {"class": notation(value), "id": caption.id, "en": caption.en, "words": list(words)}
            for value, (caption, words) in ordered
        ]
        print_json(result)
        return
    rows = [(notation(value), caption.id, caption.en) for value, (caption, _words) in ordered]
    print_table(("Kelas / Class", "Indonesia", "English"), rows)


@sources_app.callback()
def sources() -> None:
    """Sources of records, and how items are read from them."""


@sources_app.command("list")
def list_sources(json: Json = False) -> None:
    """List the sources with institution, number of records, and whether they have an item map of their own."""
    with open_catalogue() as resources, resources.database.reading(system("sources")) as session:
        summaries = stored_sources.sources(session)
    if json:
        result = [
            {
                "source": summary.code,
                "institution": summary.institution,
                "records": summary.records,
                "map": bool(summary.item_map),
            }
            for summary in summaries
        ]
        print_json(result)
        return
    rows = [
        (summary.code, summary.institution, str(summary.records), "sendiri / own" if summary.item_map else "–")
        for summary in summaries
    ]
    print_table(("Sumber / Source", "Institusi / Institution", "Cantuman / Records", "Peta / Map"), rows)


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
    usual: Annotated[bool, typer.Option("--usual", help="Forget the source's own map.")] = False,
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
