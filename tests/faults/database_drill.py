"""`serve catalog` and `gateway` as processes; their connections to PostgreSQL pass a proxy that cuts and hangs them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

import httpx
from sqlalchemy.engine import make_url

from chassis.service import discover
from tests.builders import book, iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.fakes.proxy import Proxy, proxy_to
from tests.migrated import copied_databases
from tests.programs import run_command, start_program

THREADS = 4
CLIENTS = 8
PAUSE_SECONDS = 0.3  # of a client after each answer: drills need answers at any time, not all processors
# What readers ask for: two routes and a page, whose errors are a problem document or a page.
PATHS = ("/api/v1/search?q=selasar", "/search?q=selasar", "/api/v1/institutions")


@dataclass
class Program:
    """One process of the product; its log goes to a file."""

    process: subprocess.Popen[bytes]
    log_file: Path
    first: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def events(self, name: str) -> int:
        """Number of log lines of this event."""
        return sum(json.loads(line)["event"] == name for line in self.log.splitlines() if line.startswith("{"))

    def stop(self) -> float:
        """End the process with SIGTERM; return the seconds that it took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        return time.monotonic() - start


@dataclass
class Drill:
    """The processes of a small cluster, and the way to its database."""

    environment: dict[str, str]
    folder: Path
    proxy: Proxy
    programs: list[Program] = field(default_factory=list)

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        return run_command(words, environment={**self.environment, **changes}, folder=CHECKOUT)

    def end(self) -> None:
        """Kill the processes that were started."""
        for program in self.programs:
            program.process.kill()
            program.process.wait()

    def start(self, *words: str, **changes: str) -> Program:
        """Start a process; return when it answers, or has ended."""
        log_file = self.folder / f"{len(self.programs)}-{words[0]}.log"
        with log_file.open("wb") as log:
            environment = {**self.environment, **changes}
            process = start_program([*words, "--json"], env=environment, cwd=CHECKOUT, stderr=log)
        self.programs.append(program := Program(process, log_file))
        assert process.stdout is not None
        line = process.stdout.readline()
        program.first = json.loads(line) if line else {}
        return program


@contextmanager
def drill(template: dict[str, str], folder: Path, **settings: str) -> Iterator[Drill]:
    """Put a proxy before a migrated database.

    template  DATABASE_URL and DATABASE_OWNER_URL, with {service}
    """
    url = make_url(template["DATABASE_URL"].replace("{service}", "catalog"))
    with proxy_to(str(url.host), int(url.port or 0)) as proxy:
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")} | {
            "DATA": str(folder / "var"),
            "DATABASE_URL": template["DATABASE_URL"].replace(f":{url.port}/", f":{proxy.port}/"),
            "DATABASE_OWNER_URL": template["DATABASE_OWNER_URL"],
            "GRPC_THREADS": str(THREADS),
            "GRPC_PORT": "0",
            "PORT": "0",
            "LOG_FORMAT": "json",
            "RATE_LIMIT": "0",
            "REQUESTS_AT_ONCE": "0",
            **settings,
        }
        drilled = Drill(environment, folder, proxy)
        try:
            yield drilled
        finally:
            drilled.end()


@contextmanager
def filled_drill(folder: Path) -> Iterator[Drill]:
    """A drill on a filled database of its own."""
    # Of all services: an import with the owner's role would create and migrate those that are missing.
    with copied_databases(discover()) as urls, drill(urls, folder) as drilled:
        fill(drilled)
        yield drilled


def fill(drilled: Drill) -> None:
    """Import a few books that *selasar* finds."""
    path = drilled.folder / "buku.mrc"
    path.write_bytes(iso(book(f"r{number}", f"Selasar {number}") for number in range(20)))
    done = drilled.run("import", str(path), "--source", "UJI", "--new-source")
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def start_cluster(drilled: Drill) -> tuple[Program, Program, str]:
    """Start `serve` and the gateway; return them and the gateway's address."""
    serve = drilled.start("serve", "catalog")
    gateway = drilled.start("gateway", CATALOG_URL=f"dns:///{serve.first['grpc']}")
    address = gateway.first["address"]
    eventually(lambda: answers(address) == 200, seconds=20)
    return serve, gateway, address


def answers(address: str, path: str = PATHS[0]) -> int:
    """Status of one request; 0 without an answer."""
    try:
        return httpx.get(address + path, timeout=10, verify=False).status_code
    except httpx.HTTPError:
        return 0


class Clients:
    """Readers that send requests again and again, in threads; `statuses` counts what they got."""

    def __init__(self, address: str, *, pause: float = PAUSE_SECONDS) -> None:
        self._address, self._pause = address, pause
        self._stop, self._lock = Event(), Lock()
        self.statuses: Counter[int] = Counter()
        self.without_retry_after = 0
        self._threads = [Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def reset(self) -> None:
        with self._lock:
            self.statuses, self.without_retry_after = Counter(), 0

    def statuses_of(self, *, seconds: float) -> Counter[int]:
        """Count anew for this time; return the statuses."""
        self.reset()
        time.sleep(seconds)
        return self.statuses

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self._address, timeout=20, verify=False) as client:
            while not self._stop.is_set():
                number += 1
                try:
                    reply = client.get(PATHS[number % len(PATHS)])
                except httpx.HTTPError:  # the process has ended
                    self._stop.wait(0.1)
                    continue
                with self._lock:
                    self.statuses[reply.status_code] += 1
                    self.without_retry_after += reply.status_code == 503 and "Retry-After" not in reply.headers
                self._stop.wait(self._pause)


@dataclass
class Outages:
    """What clients saw in outages of random kinds and lengths.

    slowest  longest time from the end of an outage to an answer, in seconds
    """

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0


def random_outages(folder: Path, *, rounds: int, seed: int) -> Outages:
    """Cut, silence and stall the database of a small cluster again and again under clients.

    Asserts that each outage ends within 10 s, that no answer is 500, and that the log has one line a change.
    """
    choose, outages = random.Random(seed), Outages()
    with filled_drill(folder) as drilled:
        serve, _gateway, address = start_cluster(drilled)
        with Clients(address, pause=0.02) as clients:
            for _ in range(rounds):
                kind = choose.choice(("shut", "silence", "stall"))
                getattr(drilled.proxy, kind)()
                time.sleep(choose.uniform(0.2, 8))
                drilled.proxy.silence()
                drilled.proxy.open()
                outages.kinds[kind] += 1
                outages.slowest = max(outages.slowest, eventually(lambda: answers(address) == 200, seconds=10))
                time.sleep(choose.uniform(0.2, 2))
        outages.statuses = clients.statuses
        assert set(outages.statuses) <= {200, 503, 504}
        assert serve.events("database_away") == serve.events("database_back") <= rounds
        assert "Traceback" not in serve.log
        assert serve.stop() < 25
    return outages
