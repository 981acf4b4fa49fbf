"""Libraries of both editions, each started once in a process and stopped when it leaves this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.journeys.library import Library, cluster, embedded
from tests.web.browsers import launched


@pytest.fixture(scope="package")
def embedded_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with embedded(tmp_path_factory.mktemp("embedded"), ranked=True) as library:
        yield library


@pytest.fixture(scope="package")
def cluster_library(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with cluster(tmp_path_factory.mktemp("cluster"), ranked=True) as library:
        yield library


@pytest.fixture(scope="package", params=["embedded", pytest.param("cluster", marks=[pytest.mark.servers])])
def library(request: pytest.FixtureRequest) -> Library:
    """A running library with the sample library; each test runs on both editions."""
    library: Library = request.getfixturevalue(f"{request.param}_library")
    return library


@pytest.fixture(scope="package")
def _browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def browser(_browser: Browser) -> Iterator[Browser]:
    """A browser; what a test opens in it is closed afterwards."""
    yield _browser
    for context in _browser.contexts:
        context.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
