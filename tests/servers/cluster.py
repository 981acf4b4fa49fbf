"""`make cluster`: the cluster edition on the development servers, each service in its own processes, until Ctrl-C."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from chassis.service import discover, load
from tests import servers
from tests.migrated import create_migrated
from tests.programs import run_command, start_program
from tests.servers import processes
from tests.servers.state import CHECKOUT, ServerError

SERVICES = tuple(service.name for service in discover())
WITHOUT_CONSUMERS = {service.name for service in discover() if not service.consumers}
READY_SECONDS = 150


class Cluster:
    """The processes of the cluster edition, with databases, queues and an index of one prefix.

    prefix    prefix of the names of databases, virtual host and index; empty for those of development
    services  the services that run
    checkout  folder of their sources
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        port: int | None = None,
        services: Sequence[str] = SERVICES,
        checkout: Path = CHECKOUT,
    ) -> None:
        urls = servers.urls()
        self.port = port or processes.free_port()
        self.prefix = prefix
        self.checkout = checkout
        self.ports = {service: processes.free_port() for service in services}
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(checkout),
            "ENVIRONMENT": "development",
            "PORT": str(self.port),
            "DATABASE_URL": urls["DATABASE_URL"].replace("{service}", prefix + "{service}"),
            "BUS_URL": servers.create_vhost(f"{prefix}rangkiang") if prefix else urls["BUS_URL"],
            "SEARCH_URL": f"{urls['SEARCH_ROOT_URL']}/{prefix.replace('_', '-')}records",
        }
        self.certificates = Path(tempfile.mkdtemp(prefix="rangkiang-tls-"))
        self.owner_url = urls["DATABASE_OWNER_URL"].replace("{service}", prefix + "{service}")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log: IO[bytes] | None = None
        self._commands: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {}  # and their changes, as at the start

    @property
    def address(self) -> str:
        """Address of the gateway."""
        return f"http://127.0.0.1:{self.port}"

    def migrate(self) -> None:
        """Create missing databases and migrate all of them."""
        for service in self.ports:
            servers.ensure_database(self.prefix + service)
        self.run("migrate", *self.ports, DATABASE_OWNER_URL=self.owner_url)

    def copy_databases(self) -> None:
        """Create migrated databases, which a run of the tests copies."""
        for service in self.ports:
            create_migrated(load(service), self.prefix + service)

    def run(self, *command: str, **changes: str) -> None:
        """Run a command of the CLI to its end with the settings of the cluster."""
        environment = {**self.environment, **changes}
        result = run_command(
            command, environment=environment, folder=self.checkout, seconds=READY_SECONDS, sources=self.checkout
        )
        if result.returncode:
            output = (result.stdout + result.stderr).decode(errors="replace")[-2000:]
            raise ServerError(f"rangkiang {' '.join(command)} ended with {result.returncode}: {output}")

    def start(self, *, log: IO[bytes] | None = None) -> None:
        """Start serve of each service, work of those with consumers, and the gateway; wait until the gateway is ready.

        The broker keeps events for a handler from the first start of its worker.

        log  takes what the processes write to standard error
        """
        self.log = log
        self.run("tls", "init", str(self.certificates), "--renew", "--json")
        addresses = {f"{service.upper()}_URL": f"dns:///127.0.0.1:{port}" for service, port in self.ports.items()}
        for service, port in self.ports.items():
            self._start(f"{service}-serve", "serve", service, GRPC_PORT=str(port), **addresses)
            if service not in WITHOUT_CONSUMERS:
                self._start(f"{service}-work", "work", service)
        self._start("gateway", "gateway", PORT=str(self.port), **addresses)
        deadline = time.monotonic() + READY_SECONDS
        for name, process in self.processes.items():
            line = _first_line(process, seconds=deadline - time.monotonic())
            if not line:
                raise ServerError(f"{name} was not up within {READY_SECONDS} s")
            print(line, flush=True)
        while not self._ready():
            self.check()
            if time.monotonic() > deadline:
                raise ServerError(f"the gateway was not ready within {READY_SECONDS} s")
            time.sleep(0.2)

    def remove(self) -> None:
        """Drop the databases, the virtual host and the indices of the prefix."""
        for service in self.ports:
            servers.drop_database(self.prefix + service)
        servers.drop_vhost(f"{self.prefix}rangkiang")
        servers.drop_indices(self.prefix.replace("_", "-"))

    def restart(self, name: str, **changes: str) -> None:
        """Start a process again that has ended, with changes of its environment."""
        words, before = self._commands[name]
        self._start(name, *words, **{**before, **changes})

    def _start(self, name: str, *command: str, **changes: str) -> None:
        self._commands.setdefault(name, (command, changes))
        environment = _without_database(name, {**self.environment, **self._identity(name.partition("-")[0]), **changes})
        self.processes[name] = start_program(
            command, env=environment, cwd=self.checkout, stderr=self.log, sources=self.checkout
        )

    def _identity(self, service: str) -> dict[str, str]:
        """The certificate of a process, by which the others know it."""
        files = {"GRPC_CERT": f"{service}.crt", "GRPC_KEY": f"{service}.key", "GRPC_CA": "services-authority.crt"}
        return {variable: str(self.certificates / file) for variable, file in files.items()}

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api/v1/health/ready", timeout=3) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def check(self) -> None:
        """Raise when one of the processes has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise ServerError(f"{name} ended with {process.returncode}")

    def stop(self) -> None:
        """Stop every process, the gateway first; kill those that still run after 15 s."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        shutil.rmtree(self.certificates, ignore_errors=True)


def _first_line(process: subprocess.Popen[bytes], *, seconds: float) -> str:
    """The first line of a process; empty after the timeout."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], max(seconds, 0))
    return process.stdout.readline().decode().strip() if readable else ""


def _without_database(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment of one process: the gateway gets no database, bus or index."""
    removed = ("DATABASE_URL", "BUS_URL", "SEARCH_URL") if name == "gateway" else ()
    return {key: value for key, value in environment.items() if key not in removed}


def main() -> int:
    """Run the cluster edition in the foreground."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port = os.environ.get("PORT")
    cluster = Cluster(port=int(port) if port else None)
    try:
        cluster.migrate()
        cluster.start()
        print(f"\nCluster edition: {cluster.address}   (Ctrl-C menghentikan · Ctrl-C stops it)", flush=True)
        while True:
            cluster.check()
            time.sleep(1)
    except KeyboardInterrupt:
        return 0
    except (ServerError, servers.NotRunning) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
