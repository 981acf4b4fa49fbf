"""What is running for this checkout: one JSON file, `var/services/state.json`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "var" / "services"
FILE = FOLDER / "state.json"
KEY = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:10]
# Loopback only and data that may be thrown away: a fixed secret, which the settings refuse outside development.
PASSWORD = "rangkiang-development"
NAMES = ("postgres", "rabbitmq", "elasticsearch")

Entry = dict[str, Any]


class NotUp(RuntimeError):
    """The servers are not running; the sentence says what to type."""


class Trouble(RuntimeError):
    """A server could not be started; the sentence says why and what to do."""


def load() -> dict[str, Entry]:
    """Return the entries by server name; empty when nothing was started."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def save(entries: dict[str, Entry]) -> None:
    """Replace the state file; an empty state removes it."""
    if not entries:
        FILE.unlink(missing_ok=True)
        return
    fresh = FILE.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(entries, indent=2) + "\n")
    fresh.replace(FILE)


def read(name: str) -> Entry:
    """Return one server's entry, or raise NotUp."""
    entry = load().get(name)
    if entry is None:
        raise NotUp(f"{name} is not running for this checkout: run `make services`")
    return entry


def read_all() -> dict[str, Entry]:
    """Return every server's entry, or raise NotUp."""
    return {name: read(name) for name in NAMES}


def urls(entries: dict[str, Entry]) -> dict[str, str]:
    """Return the entries as settings."""
    from tests.servers import elasticsearch, postgres, rabbitmq

    return {
        "DATABASE_URL": postgres.url(entries["postgres"], owner=False),
        "DATABASE_OWNER_URL": postgres.url(entries["postgres"], owner=True),
        "BUS_URL": rabbitmq.url(entries["rabbitmq"], rabbitmq.VHOST),
        "SEARCH_URL": elasticsearch.url(entries["elasticsearch"]) + "/records",
        "SEARCH_ROOT_URL": elasticsearch.url(entries["elasticsearch"]),
    }


@contextmanager
def locked() -> Iterator[None]:
    """Let one `up` or `down` at a time touch this checkout's servers."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
