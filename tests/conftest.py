"""Fixtures that every test may use: databases, vhosts and indexes of its own on the real servers."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from chassis import sentences
from chassis.gc_tuning import tune_gc
from chassis.rpc import client_calls
from chassis.service import discover
from services.members.sign_in import passwords
from tests import servers as development
from tests.corpus import real
from tests.migrated import MigratedDatabases, start_run

CHECKOUT = Path(__file__).resolve().parents[1]
# Four tests at once share two processors: a call in the process of a test waits longer than one of the product.
client_calls.DEFAULT_TIMEOUT_SECONDS = 30.0
# Half of the time of a test that signs in was argon2. Processes that tests start use the parameters of the product.
passwords.HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
sentences.register(CHECKOUT / "tests" / "sentences.toml")
# The first example with characters takes a second in a fresh clone, where Hypothesis finds their categories. Each run
# has the same examples; `make fuzz` searches with random ones, and what it finds becomes an @example of the test.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", settings.get_profile("tests"), derandomize=False, max_examples=1_000)
settings.load_profile("tests")
# The processes of xdist are of the run of the one that starts them.
start_run()
# Nine thousand tests stay in memory: collections that visit them took a quarter of the time of finding them.
tune_gc()

# A test's marker follows from the fixtures it uses: `pytest -m "not servers"` needs none running.
MARKERS = {"servers": "servers", "browser": "browser", "cluster": "cluster"}


# What takes longest begins first, so that no process of xdist still works when the others have ended.
LONGEST_FIRST = (
    "tests/gateway/test_openapi.py",
    "tests/journeys/",
    "tests/faults/",
    "tests/architecture/",
    "tests/web/test_access.py",
    "tests/web/test_screenshots.py",
)
# Tests here use two running libraries, one of each edition. They run in one process of xdist, because each process
# would start both, which takes a minute and a half of CPU time.
ON_RUNNING_LIBRARIES = "tests/journeys/shared/"
# Files of long tests that share no fixture: any process takes the next test.
FILES_OF_LONG_TESTS = {
    f"tests/faults/test_{name}.py" for name in ("kill_during_import", "kill_on_the_bus", "other_revisions", "soak")
}


class Distribution(LoadFileScheduling):
    """One file runs in one process; tests on running libraries are together, and long ones go one by one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(ON_RUNNING_LIBRARIES):
            return ON_RUNNING_LIBRARIES
        return nodeid if file in FILES_OF_LONG_TESTS else file


def pytest_configure() -> None:
    """Let processes of the tests import the tests; those of the product import nothing from the current folder."""
    os.environ["PYTHONPATH"] = str(CHECKOUT)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Distribute the tests over the processes of `--dist loadfile`."""
    config.option.loadscopereorder = False
    return Distribution(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first, and mark each test by the fixtures it uses."""
    items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in LONGEST_FIRST])
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKERS:
                item.add_marker(MARKERS[fixture])


def pytest_collection_finish() -> None:
    """Exclude the tests themselves from collections of garbage."""
    tune_gc()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line: which corpora the tests read and which they left out."""
    terminalreporter.write_line(real.report())


@pytest.fixture(scope="session")
def servers() -> dict[str, str]:
    """Settings of the development servers; without running servers the test fails and names the command."""
    try:
        return development.urls()
    except development.NotRunning as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def private_files() -> Iterator[None]:
    """The umask of the product's processes in the process of the test, for files that doctor examines."""
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.fixture(scope="session")
def migrated() -> Iterator[MigratedDatabases]:
    """Migrated databases of services; a test that opens one on PostgreSQL requests `servers` too."""
    databases = MigratedDatabases(fresh_name())
    yield databases
    databases.close()


@pytest.fixture
def postgres_name(servers: dict[str, str]) -> Iterator[str]:
    """Name of an empty database for one test."""
    name = fresh_name()
    development.create_database(name)
    yield name
    development.drop_database(name)


@pytest.fixture
def postgres_url(postgres_name: str) -> str:
    """URL of the test's own database for the app role."""
    return development.database_url(postgres_name)


@pytest.fixture
def postgres_owner_url(postgres_name: str) -> str:
    """URL of the test's own database for the owner role, which migrates."""
    return development.database_url(postgres_name, owner=True)


@pytest.fixture
def postgres_template(servers: dict[str, str]) -> Iterator[dict[str, str]]:
    """Settings with `{service}` in DATABASE_URL and DATABASE_OWNER_URL, with an empty database for each service."""
    name = fresh_name()
    databases = [f"{name}_{service.name}" for service in discover()]
    for database in databases:
        development.create_database(database)
    template = f"{name}_{{service}}"
    yield {
        "DATABASE_URL": development.database_url(template),
        "DATABASE_OWNER_URL": development.database_url(template, owner=True),
    }
    for database in databases:
        development.drop_database(database)


@pytest.fixture(scope="module")
def amqp_url(servers: dict[str, str]) -> Iterator[str]:
    """URL of a virtual host for one module; its queues are quorum queues."""
    name = fresh_name()
    yield development.create_vhost(name)
    development.drop_vhost(name)


@pytest.fixture
def elasticsearch_url(servers: dict[str, str]) -> Iterator[str]:
    """URL that ends in an index name for one test; indexes whose names begin with it are removed afterwards."""
    name = fresh_name().replace("_", "-")
    yield f"{servers['SEARCH_ROOT_URL']}/{name}"
    development.drop_indices(name)


def fresh_name() -> str:
    """A name that no other test uses."""
    return f"test_{uuid.uuid4().hex[:12]}"
