"""Fixtures that every test may use: databases, vhosts and indexes of its own on the real servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis import sentences
from chassis.service import discover
from tests import servers as development
from tests.corpus import real

CHECKOUT = Path(__file__).resolve().parents[1]
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
    """One line: which corpora were read, and what was left out."""
    terminalreporter.write_line(real.report())


@pytest.fixture(scope="session")
def servers() -> dict[str, str]:
    """Settings of the development servers; without them the test fails and says what to type."""
    try:
        return development.urls()
    except development.NotUp as trouble:
        pytest.fail(str(trouble), pytrace=False)


@pytest.fixture
def postgres_name(servers: dict[str, str]) -> Iterator[str]:
    """Name of an empty database that lives as long as the test."""
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
    """Settings with `{service}` in DATABASE_URL and DATABASE_OWNER_URL, each service's database made and empty."""
    name = _fresh_name()
    names = [f"{name}_{service.name}" for service in discover()]
    for each in names:
        development.create_database(each)
    template = f"{name}_{{service}}"
    yield {
        "DATABASE_URL": development.database_url(template),
        "DATABASE_OWNER_URL": development.database_url(template, owner=True),
    }
    for each in names:
        development.drop_database(each)


@pytest.fixture(scope="module")
def amqp_url(servers: dict[str, str]) -> Iterator[str]:
    """URL of a virtual host of the module's own, whose queues are quorum queues."""
    name = _fresh_name()
    yield development.create_vhost(name)
    development.drop_vhost(name)


@pytest.fixture
def elasticsearch_url(servers: dict[str, str]) -> Iterator[str]:
    """URL ending in an index name of the test's own; every index whose name begins so is removed afterwards."""
    name = _fresh_name().replace("_", "-")
    yield f"{servers['SEARCH_ROOT_URL']}/{name}"
    development.drop_indices(name)


def _fresh_name() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"
