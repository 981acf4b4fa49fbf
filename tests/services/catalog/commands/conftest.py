from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.services.catalog.commands.running import Rangkiang, prepare, run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data of the test's own, migrated and empty."""
    return prepare(tmp_path / "var")


@pytest.fixture
def rangkiang(data: Path) -> Rangkiang:
    """Runs a command on that folder."""
    return partial(run, data)
