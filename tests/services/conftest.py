"""Every statement of these tests, on SQLite, is run again as another institution."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.other_institution import forget_recorded, run_recorded


@pytest.fixture(autouse=True)
def _as_another_institution() -> Iterator[None]:
    forget_recorded()
    yield
    run_recorded()
