"""`works`: shows works and stores librarians' decisions."""

from __future__ import annotations

import threading
from typing import Annotated
from uuid import UUID

import orjson
import typer

from chassis.context import system
from chassis.ids import parse_id
from chassis.output import print_json, print_text
from services.catalog.commands.database import Json, open_catalogue, wait_until_indexed
from services.catalog.importing import regrouping
from services.catalog.index_queue import enqueue
from services.catalog.works.assignment import emit_moved_records
from services.catalog.works.editions import load_work as load_work
from services.catalog.works.overrides import join_work as join_works
from services.catalog.works.overrides import split_record as split_work

ACTOR = system("works")
Reason = Annotated[str, typer.Option(help="The reason; it is stored and shown with the edition.")]
RecordId = Annotated[str, typer.Argument(metavar="RECORD", help="Id of the record, as in its page's address.")]
WorkId = Annotated[str, typer.Argument(metavar="WORK", help="Id of the work, or of a record of it.")]

app = typer.Typer(no_args_is_help=True, help="Works and their editions.")


@app.command()
def show(work: WorkId, json: Json = False) -> None:
    """Show a work's editions, best first, each with its score and reasons."""
    with open_catalogue() as resources:
        page = load_work(resources.database, context=ACTOR, work_id=parse_id(work))
    editions = [(edition, orjson.loads(edition.record.brief)) for edition in page.editions]
    if json:
        result = {
            "id": str(page.id),
            "title": page.title,
            "author": page.author,
            "editions": [
                {
                    "id": edition.record.id,
                    "title": brief["title"],
                    "year": brief.get("year"),
                    "language": brief.get("language", ""),
                    "score": edition.score,
                    "reasons": [{"id": reason.id, "en": reason.en} for reason in edition.reasons],
                }
                for edition, brief in editions
            ],
        }
        print_json(result)
        return
    print_text(f"{page.title} — {page.author}  {page.id}" if page.author else f"{page.title}  {page.id}")
    for edition, brief in editions:
        print_text(f"{edition.score:3} %  {edition.record.id}  {brief['title']} ({brief.get('year', '–')})")
        for reason in edition.reasons:
            print_text(f"       {reason.id} / {reason.en}")


@app.command()
def split(record: RecordId, reason: Reason, json: Json = False) -> None:
    """Take a record out of its work permanently: no later import moves it back."""
    record_id = parse_id(record)
    with open_catalogue(working=True) as resources:
        with resources.database.transaction(ACTOR) as session:
            work_id, moved = split_work(session, record_id, reason=reason)
            enqueue(session, moved)
            emit_moved_records(session, moved, context=ACTOR)
        wait_until_indexed(resources, quiet=json)
    _print_result(work_id, len(moved), json=json)


@app.command()
def join(record: RecordId, work: WorkId, reason: Reason, json: Json = False) -> None:
    """Put a record into a work permanently: no later import moves it out."""
    record_id, work_id = parse_id(record), parse_id(work)
    with open_catalogue(working=True) as resources:
        with resources.database.transaction(ACTOR) as session:
            moved = join_works(session, record_id, work_id, reason=reason)
            enqueue(session, moved)
            emit_moved_records(session, moved, context=ACTOR)
        wait_until_indexed(resources, quiet=json)
    _print_result(work_id, len(moved), json=json)


@app.command()
def regroup(json: Json = False) -> None:
    """Compute the works of all records again, by the rules of this release; decisions of librarians stay."""
    with open_catalogue(working=True) as resources:
        regrouping.begin(resources.database, ACTOR)
        moved = regrouping.regroup_records(resources.database, ACTOR, threading.Event())
        wait_until_indexed(resources, quiet=json)
    print_json({"moved": moved}) if json else print_text(f"{moved} records moved to another work")


def _print_result(work: UUID, moved: int, *, json: bool) -> None:
    line = f"work {work}: {moved} records moved"
    print_json({"work": str(work), "moved": moved}) if json else print_text(line)
