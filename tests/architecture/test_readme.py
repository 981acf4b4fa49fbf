"""The documented commands run: every line of a ```sh block in README, CONTRIBUTING and docs/.

`rangkiang` and `curl` lines of one page run in order, on one embedded library with a running `rangkiang up`; the test
writes the MARC files that they name. `make` targets must exist; tests/journeys runs `make run`.
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

from tests import corpus
from tests.conftest import CHECKOUT
from tests.servers import processes

BIN = Path(sys.executable).parent
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
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
    """A folder in which the commands of a page run: an embedded library, its server and the files of the page."""

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
        self.server: subprocess.Popen[str] | None = None

    def open(self) -> None:
        """Write the files and start the server; return when it has printed its address."""
        sample = next(file for file in corpus.own_sound_files() if file.name == "library")
        for name in ("katalog.mrc", "catalogue.mrc"):
            (self.folder / name).write_bytes(sample.read())
        self.server = subprocess.Popen(
            ["rangkiang", "up"], env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None
        assert str(self.port) in self.server.stdout.readline()

    def close(self) -> None:
        """Stop the server."""
        if self.server is not None:
            self.server.terminate()
            assert self.server.wait(timeout=20) == 0

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line in a shell, with the address of this server instead of that of the page."""
        command = re.sub(r"(127\.0\.0\.1|localhost):8080", f"127.0.0.1:{self.port}", line)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """The folder for one page."""
    page_sandbox = Sandbox(tmp_path)
    yield page_sandbox
    page_sandbox.close()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_make_target_that_a_page_names_exists(page):
    for line in commands(page):
        words = words_of(line)
        if words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            result = subprocess.run(["make", "-n", *targets], cwd=CHECKOUT, capture_output=True, text=True, check=False)
            assert result.returncode == 0, f"{page_id(page)}: {line}: {result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_that_a_page_prints_runs(page, sandbox):
    lines = [line for line in commands(page) if words_of(line)[0] != "make"]
    if any(words_of(line)[0] in ("rangkiang", "curl") for line in lines):
        sandbox.open()
    for line in lines:
        words = words_of(line)
        if words[0] in MACHINE:
            continue
        assert words[0] in ("rangkiang", "curl", ".ci/run"), f"{page_id(page)}: unknown command {line!r}"
        if words[0] == ".ci/run" or words[1] in ENDLESS:
            continue
        result = sandbox.type(line)
        # 1: done, but records were put aside or a check failed.
        assert result.returncode in (0, 1), f"{page_id(page)}: {line}\n{result.stdout}{result.stderr}"


def test_the_readme_has_the_two_commands():
    assert {"make run", "make test"} <= set(commands(CHECKOUT / "README.md"))
