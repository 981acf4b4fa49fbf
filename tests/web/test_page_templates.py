"""Compiled templates are kept beside their sources, and compiled again when these change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from gateway.web.page_templates import FOLDER, TemplateBytecode


class Compiling(Environment):
    """An environment that counts what it compiles."""

    compiled = 0

    def compile(self, *words: Any, **options: Any) -> Any:
        self.compiled += 1
        return super().compile(*words, **options)


@pytest.fixture(autouse=True)
def writes_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "staff").mkdir()
    (tmp_path / "staff" / "page.html").write_text("Katalog {{ word }}")
    return tmp_path


def rendered(folder: Path, *, options: bytes = b"options") -> tuple[str, int]:
    """What a new process renders, and the number of templates that it compiles."""
    environment = Compiling(loader=FileSystemLoader(folder), bytecode_cache=TemplateBytecode(folder, options=options))
    return environment.get_template("staff/page.html").render(word="surau"), environment.compiled


def test_only_the_first_process_compiles_a_template(folder: Path) -> None:
    assert rendered(folder) == ("Katalog surau", 1)
    assert rendered(folder) == ("Katalog surau", 0)


def test_a_changed_template_is_compiled_again(folder: Path) -> None:
    rendered(folder)
    (folder / "staff" / "page.html").write_text("Buku {{ word }}")
    assert rendered(folder) == ("Buku surau", 1)
    assert rendered(folder, options=b"other") == ("Buku surau", 1)


def test_where_nothing_may_be_written_each_process_compiles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert rendered(folder) == rendered(folder) == ("Katalog surau", 1)
    assert not (folder / "__pycache__").exists()
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    (folder / "__pycache__").touch()
    assert rendered(folder) == rendered(folder) == ("Katalog surau", 1)


def test_a_damaged_file_is_replaced(folder: Path) -> None:
    rendered(folder)
    (file,) = (folder / "__pycache__").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert rendered(folder) == ("Katalog surau", 1)
    assert file.read_bytes() == content


def test_every_template_can_be_compiled_before() -> None:
    # In a process of its own, because this one may have loaded templates without writing them.
    program = "from gateway.web.page_templates import compile_templates; compile_templates()"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    files = {path.name.partition(".")[0] for path in (FOLDER / "__pycache__").iterdir()}
    # A checkout may have compiled files of templates that are gone.
    assert files >= {
        str(path.relative_to(FOLDER)).replace("/", "-").partition(".")[0] for path in FOLDER.rglob("*.html")
    }
