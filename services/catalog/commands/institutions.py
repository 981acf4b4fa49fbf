"""`institutions` and `classes`: institutions, and their captions of classes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from chassis.context import system
from chassis.output import print_json, print_table, print_text
from services.catalog import queries
from services.catalog.browse import class_counts
from services.catalog.commands.database import Json, open_catalogue
from services.catalog.institutions import loading
from services.catalog.institutions.file import read_institutions
from services.catalog.record.class_table import class_table
from services.catalog.record.classes import notation
from services.catalog.settings import CatalogSettings

institutions_app = typer.Typer(no_args_is_help=True, help="Institutions and their branches.")
classes_app = typer.Typer(no_args_is_help=True, help="A library's own captions of classes.")


@institutions_app.command("load")
def load_institutions(
    file: Annotated[
        Path,
        typer.Argument(help="A TOML file; services/catalog/sample/institutions.toml is one. Pictures are beside it."),
    ],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace fields that staff have edited on a page with the fields of the file."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Load institutions and branches from a TOML file; fields that staff edited on a page are listed and stay."""
    entries = read_institutions(file)
    context = system("institutions")
    loaded = loading.LoadCounts()
    with open_catalogue() as resources, suppress(_DryRun), resources.database.transaction(context) as session:
        loaded = loading.load_institutions(session, entries, context=context, replace=replace)
        if dry_run:
            raise _DryRun
    if json:
        counts = {"institutions": loaded.institutions, "branches": loaded.branches, "changed": loaded.changed}
        edited = [{name: value for name, value in field._asdict().items() if value} for field in loaded.edited]
        print_json({**counts, "edited": edited, "replaced": replace, "dry_run": dry_run})
        return
    begin = "(dry run) " if dry_run else ""
    print_text(f"{begin}{loaded.institutions} institutions, {loaded.branches} branches, {loaded.changed} changed")
    if loaded.edited:
        places = ", ".join(f"{'/'.join(filter(None, field[:2]))} {field.field}" for field in loaded.edited)
        advice = "replaced" if replace else "they stay; --replace replaces them"
        print_text(f"{begin}edited by staff on a page: {places} ({advice})")


class _DryRun(Exception):
    """Rolls the load back."""


@classes_app.command("load")
def load_classes(
    file: Annotated[Path, typer.Argument(help="A TOML file; services/catalog/sample/classes.toml is one.")],
    institution: Annotated[
        str, typer.Option(help="Institution of the captions, when the file does not name one.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Replace an institution's captions of classes, and the words that readers use for them, with those of a file."""
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
    usual: Annotated[bool, typer.Option("--usual", help="List the captions of this release instead.")] = False,
    json: Json = False,
) -> None:
    """List the libraries' captions in shelf order, with the words that readers use for the classes."""
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
