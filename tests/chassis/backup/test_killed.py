"""Backups and restores that are killed at each of their steps."""

from __future__ import annotations

import contextlib
import signal
from contextlib import closing
from pathlib import Path

import pytest

from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.settings import Settings
from tests.chassis.backup.installation import (
    articles,
    back_up,
    dropping,
    reason_of,
    restore,
    stocked,
)
from tests.conftest import CHECKOUT
from tests.example_services.installation import (
    environment_of,
    settings_of,
)
from tests.programs import start_program


def kill_in(act: str, settings: Settings, folder: Path, point: str) -> None:
    """Run an act in a process that kills itself at a point."""
    environment = {**environment_of(settings), "DATABASE_OWNER_URL": settings.database_owner("{service}")}
    words, program = [act, str(folder), point], "tests.chassis.backup.process:main"
    process = start_program(words, program=program, env=environment, cwd=CHECKOUT)
    assert process.wait(timeout=60) == -signal.SIGKILL


class TestKilled:
    @pytest.mark.parametrize("point", ["before_snapshots", "between_copies", "before_manifest", "before_rename"])
    def test_a_killed_backup_is_none_and_is_repeated(self, settings: Settings, tmp_path: Path, point: str) -> None:
        self.check_killed_backup(settings, tmp_path, point)

    @pytest.mark.servers
    def test_a_killed_backup_of_postgresql(self, servers: dict[str, str], tmp_path: Path) -> None:
        with settings_of("amqp", tmp_path) as settings, dropping(settings):
            self.check_killed_backup(settings, tmp_path, "between_copies")

    def check_killed_backup(self, settings: Settings, tmp_path: Path, point: str) -> None:
        folder = tmp_path / "backup"
        with stocked(settings, "mango") as installation:
            kill_in("backup", settings, folder, f"backup.{point}")
            assert reason_of(lambda: restore(settings, folder, replace=True)) == "BACKUP_NOT_FOUND"
            installation.receive("guava")
            back_up(settings, folder)
        assert not list(tmp_path.glob(".*"))
        restore(settings, folder, replace=True)
        assert articles(settings) == {"mango", "guava"}

    @pytest.mark.parametrize("point", ["between_copies", "before_exchange"])
    @pytest.mark.parametrize("has_old", [True, False])
    def test_a_killed_restore_leaves_the_old_database_or_a_refusal(
        self, settings: Settings, tmp_path: Path, point: str, has_old: bool
    ) -> None:
        self.check_kill(settings, tmp_path, f"restore.{point}", has_old=has_old)

    @pytest.mark.parametrize("point", ["in_exchange", "between_exchanges", "after_exchange"])
    def test_a_restore_killed_while_it_renames_is_refused_or_complete(
        self, settings: Settings, tmp_path: Path, point: str
    ) -> None:
        self.check_kill(settings, tmp_path, f"restore.{point}", has_old=True)

    def check_kill(self, settings: Settings, tmp_path: Path, point: str, *, has_old: bool) -> None:
        folder = tmp_path / "backup"
        with stocked(settings, "mango") as installation:
            back_up(settings, folder)
            installation.receive("guava")
        if not has_old:
            for path in settings.data.glob("*.db"):
                path.unlink()
        kill_in("restore", settings, folder, point)
        found = None
        with contextlib.suppress(Unavailable), stocked(settings):
            found = articles(settings)
        if found is None:
            assert reason_of(lambda: back_up(settings, tmp_path / "second")) == "RESTORE_UNFINISHED"
        assert found in ([None, {"mango", "guava"}, {"mango"}] if has_old else [None, set()])
        # The same command again, and it needs no --replace when the first has begun to exchange.
        restore(settings, folder, replace=found is not None)
        assert articles(settings) == {"mango"}
        assert not [path for path in settings.data.iterdir() if path.name.endswith((".new", ".restoring", ".new.lock"))]

    def test_a_restore_killed_between_two_renames_is_refused(self, settings: Settings, tmp_path: Path) -> None:
        with stocked(settings, "mango"):
            back_up(settings, tmp_path / "backup")
        kill_in("restore", settings, tmp_path / "backup", "restore.between_exchanges")
        assert reason_of(lambda: back_up(settings, tmp_path / "second")) == "RESTORE_UNFINISHED"
        with closing(Database(settings.database("orders"))) as database:
            assert reason_of(lambda: database.rows("SELECT 1", ())) == "RESTORE_UNFINISHED"

    @pytest.mark.servers
    def test_on_postgresql_the_old_databases_stay_until_all_are_exchanged(
        self, servers: dict[str, str], tmp_path: Path
    ) -> None:
        with settings_of("amqp", tmp_path) as settings, dropping(settings):
            with stocked(settings, "mango") as installation:
                back_up(settings, tmp_path / "backup")
                installation.receive("guava")
            kill_in("restore", settings, tmp_path / "backup", "restore.before_rename")
            assert articles(settings) == {"mango", "guava"}
            restore(settings, tmp_path / "backup", replace=True)
            assert articles(settings) == {"mango"}
