"""The running servers of this checkout, in one JSON file: `var/services/state.json`."""

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
# A fixed secret for loopback and test data; the settings refuse it outside development.
PASSWORD = "rangkiang-development"
NAMES = ("postgres", "rabbitmq", "elasticsearch")

Entry = dict[str, Any]


class NotRunning(RuntimeError):
    """The servers are not running; the message names the command."""


class ServerError(RuntimeError):
    """A server could not be started; the message has the reason and the remedy."""


def is_for_tests() -> bool:
    """Return True when `make test` starts the servers, with settings that save time; benchmarks refuse these."""
    return os.environ.get("SERVERS_FOR") == "tests"


def load() -> dict[str, Entry]:
    """Return the entries by server name; empty when no server was started."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def save(entries: dict[str, Entry]) -> None:
    """Replace the state file; an empty state removes it."""
    if not entries:
        FILE.unlink(missing_ok=True)
        return
    new_file = FILE.with_suffix(".new")
    new_file.touch(mode=0o600)
    new_file.write_text(json.dumps(entries, indent=2) + "\n")
    new_file.replace(FILE)


def read(name: str) -> Entry:
    """Return one server's entry, or raise NotRunning."""
    entry = load().get(name)
    if entry is None:
        raise NotRunning(f"{name} is not running for this checkout: run `make services`")
    return entry


def refuse_settings_of_tests() -> None:
    """Raise ServerError when one of the servers runs with settings for tests, which measurements would not mean."""
    for name, entry in load().items():
        if entry.get("for_tests"):
            raise ServerError(f"{name} runs with settings for tests: type  make services-down services")


def read_all() -> dict[str, Entry]:
    """Return every server's entry, or raise NotRunning."""
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
    """Lock the servers of this checkout: one `up` or `down` at a time."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
