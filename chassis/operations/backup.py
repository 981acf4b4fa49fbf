"""`rangkiang backup` copies all databases of an installation as of one moment; doctor checks when it last ran.

With an option the files of settings are copied too; never the index, which can be rebuilt, nor the master key.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.errors import Error, Invalid, Unavailable
from chassis.jobs.job_runs import DONE, LAST_BACKUP, NO_BACKUP, job_runs, record_backup, record_failed_backup
from chassis.metrics import telemetry
from chassis.operations.backup_files import SETTINGS_FILE, archive_settings, encrypt, opened, recipients, send
from chassis.operations.backup_manifest import NAME, Archive, Copy, Manifest, digest_of, release
from chassis.operations.health import Finding
from chassis.operations.snapshots import Source, open_all, source_of, sync
from chassis.output import bar_for, print_json, print_text
from chassis.sentences import sentence
from chassis.service import Service, discover, print_folder, process_settings
from chassis.settings import Settings

BACKUP = system("backup")
MOST_AGE = timedelta(days=2)

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]
app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder, or an empty one.")],
    encrypt_for: Annotated[
        str,
        typer.Option(
            "--encrypt", metavar="KEY", help="Public key of age (age1…) for which all files are encrypted; "
            "BACKUP_RECIPIENT if not given. `restore` needs the identity file of this key.",
        ),
    ] = "",
    target: Annotated[
        str,
        typer.Option(
            "--to", metavar="TARGET", help="Copy the backup also to this folder of another machine, "
            "or to s3://bucket/folder; BACKUP_TARGET if not given.",
        ),
    ] = "",
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings", metavar="FILE", help="Back up this file of settings too, and the files that settings name: "
            "those of channels, push keys. Never the master key.",
        ),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Copy all databases to a folder, as they are at one moment, while the services run."""
    services = discover()
    settings = process_settings(services)
    given = {"backup_recipient": encrypt_for, "backup_target": target}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value})
    with telemetry.command(settings):
        print_folder(settings)
        manifest = make_backup(settings, services, folder, settings_file=settings_file, quiet=json)
    size = sum(copy.bytes for copy in manifest.databases)
    if json:
        print_json({"folder": str(folder), "bytes": size, **_summary(manifest), "target": settings.backup_target})
    else:
        names = ", ".join(copy.service for copy in manifest.databases)
        print_text(f"{folder}: {names}; {size / 1e6:.1f} MB; writers waited {manifest.locked_ms:.1f} ms")
        if settings.backup_target:
            print_text(f"→ {settings.backup_target.rstrip('/')}/{folder.name}")


@app.command()
def restore(
    place: Annotated[str, typer.Argument(metavar="BACKUP", help="Folder of a backup, or s3://bucket/folder.")],
    identity: Annotated[
        Path | None, typer.Option("--identity", metavar="FILE", help="Identity file of age, for an encrypted backup.")
    ] = None,
    settings_folder: Annotated[
        Path | None,
        typer.Option(
            "--settings", metavar="DIR", help="Only write the files of settings of the backup below this folder."
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace databases that are not empty; the old files are kept in the same folder."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Restore all databases of a backup; no process of Rangkiang may run."""
    from chassis.operations.restore import restore_backup, restore_settings

    services = discover()
    settings = process_settings(services)
    with telemetry.command(settings), opened(place, settings, identity=identity) as folder:
        print_folder(settings)
        if settings_folder is not None:
            files = restore_settings(folder, settings_folder)
            if json:
                print_json({"folder": place, "files": files})
            for file in files if not json else ():
                print_text(file)
            return
        manifest, replaced = restore_backup(settings, services, folder, replace=replace, quiet=json)
    if json:
        print_json({"folder": place, "replaced": replaced, **_summary(manifest)})
        return
    names = ", ".join(copy.service for copy in manifest.databases)
    print_text(f"{names}: as of {manifest.made_at}. The next start builds the index again.")
    for name in replaced:
        print_text(f"The replaced database is {name}; delete it when you no longer need it.")


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "release": manifest.release,
        "made_at": manifest.made_at,
        "locked_ms": manifest.locked_ms,
        "databases": {copy.service: copy.revisions for copy in manifest.databases},
    }


def make_backup(
    settings: Settings, services: Sequence[Service], folder: Path, *, settings_file: Path | None = None, quiet: bool
) -> Manifest:
    """Copy the databases of these services to a folder, which appears only when it is complete, and to BACKUP_TARGET.

    settings_file  file of settings, which is copied too
    raises  Invalid      FOLDER_NOT_EMPTY, RECIPIENT_INVALID, TARGET_INVALID, BACKUP_HAS_MASTER_KEY
            Unavailable  BACKUP_RUNNING, DISK_FULL, FOLDER_UNUSABLE, SETTINGS_FILE_UNUSABLE, BACKUP_NOT_COPIED, and the
                         errors of chassis.operations.snapshots; doctor and a metric show these until a backup succeeds
    """
    try:
        manifest = _copy_all(settings, services, folder, settings_file=settings_file, quiet=quiet)
        if settings.backup_target:
            send(folder, settings.backup_target, settings)
    except Unavailable as problem:
        # A database that does not exist would be created.
        for service in services if problem.reason not in ("DATABASE_MISSING", "DATABASE_NOT_MIGRATED") else ():
            with suppress(Error), _recording(settings, service) as session:
                record_failed_backup(session, problem.reason)
        raise
    for service in services:
        with _recording(settings, service) as session:
            record_backup(session, datetime.fromisoformat(manifest.made_at))
    return manifest


@contextmanager
def _recording(settings: Settings, service: Service) -> Iterator[Session]:
    """Open a transaction in the database of a service, with the owner's rights."""
    database = service.open_database(settings, any_revision=True, url=settings.database_owner(service.name))
    with closing(database), database.transaction(BACKUP) as session:
        yield session


def _copy_all(
    settings: Settings, services: Sequence[Service], folder: Path, *, settings_file: Path | None, quiet: bool
) -> Manifest:
    keys = recipients(settings.backup_recipient) if settings.backup_recipient else []
    with ExitStack() as stack:
        sources = [stack.enter_context(closing(source_of(service, settings))) for service in services]
        partial = stack.enter_context(_partial_folder(folder))
        largest = max(source.bytes for source in sources) if keys else 0
        _check_space(partial, largest + sum(source.bytes for source in sources if source.kind == "sqlite"))
        locked = open_all(sources)
        moment = clock.now()
        copies = [_copy(source, partial, quiet=quiet) for source in sources]
        archive = None
        if settings_file is not None:
            path = partial / SETTINGS_FILE
            archive_settings(path, settings_file, settings, services)
            sync(path)
            archive = Archive(path.name, path.stat().st_size, digest_of(path))
        manifest = Manifest(release(), moment.isoformat(), round(1000 * locked, 3), copies, archive)
        manifest.write(partial / NAME)
        sync(partial / NAME)
        if keys:
            encrypt(partial, keys)
        sync(partial)
        try:
            partial.rename(folder)
        except OSError as problem:
            raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None
        sync(folder.parent)
    return manifest


def _copy(source: Source, folder: Path, *, quiet: bool) -> Copy:
    path = folder / source.file
    with bar_for(quiet=quiet, in_bytes=True) as bar:
        task = bar.add_task(source.service.name, total=source.bytes if source.kind == "sqlite" else None, note="")
        source.copy(path, lambda done: bar.update(task, completed=done))
        size = path.stat().st_size
        bar.update(task, completed=size, total=size)
    sync(path)
    return Copy(
        service=source.service.name,
        kind=source.kind,
        file=source.file,
        bytes=size,
        sha256=digest_of(path),
        revisions=source.revisions,
        form=source.form,
    )


@contextmanager
def _partial_folder(folder: Path) -> Iterator[Path]:
    """Make a folder that is renamed to `folder` when the backup is complete, and otherwise removed.

    A folder that remained after a killed backup is removed too. The name begins with a dot, so that nobody takes it for
    a backup.
    """
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Invalid("FOLDER_NOT_EMPTY", folder=str(folder))
        partial.mkdir(parents=True, exist_ok=True)
        handle = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("BACKUP_RUNNING", folder=str(folder)) from None
        try:
            # It has personal data, so only the operator may read it.
            partial.chmod(0o700)
            for leftover in partial.iterdir():
                leftover.unlink()
            old_mask = os.umask(0o077)
            try:
                yield partial
            finally:
                os.umask(old_mask)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        os.close(handle)


def _check_space(folder: Path, needed: int) -> None:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < needed:
        raise Unavailable("DISK_FULL", folder=str(folder), free_mb=free // 1024**2, need_mb=needed // 1024**2 + 1)


def check_backup(settings: Settings, service: Service) -> list[Finding]:
    """Check that the last backup succeeded and is at most two days old; without one, check the age of the database."""
    part = f"{service.name} backup"
    database = service.open_database(settings, pool_size=1, any_revision=True)
    with closing(database), database.reading(BACKUP) as session:
        last = session.execute(select(job_runs).where(job_runs.c.name == LAST_BACKUP)).first()
    if last is not None and last.outcome not in (DONE, NO_BACKUP):
        message = sentence("CHECK_BACKUP_FAILED", reason=last.outcome)
    elif last is None or clock.now() - last.started_at <= MOST_AGE:
        return [Finding(part, True, sentence("CHECK_BACKUP"))]
    else:
        moment = f"{last.started_at:%Y-%m-%d %H:%M} UTC"
        message = sentence("CHECK_BACKUP_OLD" if last.outcome == DONE else "CHECK_BACKUP_NEVER", moment=moment)
    return [Finding(part, False, message, sentence("CHECK_BACKUP_ADVICE"))]
