"""`classes` and `sources` as an operator types them, one after the other on one folder of data."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from services.catalog.items.item_maps import read_map
from services.catalog.sample import classes_path
from tests.builders import book, iso
from tests.services.catalog.commands.running import Rangkiang, prepare, run

OWN = '[[way]]\nfield = "990"\nbarcode = "a"\nbranch = "b"\ncall_number = "c"\n'


@pytest.fixture(scope="module")
def rangkiang(tmp_path_factory: pytest.TempPathFactory) -> Rangkiang:
    """A catalogue with one book of the source A, institution PKS."""
    data = prepare(tmp_path_factory.mktemp("shelves") / "var")
    record = book("1", more=[["990", "  ", "a", "K1", "b", "PST", "c", "813 NAV r"]])
    command = run(
        data, "import", "-", "--source", "A", "--new-source", "--institution", "PKS", "--json", stdin=iso([record])
    )
    assert command.code == 0, command.errors
    return partial(run, data)


def test_captions_are_loaded_and_listed_in_shelf_order(rangkiang: Rangkiang) -> None:
    command = rangkiang("classes", "load", str(classes_path()), "--json")
    assert command.line["institution"] == "PKS"
    assert command.line["classes"] > 100
    rows = json.loads(rangkiang("classes", "show", "--json").out)
    assert [row["class"] for row in rows][:3] == ["000", "001", "005"]
    assert b"Kesusastraan" in rangkiang("classes", "show").out


def test_captions_that_are_wrong_change_nothing(rangkiang: Rangkiang, tmp_path: Path) -> None:
    file = tmp_path / "classes.toml"
    file.write_text('[classes]\nSastra = { id = "a", en = "b" }\n')
    command = rangkiang("classes", "load", str(file))
    assert command.code == 2
    assert "CLASSES_FILE" in command.errors
    file.write_text('institution = "NIHIL"\n[classes]\n810 = { id = "a", en = "b" }\n')
    assert "INSTITUTION_NOT_FOUND" in rangkiang("classes", "load", str(file)).errors


def test_a_sources_map_is_shown_changed_and_forgotten(rangkiang: Rangkiang, tmp_path: Path) -> None:
    usual = rangkiang("sources", "show", "A").out.decode()
    assert read_map(usual).patterns
    file = tmp_path / "a.toml"
    file.write_text(OWN)
    assert rangkiang("sources", "map", "A", str(file), "--json").line == {"source": "A", "own": True, "changed": 1}
    assert rangkiang("sources", "show", "A").out.decode() == OWN
    rows = json.loads(rangkiang("sources", "list", "--json").out)
    assert [[row[name] for name in ("source", "institution", "records", "map")] for row in rows] == [
        ["A", "PKS", 1, True]
    ]
    assert b"own" in rangkiang("sources", "list").out
    assert rangkiang("sources", "map", "A", "--usual", "--json").line == {"source": "A", "own": False, "changed": 1}


def test_an_invalid_map_is_refused(rangkiang: Rangkiang, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[[way]]\nfield = "990"\nbarkod = "a"\n')
    command = rangkiang("sources", "map", "A", str(file))
    assert command.code == 2
    assert "barkod" in command.errors
    assert "SOURCE_NOT_FOUND" in rangkiang("sources", "show", "B").errors
    assert "PATH_NOT_FOUND" in rangkiang("sources", "map", "A", str(tmp_path / "none")).errors
    assert rangkiang("sources", "map", "A").code == 2
