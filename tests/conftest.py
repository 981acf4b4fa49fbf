"""Fixtures that every test may use: databases, vhosts and indexes of its own on the real servers."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis import sentences
from chassis.service import discover
from tests import servers as development
from tests.corpus import real

CHECKOUT = Path(__file__).resolve().parents[1]
# Processes that the product starts import nothing from the current folder; tests start some with modules of the tests.
os.environ["PYTHONPATH"] = str(CHECKOUT)
sentences.register(CHECKOUT / "tests" / "sentences.toml")

# A test's marker follows from the fixtures it uses: `pytest -m "not servers"` needs none running.
MARKERS = {"servers": "servers", "browser": "browser", "cluster": "cluster"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the fixtures it uses."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKERS:
                item.add_marker(MARKERS[fixture])


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
def postgres_name(servers: dict[str, str]) -> Iterator[str]:
    """Name of an empty database for one test."""
    name = _fresh_name()
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
    name = _fresh_name()
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
    name = _fresh_name()
    yield development.create_vhost(name)
    development.drop_vhost(name)


@pytest.fixture
def elasticsearch_url(servers: dict[str, str]) -> Iterator[str]:
    """URL that ends in an index name for one test; indexes whose names begin with it are removed afterwards."""
    name = _fresh_name().replace("_", "-")
    yield f"{servers['SEARCH_ROOT_URL']}/{name}"
    development.drop_indices(name)


def _fresh_name() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"
