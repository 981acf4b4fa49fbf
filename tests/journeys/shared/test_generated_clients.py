"""Clients generated from the OpenAPI document have strict types, and a partner's program works with each."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from gateway.app import describe
from tests.builders import book
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.journeys.library import Library
from tests.journeys.shared.client import PACKAGE, generate

CLIENTS = CHECKOUT / "tests" / "clients"
NODE = str(CLIENTS / "run")
# The library of these tests has a certificate of its own.
ENVIRONMENT = {**os.environ, "NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"}


def run(folder: Path, *command: str) -> None:
    result = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="package")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python_client")
    generate(describe(), folder)
    (folder / "story.py").write_bytes((CLIENTS / "story.py").read_bytes())
    return folder


@pytest.fixture(scope="package")
def typescript_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript_client")
    (folder / "openapi.json").write_bytes(describe())
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
    (folder / "story.ts").write_bytes((CLIENTS / "story.ts").read_bytes())
    # A property of a body with a default may be absent.
    options = ("--output", "schema.d.ts", "--default-non-nullable", "false")
    run(folder, NODE, "openapi-typescript", "openapi.json", *options)
    return folder


@pytest.fixture
def arguments(library: Library) -> list[str]:
    """The address, a client's credentials, and a search that finds one record with an item."""
    name = f"mitra-{uuid.uuid4().hex[:8]}"
    client = library.command("client", "create", name, "--institution", "PKS", "--role", "desk")
    word = f"kecubung{uuid.uuid4().hex[:8]}"
    library.put([book(word, f"{word} dari Banten", items=[("PST", word.upper())])], source="KECUBUNG")
    eventually(lambda: library.search(word)["total"] == 1)
    return [library.address, client["client_id"], client["client_secret"], word]


def test_the_python_client_and_a_program_have_strict_types(python_client: Path) -> None:
    run(python_client, sys.executable, "-m", "mypy", "--strict", PACKAGE, "story.py")


def test_a_program_lends_with_the_python_client(python_client: Path, arguments: list[str]) -> None:
    run(python_client, sys.executable, "story.py", *arguments)


def test_the_typescript_client_and_a_program_have_strict_types(typescript_client: Path) -> None:
    options = "--noEmit --strict --target es2022 --module nodenext --allowImportingTsExtensions --erasableSyntaxOnly"
    run(typescript_client, NODE, "tsc", *options.split(), "story.ts")


def test_a_program_lends_with_the_typescript_client(typescript_client: Path, arguments: list[str]) -> None:
    run(typescript_client, NODE, "node", "story.ts", *arguments)
