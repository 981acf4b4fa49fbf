"""Every example of docs/partners.md runs on the sample library and prints something, or what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.journeys.library import Library
from tests.journeys.shared.test_z3950 import served

PAGE = (CHECKOUT / "docs" / "partners.md").read_text()
BLOCKS = re.findall(r"^```(sh|console|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
# These install and start the server that the test has already started.
SERVER = ("$ sudo apt-get", "$ rangkiang z3950 --listen")
Z3950 = "127.0.0.1:9999"
PROTOCOLS = ("/sru?", "/oai?", "/daia?", "/openurl?", "/api/v1/availability", "/api/v1/changes", "/search.rss", "z3950")


def run(library: Library, folder: Path, script: str, *command: str, z3950: int) -> str:
    """The output of a program that reads a script, on the ports of this test."""
    script = script.replace("http://127.0.0.1:8080", library.address).replace(Z3950, f"127.0.0.1:{z3950}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        command,
        input=script,
        env={**library.environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        timeout=60,
        text=True,
        errors="replace",
    )
    assert result.returncode == 0, script + result.stderr + result.stdout
    return result.stdout


def test_the_page_has_an_example_of_each_protocol() -> None:
    text = "".join(example for _, example in BLOCKS)
    assert [protocol for protocol in PROTOCOLS if protocol not in text] == []


@pytest.mark.parametrize(("language", "example"), BLOCKS, ids=[example.split("8080")[-1][:40] for _, example in BLOCKS])
def test_an_example_prints_what_the_page_shows(
    embedded_library: Library, tmp_path: Path, language: str, example: str
) -> None:
    with served(embedded_library, tmp_path) if Z3950 in example else nullcontext(0) as port:
        if language == "sh":
            assert run(embedded_library, tmp_path, f"set -euo pipefail\n{example}", "bash", z3950=port)
        elif language == "python":
            assert "oai:" in run(embedded_library, tmp_path, example, sys.executable, "-", z3950=port)
        else:
            lines = [line for line in example.splitlines() if not line.startswith(SERVER)]
            if not lines:
                return
            typed = "\n".join(line.removeprefix("Z> ") for line in lines if line.startswith("Z> "))
            script = f"{lines[0].removeprefix('$ ')} <<'END'\n{typed}\nEND\n"
            output = run(embedded_library, tmp_path, script, "bash", z3950=port)
            for line in lines[1:]:
                assert line.startswith("Z> ") or line in output
