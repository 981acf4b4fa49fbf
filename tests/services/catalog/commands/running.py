"""Runs the command `rangkiang` on a folder of data."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chassis.service import discover
from tests.conftest import CHECKOUT
from tests.migrated import copy_migrated
from tests.programs import run_command

Rangkiang = Callable[..., "Outcome"]


class Outcome:
    """The output of a command and its exit code."""

    def __init__(self, process: subprocess.CompletedProcess[bytes]) -> None:
        self.code, self.out, self.errors = process.returncode, process.stdout, process.stderr.decode()

    @property
    def line(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return result


def prepare(data: Path) -> Path:
    """Put the databases of all services there, as `migrate` leaves them."""
    for service in discover():
        copy_migrated(service, data / f"{service.name}.db")
    return data


def run(data: Path, *words: str, stdin: bytes = b"", **changes: str) -> Outcome:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(data), "PORT": "0", "LANG": "C.UTF-8"} | changes
    return Outcome(run_command(words, environment=environment, folder=CHECKOUT, stdin=stdin))
