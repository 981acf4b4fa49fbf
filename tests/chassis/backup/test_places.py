"""Encrypted backups, copies of backups in a folder or on a server that speaks S3, and files of settings."""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from pyrage import decrypt, x25519
from sqlalchemy import select

from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.jobs.job_runs import DONE, LAST_BACKUP, job_runs
from chassis.operations import backup_files
from chassis.operations.backup import check_backup, make_backup
from chassis.operations.backup_files import opened
from chassis.operations.backup_manifest import Manifest
from chassis.operations.restore import restore_backup, restore_settings
from chassis.service import load as load_service
from chassis.settings import Settings, load
from tests.chassis.backup.installation import READER, articles, dropping, reason_of, stocked
from tests.chassis.backup.process import SERVICES
from tests.conftest import CHECKOUT
from tests.example_services.installation import STOCK, environment_of, settings_of
from tests.programs import start_program
from tests.servers import processes

KEY = x25519.Identity.generate()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with the bucket `library`."""
    server = ThreadedMotoServer("127.0.0.1", processes.free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    httpx.put(f"{address}/library").raise_for_status()
    yield address
    server.stop()


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """An identity file, as age-keygen writes it."""
    path = tmp_path / "identity.txt"
    path.write_text(f"# created: 2026-12-01T08:00:00Z\n# public key: {KEY.to_public()}\n{KEY}\n")
    return path


def with_target(settings: Settings, data: Path, target: str = "", *, s3: str = "", key: str = "") -> Settings:
    changes = {
        "data": data,
        "backup_target": target,
        "backup_recipient": key,
        "aws_endpoint_url": s3,
        "aws_access_key_id": "library",
        "aws_secret_access_key": "a-secret-of-the-library",
    }
    return settings.model_copy(update=changes)


def back_up(settings: Settings, folder: Path, *, settings_file: Path | None = None) -> Manifest:
    return make_backup(settings, SERVICES, folder, settings_file=settings_file, quiet=True)


def restore(settings: Settings, place: str, identity: Path | None = None, *, replace: bool = False) -> None:
    with opened(place, settings, identity=identity) as folder:
        restore_backup(settings, SERVICES, folder, replace=replace, quiet=True)


def keys(address: str) -> str:
    """The list of the bucket's keys, as the server writes it."""
    return httpx.get(f"{address}/library").text


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("place", ["folder", "s3"])
def test_a_backup_of_another_machine_is_restored_from_there(
    any_settings: Settings, tmp_path: Path, s3: str, identity: Path, is_encrypted: bool, place: str
) -> None:
    bus = "amqp" if any_settings.database_url else "local"
    target = str(tmp_path / "disk") if place == "folder" else f"s3://library/{bus}-{is_encrypted}"
    (tmp_path / "disk").mkdir()
    key = str(KEY.to_public()) if is_encrypted else ""
    data = tmp_path / "data"
    with stocked(any_settings, "mango"):
        back_up(with_target(any_settings, data, target, s3=s3, key=key), tmp_path / "b1")
    with settings_of(bus, tmp_path / "other", is_empty=True) as other, dropping(other):
        restore(with_target(other, tmp_path / "other", s3=s3), f"{target}/b1", identity if is_encrypted else None)
        assert articles(other) == {"mango"}
        assert not (tmp_path / "other" / backup_files.WORK).exists(), "nothing decrypted is left"
    ending = ".age" if is_encrypted else ""
    databases = {f"{name}.{'dump' if bus == 'amqp' else 'db'}{ending}" for name in ("stock", "orders")}
    assert {path.name for path in (tmp_path / "b1").iterdir()} == {f"manifest.json{ending}", *databases}


class TestEncryption:
    def test_no_text_of_the_library_is_readable(self, settings: Settings, tmp_path: Path) -> None:
        environment = tmp_path / "rangkiang.env"
        environment.write_text("CHANNELS=smtp://a:passw0rd@mail.example.org print:\n")
        with stocked(settings, "mangosteen"):
            encrypted = with_target(settings, settings.data, key=str(KEY.to_public()))
            back_up(encrypted, tmp_path / "backup", settings_file=environment)
        contents = {path.name: path.read_bytes() for path in (tmp_path / "backup").iterdir()}
        assert all(content.startswith(b"age-encryption.org/v1\n") for content in contents.values())
        assert not [name for name, content in contents.items() if b"mangosteen" in content or b"passw0rd" in content]
        assert b"mangosteen" in decrypt(contents["stock.db.age"], [KEY])

    def test_another_identity_is_refused_and_nothing_changes(
        self, settings: Settings, tmp_path: Path, identity: Path
    ) -> None:
        folder, other = tmp_path / "backup", tmp_path / "other.txt"
        other.write_text(f"{x25519.Identity.generate()}\n")
        (tmp_path / "damaged.txt").write_text("AGE-SECRET-KEY-1QQ\n")
        with stocked(settings, "mango") as installation:
            back_up(with_target(settings, settings.data, key=str(KEY.to_public())), folder)
            installation.receive("guava")
        place = str(folder)
        assert reason_of(lambda: restore(settings, place, replace=True)) == "IDENTITY_NEEDED"
        assert reason_of(lambda: restore(settings, place, other, replace=True)) == "IDENTITY_OTHER"
        for file in ("damaged.txt", "missing.txt"):
            reason = reason_of(lambda file=file: restore(settings, place, tmp_path / file, replace=True))
            assert reason == "IDENTITY_UNUSABLE"
        assert articles(settings) == {"mango", "guava"}
        restore(settings, place, identity, replace=True)
        assert articles(settings) == {"mango"}

    @pytest.mark.parametrize("damage", ["changed", "cut"])
    @pytest.mark.parametrize("file", ["stock.db.age", "manifest.json.age"])
    def test_a_damaged_file_is_refused(
        self, settings: Settings, tmp_path: Path, identity: Path, file: str, damage: str
    ) -> None:
        with stocked(settings, "mango"):
            back_up(with_target(settings, settings.data, key=str(KEY.to_public())), tmp_path / "backup")
        path = tmp_path / "backup" / file
        content = bytearray(path.read_bytes())
        content[len(content) // 2 + 100] ^= 1
        path.write_bytes(content if damage == "changed" else content[:-20])
        assert reason_of(lambda: restore(settings, str(path.parent), identity, replace=True)) == "BACKUP_DAMAGED"
        assert articles(settings) == {"mango"}

    @pytest.mark.parametrize(
        "key", ["age1other", "ssh-ed25519 AAAA", str(KEY)], ids=["of other software", "for ssh", "secret"]
    )
    def test_a_key_that_is_none_ends_the_backup_before_it_begins(
        self, settings: Settings, tmp_path: Path, key: str
    ) -> None:
        with stocked(settings, "mango"):
            wrong = with_target(settings, settings.data, key=key)
            assert reason_of(lambda: back_up(wrong, tmp_path / "backup")) == "RECIPIENT_INVALID"
        assert not list(tmp_path.glob("*backup*"))


class TestTarget:
    def test_a_killed_upload_is_no_backup_and_the_next_one_is(
        self, settings: Settings, tmp_path: Path, s3: str
    ) -> None:
        settings = with_target(settings, settings.data, "s3://library/killed", s3=s3)
        environment = {
            **environment_of(settings),
            "BACKUP_TARGET": settings.backup_target,
            "AWS_ENDPOINT_URL": s3,
            "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
        }
        with stocked(settings, "mango"):
            words = ["backup", str(tmp_path / "b1"), "backup.before_manifest_upload"]
            program = "tests.chassis.backup.process:main"
            process = start_program(words, program=program, env=environment, cwd=CHECKOUT)
            assert process.wait(timeout=60) == -signal.SIGKILL
            assert "killed/b1/stock.db" in keys(s3)
            place = "s3://library/killed/b1"
            assert reason_of(lambda: restore(settings, place, replace=True)) == "BACKUP_NOT_FOUND"
            back_up(settings, tmp_path / "b2")
        restore(settings, "s3://library/killed/b2", replace=True)

    def test_a_large_file_is_sent_in_parts(
        self, settings: Settings, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backup_files, "PART_BYTES", 5 * 1024**2)
        large = tmp_path / "large"
        large.write_bytes(os.urandom(12 * 1024**2))
        settings = with_target(settings, settings.data, "s3://library/large", s3=s3)
        with stocked(settings, "mango"):
            back_up(settings, tmp_path / "b1", settings_file=large)
        headers = httpx.head(f"{s3}/library/large/b1/settings.zip").headers
        assert headers["ETag"].strip('"').endswith("-3"), "the tag of an object of three parts"
        with opened("s3://library/large/b1", settings, identity=None) as folder:
            (copy,) = restore_settings(folder, tmp_path / "files")
        assert Path(copy).read_bytes() == large.read_bytes()

    def test_a_backup_that_is_there_is_not_overwritten(self, settings: Settings, tmp_path: Path, s3: str) -> None:
        (tmp_path / "disk").mkdir()
        with stocked(settings, "mango"):
            for number, target in enumerate(("s3://library/twice", str(tmp_path / "disk"))):
                there = with_target(settings, settings.data, target, s3=s3)
                back_up(there, tmp_path / f"first{number}" / "b")
                again = tmp_path / f"second{number}" / "b"
                assert reason_of(lambda there=there, again=again: back_up(there, again)) == "FOLDER_NOT_EMPTY"

    @pytest.mark.parametrize("target", ["s3://library", "s3://key:secret@library/a", "s3:///a"])
    def test_a_target_without_a_folder_or_with_a_secret_is_refused(
        self, settings: Settings, tmp_path: Path, target: str
    ) -> None:
        with stocked(settings, "mango"):
            reason = reason_of(lambda: back_up(with_target(settings, settings.data, target), tmp_path / "b"))
        assert reason in ("TARGET_INVALID", "BACKUP_NOT_COPIED")

    def test_a_failed_copy_is_reported_until_a_backup_succeeds(
        self, any_settings: Settings, tmp_path: Path, s3: str
    ) -> None:
        unmounted = with_target(any_settings, tmp_path / "data", str(tmp_path / "not-mounted" / "backups"))
        nobody = f"http://127.0.0.1:{processes.free_port()}"
        away = with_target(any_settings, tmp_path / "data", "s3://library/away", s3=nobody)
        with stocked(any_settings, "mango"):
            for number, target in enumerate((unmounted, away)):
                with pytest.raises(Unavailable) as refusal:
                    back_up(target, tmp_path / f"b{number}")
                assert refusal.value.reason == "BACKUP_NOT_COPIED"
                assert (tmp_path / f"b{number}" / "manifest.json").exists(), "the local backup is complete"
                assert outcome_of(any_settings) == "BACKUP_NOT_COPIED"
                (finding,) = check_backup(any_settings, STOCK)
                assert (finding.ok, "BACKUP_NOT_COPIED" in finding.message.en) == (False, True)
            name = f"again-{any_settings.bus_url[:4]}"
            back_up(with_target(away, tmp_path / "data", f"s3://library/{name}", s3=s3), tmp_path / "b2")
            assert outcome_of(any_settings) == DONE
            assert check_backup(any_settings, STOCK)[0].ok


def outcome_of(settings: Settings) -> str:
    with closing(Database(settings.database("stock"))) as database, database.reading(READER) as session:
        outcome: str = session.scalars(select(job_runs.c.outcome).where(job_runs.c.name == LAST_BACKUP)).one()
        return outcome


class TestSettings:
    def test_files_that_settings_name_are_in_the_backup(self, tmp_path: Path, identity: Path) -> None:
        etc = tmp_path / "etc"
        push = etc / "push"
        push.mkdir(parents=True)
        for name in ("token", "sms-key", "push/vapid-private.pem", "push/vapid-public.pem", "ca.pem"):
            (etc / name).write_text(f"content of {name}")
        (etc / "sms.toml").write_text(
            'url = "https://sms.example.org/send"\n[fields]\nto = "{to}"\ntext = "{text}"\n'
            'key = "{secret:key}"\n[secrets]\nkey = "sms-key"\n'
        )
        channels = (
            f"webpush:?keys={push}&contact=a@example.org whatsapp://123?token-file={etc}/token&secret-file={etc}/gone "
            f"http+form:{etc}/sms.toml?name=sms smtp://mail.example.org?authority={etc}/ca.pem print:"
        )
        file = etc / "rangkiang.env"
        file.write_text(f"CHANNELS='{channels}'\n")
        settings = load({"DATA": str(tmp_path / "data"), "CHANNELS": channels})
        folder = tmp_path / "backup"
        folder.mkdir()
        backup_files.archive_settings(folder / "settings.zip", file, settings, [load_service("notifications")])
        with zipfile.ZipFile(folder / "settings.zip") as archive:
            names = {f"/{name}" for name in archive.namelist()}
        expected = ("rangkiang.env", "token", "sms-key", "push/vapid-private.pem", "push/vapid-public.pem", "ca.pem")
        assert names == {str(etc / name) for name in (*expected, "sms.toml")}

    def test_they_are_written_below_a_folder_and_no_database_changes(
        self, settings: Settings, tmp_path: Path, identity: Path
    ) -> None:
        file = tmp_path / "rangkiang.env"
        file.write_text("PORT=8080\n")
        with stocked(settings, "mango") as installation:
            encrypted = with_target(settings, settings.data, key=str(KEY.to_public()))
            back_up(encrypted, tmp_path / "backup", settings_file=file)
            installation.receive("guava")
            with opened(str(tmp_path / "backup"), settings, identity=identity) as folder:
                (copy,) = restore_settings(folder, tmp_path / "new")
        assert copy == f"{tmp_path}/new{file}"
        assert Path(copy).read_text() == "PORT=8080\n"
        assert articles(settings) == {"mango", "guava"}

    def test_a_backup_without_them_says_so(self, settings: Settings, tmp_path: Path) -> None:
        with stocked(settings, "mango"):
            back_up(settings, tmp_path / "backup")
        assert reason_of(lambda: restore_settings(tmp_path / "backup", tmp_path)) == "BACKUP_LACKS_SETTINGS"

    def test_the_master_key_is_refused(self, settings: Settings, tmp_path: Path) -> None:
        file = tmp_path / "all"
        file.write_text("PORT=8080\n# rangkiang-master-key-1:MFRGGZDF\n")
        with stocked(settings, "mango"):
            reason = reason_of(lambda: back_up(settings, tmp_path / "backup", settings_file=file))
            assert reason == "BACKUP_HAS_MASTER_KEY"
            reason = reason_of(lambda: back_up(settings, tmp_path / "backup", settings_file=tmp_path / "missing"))
            assert reason == "SETTINGS_FILE_UNUSABLE"
        assert not list(tmp_path.glob("*backup*"))
