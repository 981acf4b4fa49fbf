"""docs/new-service.md works in a copy of the checkout: the checks pass and the service runs in both editions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.architecture import recipe
from tests.programs import start_program
from tests.servers.cluster import Cluster

HANDLED_SECONDS = 30

# The copy takes minutes: it runs in `make test`, not in `make unit`.
pytestmark = [pytest.mark.timeout(300), pytest.mark.cluster]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the recipe's service."""
    folder = recipe.copy_checkout(tmp_path_factory.mktemp("checkout"))
    recipe.copy_environment(folder)
    recipe.follow(folder)
    return folder


@pytest.fixture
def embedded(checkout: Path, tmp_path: Path) -> Iterator[str]:
    """Address of the embedded edition of the copy."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"PYTHONPATH": str(checkout), "DATA": str(tmp_path), "PORT": "0", "HOST": "127.0.0.1"}
    with start_program(["up", "--json"], env=environment, cwd=tmp_path, sources=checkout) as up:
        try:
            assert up.stdout is not None
            yield json.loads(up.stdout.readline())["address"]
        finally:
            up.terminate()
            up.wait(timeout=30)


@pytest.fixture
def cluster(servers: dict[str, str], checkout: Path) -> Iterator[str]:
    """Address of the cluster edition of the copy."""
    processes = Cluster(
        prefix=f"recipe_{uuid.uuid4().hex[:8]}_", services=("catalog", "acquisitions"), checkout=checkout
    )
    try:
        processes.migrate()
        processes.start()
        yield processes.address
        processes.check()
    finally:
        processes.stop()
        processes.remove()


def propose(address: str, title: str, *, key: str | None = None) -> httpx.Response:
    """Call the new route, by default with a new key."""
    headers = {"Idempotency-Key": str(uuid.uuid4()) if key is None else key}
    return httpx.post(f"{address}/api/v1/proposals", json={"title": title}, headers=headers, timeout=20)


def assert_handled(address: str) -> None:
    """Propose a title, and wait until the handler has acknowledged it."""
    response = propose(address, "Bumi Manusia", key="first")
    assert response.status_code == 200, response.text
    deadline = time.monotonic() + HANDLED_SECONDS
    while not (proposal := propose(address, " Bumi  Manusia ").json())["acknowledged"]:
        assert time.monotonic() < deadline, "the event was not handled"
        time.sleep(0.1)
    assert proposal == {**response.json(), "acknowledged": True}
    assert propose(address, " ").status_code == 400
    repeated = propose(address, "Bumi Manusia", key="first")
    assert (repeated.json(), repeated.headers["Idempotency-Replayed"]) == (response.json(), "true")
    assert propose(address, "Anak Semua Bangsa", key="first").json()["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert propose(address, "Bumi Manusia", key="").json()["reason"] == "IDEMPOTENCY_KEY_MISSING"


def test_the_recipe_in_the_embedded_edition(embedded):
    assert_handled(embedded)


def test_the_recipe_in_the_cluster_edition(cluster):
    assert_handled(cluster)


# The recipe's route is open: one caller with and one without a token are enough, and one edition. Two packages have its
# errors; sentences of the others are the same in the checkout.
OF_RECIPE = (
    "(not test_a_caller_gets_the_status_in_the_matrix or embedded and (anonymous or desk))"
    " and (not (test_every_reason or test_every_sentence) or acquisitions or gateway)"
)
CHECKS = {
    # Those that files of the recipe can fail; `make lint` reads all other files itself.
    "lint": [
        ".ci/lint",
        "ruff",
        "import contracts",
        "unused names",
        "stubs and proto",
        "kubernetes dev",
        "kubernetes prod",
    ],
    "types": [sys.executable, "-m", "mypy", "services/acquisitions", "gateway/api/proposals.py"],
    "tests": [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not servers and not cluster"),
        *("-k", OF_RECIPE),
        *(f"tests/architecture/test_{name}.py" for name in ("manifests", "sentences", "tree")),
        *("tests/authorisation", "tests/services/acquisitions"),
    ],
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_recipe_passes_the_checks_of_the_project(checkout, check):
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    result = subprocess.run(CHECKS[check], cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
