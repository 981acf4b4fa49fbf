"""The documented commands run: every line of a ```sh block in README, CONTRIBUTING and docs/.

`rangkiang` and `curl` lines run in order, on one embedded library of all pages with a running `rangkiang up`, in a
folder of each page; the test writes the MARC files that they name. `make` targets must exist; tests/journeys runs
`make run`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.catalog import sample
from services.catalog.marc import iso2709
from tests.conftest import CHECKOUT
from tests.programs import start_program
from tests.servers import processes

BIN = Path(sys.executable).parent
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
# tests/journeys/shared/test_api_doc.py and test_partners_doc.py run every command of these pages on the sample library:
# each must succeed, and what it prints is checked.
CHECKED_PAGES = (CHECKOUT / "docs" / "api.md", CHECKOUT / "docs" / "partners.md")
# Commands that do not end or change the machine: the test checks only that it knows them.
ENDLESS = {"up", "serve", "work", "gateway"}
MACHINE = {"git", "cd", "sudo", "apt-get", "apt", "docker", "kubectl", "export"}


def commands(page: Path) -> list[str]:
    """Command lines of a page's ```sh blocks, with continued lines joined and comments removed."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    command_lines = [re.sub(r"\s+#\s.*$", "", line).strip().removeprefix("$ ") for line in lines]
    return [line for line in command_lines if line and not line.startswith("#")]


def words_of(line: str) -> list[str]:
    """Words of a command line without leading VARIABLE=value."""
    words = shlex.split(line)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words


def page_id(page: Path) -> str:
    """Path of a page in the checkout, for test ids."""
    return str(page.relative_to(CHECKOUT))


class Sandbox:
    """An embedded library in a folder, its server, and folders in which the commands of the pages run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, processes.free_port()
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DATA": str(folder / "var"),
            "PORT": str(self.port),
        }
        for variable in ("DATABASE_URL", "BUS_URL", "SEARCH_URL", "CATALOG_URL"):
            self.environment.pop(variable, None)
        self.server = start_program(["up"], env=self.environment, cwd=folder)
        assert self.server.stdout is not None
        assert str(self.port) in self.server.stdout.readline().decode()

    def close(self) -> None:
        """Stop the server."""
        self.server.terminate()
        assert self.server.wait(timeout=20) == 0

    @staticmethod
    def write_files(folder: Path, lines: list[str]) -> None:
        """Write the files that these lines name."""
        names = [name for name in ("katalog.mrc", "catalogue.mrc") if any(name in line for line in lines)]
        for name in names:
            records = (record for source, _ in sample.sources() for record in sample.all_records(source))
            (folder / name).write_bytes(b"".join(map(iso2709.encode, records)))

    def type(self, line: str, folder: Path) -> tuple[int, str]:
        """Run a line, with the address of this server instead of that of the page; return its exit code and output."""
        line = re.sub(r"(127\.0\.0\.1|localhost):8080", f"127.0.0.1:{self.port}", line)
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env=self.environment,
            cwd=folder,
            capture_output=True,
            timeout=90,
            check=False,
        )
        return result.returncode, (result.stdout + result.stderr).decode()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The library on which the commands of all pages run."""
    library = Sandbox(tmp_path_factory.mktemp("library"))
    yield library
    library.close()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_make_target_that_a_page_names_exists(page):
    for line in commands(page):
        words = words_of(line)
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            result = subprocess.run(["make", "-n", *targets], cwd=CHECKOUT, capture_output=True, text=True, check=False)
            assert result.returncode == 0, f"{page_id(page)}: {line}: {result.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in CHECKED_PAGES], ids=page_id)
def test_every_command_that_a_page_prints_runs(page, request, tmp_path):
    lines = commands(page)
    Sandbox.write_files(tmp_path, lines)
    for line in lines:
        words = words_of(line)
        if words[0] in MACHINE or words[0] == "make":
            continue
        assert words[0] in ("rangkiang", "curl", ".ci/run"), f"{page_id(page)}: unknown command {line!r}"
        if words[0] == ".ci/run" or words[1] in ENDLESS:
            continue
        code, output = request.getfixturevalue("sandbox").type(line, tmp_path)
        # 1: done, but records were put aside or a check failed.
        assert code in (0, 1), f"{page_id(page)}: {line}\n{output}"


def test_the_readme_has_the_two_commands():
    assert {"make run", "make test"} <= set(commands(CHECKOUT / "README.md"))
