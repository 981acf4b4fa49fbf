"""The operator's commands of circulation; they act on the database."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.errors import Error, Invalid, NotFound, Refusal
from chassis.institutions import SANDBOX
from chassis.output import print_json, print_table, print_text
from chassis.sentences import sentence
from chassis.service import Resources, open_for_command
from chassis.settings import parse_toml
from chassis.urls import resolve
from services.circulation import borrowers, copies
from services.circulation.calendars.documents import write_calendar
from services.circulation.calendars_store import calendar_of, changed_calendar, save_calendar
from services.circulation.importing import LoanImport, Row, read_rows
from services.circulation.loans import clock_jumps
from services.circulation.loans.closings import move_due_days
from services.circulation.reports import count_lending
from services.circulation.tables import Branch, Institution

OPERATOR = system("operator")
_LISTS = ("closed", "seasons", "confirmed_years")

PUT_ASIDE = 1  # exit code
# Findings beyond this number are not kept; the counts are complete.
MOST_FINDINGS = 10_000

InstitutionCode = Annotated[
    str, typer.Option("--institution", help="Code of the institution; not needed when there is only one.")
]
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]

app = typer.Typer()
calendars_app = typer.Typer(no_args_is_help=True, help="Calendars: when branches are open.")
app.add_typer(calendars_app, name="calendars")
loans_app = typer.Typer(no_args_is_help=True, help="Loans: import them from an earlier system.")
app.add_typer(loans_app, name="loans")
clock_app = typer.Typer(no_args_is_help=True, help="The clock: confirm its time after it was wrong.")
app.add_typer(clock_app, name="clock")
report_app = typer.Typer(no_args_is_help=True, help="Figures for librarians.")
app.add_typer(report_app, name="report")


@calendars_app.callback()
def calendars() -> None:
    """Calendars: when branches are open."""


@calendars_app.command("load")
def load_calendars(
    file: Annotated[Path, typer.Argument(help="A TOML file; docs/circulation.md has an example.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; save nothing.")] = False,
    json: Json = False,
) -> None:
    """Replace the calendars of the branches in a TOML file; a file with a fault changes nothing."""
    code, documents = _read_file(file)
    moved = 0
    with open_for_command("circulation") as resources:
        database = resources.database
        institution = institution_of(resources, code)
        with database.reading(OPERATOR) if dry_run else database.transaction(OPERATOR) as session:
            changed = _load(session, institution, documents, dry_run=dry_run)
        if not dry_run:
            moved = sum(len(move_due_days(database, branch_id, caller=OPERATOR)) for branch_id in changed.values())
    result = {"institution": code, "branches": len(documents), "changed": sorted(changed), "moved": moved}
    line = f"{code}: {len(documents)} calendars, {len(changed)} changed, {moved} loans moved"
    print_json({**result, "dry_run": dry_run}) if json else print_text(f"{line} (dry run)" if dry_run else line)


def _load(
    session: Session, institution: Institution, documents: Mapping[str, Any], *, dry_run: bool
) -> dict[str, UUID]:
    """Save the calendars of a file. Returns code -> id of the branches whose calendar differs from the stored one.

    dry_run  check the documents and save nothing
    raises   Invalid  with every fault of the file and its branch
    """
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
            if write_calendar(changed_calendar(before, document)) != write_calendar(before):
                changed[name] = branch.id
                if not dry_run:
                    save_calendar(session, branch, version=before.version, document=document, context=context)
        except Invalid as problem:
            faults += [_of_branch(name, refusal) for refusal in problem.refusals]
    if faults:
        raise Invalid(refusals=faults)
    return changed


@loans_app.callback()
def loans() -> None:
    """Loans: import them from an earlier system."""


@loans_app.command("import")
def import_loans(
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns barcode, card, lent, due.")],
    institution: InstitutionCode = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the changes without making them.")] = False,
    json: Json = False,
) -> None:
    """Add the loans that were open under an earlier system; a repeated import changes nothing.

    Exit code 1: rows were rejected.
    """
    findings: list[dict[str, Any]] = []

    def report_rejected(row: Row, refusal: Refusal) -> None:
        if not json:
            print_text(f"row {row.number}: {refusal.sentence.en}")
        elif len(findings) < MOST_FINDINGS:
            findings.append({"row": row.number, "reason": refusal.reason, "detail": refusal.sentence.en})

    with open_for_command("circulation") as resources:
        with resources.database.reading(OPERATOR) as session:
            is_empty = copies.is_empty(session) or borrowers.is_empty(session)
        if is_empty:
            resolve("chassis.operations.resync:refill")(resources)
        owner = institution_of(resources, institution)
        run = LoanImport(
            resources.database, system("import"), institution_id=owner.id, dry_run=dry_run, report=report_rejected
        )
        counts = run.run(read_rows(file))
    if json:
        print_json({**asdict(counts), "dry_run": dry_run, "findings": findings})
    else:
        print_text(
            f"{'(dry run) ' if dry_run else ''}{counts.read} read: {counts.created} created, "
            f"{counts.unchanged} unchanged, {counts.put_aside} rejected"
        )
    if counts.put_aside:
        raise typer.Exit(PUT_ASIDE)


@clock_app.command("accept")
def accept_clock(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would end; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Confirm that the clock is right now: acts with a later time no longer refuse others, and reminders go on."""
    with open_for_command("circulation") as resources:
        database = resources.database
        with database.reading(OPERATOR) if dry_run else database.transaction(OPERATOR) as session:
            acceptance = clock_jumps.accept(session, dry_run=dry_run)
    if json:
        newest_act = acceptance.newest_act and acceptance.newest_act.isoformat()
        values = {**asdict(acceptance), "now": acceptance.now.isoformat(), "newest_act": newest_act}
        print_json({**values, "accepted": acceptance.is_needed and not dry_run, "dry_run": dry_run})
        return
    now = f"{acceptance.now:%Y-%m-%d %H:%M} UTC"
    newest_act = f"{acceptance.newest_act:%Y-%m-%d %H:%M} UTC" if acceptance.newest_act else "—"
    if not acceptance.is_needed:
        answer = sentence("CLOCK_IS_ACCEPTED", now=now)
    elif dry_run:
        answer = sentence("CLOCK_WOULD_BE_ACCEPTED", now=now, newest_act=newest_act)
    else:
        answer = sentence("CLOCK_ACCEPTED", now=now, newest_act=newest_act)
    print_text(answer.in_language(resources.settings.language))


@report_app.callback()
def report() -> None:
    """Figures for librarians."""


@report_app.command("lending")
def report_lending(
    first: Annotated[str, typer.Option("--from", help="First day; the first of this year by default.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day; today by default.")] = "",
    by: Annotated[
        str,
        typer.Option(
            help="branch, collection, class, category, month, age_band, sex, audience, language, region or channel."
        ),
    ] = "branch",
    institution: InstitutionCode = "",
    json: Json = False,
) -> None:
    """Count loans, renewals, returns, uses in the library and refusals as ISO 2789 defines them."""
    with open_for_command("circulation") as resources:
        owner = institution_of(resources, institution)
        today = clock.now().astimezone(ZoneInfo(owner.zone)).date()
        with resources.database.reading(OPERATOR) as session:
            counts = count_lending(
                session, owner.id, first=first or f"{today.year}-01-01", last=last or today.isoformat(), by=by
            )
    rows = [asdict(count) for count in counts]
    if json:
        print_json({"institution": owner.code, "by": by, "counts": rows})
    else:
        header = tuple(rows[0]) if rows else ("value",)
        print_table(header, [tuple(str(value) for value in row.values()) for row in rows])


def institution_of(resources: Resources, code: str) -> Institution:
    """Return an institution by its code; without a code the only one.

    raises  NotFound  INSTITUTION_NOT_KNOWN
            Invalid   INSTITUTION_UNCLEAR
    """
    if code:
        _fill(resources, code)
    query = select(Institution).order_by(Institution.code)
    if not code:
        query = query.where(~Institution.code.startswith(SANDBOX, autoescape=True))
    with resources.database.reading(OPERATOR) as session:
        institutions = {row.code: row for row in session.scalars(query)}
    if code and code not in institutions:
        raise NotFound("INSTITUTION_NOT_KNOWN", given=code, known=[*institutions])
    if not code and len(institutions) != 1:
        raise Invalid("INSTITUTION_UNCLEAR", known=[*institutions])
    return institutions[code] if code else next(iter(institutions.values()))


def _read_file(file: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the code of the institution, and the document of each branch by its code.

    `weekly` and `weekly_from` at the top of the file apply to branches without their own. `closed`, `seasons` and
    `confirmed_years` at the top apply to every branch of the file.

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
    """Copy the institutions of the catalogue if this one is not here yet."""
    with resources.database.reading(OPERATOR) as session:
        institution_id = session.scalar(select(Institution.id).where(Institution.code == code))
    if institution_id is None:
        with contextlib.suppress(Error):
            resolve("chassis.operations.resync:refill")(resources)


def _of_branch(branch: str, refusal: Refusal) -> Refusal:
    """Return a refusal whose field begins with the branch."""
    facts = {**refusal.facts, "field": f"{branch}.{refusal.facts.get('field', '')}"}
    return Refusal.received(refusal.reason, facts, Refusal(refusal.reason, **facts).sentence)
