"""Settings of stock and orders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.settings import Settings, load
from tests.chassis.backup.installation import (
    dropping,
)
from tests.example_services.installation import (
    settings_of,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an embedded installation that is not migrated yet."""
    return load({"DATA": str(tmp_path / "data")})


@pytest.fixture(params=["local", pytest.param("amqp", marks=pytest.mark.servers)])
def any_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of each edition, with databases of the test's own."""
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with settings_of(request.param, tmp_path / "data") as found, dropping(found):
        yield found
