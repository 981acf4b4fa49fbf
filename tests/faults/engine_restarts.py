"""Restarts Elasticsearch under an installation that searches and indexes: no restart costs the index."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests import servers
from tests.conditions import eventually
from tests.contract.indexes import engine
from tests.faults.test_search_engine import Installation, installation
from tests.servers import elasticsearch, processes, state
from tests.services.catalog.indexes import many, rebuild_requests

RECORDS = 1_000
BACK_SECONDS = 30


@dataclass
class Restart:
    """One restart.

    kept      the index is the same as before
    degraded  seconds from the first answer of the node until a search was answered by the index
    answers   degraded ones during the restart, all of them with hits
    """

    kept: bool
    degraded: float
    answers: int


def restart_engine(folder: Path, *, times: int) -> list[Restart]:
    """Restart the node of this checkout, killed and stopped in turn, while records change."""
    name = f"fault-{uuid.uuid4().hex[:10]}"
    try:
        with installation(folder, f"{servers.urls()['SEARCH_ROOT_URL']}/{name}") as library, library.running():
            library.put_records(many(RECORDS))
            eventually(lambda: library.answers() == (False, RECORDS), seconds=60)
            return [_restart(library, kill=bool(at % 2)) for at in range(times)]
    finally:
        servers.drop_indices(name)


def _restart(library: Installation, *, kill: bool) -> Restart:
    before, requests = _indexes(library), len(rebuild_requests(library.database))
    entry = state.read("elasticsearch")
    if kill:
        processes.stop(entry, processes.signal.SIGKILL)
    else:
        elasticsearch.stop(entry)
    answers = 0
    assert library.find("jilid").degraded
    state.save({**state.load(), "elasticsearch": elasticsearch.start(entry)})
    begun = time.monotonic()
    while (result := library.find("jilid")).degraded:
        assert result.total > 0
        assert time.monotonic() - begun < BACK_SECONDS
        answers += 1
        time.sleep(0.1)
    seconds = time.monotonic() - begun
    library.put(f"Jilid {uuid.uuid4().hex}")
    is_kept = (_indexes(library), len(rebuild_requests(library.database))) == (before, requests)
    return Restart(is_kept, seconds, answers)


def _indexes(library: Installation) -> dict[str, str]:
    """The uuid of each index at the URL."""
    indexes = engine(library.url).indices.get(index=f"{urlsplit(library.url).path[1:]}-*", features=["settings"])
    return {name: index["settings"]["index"]["uuid"] for name, index in indexes.body.items()}
