"""`classes`: a library's own captions of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from chassis.context import system
from services.catalog.browse import class_counts
from services.catalog.commands.database import Json, open_catalogue
from services.catalog.items import shelves
from services.catalog.record.classes import notation
from services.catalog.settings import CatalogSettings

app = typer.Typer(no_args_is_help=True, help="A library's own captions of classes.")


@app.callback()
def classes() -> None:
    """A library's own captions of classes."""


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A TOML file; services/catalog/sample/classes.toml is one.")],
    institution: Annotated[str, typer.Option(help="Whose captions they are, when the file does not say.")] = "",
    json: Json = False,
) -> None:
    """Replace an institution's captions with those of a file."""
    named, captions = class_counts.read_captions(file)
    with open_catalogue() as resources, resources.database.transaction(system("classes")) as session:
        owner = named or institution or resources.settings.of(CatalogSettings).default_institution
        loaded = class_counts.load_captions(session, owner, captions)
    told = {"institution": owner, "classes": loaded}
    print(orjson.dumps(told).decode() if json else f"{owner}: {loaded} classes")


@app.command()
def show(json: Json = False) -> None:
    """List the captions in shelf order."""
    with open_catalogue() as resources, resources.database.reading(system("classes")) as session:
        found = shelves.class_captions(session)
    ordered = sorted(found.items(), key=lambda pair: (notation(pair[0]), pair[0]))
    if json:
        print(
            orjson.dumps([{"class": notation(value), "id": name.id, "en": name.en} for value, name in ordered]).decode()
        )
        return
    table = Table("Kelas / Class", "Indonesia", "English")
    for value, name in ordered:
        table.add_row(notation(value), name.id, name.en)
    Console().print(table)
