"""Processes that a command starts import nothing from the folder where an operator types the command."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path

import pytest

from tests.builders import book, iso
from tests.programs import RANGKIANG

# Modules that every Python process imports at its start, and packages of the product.
NAMES = ("types", "json", "struct", "pickle", "socket", "chassis", "services")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder such as a borrowed USB stick: a MARC file, and Python files that write `executed` and fail."""
    folder = tmp_path / "stick"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text("open('executed', 'a').write(__name__)\nraise SystemExit(7)\n")
    (folder / "books.mrc").write_bytes(iso(book(str(number)) for number in range(600)))
    return folder


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment.pop("PYTHONSAFEPATH", None)
    environment |= {"DATA": str(folder.parent / "var"), "PORT": "0"}
    return subprocess.Popen([RANGKIANG, *words], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def run(folder: Path, *words: str) -> tuple[int, str]:
    process = start(folder, *words)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def executed(folder: Path) -> str:
    path = folder / "executed"
    return path.read_text() if path.exists() else ""


def test_an_import_starts_processes_that_import_nothing_from_the_current_folder(folder: Path) -> None:
    assert run(folder, "migrate")[0] == 0
    code, output = run(folder, "import", "books.mrc", "--source", "A", "--new-source", "--json")
    assert (code, executed(folder)) == (0, "")
    assert json.loads(output.splitlines()[-1])["created"] == 600


def test_the_workers_of_up_import_nothing_from_the_current_folder(folder: Path) -> None:
    process = start(folder, "up", "--workers", "2", "--json")
    assert process.stdout is not None
    try:
        is_announced, _, _ = select.select([process.stdout], [], [], 40)
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=15)
    assert executed(folder) == ""
    assert is_announced
    assert json.loads(output)["workers"] == 2


def test_a_worker_of_events_imports_nothing_from_the_current_folder(folder: Path) -> None:
    code, output = run(folder, "work", "catalog", "--json")
    assert executed(folder) == ""
    assert (code, json.loads(output)["error"]["reason"]) == (2, "WORKER_NEEDS_BROKER")
