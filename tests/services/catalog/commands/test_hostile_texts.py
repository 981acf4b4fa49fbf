"""Texts that look like markup or change a terminal, in the commands that show them."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest

from services.catalog.marc import marcjson
from tests.builders import book, iso
from tests.services.catalog.commands.running import Rangkiang, prepare, run

BRANCH = "![/b]"
TITLE = "Kaba\x9b2J \u202ecindua"


@pytest.fixture(scope="module")
def rangkiang(tmp_path_factory: pytest.TempPathFactory) -> Rangkiang:
    """Runs a command on a library with a hostile branch, tag and title."""
    rangkiang = partial(run, prepare(tmp_path_factory.mktemp("stocked") / "var"))
    records = [book("1", items=[(BRANCH, "B1")]), book("2", TITLE)]
    assert rangkiang("import", "-", "--source", "A", "--new-source", stdin=iso(records)).code == 0
    long_field = marcjson.encode(book("3", more=[["[/]", "  ", "a", "x" * 20_000]]))
    assert rangkiang("import", "-", "--source", "B", "--new-source", stdin=long_field).code == 0
    return rangkiang


def test_doctor_shows_a_branch_that_looks_like_markup(rangkiang: Rangkiang) -> None:
    command = rangkiang("doctor")
    assert BRANCH.encode() in command.out
    assert "Traceback" not in command.errors


def test_an_export_names_a_tag_that_looks_like_markup(rangkiang: Rangkiang) -> None:
    command = rangkiang("export", "--to", os.devnull)
    assert command.code == 1
    assert "[/]" in command.errors
    assert "Traceback" not in command.errors


def test_a_work_is_shown_without_controls(rangkiang: Rangkiang, tmp_path: Path) -> None:
    path = tmp_path / "kaba.json"
    assert rangkiang("export", "--format", "brief", "--source", "A", "--to", str(path), "--json").code == 0
    briefs = map(json.loads, path.read_text().split("\n")[:-1])
    [record] = [brief["id"] for brief in briefs if "cindua" in brief["record"]["title"]]
    shown = rangkiang("works", "show", record).out.decode()
    assert "Kaba" in shown
    assert not set(shown) & set("\x1b\x9b\u202e")
