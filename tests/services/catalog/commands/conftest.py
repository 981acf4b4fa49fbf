from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.services.catalog.commands.running import Rangkiang, run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data, migrated and empty."""
    data = tmp_path_factory.mktemp("prepared") / "var"
    assert run(data, "migrate").code == 0
    return data


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """A folder of data of the test's own."""
    shutil.copytree(prepared, tmp_path / "var")
    return tmp_path / "var"


@pytest.fixture
def rangkiang(data: Path) -> Rangkiang:
    """Runs a command on that folder."""
    return partial(run, data)
