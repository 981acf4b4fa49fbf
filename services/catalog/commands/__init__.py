"""The catalogue's commands for the operator; they act on the database."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import closing, nullcontext
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from chassis import clock
from chassis.context import system
from chassis.errors import Invalid, Unavailable
from chassis.gc_tuning import tune_gc
from chassis.output import bar_for, print_json, print_text, print_warning
from chassis.service import Resources, Service, discover
from chassis.settings import Settings
from chassis.urls import resolve
from services.catalog import sample
from services.catalog.browse import class_counts
from services.catalog.commands.accessions import accessions_app
from services.catalog.commands.database import Json, open_catalogue, sample_rows, wait_until_indexed
from services.catalog.commands.export import export
from services.catalog.commands.institutions import classes_app, institutions_app
from services.catalog.commands.progress import report_file, show, summary
from services.catalog.commands.report import app as report_app
from services.catalog.commands.sources import sources_app
from services.catalog.commands.tasks import tasks_app
from services.catalog.commands.works import app as works_app
from services.catalog.formats import export as exports
from services.catalog.importing import rejected_records
from services.catalog.importing.decode import Rejected, find_files, path_text
from services.catalog.importing.import_tasks import finding_of, running_import, save_progress
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.importing.pipeline import Import
from services.catalog.importing.pipeline import Progress as ImportProgress
from services.catalog.importing.runs import Counts
from services.catalog.importing.sources import CODE
from services.catalog.index.rebuilds import rebuild_progress, request_rebuild
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.marc import iso2709
from services.catalog.settings import CatalogSettings

PUT_ASIDE = 1
LONGEST_FILE_NAME = 200

app = typer.Typer()
index_app = typer.Typer(no_args_is_help=True, help="The search index.")
imports_app = typer.Typer(no_args_is_help=True, help="Stored copies of rejected records.")
sample_app = typer.Typer(no_args_is_help=True, help="The sample library: real books, invented items and members.")
app.add_typer(accessions_app, name="accessions")
app.add_typer(institutions_app, name="institutions")
app.add_typer(imports_app, name="imports")
app.add_typer(index_app, name="index")
app.add_typer(sample_app, name="sample")
app.add_typer(report_app, name="report")
app.command()(export)
app.add_typer(classes_app, name="classes")
app.add_typer(sources_app, name="sources")
app.add_typer(works_app, name="works")
app.add_typer(tasks_app, name="tasks")


def _code(code: str) -> str:
    if CODE.fullmatch(code):
        return code
    raise Invalid("CODE_INVALID", given=code[:80])


@app.command("import")
def import_(
    paths: Annotated[list[str], typer.Argument(help="Files or folders; - reads standard input.")],
    source: Annotated[str, typer.Option(help="Code of the source of these records.")],
    new_source: Annotated[bool, typer.Option("--new-source", help="Create the source when it does not exist.")] = False,
    institution: Annotated[str, typer.Option(help="Institution of a new source.")] = "",
    delete_missing: Annotated[
        bool,
        typer.Option(
            "--delete-missing", help="The files are complete: delete the source's records that they do not have."
        ),
    ] = False,
    most_missing: Annotated[
        int | None,
        typer.Option(
            min=0, help="With --delete-missing: delete up to this number of records, not only 5 % of the source."
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="File for the findings, one line of JSON each.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the changes without making them.")] = False,
    json: Json = False,
) -> None:
    """Load MARC records: ISO 2709, MARCXML or MARC-in-JSON, plain or gzip.

    A record with d in leader position 05 deletes the record with its number. The same command continues an import that
    was stopped. Exit code 1: records were rejected, or missing records were not deleted.
    """
    if most_missing is not None and not delete_missing:
        raise Invalid("MOST_MISSING_ALONE")
    missing = MissingRecords(most_missing) if delete_missing else None
    started_at = time.monotonic()
    with open_catalogue(working=not dry_run) as resources, report_file(report) as write:
        files = find_files(paths)
        owner = institution or resources.settings.of(CatalogSettings).default_institution
        tune_gc()
        source, owner = _code(source), _code(owner)
        file = ", ".join(path_text(path) for path in files)[:LONGEST_FILE_NAME]
        with (
            bar_for(quiet=json, in_bytes=True) as bar,
            nullcontext() if dry_run
            else running_import(
                resources.database, source=source, institution=owner, new_source=new_source, file=file,
                on_wait=lambda: print_warning("Another task of this library runs; the import waits for its end."),
            ) as task,
        ):  # fmt: skip

            def on_progress(progress: ImportProgress) -> None:
                show(bar, progress, name="import")
                if task is not None:
                    save_progress(task, progress, run=run.number)

            def on_problem(problem: Rejected) -> None:
                write(problem)
                if task is not None:
                    task.add(finding_of(problem))

            run = Import(
                resources.database,
                system("import"),
                source=source,
                institution=owner,
                files=files,
                processes=max(1, (os.cpu_count() or 1) - 1),
                stdin=sys.stdin.buffer,
                dry_run=dry_run,
                new_source=new_source,
                missing=missing,
                on_progress=on_progress,
                report=on_problem,
            )
            counts = run.run()
            on_progress(run.progress())
        language = resources.settings.language
        if not dry_run:
            wait_until_indexed(resources, quiet=json)
    refusal = missing.refusal if missing is not None else None
    summary(counts, time.monotonic() - started_at, json=json, dry_run=dry_run, language=language, refusal=refusal)
    if counts.put_aside or refusal is not None:
        raise typer.Exit(PUT_ASIDE)


@imports_app.command("forget")
def forget_rejected_records(
    source: Annotated[str, typer.Option(help="Only imports from this source.")] = "",
    days: Annotated[int, typer.Option(min=0, help="Only imports that began more than this many days ago.")] = 0,
    json: Json = False,
) -> None:
    """Delete the stored copies of rejected records; of each source the newest 10,000 are stored."""
    before = clock.now() - timedelta(days=days)
    with open_catalogue() as resources, resources.database.transaction(system("imports")) as session:
        forgotten = rejected_records.forget(session, source=source, before=before)
    print_json({"forgotten": forgotten}) if json else print_text(f"{forgotten} rejected records forgotten")


@sample_app.command("load")
def sample_load(
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Only when there are no records yet.")] = False,
    json: Json = False,
) -> None:
    """Load the sample library: real books, invented items and members."""
    started_at = time.monotonic()
    total = Counts()
    with open_catalogue(working=True) as resources:
        context = system("sample")
        if if_empty and exports.count(resources.database, context):
            if json:
                summary(total, 0.0, json=True, dry_run=False, language="en")
            return
        before = sample_rows(resources.database, context)
        with resources.database.transaction(context) as session:
            load_institutions(session, read_institutions(sample.institutions_path()), context=context)
            class_counts.load_captions(session, *class_counts.read_captions(sample.classes_path()))
        with bar_for(quiet=json, in_bytes=True) as bar:
            for source, institution in sample.sources():
                run = Import(
                    resources.database,
                    context,
                    source=source,
                    institution=institution,
                    files=[Path("-")],
                    processes=0,
                    stdin=io.BytesIO(b"".join(iso2709.encode(record) for record in sample.all_records(source))),
                    dry_run=False,
                    new_source=True,
                    on_progress=partial(show, bar, name=source),
                    report=lambda _: None,
                )
                total.plus(run.run())
        wait_until_indexed(resources, quiet=json)
        after = sample_rows(resources.database, context)
        added = {name: after[name] - before[name] for name in after}
        language = resources.settings.language
        for service in sorted(discover(), key=lambda service: service.sample_after != ""):
            if service.sample:
                added |= _load_sample_of(service, resources.settings)
    summary(total, time.monotonic() - started_at, json=json, dry_run=False, language=language, added=added)
    if not json:
        print_text(f"A box of {len(sample.box().books)} donated books is to be catalogued: rangkiang sample box")


@sample_app.command("box")
def sample_box(json: Json = False) -> None:
    """List the donated books with which cataloguing is practised."""
    box = sample.box()
    if json:
        print_json(asdict(box))
        return
    print_text(f"{box.giver} · {box.document} · {box.received}")
    for book in box.books:
        edition = f"{book.publisher}, {book.year}"
        print_text(f"{book.isbn:17}  {book.items} ×  {book.title} · {book.author} · {edition} · {book.ddc}")


def _load_sample_of(service: Service, settings: Settings) -> dict[str, int]:
    """Add the sample rows of another service. Returns kind -> number of rows.

    Without a database of that service nothing is added, because a library may run the catalogue alone.
    """
    with closing(service.open_database(settings)) as database:
        try:
            database.check_revisions()
        except Unavailable as problem:
            if problem.reason not in ("DATABASE_MISSING", "DATABASE_NOT_MIGRATED"):
                raise
            return {}
        resources = Resources(settings=settings, database=database, service=service)
        added: dict[str, int] = resolve(service.sample)(resources)
    return added


@index_app.command("rebuild")
def index_rebuild(json: Json = False) -> None:
    """Build a new index while the current one answers, then replace it."""
    with open_catalogue(working=True) as resources, bar_for(quiet=json) as bar:
        rebuild = request_rebuild(resources.database)
        task = bar.add_task("index", total=None, note="")
        while True:
            now = rebuild_progress(resources.database, rebuild)
            bar.update(task, completed=now.written, total=now.total or None)
            if now.finished_at is not None:
                break
            time.sleep(0.2)
    if now.error:
        raise Unavailable("REBUILD_FAILED", why=now.error)
    print_json({"written": now.written}) if json else print_text(f"{now.written} records indexed")
