"""Events that kill their worker: only these events become dead, and the others have their effect once."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis.bus.poison_messages import DEATHS_AT_MOST
from tests.example_services.installation import (
    Installation,
    eventually,
    installation_of,
    start_worker,
)
from tests.migrated import MigratedDatabases


@pytest.fixture
def installation(servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    with installation_of("amqp", tmp_path, migrated) as installation:
        installation.declare()
        yield installation


class Restarts:
    """A worker that is started again each time it dies, as Kubernetes does."""

    def __init__(self, installation: Installation, manifest: str) -> None:
        self._installation, self._manifest = installation, f"tests.example_services.special_orders:{manifest}"
        self.deaths = 0
        self._ended = False
        self._worker = self._start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._worker.kill()
        self._thread.join()

    def _start(self) -> subprocess.Popen[bytes]:
        return start_worker(self._installation.orders, manifest=self._manifest)

    def _run(self) -> None:
        while True:
            self._worker.communicate()
            if self._ended:
                return
            self.deaths += 1
            self._worker = self._start()


@contextmanager
def restarted_worker(installation: Installation, manifest: str) -> Iterator[Restarts]:
    restarts = Restarts(installation, manifest)
    try:
        yield restarts
    finally:
        restarts.close()


def test_an_event_that_kills_its_worker_takes_no_other_event_with_it(installation: Installation) -> None:
    innocents = [f"article{number}" for number in range(9)]
    installation.receive(*innocents[:4], "poison", *innocents[4:])
    installation.publish()
    with restarted_worker(installation, "POISONED") as worker, installation.open_dead("orders") as dead_list:
        eventually(lambda: len(dead_list.find()) >= 1, seconds=50)
        eventually(lambda: len(installation.placed()) >= len(innocents))
        [dead] = dead_list.find()
    assert '"poison"' in dead.body
    assert "EVENT_DEADLY" in dead.error
    assert installation.placed() == innocents
    # Once beside the others, then alone.
    assert worker.deaths == 1 + DEATHS_AT_MOST
