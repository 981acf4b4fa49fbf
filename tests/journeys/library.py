"""A library that runs as real processes, in either edition, with the same methods for tests."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from chassis.context import system
from chassis.database.db import Database
from chassis.service import load
from chassis.settings import load as load_settings
from services.catalog.marc.record import Record
from services.catalog.sample import authorities
from services.catalog.tables import IndexQueue, ItemState
from tests.builders import iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.fakes.span_receiver import Receiver
from tests.programs import run_command, start_program
from tests.servers.cluster import Cluster

READY_SECONDS = 120
# Settings of both editions: sandboxes, and webhooks to receivers of tests.
OPTIONS = {"SANDBOX": "on", "OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8"}
COMMAND_SECONDS = 100
LOG = "server.log"

# Searches of each edition that has only the sample library.
QUERIES = (
    "minangkabau", "surau", "sitti nurbaya", "siti nurbaya",
    "sejarah indonesia", "cerita anak", "pramoedya", "adat", "islam nusantara",
    "title:bumi", "author:navis", "subject:puisi", "novel -cinta", '"laut bercerita"', "history of", "language:eng",
    "year:1920-1945", "perempuan", "tjerita", "kamus bahasa", "2X4", "buku",
)  # fmt: skip
SORTS = ("relevance", "year", "year_asc", "title")


@dataclass
class Library:
    """A running edition.

    address      of its pages and its API
    environment  of its commands
    spans        that its processes have exported
    log          what they have written to standard error
    results      (query, sort) -> titles and years in order, before any test imports records; of a ranked library
    """

    edition: str
    address: str
    environment: dict[str, str]
    folder: Path
    spans: Receiver
    results: dict[tuple[str, str], list[tuple[str, int | None]]] = field(default_factory=dict)

    @property
    def log(self) -> bytes:
        return (self.folder / LOG).read_bytes()

    def command(self, *words: str, code: int | None = 0, stdin: bytes = b"") -> dict[str, Any]:
        """Run a command with --json to its end; return its last line. None accepts any exit code."""
        result = run_command(
            [*words, "--json"], environment=self.environment, folder=CHECKOUT, stdin=stdin, seconds=COMMAND_SECONDS
        )
        assert code in (None, result.returncode), result.stderr.decode()[-2000:] + result.stdout.decode()[-2000:]
        summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return summary

    def put(self, records: Iterable[Record], *, source: str) -> dict[str, Any]:
        """Import these records as a file; return the summary."""
        path = self.folder / f"{source}.mrc"
        path.write_bytes(iso(records))
        return self.command("import", str(path), "--source", source, "--new-source")

    def get(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        """Send a request on a new connection, so that the workers take turns."""
        # verify=False, here and elsewhere: to read the certificates of the system takes httpx 40 ms for each client.
        return httpx.get(self.address + path, params=query or None, headers=headers, timeout=20, verify=False)

    def api(self, path: str, **query: Any) -> Any:
        """Return the JSON of an API request; a refusal fails the test."""
        response = self.get(f"/api/v1{path}", **query)
        assert response.status_code == 200, response.text
        return response.json()

    def search(self, q: str = "", **query: Any) -> Any:
        return self.api("/search", q=q, **query)

    def titles(self, q: str, **query: Any) -> list[str]:
        return [hit["record"]["title"] for hit in self.search(q, **query)["hits"]]

    def only_id(self, q: str) -> str:
        """Wait until this query has exactly one hit; return its record id."""
        eventually(lambda: self.search(q)["total"] == 1, seconds=READY_SECONDS)
        record_id: str = self.search(q)["hits"][0]["id"]
        return record_id

    def page(self, path: str, *, language: str = "id") -> str:
        """The HTML of a page in a language."""
        response = self.get(path, headers={"Accept": "text/html", "Accept-Language": language})
        assert response.status_code == 200, response.text
        return response.text

    def all_ids(self, q: str, *, limit: int = 100, **query: Any) -> list[str]:
        """Record ids of all pages of a result. Starts again, as a reader does, when the catalogue changed."""
        ids: list[str] = []

        def is_read() -> bool:
            ids.clear()
            page = self.search(q, limit=limit, **query)
            while not page["changed"]:
                ids.extend(hit["id"] for hit in page["hits"])
                if page["next"] is None:
                    return True
                page = self.search(q, limit=limit, cursor=page["next"], **query)
            return False

        # The second worker may not yet have what an earlier test imported.
        eventually(is_read, seconds=READY_SECONDS)
        return ids


@contextmanager
def embedded(folder: Path, *, ranked: bool = False) -> Iterator[Library]:
    """Start the embedded edition: `up --workers 2` in a folder. A ranked library has the results of QUERIES."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(folder / "var"), "PORT": "0", "HOST": "127.0.0.1", **OPTIONS}
    spans = Receiver()
    command = ["up", "--workers", "2", "--json"]
    traced = environment | spans.variables
    with (
        closing(spans),
        (folder / LOG).open("wb") as log,
        start_program(command, env=traced, cwd=CHECKOUT, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            yield load_sample(Library("embedded", address, environment, folder, spans), ranked=ranked)
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def cluster(folder: Path, *, ranked: bool = False) -> Iterator[Library]:
    """Start the cluster edition with its own databases, virtual host and index; ranked as `embedded`."""
    prefix = f"journey_{uuid.uuid4().hex[:8]}_"
    processes = Cluster(prefix=prefix)
    environment = {**processes.environment, "DATA": str(folder / "var"), **OPTIONS}
    spans = Receiver()
    processes.environment = environment | spans.variables
    try:
        processes.copy_databases()
        with (folder / LOG).open("wb") as log:
            processes.start(log=log)
            yield load_sample(Library("cluster", processes.address, environment, folder, spans), ranked=ranked)
            processes.check()
    finally:
        processes.stop()
        processes.remove()
        spans.close()


def load_sample(library: Library, *, ranked: bool) -> Library:
    """Wait until the library is ready, load the sample library, and search it for `results`."""
    eventually(lambda: library.get("/api/v1/health/ready").status_code == 200, seconds=READY_SECONDS)
    summary = library.command("sample", "load")
    assert summary["read"] == summary["created"] > 500
    books = summary["created"] - len(list(authorities("PKS")))  # searches do not return authority records
    eventually(lambda: _answer(library)["total"] == books, seconds=READY_SECONDS)
    if ranked:
        # Facts of lending change documents after the load, and with them the order.
        with closing(load("catalog").open_database(load_settings(library.environment), pool_size=1)) as database:
            eventually(lambda: _has_events(database, loans=summary["added"]["loans"]), seconds=READY_SECONDS)
        eventually(lambda: _is_settled(library), seconds=READY_SECONDS)
        library.results |= {(query, sort): _ranking(library, query, sort) for query in QUERIES for sort in SORTS}
    return library


def _answer(library: Library, **query: Any) -> Any:
    """The reply to a search; while a busy machine starts other libraries, some searches take longer than they may."""
    replies: list[httpx.Response] = []

    def is_answered() -> bool:
        replies.append(library.get("/api/v1/search", **query))
        return replies[-1].status_code == 200

    eventually(is_answered, seconds=READY_SECONDS)
    return replies[-1].json()


def _ranking(library: Library, query: str, sort: str) -> list[tuple[str, int | None]]:
    hits = _answer(library, q=query, sort=sort, limit=50)["hits"]
    return [(hit["record"]["title"], hit["record"].get("year")) for hit in hits]


def _has_events(database: Database, *, loans: int) -> bool:
    """Whether the catalogue has the loans of the sample, and the index all documents."""
    with database.reading(system("test")) as session:
        lent = session.scalar(select(func.count()).where(ItemState.state == "on_loan"))
        queued = session.scalar(select(func.count()).select_from(IndexQueue))
    return lent == loans and not queued


def _is_settled(library: Library) -> bool:
    """Whether two searches with a pause between them have the same order."""
    earlier = _ranking(library, QUERIES[0], SORTS[0])
    time.sleep(2)
    return _ranking(library, QUERIES[0], SORTS[0]) == earlier


def search_results(get: Callable[..., Any]) -> dict[str, tuple[int, list[str], Any]]:
    """Search for QUERIES; return the total, the ids in order, and the first record with its items, by query.

    get  returns the JSON of a path of the API; keyword arguments are its parameters
    """
    results = {}
    for query in QUERIES:
        page = get("/search", q=query, limit=50, sort="title")
        ids = [hit["id"] for hit in page["hits"]]
        results[query] = page["total"], ids, get(f"/records/{ids[0]}") if ids else None
    assert sum(total > 0 for total, *_ in results.values()) > 10
    return results
