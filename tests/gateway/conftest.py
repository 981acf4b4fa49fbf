"""The gateway on a real socket, with a fake catalogue over real gRPC."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway


@pytest.fixture(scope="package")
def _catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture(scope="package")
def address(_catalog: FakeCatalog) -> Iterator[str]:
    """Address of a running gateway."""
    with served_catalog(_catalog) as url, served_gateway(url) as address:
        yield address


@pytest.fixture
def catalog(_catalog: FakeCatalog) -> Iterator[FakeCatalog]:
    """The catalogue of that gateway; its faults end with the test."""
    yield _catalog
    _catalog.down = _catalog.broken = _catalog.degraded = False
    _catalog.failing.clear()


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=10, verify=False) as client:
        yield client
