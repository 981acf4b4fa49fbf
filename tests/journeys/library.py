"""A library that runs as real processes, in either edition; what a test may do with it is the same in both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from services.catalog.marc.record import Record
from services.catalog.sample import authorities
from tests.builders import iso
from tests.conftest import CHECKOUT
from tests.servers.cluster import Cluster

RANGKIANG = str(Path(sys.executable).with_name("rangkiang"))
READY_SECONDS = 60
COMMAND_SECONDS = 100

# Asked of each edition when it has the sample library and nothing else.
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
    answers      (query, sort) -> titles and years in order, asked before any test put something in
    """

    edition: str
    address: str
    environment: dict[str, str]
    folder: Path
    answers: dict[tuple[str, str], list[tuple[str, int | None]]] = field(default_factory=dict)

    def command(self, *words: str, code: int = 0, stdin: bytes = b"") -> dict[str, Any]:
        """Run a command with --json to its end; what its last line says."""
        result = subprocess.run(
            [RANGKIANG, *words, "--json"],
            env=self.environment,
            cwd=CHECKOUT,
            input=stdin,
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )
        assert result.returncode == code, result.stderr.decode()[-2000:] + result.stdout.decode()[-2000:]
        said: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return said

    def put(self, records: Iterable[Record], *, source: str) -> dict[str, Any]:
        """Import these records as a file; what the import says."""
        path = self.folder / f"{source}.mrc"
        path.write_bytes(iso(records))
        return self.command("import", str(path), "--source", source)

    def get(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        """Ask over a connection of its own, so that the workers take turns."""
        return httpx.get(self.address + path, params=query or None, headers=headers, timeout=20)

    def api(self, path: str, **query: Any) -> Any:
        """Ask the API for JSON; a refusal fails with what it says."""
        response = self.get(f"/api/v1{path}", **query)
        assert response.status_code == 200, response.text
        return response.json()

    def search(self, q: str = "", **query: Any) -> Any:
        return self.api("/search", q=q, **query)

    def titles(self, q: str, **query: Any) -> list[str]:
        return [hit["record"]["title"] for hit in self.search(q, **query)["hits"]]

    def one(self, q: str) -> str:
        """The id of the only record that this query finds, as soon as it does."""
        eventually(lambda: self.search(q)["total"] == 1)
        found: str = self.search(q)["hits"][0]["id"]
        return found

    def page(self, path: str, *, language: str = "id") -> str:
        """A page as a reader gets it who prefers a language."""
        response = self.get(path, headers={"Accept": "text/html", "Accept-Language": language})
        assert response.status_code == 200, response.text
        return response.text

    def everything(self, q: str, *, limit: int = 100, **query: Any) -> list[str]:
        """Ids of the whole result, page by page; fails when the catalogue is said to have changed on the way."""
        found: list[str] = []
        page = self.search(q, limit=limit, **query)
        while True:
            assert not page["changed"]
            found += [hit["id"] for hit in page["hits"]]
            if "next" not in page:
                return found
            page = self.search(q, limit=limit, cursor=page["next"], **query)


def eventually(true: Callable[[], object], *, seconds: float = 10) -> float:
    """Wait until this is so; how long that took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "it did not come true"
        time.sleep(0.02)
    return time.monotonic() - start


@contextmanager
def embedded(folder: Path) -> Iterator[Library]:
    """One machine: `up --workers 2` in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(folder / "var"), "PORT": "0", "HOST": "127.0.0.1"}
    with subprocess.Popen(
        [RANGKIANG, "up", "--workers", "2", "--json"], env=environment, cwd=CHECKOUT, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            yield filled(Library("embedded", address, environment, folder))
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def cluster(folder: Path) -> Iterator[Library]:
    """`serve catalog`, `work catalog` and `gateway`, on databases, queues and an index of their own."""
    prefix = f"journey_{uuid.uuid4().hex[:8]}_"
    running = Cluster(prefix=prefix)
    running.environment["DATA"] = str(folder / "var")
    try:
        running.migrate()
        running.start()
        yield filled(Library("cluster", running.address, running.environment, folder))
        running.check()
    finally:
        running.stop()
        running.remove()


def filled(library: Library) -> Library:
    """The library, ready and with the sample library in it."""
    eventually(lambda: library.get("/api/v1/health/ready").status_code == 200, seconds=READY_SECONDS)
    loaded = library.command("sample", "load")
    assert loaded["read"] == loaded["created"] > 500
    books = loaded["created"] - len(
        list(authorities("PKS"))
    )  # authority records are found by nobody, they help to find
    eventually(lambda: library.search()["total"] == books)
    for query in QUERIES:
        for sort in SORTS:
            hits = library.search(query, sort=sort, limit=50)["hits"]
            library.answers[query, sort] = [(hit["record"]["title"], hit["record"].get("year")) for hit in hits]
    return library
