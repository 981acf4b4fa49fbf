"""The manifest of a backup folder: its content, release and moment, and a hash of each file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chassis.errors import Invalid, Unavailable
from chassis.migrations.revisions import histories
from chassis.service import Service

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of one database.

    kind       "sqlite" or "postgresql"
    file       name in the folder
    revisions  history -> revision of the database
    form       encoding, collation and ctype of a PostgreSQL database
    """

    service: str
    kind: str
    file: str
    bytes: int
    sha256: str
    revisions: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True, slots=True)
class Archive:
    """The ZIP file of the settings and of the files that they name."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    release    release that made the backup
    made_at    moment of all snapshots, ISO 8601 in UTC
    locked_ms  milliseconds for which writers had to wait
    settings   None if the backup was made without settings
    """

    release: str
    made_at: str
    locked_ms: float
    databases: list[Copy]
    settings: Archive | None = None

    def write(self, path: Path) -> None:
        """Write the file, with a hash of its own content."""
        content = {"format": FORMAT, **asdict(self)}
        if self.settings is None:
            del content["settings"]  # earlier releases do not know it
        path.write_text(json.dumps({**content, "sha256": _digest(content)}, indent=2) + "\n", encoding="utf-8")

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.made_at)


def read(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    raises  Invalid      BACKUP_NOT_FOUND: the folder has no manifest
            Unavailable  BACKUP_DAMAGED, BACKUP_NEWER: another form of the manifest
    """
    try:
        content: Any = json.loads((folder / NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise Invalid("BACKUP_NOT_FOUND", folder=str(folder)) from None
    except ValueError:
        raise Unavailable("BACKUP_DAMAGED", file=NAME) from None
    try:
        digest, written_as = content.pop("sha256"), content.pop("format")
        if written_as != FORMAT:
            raise Unavailable("BACKUP_NEWER", release=str(content.get("release")), ours=release())
        if digest != _digest({"format": written_as, **content}):
            raise ValueError
        copies = [Copy(**copy) for copy in content.pop("databases")]
        archive = Archive(**content.pop("settings")) if "settings" in content else None
        manifest = Manifest(databases=copies, settings=archive, **content)
        files = [copy.file for copy in copies] + ([archive.file] if archive else [])
        if any(Path(file).name != file for file in files) or manifest.moment.tzinfo is None:
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Unavailable("BACKUP_DAMAGED", file=NAME) from None
    return manifest


def check_release(manifest: Manifest, services: list[Service]) -> None:
    """Refuse the backup of a newer release.

    raises  Unavailable  BACKUP_NEWER: of a later version, or with a service or revision that this release lacks
    """
    known_services = {service.name: service for service in services}
    is_newer = _numbers(manifest.release) > _numbers(release())
    for copy in manifest.databases:
        if is_newer or copy.service not in known_services:
            raise Unavailable("BACKUP_NEWER", release=manifest.release, ours=release())
        for history in histories(known_services[copy.service]):
            if copy.revisions.get(history.name) not in history.revisions():
                raise Unavailable("BACKUP_NEWER", release=manifest.release, ours=release())


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def release() -> str:
    """Return the version of this program."""
    return version("rangkiang")


def _numbers(version_: str) -> list[int]:
    return [int(part) for part in version_.split(".") if part.isdecimal()]


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
