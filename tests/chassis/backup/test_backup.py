"""`rangkiang backup` on two services that publish events to each other, in both editions."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from chassis import clock
from chassis.bus.inbox import inbox
from chassis.jobs.job_runs import LAST_BACKUP, job_runs
from chassis.migrations.revisions import CHASSIS
from chassis.operations import backup_manifest, snapshots
from chassis.operations.backup import check_backup, make_backup
from chassis.settings import Settings
from tests.chassis.backup.installation import (
    READER,
    articles,
    assert_agreement,
    back_up,
    dropping,
    ids,
    reason_of,
    restore,
    stocked,
)
from tests.example_services.installation import (
    CLERK,
    ORDERS,
    STOCK,
    Installation,
    eventually,
    open_installation,
    settings_of,
)


class TestOneMoment:
    @pytest.mark.timeout(300)
    def test_copies_of_a_busy_installation_agree_on_every_fact(self, any_settings: Settings, tmp_path: Path) -> None:
        stop = threading.Event()
        is_local = not any_settings.database_url
        rounds = 3 if is_local else 1

        def work(installation: Installation) -> None:
            while not stop.is_set():
                installation.receive("mango", "guava")

        with open_installation(any_settings) as installation, installation.at_work():
            threads = [threading.Thread(target=work, args=(installation,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            try:
                eventually(lambda: len(installation.placed()) > 20)
                # A first event in the other direction too; on a busy machine it comes later.
                eventually(lambda: bool(ids(installation.stock.database, select(inbox.c.event_id))))
                for number in range(rounds):
                    back_up(any_settings, tmp_path / f"backup{number}")
                before = len(installation.placed())
                eventually(lambda: len(installation.placed()) > before)
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
        for number in range(rounds):
            bus = "local" if is_local else "amqp"
            with settings_of(bus, tmp_path / f"other{number}", is_empty=True) as other, dropping(other):
                restore(other, tmp_path / f"backup{number}")
                with open_installation(other) as restored:
                    assert_agreement(restored.stock.database, restored.orders.database, is_local=is_local)
                    assert_agreement(restored.orders.database, restored.stock.database, is_local=is_local)

    def test_no_fact_is_written_between_two_snapshots(
        self, any_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # On a busy machine a second attempt would begin, after the first has let the writer go on.
        monkeypatch.setattr(snapshots, "LOCKED_SECONDS", 30.0)
        written = threading.Event()
        with stocked(any_settings) as installation:

            def write() -> None:
                installation.receive("late")
                written.set()

            for form in (snapshots.SqliteSource, snapshots.PostgresSource):
                original = form.open

                def open_then_write(self: Any, original: Callable[[Any], None] = original) -> None:
                    original(self)
                    if self.service is ORDERS:
                        threading.Thread(target=write).start()
                        time.sleep(0.03)
                        assert not written.is_set()

                monkeypatch.setattr(form, "open", open_then_write)
            make_backup(any_settings, [ORDERS, STOCK], tmp_path / "backup", quiet=True)
            # Work goes on as soon as the snapshots are open.
            assert written.wait(10)
        bus = "amqp" if any_settings.database_url else "local"
        with settings_of(bus, tmp_path / "other", is_empty=True) as other, dropping(other):
            restore(other, tmp_path / "backup")
            assert articles(other) == set()

    def test_others_write_while_a_backup_waits_for_a_long_transaction(
        self, any_settings: Settings, tmp_path: Path
    ) -> None:
        results: list[backup_manifest.Manifest] = []
        waiting = threading.Thread(target=lambda: results.append(back_up(any_settings, tmp_path / "backup")))
        with stocked(any_settings) as installation:
            with installation.orders.database.transaction(CLERK) as session:
                session.execute(insert(inbox).values(consumer="x", event_id=UUID(int=1), at=clock.now()))
                session.flush()
                waiting.start()
                for number in range(20):
                    installation.receive(f"mango{number}")
                    time.sleep(0.02)
                assert not results
            waiting.join(30)
        assert [copy.service for copy in results[0].databases] == ["stock", "orders"]
        assert results[0].locked_ms > 0


class TestBusy:
    def test_a_backup_waits_ten_minutes_for_a_moment_without_open_transactions(self) -> None:
        assert snapshots.WAIT_SECONDS == 600

    def test_a_backup_that_found_no_such_moment_is_reported(
        self, any_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(snapshots, "WAIT_SECONDS", 0.5)
        monkeypatch.setattr(snapshots, "LOGGED_AFTER_SECONDS", 0)
        monkeypatch.setattr("chassis.database.db.WRITE_WAIT_SECONDS", 0.5)
        with stocked(any_settings, "mango") as installation:
            assert check_backup(any_settings, STOCK)[0].ok
            with installation.orders.database.transaction(CLERK) as session:
                session.execute(insert(inbox).values(consumer="x", event_id=UUID(int=1), at=clock.now()))
                session.flush()
                with ThreadPoolExecutor() as pool:  # a thread has one transaction on a database
                    backup = pool.submit(back_up, any_settings, tmp_path / "backup")
                    assert reason_of(backup.result) == "DATABASE_BUSY"
            (finding,) = check_backup(any_settings, STOCK)
            assert (finding.ok, "DATABASE_BUSY" in finding.message.en) == (False, True)
            assert [record.message for record in caplog.records].count("backup_waits") == 1
            back_up(any_settings, tmp_path / "backup")
            assert check_backup(any_settings, STOCK)[0].ok


class TestFolder:
    def test_it_has_databases_and_a_manifest_and_no_key(self, any_settings: Settings, tmp_path: Path) -> None:
        folder, data = tmp_path / "backup", tmp_path / "data"
        data.mkdir(exist_ok=True)
        key = data / "master.key"
        key.write_bytes(b"the master key that must stay where it is")
        with stocked(any_settings, "mango"):
            back_up(any_settings, folder)
        ending = "dump" if any_settings.database_url else "db"
        assert {path.name for path in folder.iterdir()} == {"manifest.json", f"stock.{ending}", f"orders.{ending}"}
        assert not [path for path in folder.iterdir() if key.read_bytes() in path.read_bytes()]
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["release"] == backup_manifest.release()
        for copy in manifest["databases"]:
            path = folder / copy["file"]
            assert copy["bytes"] == path.stat().st_size
            assert copy["sha256"] == backup_manifest.digest_of(path)
            assert copy["revisions"] == {"chassis": CHASSIS.revisions()[-1], copy["service"]: "0001"}
        assert not {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} - {0}
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_it_must_be_new_or_empty(self, settings: Settings, tmp_path: Path) -> None:
        with stocked(settings, "mango"):
            empty = tmp_path / "empty"
            empty.mkdir()
            back_up(settings, empty)
            assert reason_of(lambda: back_up(settings, empty)) == "FOLDER_NOT_EMPTY"
            assert reason_of(lambda: back_up(settings, settings.data)) == "FOLDER_NOT_EMPTY"

    def test_a_database_that_is_not_there_is_no_empty_backup(self, settings: Settings, tmp_path: Path) -> None:
        assert reason_of(lambda: back_up(settings, tmp_path / "backup")) == "DATABASE_MISSING"
        assert not (tmp_path / "backup").exists()
        assert not list((tmp_path / "data").glob("*.db"))

    def test_a_damaged_database_is_no_backup(self, settings: Settings, tmp_path: Path) -> None:
        with stocked(settings, *(f"mango{number}" for number in range(200))):
            pass
        with (settings.data / "stock.db").open("r+b") as file:
            file.seek(20_000)
            file.write(os.urandom(20_000))
        assert reason_of(lambda: back_up(settings, tmp_path / "backup")) == "DATABASE_FILE_UNUSABLE"
        assert not (tmp_path / "backup").exists()

    def test_two_backups_to_one_folder_do_not_mix(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reasons: list[str] = []

        def second(sources: Any) -> float:
            reasons.append(reason_of(lambda: back_up(settings, tmp_path / "backup")))
            return snapshots.open_all(sources)

        monkeypatch.setattr("chassis.operations.backup.open_all", second)
        with stocked(settings, "mango"):
            back_up(settings, tmp_path / "backup")
        assert reasons == ["BACKUP_RUNNING"]


class TestDoctor:
    def finding(self, settings: Settings) -> tuple[bool, str]:
        (found,) = check_backup(settings, STOCK)
        return found.ok, found.message.en

    def test_it_asks_for_a_backup_that_is_not_over_two_days_old(self, any_settings: Settings, tmp_path: Path) -> None:
        with stocked(any_settings, "mango") as installation:
            assert self.finding(any_settings)[0]
            self.age(installation)
            well, message = self.finding(any_settings)
            assert (well, "never" in message) == (False, True)
            back_up(any_settings, tmp_path / "backup")
            assert self.finding(any_settings)[0]
            self.age(installation)
            well, message = self.finding(any_settings)
            assert (well, "last backup" in message) == (False, True)

    def test_it_names_why_the_last_backup_failed_until_one_succeeds(
        self, any_settings: Settings, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        with stocked(any_settings, "mango"):
            assert reason_of(lambda: back_up(any_settings, tmp_path / "file" / "backup")) == "FOLDER_UNUSABLE"
            assert self.finding(any_settings) == (False, "The last backup failed: FOLDER_UNUSABLE.")
            back_up(any_settings, tmp_path / "backup")
            assert self.finding(any_settings)[0]

    def age(self, installation: Installation) -> None:
        """Let three days pass for the row that doctor reads."""
        with installation.stock.database.transaction(READER) as session:
            row = job_runs.c.name == LAST_BACKUP
            moment = session.scalars(select(job_runs.c.started_at).where(row)).one()
            session.execute(update(job_runs).where(row).values(started_at=moment - timedelta(days=3)))
