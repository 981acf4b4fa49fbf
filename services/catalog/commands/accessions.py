"""`accessions number`: accession numbers for items that have none, such as items that imports brought."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import select

from chassis.context import Context, system
from chassis.errors import NotFound
from chassis.output import bar_for, print_json, print_text
from services.catalog.cataloguing.items import Acquisition
from services.catalog.cataloguing.register.numbering import number_items
from services.catalog.commands.database import Json, open_catalogue
from services.catalog.tables import Institution

accessions_app = typer.Typer(no_args_is_help=True, help="Accession numbers of items.")


@accessions_app.command()
def number(
    institution: Annotated[str, typer.Argument(help="Code of the institution.")],
    source: Annotated[
        str, typer.Option(help="How they were acquired: purchase, gift, exchange, deposit or own_publication.")
    ] = "purchase",
    branch: Annotated[str, typer.Option(help="Only items of this branch, such as PKS/PST.")] = "",
    fund: Annotated[str, typer.Option(help="The fund that paid for them.")] = "",
    json: Json = False,
) -> None:
    """Give numbers to all items without one, the first to arrive first; numbers of their source are taken.

    The command may be stopped and repeated: each part of 500 items is one transaction.
    """
    acquisition = Acquisition(source=source, fund=fund)
    numbered, taken, not_followed = 0, 0, list[str]()
    with open_catalogue(working=True) as resources:
        with resources.database.reading(system("accessions")) as session:
            institution_id = session.scalar(select(Institution.id).where(Institution.code == institution))
        if institution_id is None:
            raise NotFound("INSTITUTION_NOT_FOUND", institution=institution[:40])
        context = Context(institution=str(institution_id), actor=system("accessions").actor)
        with bar_for(quiet=json) as bar:
            task = bar.add_task("items", total=None, note="")
            cursor, is_done = "", False
            while not is_done:
                with resources.database.transaction(context) as session:
                    part = number_items(
                        session, branch=branch, acquisition=acquisition, cursor=cursor, limit=500, context=context
                    )
                numbered, taken, cursor = numbered + part.numbered, taken + part.taken, part.cursor
                not_followed += part.not_followed
                is_done = not cursor
                bar.update(task, completed=numbered, total=numbered + part.remaining)
    result = {"institution": institution, "numbered": numbered, "taken": taken, "not_followed": not_followed}
    print_json(result) if json else print_text(f"{institution}: {numbered} items, {taken} numbers of their source")
