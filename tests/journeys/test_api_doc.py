"""docs/api.md is true: every command runs on the sample library, and answers what the page shows below it."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT
from tests.journeys.library import Library

PAGE = CHECKOUT / "docs" / "api.md"
BLOCK = re.compile(r"^```(sh|json|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


def examples() -> list[tuple[str, str, str]]:
    """(commands, kind, expected) of each block of commands that shows an answer."""
    blocks = BLOCK.findall(PAGE.read_text())
    return [
        (commands, kind, expected)
        for (language, commands), (kind, expected) in itertools.pairwise(blocks)
        if language == "sh" and kind != "sh"
    ]


def like(shown: Any, said: Any, where: str = "") -> None:
    """What is shown is in what was said; numbers need only be numbers, for the library grows."""
    if shown == ANYTHING:
        assert said, where
    elif isinstance(shown, dict):
        assert isinstance(said, dict), where
        for key, value in shown.items():
            assert key in said, f"{where}.{key}"
            like(value, said[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert len(said) >= len(shown), where
        for at, value in enumerate(shown):
            like(value, said[at], f"{where}[{at}]")
    elif isinstance(shown, int | float) and not isinstance(shown, bool):
        assert isinstance(said, int | float), where
        assert bool(shown) == bool(said), where
    else:
        assert said == shown, where


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's commands leave their files."""
    return tmp_path_factory.mktemp("api")


def test_the_page_has_its_examples() -> None:
    assert len(examples()) >= 18


@pytest.mark.parametrize(
    ("commands", "kind", "expected"), examples(), ids=[commands.split("8080")[-1][:50] for commands, *_ in examples()]
)
def test_an_example_answers_what_is_shown(
    embedded_library: Library, folder: Path, commands: str, kind: str, expected: str
) -> None:
    ours = commands.replace("http://127.0.0.1:8080", embedded_library.address)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", ours],
        env={**embedded_library.environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    if kind == "json":
        like(json.loads(expected), json.loads(result.stdout.splitlines()[-1]))
        return
    at = 0
    for line in expected.splitlines():
        at = result.stdout.find(line.strip(), at)
        assert at >= 0, f"{line!r} is not in\n{result.stdout}"
