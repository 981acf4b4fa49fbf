"""Fixtures: libraries with an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chassis.urls import open_url
from services.catalog import sample
from services.catalog.index.port import ENGINES
from services.catalog.service import SERVICE
from tests.fakes.library import Library, begun
from tests.migrated import MigratedDatabases


@pytest.fixture(scope="session")
def open_library(
    tmp_path_factory: pytest.TempPathFactory, migrated: MigratedDatabases
) -> Iterator[Callable[[], Library]]:
    """Opens empty libraries on SQLite and tantivy, which are closed after the last test."""
    with ExitStack() as stack:

        def make() -> Library:
            folder: Path = tmp_path_factory.mktemp("library")
            database = stack.enter_context(migrated.open(SERVICE, "sqlite", folder))
            index = begun(open_url(f"tantivy:///{folder}/index", ENGINES))
            stack.callback(index.close)
            return Library(database, index)

        yield make


@pytest.fixture
def library(open_library: Callable[[], Library]) -> Library:
    """An empty library for one test."""
    return open_library()


@pytest.fixture(scope="session")
def sample_library(open_library: Callable[[], Library]) -> Library:
    """The sample library; tests must not change it."""
    library = open_library()
    for source, institution in sample.sources():
        library.put(sample.records(source), institution=institution)
    return library
