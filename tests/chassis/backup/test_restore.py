"""`rangkiang restore` on two services, in both editions."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from chassis.database import blobs
from chassis.database.blobs import Rendition
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.jobs.lease import Leases
from chassis.migrations.revisions import CHASSIS
from chassis.operations.backup import make_backup
from chassis.operations.restore import restore_backup
from chassis.service import load as load_service
from chassis.settings import Settings, load
from tests.chassis.backup.installation import (
    READER,
    articles,
    back_up,
    dropping,
    name_of,
    reason_of,
    restore,
    stocked,
)
from tests.chassis.backup.process import NOTE, with_hook
from tests.example_services.installation import (
    STOCK,
    settings_of,
)
from tests.example_services.orders.tables import faults
from tests.journeys.releases import Program, recorded_releases, unpack
from tests.servers import postgres, state


def spoil_file(folder: Path) -> None:
    path = next(folder.glob("stock.*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_file(folder: Path) -> None:
    path = next(folder.glob("orders.*"))
    os.truncate(path, path.stat().st_size - 1)


def lose_file(folder: Path) -> None:
    next(folder.glob("stock.*")).unlink()


def change_manifest(folder: Path, **changes: Any) -> None:
    """Edit the manifest without its hash."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:-40])


def test_files_of_institutions_are_restored(any_settings: Settings, tmp_path: Path) -> None:
    logo = Rendition("image/png", b"logo", 96)
    with stocked(any_settings, "mango") as installation:
        with installation.stock.database.transaction(READER) as session:
            file_id = blobs.put(session, UUID(int=1), [logo])
        back_up(any_settings, tmp_path / "backup")
        with installation.stock.database.transaction(READER) as session:
            session.execute(delete(blobs.blobs))
    restore(any_settings, tmp_path / "backup", replace=True)
    with stocked(any_settings) as installation, installation.stock.database.reading(READER) as session:
        assert blobs.get(session, file_id) == logo


class TestRefusals:
    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (spoil_file, "BACKUP_DAMAGED"),
            (cut_file, "BACKUP_DAMAGED"),
            (lose_file, "BACKUP_DAMAGED"),
            (cut_manifest, "BACKUP_DAMAGED"),
            (lambda folder: change_manifest(folder, made_at="2026-01-01T00:00:00+00:00"), "BACKUP_DAMAGED"),
            (lambda folder: (folder / "manifest.json").write_text("[1]"), "BACKUP_DAMAGED"),
            (lambda folder: (folder / "manifest.json").unlink(), "BACKUP_NOT_FOUND"),
        ],
    )
    def test_a_damaged_backup_changes_nothing(
        self, settings: Settings, tmp_path: Path, damage: Callable[[Path], None], reason: str
    ) -> None:
        with stocked(settings, "mango") as installation:
            back_up(settings, tmp_path / "backup")
            installation.receive("guava")
        damage(tmp_path / "backup")
        assert reason_of(lambda: restore(settings, tmp_path / "backup", replace=True)) == reason
        with stocked(settings, "papaya"):
            assert articles(settings) == {"mango", "guava", "papaya"}

    @pytest.mark.servers
    def test_a_damaged_dump_changes_nothing(self, servers: dict[str, str], tmp_path: Path) -> None:
        with settings_of("amqp", tmp_path) as settings, dropping(settings):
            with stocked(settings, "mango"):
                back_up(settings, tmp_path / "backup")
            # The second of two: the first has been prepared.
            cut_file(tmp_path / "backup")
            assert reason_of(lambda: restore(settings, tmp_path / "backup", replace=True)) == "BACKUP_DAMAGED"
            with stocked(settings, "guava"):
                assert articles(settings) == {"mango", "guava"}
            assert not postgres.has_database(state.read("postgres"), name_of(settings, "stock") + "_restoring")

    def test_a_backup_of_a_newer_release(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with stocked(settings, "mango"):
            with monkeypatch.context() as patch:
                patch.setattr("chassis.operations.backup.release", lambda: "99.0.0")
                back_up(settings, tmp_path / "later")
            with closing(sqlite3.connect(settings.data / "stock.db", isolation_level=None)) as connection:
                connection.execute("UPDATE chassis_revision SET version_num = '9999'")
            back_up(settings, tmp_path / "unknown")
        for folder in ("later", "unknown"):
            assert reason_of(lambda folder=folder: restore(settings, tmp_path / folder, replace=True)) == "BACKUP_NEWER"

    def test_a_database_with_contents_is_replaced_on_request_alone_and_kept(
        self, any_settings: Settings, tmp_path: Path
    ) -> None:
        with stocked(any_settings, "mango") as installation:
            back_up(any_settings, tmp_path / "backup")
            installation.receive("guava")
        assert reason_of(lambda: restore(any_settings, tmp_path / "backup")) == "DATABASE_NOT_EMPTY"
        assert articles(any_settings) == {"mango", "guava"}
        for _ in range(2):
            replaced = restore(any_settings, tmp_path / "backup", replace=True)
            assert articles(any_settings) == {"mango"}
        assert len(replaced) == 2
        if not any_settings.database_url:
            with closing(sqlite3.connect(replaced[0])) as connection:
                assert connection.execute("SELECT count(*) FROM articles").fetchone() == (1,)

    def test_a_service_without_a_copy_keeps_its_database(self, settings: Settings, tmp_path: Path) -> None:
        with stocked(settings, "mango"):
            make_backup(settings, [STOCK], tmp_path / "backup", quiet=True)
        assert reason_of(lambda: restore(settings, tmp_path / "backup", replace=True)) == "BACKUP_LACKS_DATABASE"

    def test_a_backup_of_the_other_edition(self, any_settings: Settings, tmp_path: Path) -> None:
        with stocked(any_settings, "mango"):
            back_up(any_settings, tmp_path / "backup")
        is_local = not any_settings.database_url
        other = load(
            {"DATABASE_URL": "postgresql+psycopg://x@127.0.0.1:1/{service}"}
            if is_local
            else {"DATA": str(tmp_path / "other")}
        )
        assert reason_of(lambda: restore(other, tmp_path / "backup")) == "BACKUP_OTHER_EDITION"

    def test_a_process_that_has_the_database_open_or_a_role(self, any_settings: Settings, tmp_path: Path) -> None:
        with stocked(any_settings, "mango") as installation:
            back_up(any_settings, tmp_path / "backup")
            assert installation.placed() == []
            assert reason_of(lambda: restore(any_settings, tmp_path / "backup", replace=True)) == "SERVER_RUNNING"
            # Nothing is left of the attempt.
            installation.receive("guava")
        if not any_settings.database_url:
            with closing(Database(any_settings.database("orders"))) as database:
                lease = Leases(database).try_hold("relay")
            assert lease is not None
            with pytest.raises(Unavailable) as refusal:
                restore(any_settings, tmp_path / "backup", replace=True)
            assert refusal.value.facts["holder"] == f"PID {os.getpid()}"
            lease.release()
        restore(any_settings, tmp_path / "backup", replace=True)
        assert articles(any_settings) == {"mango"}


class TestRestored:
    def test_an_older_backup_is_migrated(self, settings: Settings, tmp_path: Path) -> None:
        # The last release whose tables of the platform have fewer revisions.
        release = next(release for release in recorded_releases() if release.version == "0.3.0")
        catalog = load_service("catalog")
        sources = unpack(release, tmp_path / "release")
        Program(sources, {"DATA": str(settings.data)}).run("migrate")
        manifest = make_backup(settings, [catalog], tmp_path / "backup", quiet=True)
        assert manifest.databases[0].revisions["chassis"] < CHASSIS.revisions()[-1]
        restore_backup(settings, [catalog], tmp_path / "backup", replace=True, quiet=True)
        with closing(catalog.open_database(settings)) as database:
            database.check_revisions()

    def test_a_service_completes_its_database_before_it_is_in_its_place(
        self, any_settings: Settings, tmp_path: Path
    ) -> None:
        with stocked(any_settings, "mango"):
            back_up(any_settings, tmp_path / "backup")
        folder = tmp_path / "backup"
        reason = reason_of(lambda: restore_backup(any_settings, with_hook("fail"), folder, replace=True, quiet=True))
        assert reason == "WRITE_CONFLICT"
        with stocked(any_settings, "guava"):
            assert articles(any_settings) == {"mango", "guava"}
        restore_backup(any_settings, with_hook("note"), folder, replace=True, quiet=True)
        with closing(Database(any_settings.database("orders"))) as database, database.reading(READER) as session:
            assert session.scalars(select(faults.c.name)).all() == [NOTE]

    def test_the_damaged_file_is_kept(self, settings: Settings, tmp_path: Path) -> None:
        with stocked(settings, "mango"):
            back_up(settings, tmp_path / "backup")
        (settings.data / "stock.db").write_bytes(b"no database at all" * 1000)
        replaced = restore(settings, tmp_path / "backup", replace=True)
        assert Path(replaced[0]).read_bytes().startswith(b"no database")
        assert articles(settings) == {"mango"}
