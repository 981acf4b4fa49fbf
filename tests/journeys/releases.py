"""Earlier releases of this repository: their sources from the history, and their processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT

COMMAND_SECONDS = 100


class ReleaseUnavailable(Exception):
    """The commit of a release is neither in the history nor on the remote."""


@dataclass(frozen=True, slots=True)
class Release:
    """One entry of tests/release.toml."""

    version: str
    commit: str


def recorded_releases() -> list[Release]:
    """The releases of tests/release.toml, oldest first."""
    entries = tomllib.loads((CHECKOUT / "tests" / "release.toml").read_text())["release"]
    return [Release(**entry) for entry in entries]


def upgraded_releases() -> list[Release]:
    """The oldest release, whose upgrade applies every revision, and the newest, which libraries have now."""
    releases = recorded_releases()
    return list(dict.fromkeys((releases[0], releases[-1])))


def unpack(release: Release, folder: Path, *, repository: Path = CHECKOUT) -> Path:
    """Write the sources of a release into a folder; a shallow clone fetches the commit first.

    raises  ReleaseUnavailable
    """
    if _git(repository, "cat-file", "-e", f"{release.commit}^{{commit}}").returncode:
        fetch = _git(repository, "fetch", "--quiet", "--depth=1", "origin", release.commit)
        if fetch.returncode:
            raise ReleaseUnavailable(
                f"release {release.version} (commit {release.commit}) is not in the history of {repository}, and "
                f"`git fetch origin` did not get it: {fetch.stderr.decode().strip()}"
            )
    archive = _git(repository, "archive", "--format=tar", release.commit)
    archive.check_returncode()
    folder.mkdir(parents=True, exist_ok=True)
    # Not by `tarfile`: Python 3.11.2 of Debian has no filters.
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
    return folder


def _git(repository: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *words], cwd=repository, capture_output=True, timeout=COMMAND_SECONDS)


class Program:
    """The command `rangkiang` of one tree of sources, with one set of settings.

    The packages are those of this checkout's environment; the sources come first on the path.
    """

    def __init__(self, sources: Path, settings: Mapping[str, str]) -> None:
        names = {*settings, "PYTHONPATH"}
        inherited = {
            name: value for name, value in os.environ.items() if not name.endswith("_URL") and name not in names
        }
        self._environment = {**inherited, **settings, "PYTHONPATH": str(sources)}
        self._sources = sources
        self._program: str = tomllib.loads((sources / "pyproject.toml").read_text())["project"]["scripts"]["rangkiang"]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command."""
        words = (*words, "--json")
        module, function = self._program.split(":")
        program = (
            f"import sys, {module}; sys.argv[0] = 'rangkiang'\n"
            f"assert {module}.__file__.startswith({str(self._sources)!r}), {module}.__file__\n"
            f"{module}.{function}()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, *words], env=self._environment, cwd=self._sources, stdout=subprocess.PIPE
        )

    def run(self, *words: str) -> Any:
        """Run a command to its end; return its last line."""
        return self.result(self.start(*words))

    @staticmethod
    def result(process: subprocess.Popen[bytes]) -> Any:
        """Wait until a command ends with success; return its last line."""
        output, _ = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == 0, output.decode()[-2000:]
        return json.loads(output.splitlines()[-1])

    @contextmanager
    def up(self) -> Iterator[str]:
        """Run `rangkiang up` during the block; yield its address; fail when it ends before the block."""
        with self.start("up") as process:
            try:
                assert process.stdout is not None
                yield json.loads(process.stdout.readline())["address"]
                assert process.poll() is None, f"rangkiang up ended with {process.returncode}"
            finally:
                process.terminate()
                try:
                    process.wait(timeout=30)
                finally:
                    process.kill()
