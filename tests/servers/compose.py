"""The servers in containers, where a Docker engine answers: three services of docker-compose.yml on loopback ports."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.servers import postgres, processes, rabbitmq
from tests.servers.state import CHECKOUT, KEY, NAMES, PASSWORD, Entry, ServerError

PROJECT = f"rangkiang-{KEY}"
FILES = ["-f", str(CHECKOUT / "docker-compose.yml"), "-f", str(CHECKOUT / "tests" / "servers" / "compose.yml")]
COMMAND = ["docker", "compose", "-p", PROJECT, *FILES]
PORTS = {
    "POSTGRES_PORT": ("postgres", "port"),
    "RABBITMQ_PORT": ("rabbitmq", "port"),
    "RABBITMQ_MANAGEMENT_PORT": ("rabbitmq", "management_port"),
    "ELASTICSEARCH_PORT": ("elasticsearch", "port"),
}


def started(entries: dict[str, Entry]) -> bool:
    """Return True when Docker Compose started the running servers."""
    return any("compose" in entry for entry in entries.values())


def serves(entries: dict[str, Entry]) -> bool:
    """Return True when Docker Compose started the servers, or when it works and no server runs."""
    if entries:
        return started(entries)
    if not shutil.which("docker"):
        return False
    commands = (["docker", "info"], ["docker", "compose", "version"])
    return all(
        subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0 for command in commands
    )


def up(entries: dict[str, Entry]) -> dict[str, Entry]:
    """Start the three containers, wait until they are healthy, return their entries."""
    new_entries: dict[str, Entry] = {name: {"compose": PROJECT} for name in NAMES}
    environment = dict(os.environ)
    for variable, (name, field) in PORTS.items():
        # A running container keeps its port; `compose up` leaves it alone when nothing changed.
        new_entries[name][field] = entries.get(name, {}).get(field) or processes.free_port()
        environment[variable] = str(new_entries[name][field])
    result = subprocess.run([*COMMAND, "up", "--detach", "--wait", *NAMES], env=environment, check=False)
    if result.returncode:
        raise ServerError("docker compose could not start the servers; its messages are above")
    new_entries["postgres"]["psql"] = [*COMMAND, "exec", "-T", "-e", f"PGPASSWORD={PASSWORD}", "postgres"]
    new_entries["postgres"]["psql"] += ["psql", "-h", "127.0.0.1", "-U", postgres.OWNER]
    new_entries["rabbitmq"]["rabbitmqctl"] = [*COMMAND, "exec", "-T", "rabbitmq", "rabbitmqctl"]
    postgres.sql(new_entries["postgres"], postgres.ROLES)
    rabbitmq.create_vhost(new_entries["rabbitmq"], rabbitmq.VHOST)
    return new_entries


def down() -> None:
    """Stop and remove the three containers; their volumes stay."""
    subprocess.run([*COMMAND, "down"], check=True)
