"""PostgreSQL of this checkout: an owner role that migrates and an app role that obeys row-level security."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.servers import processes
from tests.servers.state import PASSWORD, Entry, ServerError, is_for_tests

OWNER, APP = "rangkiang_owner", "rangkiang_app"
# SCRAM takes client and server 10 ms of CPU time for each of the thousands of connections that tests open.
AUTHENTICATION = "md5"
SETTINGS = f"""
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 800
password_encryption = '{AUTHENTICATION}'
"""
# What is not synced is lost only when the machine ends, not when processes are killed. To drop one of the hundreds of
# databases of a run, a server that syncs waits until the disk has what all the others changed.
UNSYNCED = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0")
ROLES = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP}') THEN
        CREATE ROLE {APP} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '{PASSWORD}';
    END IF;
END $$;
"""


def binaries() -> Path:
    """Folder of the newest installed PostgreSQL server."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not programs:
        raise ServerError("PostgreSQL is not installed")
    return programs[-1].parent


def start(previous: Entry) -> Entry:
    """Start the server on its own data folder, making folder and roles the first time."""
    user = processes.account("postgres")
    home, programs = processes.home("postgres", user), binaries()
    data, log, port = home / "data", home / "log", processes.keep_port(previous.get("port"))
    if not (data / "PG_VERSION").exists():
        secret = home / "password"
        processes.write(secret, PASSWORD + "\n", user)
        command = [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            OWNER,
            f"--pwfile={secret}",
            f"--auth={AUTHENTICATION}",
        ]
        initdb = subprocess.run(
            [*processes.as_user(user), *command, "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        secret.unlink()
        if initdb.returncode:
            raise ServerError(f"initdb failed: {initdb.stderr.strip()}")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
    _clear_stale_lock(data / "postmaster.pid")
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *(UNSYNCED if is_for_tests() else ())]
    entry: Entry = {
        **processes.spawn(command, user=user, environment={}, log=log),
        "port": port,
        "for_tests": is_for_tests(),
        "psql": [str(programs / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", OWNER],
    }
    processes.wait("PostgreSQL", lambda: healthy(entry), entry, log)
    sql(entry, ROLES)
    return entry


def _clear_stale_lock(lock: Path) -> None:
    """Remove the lock file of an ended postmaster, because PostgreSQL takes a zombie for a running process."""
    if not lock.exists():
        return
    pid = int(lock.read_text().split()[0])
    if processes.birth(pid):
        raise ServerError(f"another PostgreSQL (process {pid}) uses {lock.parent}: stop it first")
    lock.unlink()


def healthy(entry: Entry) -> bool:
    """Return True when the server responds to a query."""
    return _psql(entry, "SELECT 1").returncode == 0


def stop(entry: Entry) -> None:
    """Stop the server with a clean checkpoint and disconnect its clients."""
    processes.stop(entry, signal.SIGINT)


def url(entry: Entry, *, owner: bool) -> str:
    """URL with `{service}` in the place of the database's name."""
    role = OWNER if owner else APP
    return f"postgresql+psycopg://{role}:{PASSWORD}@127.0.0.1:{entry['port']}/{{service}}"


def sql(entry: Entry, statement: str) -> str:
    """Run a statement as the owner in the maintenance database; return its rows, a line each."""
    result = _psql(entry, statement)
    if result.returncode:
        raise ServerError(f"PostgreSQL refused: {result.stderr.strip()}")
    return result.stdout


def create_database(entry: Entry, name: str, *, template: str = "template0") -> None:
    """Create a database, empty or as a copy of one that nobody uses."""
    sql(entry, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


def has_database(entry: Entry, name: str) -> bool:
    """Return True when a database of this name exists."""
    statement = f"DO $$ BEGIN ASSERT EXISTS (SELECT FROM pg_database WHERE datname = '{name}'); END $$"
    return _psql(entry, statement).returncode == 0


def databases(entry: Entry, prefix: str) -> list[str]:
    """Names of the databases that begin so."""
    names = sql(entry, f"SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}')")
    return names.split()


def drop_database(entry: Entry, name: str) -> None:
    """Drop a database and its connections."""
    sql(entry, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _psql(entry: Entry, statement: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*entry["psql"], "-d", "postgres", "-XAtqc", statement, "-v", "ON_ERROR_STOP=1"],
        env={**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "5"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
