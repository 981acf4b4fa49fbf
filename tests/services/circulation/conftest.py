"""A lending library for one test, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.migrated import MigratedDatabases
from tests.services.circulation.library import Library, opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def library(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Library]:
    """A library with two institutions and three branches."""
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with opened(migrated, request.param, tmp_path) as library:
        yield library
