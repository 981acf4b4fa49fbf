"""The operator's commands of circulation; they act on the database."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import resync, telemetry
from chassis.context import system
from chassis.errors import Error, Invalid, NotFound, Refusal
from chassis.output import print_json, print_text
from chassis.service import Resources, load, process_settings
from chassis.toml_files import parse_toml
from chassis.wake import announce_commits
from services.circulation.calendars.documents import read_calendar
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.loans.closings import move_due_days
from services.circulation.tables import Branch, Institution

OPERATOR = system("operator")
_LISTS = ("closed", "seasons", "confirmed_years")

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]

app = typer.Typer()
calendars_app = typer.Typer(no_args_is_help=True, help="When branches are open.")
app.add_typer(calendars_app, name="calendars")


@contextlib.contextmanager
def open_circulation() -> Iterator[Resources]:
    """Open the database of circulation for a command."""
    service = load("circulation")
    settings = process_settings([service])
    with telemetry.command(settings), contextlib.closing(service.open_database(settings)) as database:
        database.check_revisions()
        announce_commits(database)
        yield Resources(settings=settings, database=database, service=service)


@calendars_app.callback()
def calendars() -> None:
    """When branches are open."""


@calendars_app.command("load")
def load_calendars(
    file: Annotated[Path, typer.Argument(help="A TOML file; docs/circulation.md shows one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge the file and save nothing.")] = False,
    json: Json = False,
) -> None:
    """Replace the calendars of the branches that a TOML file names; all of them, or none after a fault."""
    code, documents = _read_file(file)
    moved = 0
    with open_circulation() as resources:
        database = resources.database
        if not dry_run:
            _fill(resources, code)
        with database.reading(OPERATOR) if dry_run else database.transaction(OPERATOR) as session:
            changed = _load(session, code, documents, dry_run=dry_run)
        if not dry_run:
            moved = sum(len(move_due_days(database, branch_id, caller=OPERATOR)) for branch_id in changed.values())
    result = {"institution": code, "branches": len(documents), "changed": sorted(changed), "moved": moved}
    line = f"{code}: {len(documents)} calendars, {len(changed)} changed, {moved} loans moved"
    print_json({**result, "dry_run": dry_run}) if json else print_text(f"{line} (dry run)" if dry_run else line)


def _load(session: Session, code: str, documents: Mapping[str, Mapping[str, Any]], *, dry_run: bool) -> dict[str, UUID]:
    """Save the calendars of a file. Returns the branches whose calendar differs from the stored one.

    dry_run  judge the documents and save nothing
    raises   NotFound  INSTITUTION_NOT_KNOWN
             Invalid   every fault of the file, with its branch
    """
    institution = session.scalars(select(Institution).where(Institution.code == code)).first()
    if institution is None:
        known = ", ".join(session.scalars(select(Institution.code).order_by(Institution.code)))
        raise NotFound("INSTITUTION_NOT_KNOWN", given=code, known=known)
    rows = session.scalars(select(Branch).where(Branch.institution_id == institution.id))
    branches = {branch.code: branch for branch in rows}
    context = replace(OPERATOR, institution=str(institution.id))
    changed: dict[str, UUID] = {}
    faults: list[Refusal] = []
    for name, document in documents.items():
        branch = branches.get(name)
        if branch is None:
            faults.append(Refusal("BRANCH_UNKNOWN", given=name))
            continue
        before = calendar_of(session, branch.id)
        try:
            after = read_calendar(document, zone=branch.zone, version=before.version)
            if after != before:
                changed[name] = branch.id
                if not dry_run:
                    save_calendar(session, branch, version=before.version, document=document, context=context)
        except Invalid as problem:
            faults += [_of_branch(name, refusal) for refusal in problem.refusals]
    if faults:
        raise Invalid(refusals=faults)
    return changed


def _read_file(file: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the code of the institution, and the document of each branch by its code.

    `weekly` at the top is that of branches without their own; `closed`, `seasons` and `confirmed_years` at the top are
    those of every branch of the file.

    raises  NotFound  PATH_NOT_FOUND
            Invalid   CALENDARS_FILE
    """
    try:
        content = parse_toml(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("PATH_NOT_FOUND", path=str(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise Invalid("CALENDARS_FILE", file=str(file), why=str(problem)) from None
    code, branches = content.pop("institution", ""), content.pop("branch", None)
    if not isinstance(code, str) or not code or not isinstance(branches, Mapping) or not branches:
        raise Invalid("CALENDARS_FILE", file=str(file), why='institution = "…", [branch."…"]')
    documents: dict[str, dict[str, Any]] = {}
    for name, own in branches.items():
        if not isinstance(own, Mapping):
            raise Invalid("CALENDARS_FILE", file=str(file), why=f'[branch."{name}"]')
        document = {**content, **own}
        for key in _LISTS:
            shared, entries = content.get(key, []), own.get(key, [])
            if isinstance(shared, list) and isinstance(entries, list) and shared and entries:
                document[key] = [*shared, *entries]
        documents[str(name)] = document
    return code, documents


def _fill(resources: Resources, code: str) -> None:
    """Copy institutions that the catalogue alone knows yet."""
    with resources.database.reading(OPERATOR) as session:
        known = session.scalar(select(Institution.id).where(Institution.code == code))
    if known is None:
        with contextlib.suppress(Error):
            resync.refill(resources)


def _of_branch(branch: str, refusal: Refusal) -> Refusal:
    """Put the branch before the field that a refusal names."""
    facts = {**refusal.facts, "field": f"{branch}.{refusal.facts.get('field', '')}"}
    return Refusal.received(refusal.reason, facts, Refusal(refusal.reason, **facts).sentence)
