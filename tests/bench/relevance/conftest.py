"""The sample library, prepared once for all tests of this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.relevance.library import Prepared, prepared


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder: Path = tmp_path_factory.mktemp("relevance")
    with prepared(folder, f"tantivy:///{folder}/index") as library:
        yield library
