"""Every command of docs/api.md runs on the sample library and prints what the page shows below it."""

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
    """(commands, kind, expected) of each block of commands with an output."""
    blocks = BLOCK.findall(PAGE.read_text())
    return [
        (commands, kind, expected)
        for (language, commands), (kind, expected) in itertools.pairwise(blocks)
        if language == "sh" and kind != "sh"
    ]


def assert_contains(expected: Any, actual: Any, path: str = "") -> None:
    """Assert that the expected JSON is part of the actual one; numbers may differ, as tests add records."""
    if expected == ANYTHING:
        assert actual, path
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), path
        for key, value in expected.items():
            assert key in actual, f"{path}.{key}"
            assert_contains(value, actual[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(actual) >= len(expected), path
        for at, value in enumerate(expected):
            assert_contains(value, actual[at], f"{path}[{at}]")
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        assert isinstance(actual, int | float), path
        assert bool(expected) == bool(actual), path
    else:
        assert actual == expected, path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands write files."""
    return tmp_path_factory.mktemp("api")


def test_the_page_has_examples() -> None:
    assert len(examples()) >= 18
    # No other test runs the commands of this page. The library of this test has the sample.
    shown = [line for script, *_ in examples() for line in script.splitlines()]
    blocks = [text for language, text in BLOCK.findall(PAGE.read_text()) if language == "sh"]
    assert {line for text in blocks for line in text.splitlines()} - set(shown) == {"rangkiang sample load"}


@pytest.mark.parametrize(
    ("commands", "kind", "expected"), examples(), ids=[commands.split("8080")[-1][:50] for commands, *_ in examples()]
)
def test_an_example_prints_what_the_page_shows(
    embedded_library: Library, folder: Path, commands: str, kind: str, expected: str
) -> None:
    script = commands.replace("http://127.0.0.1:8080", embedded_library.address)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**embedded_library.environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    if kind == "json":
        assert_contains(json.loads(expected), json.loads(result.stdout.splitlines()[-1]))
        return
    at = 0
    for line in expected.splitlines():
        at = result.stdout.find(line.strip(), at)
        assert at >= 0, f"{line!r} is not in\n{result.stdout}"
