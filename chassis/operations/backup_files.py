"""The files of a backup after the databases are copied: settings, encryption, and the copy off the machine.

Encryption is that of age: each file has the ending .age. The manifest is the last file that reaches another machine, so
an interrupted copy has none and is no backup.
"""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chassis.errors import Error, Invalid, Unavailable
from chassis.operations.backup_manifest import NAME
from chassis.operations.snapshots import first_line, sync
from chassis.security.encryption import MASTER_KEY_PREFIX
from chassis.service import Service
from chassis.settings import Settings
from chassis.urls import resolve

if TYPE_CHECKING:
    from obstore.store import S3Store

log = logging.getLogger(__name__)

AGE = ".age"
SETTINGS_FILE = "settings.zip"
S3 = "s3://"
WORK = ".restore"  # folder in DATA for downloaded and decrypted files
# Small parts would limit the size of a file, because S3 takes 10,000 parts.
PART_BYTES, PARTS_AT_ONCE = 16 * 1024**2, 2
PART_TIME = "15min"


def archive_settings(path: Path, file: Path, settings: Settings, services: Sequence[Service]) -> None:
    """Write a file of settings, and the files that the settings of services name, to a ZIP file.

    raises  Invalid      BACKUP_HAS_MASTER_KEY
            Unavailable  SETTINGS_FILE_UNUSABLE
    """
    files = [file]
    for service in services:
        if service.setting_files:
            files += resolve(service.setting_files)(settings)
    with zipfile.ZipFile(path, "w", strict_timestamps=False) as archive:
        for name in dict.fromkeys(named.absolute() for named in files):
            try:
                has_master_key = MASTER_KEY_PREFIX.encode() in name.read_bytes()
            except OSError as problem:
                if name == file.absolute():
                    raise Unavailable("SETTINGS_FILE_UNUSABLE", file=str(name), why=_why(problem)) from None
                # The databases are backed up although a file that a channel needs is missing.
                log.warning("setting_file_unreadable", extra={"file": str(name), "why": _why(problem)})
                continue
            if has_master_key:
                raise Invalid("BACKUP_HAS_MASTER_KEY", file=str(name))
            archive.write(name, str(name).lstrip("/"))


def recipients(keys: str) -> list[Any]:
    """Read public keys of age, separated by commas or blanks. Raises Invalid RECIPIENT_INVALID."""
    from pyrage import RecipientError, x25519

    try:
        return [x25519.Recipient.from_str(key) for key in keys.replace(",", " ").split()]
    except RecipientError as problem:
        # The key is not repeated, because it may be a private one.
        raise Invalid("RECIPIENT_INVALID", why=str(problem)) from None


def encrypt(folder: Path, keys: Sequence[Any]) -> None:
    """Replace each file of a folder by an encrypted one. Raises Unavailable FOLDER_UNUSABLE."""
    from pyrage import encrypt_file

    for path in sorted(folder.iterdir()):
        encrypted = path.with_name(path.name + AGE)
        try:
            encrypt_file(str(path), str(encrypted), keys)
            sync(encrypted)
            path.unlink()
        except OSError as problem:
            raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=str(problem)) from None


def _decrypt(folder: Path, target: Path, identity: Path | None) -> None:
    """Write the decrypted files of a folder to another one; the manifest first, because it is small.

    raises  Invalid      IDENTITY_NEEDED, IDENTITY_UNUSABLE, IDENTITY_OTHER
            Unavailable  BACKUP_DAMAGED, FOLDER_UNUSABLE
    """
    from pyrage import DecryptError, IdentityError, decrypt_file, x25519

    if identity is None:
        raise Invalid("IDENTITY_NEEDED", folder=str(folder))
    try:
        lines = identity.read_text(encoding="utf-8").splitlines()
        keys = [x25519.Identity.from_str(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeError, IdentityError) as problem:
        raise Invalid("IDENTITY_UNUSABLE", file=str(identity), why=_why(problem)) from None
    for path in sorted(folder.glob(f"*{AGE}"), key=lambda path: path.stem != NAME):
        plain = target / path.stem
        try:
            decrypt_file(str(path), str(plain), keys)
        except DecryptError as problem:
            if "No matching keys" in str(problem):
                raise Invalid("IDENTITY_OTHER", file=str(identity)) from None
            raise Unavailable("BACKUP_DAMAGED", file=path.name) from None
        except OSError as problem:
            # A full disk has a number; a changed or shortened file has none.
            if problem.errno is None:
                raise Unavailable("BACKUP_DAMAGED", file=path.name) from None
            raise Unavailable("FOLDER_UNUSABLE", folder=str(target), why=_why(problem)) from None


@contextmanager
def opened(place: str, settings: Settings, *, identity: Path | None) -> Iterator[Path]:
    """Yield the plain folder of a backup; downloaded and decrypted files are in DATA and are removed at the end.

    place   folder or s3://bucket/folder
    raises  Invalid      BACKUP_NOT_FOUND, TARGET_INVALID and the errors of identities
            Unavailable  BACKUP_NOT_FETCHED, BACKUP_DAMAGED, FOLDER_UNUSABLE
    """
    folder, work = Path(place), settings.data.absolute() / WORK
    shutil.rmtree(work, ignore_errors=True)
    try:
        if place.startswith(S3):
            folder = _new_folder(work / "fetched")
            _fetch(place, folder, settings)
        if (folder / (NAME + AGE)).is_file():
            decrypted = _new_folder(work / "decrypted")
            _decrypt(folder, decrypted, identity)
            folder = decrypted
        yield folder
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _new_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=_why(problem)) from None
    return folder


def send(folder: Path, target: str, settings: Settings) -> str:
    """Copy a complete backup to a folder of the target, which exists. Returns the place of the copy.

    raises  Invalid      TARGET_INVALID, FOLDER_NOT_EMPTY
            Unavailable  BACKUP_NOT_COPIED
    """
    place = f"{target.rstrip('/')}/{folder.name}"
    try:
        if target.startswith(S3):
            _upload(folder, place, settings)
        else:
            _copy(folder, Path(place))
    except Error:
        raise
    except Exception as problem:  # obstore has several trees of errors
        raise Unavailable("BACKUP_NOT_COPIED", folder=str(folder), target=place, why=_why(problem)) from None
    return place


def _copy(folder: Path, place: Path) -> None:
    if place.exists():
        raise Invalid("FOLDER_NOT_EMPTY", folder=str(place))
    partial = place.with_name(f".{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # Not with parents: a folder on a disk that is not mounted does not exist.
    partial.mkdir(mode=0o700)
    try:
        for path in folder.iterdir():
            shutil.copyfile(path, partial / path.name)
            sync(partial / path.name)
        partial.rename(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync(place.parent)


def _upload(folder: Path, place: str, settings: Settings) -> None:
    import obstore

    store = _store(place, settings)
    if any(Path(item["path"]).name.startswith(NAME) for item in store.list().collect()):
        raise Invalid("FOLDER_NOT_EMPTY", folder=place)
    for path in sorted(folder.iterdir(), key=lambda path: path.name.startswith(NAME)):
        obstore.put(store, path.name, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)


def _fetch(place: str, folder: Path, settings: Settings) -> None:
    """Download a backup. Raises Invalid BACKUP_NOT_FOUND, Unavailable BACKUP_NOT_FETCHED."""
    store = _store(place, settings)
    try:
        names = [item["path"] for item in store.list().collect()]
        if not any(name in (NAME, NAME + AGE) for name in names):
            raise Invalid("BACKUP_NOT_FOUND", folder=place)
        for name in names:
            if Path(name).name == name:
                with (folder / name).open("wb") as file:
                    for piece in store.get(name).stream():
                        file.write(piece)
    except Error:
        raise
    except Exception as problem:
        raise Unavailable("BACKUP_NOT_FETCHED", place=place, why=_why(problem)) from None


def _store(place: str, settings: Settings) -> S3Store:
    """Open a folder of a bucket. Raises Invalid TARGET_INVALID."""
    from obstore.store import S3Store

    parts = urlsplit(place)
    if not parts.netloc or "@" in parts.netloc or not parts.path.strip("/"):
        raise Invalid("TARGET_INVALID", form="s3://bucket/folder")
    config = {
        "endpoint": settings.aws_endpoint_url,
        "region": settings.aws_region,
        "access_key_id": settings.aws_access_key_id,
        "secret_access_key": settings.aws_secret_access_key,
    }
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/"),
        config={name: value for name, value in config.items() if value},  # type: ignore[arg-type]
        client_options={
            "allow_http": settings.aws_endpoint_url.startswith("http://"),
            "connect_timeout": "10s",
            "timeout": PART_TIME,
        },
        retry_config={"max_retries": 5},
    )


def _why(problem: Exception) -> str:
    """Return the first line of an error, without a secret: obstore names the URL and the reply of the server."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return first_line(str(problem))[:300] or type(problem).__name__
