"""The commands of docs/operations.md for Debian: install, back up, damage, restore, upgrade, roll back."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shlex
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.service import service_names
from tests.architecture import recipe
from tests.builders import book, iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.journeys.library import search_results
from tests.journeys.releases import Program, recorded_releases, unpack
from tests.journeys.test_operations_doc import START, STOP, english, sections
from tests.programs import start_program
from tests.servers import processes

READY_SECONDS = 120
COMMAND_SECONDS = 120
LATER = "zyxwvuts"  # a word of no record of the sample
TIMER = "systemctl enable --now rangkiang-backup.timer"
SHELL = ". /etc/rangkiang.env"  # the block that all later ones need

pytestmark = [pytest.mark.timeout(600), pytest.mark.cluster]


def git(folder: Path, *words: str) -> str:
    """Run git with a name of its own; return its output."""
    name = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    result = subprocess.run(["git", *name, *words], cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.strip()


class Machine:
    """A Debian machine in a folder: each path of the page is below it, and systemd is the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.metrics_port = processes.free_port(), processes.free_port()
        self.program, self.data = folder / "opt", folder / "data"
        self.backups, self.settings = folder / "backups", folder / "rangkiang.env"
        for made_by_root in (self.data, self.backups):
            made_by_root.mkdir()
        self.server: subprocess.Popen[bytes] | None = None
        self.shell = ""
        self.origin = self._origin()

    def _origin(self) -> Path:
        """A repository of this checkout with two releases."""
        origin = recipe.copy_checkout(self.folder)
        git(origin, "add", "-A")
        for release in ("v0.5.0", "v0.5.1"):
            git(origin, "commit", "--quiet", "--allow-empty", "-m", release)
            git(origin, "tag", release)
        return origin

    def here(self, text: str) -> str:
        """Replace the paths, the repository and the ports of the page by those of this machine."""
        places = {
            "https://git.example.org/rangkiang.git": self.origin,
            "/opt/rangkiang": self.program,
            "/var/lib/rangkiang": self.data,
            "/var/backups/rangkiang": self.backups,
            "/etc/rangkiang.env": self.settings,
            "127.0.0.1:8080": f"127.0.0.1:{self.port}",
            "127.0.0.1:9464": f"127.0.0.1:{self.metrics_port}",
        }
        for place, ours in places.items():
            text = text.replace(place, str(ours))
        return text

    def type(self, block: str) -> str:
        """Run a block in the operator's shell; return its output."""
        # Exit code 1 of doctor: it found something to do, such as branches without a description.
        block = block.replace("rangkiang doctor", "{ rangkiang doctor || test $? -eq 1; }")
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.program), "HOME": str(self.folder)}
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(self.shell + block)],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert result.returncode == 0, f"{block}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
        return result.stdout

    def make_environment(self) -> None:
        """Give the clone this checkout's environment, so that `.ci/setup` finds it made and downloads nothing."""
        recipe.copy_bytecode(self.program)
        environment = self.program / ".venv"
        (environment / "bin").mkdir(parents=True)
        for entry in (*(CHECKOUT / ".venv").iterdir(), *(CHECKOUT / ".venv" / "bin").iterdir()):
            if entry.name not in (".dev", ".run", "bin"):
                (environment / entry.relative_to(CHECKOUT / ".venv")).symlink_to(entry)
        state = hashlib.sha256(b"".join((self.program / name).read_bytes() for name in ("uv.lock", "pyproject.toml")))
        (environment / ".run").write_text(state.hexdigest()[:16] + "\n")

    def edit_settings(self) -> None:
        """Change the settings as an operator does: here, the ports, and an address that doctor reaches."""
        text = self.settings.read_text()
        assert "PUBLIC_URL=https://katalog.example.org\n" in text
        text = text.replace("https://katalog.example.org", f"http://127.0.0.1:{self.port}")
        assert "PORT=8080\n" in text
        assert "METRICS_PORT=9464\n" in text
        text = text.replace("/var/lib/rangkiang-keys", f"{self.data}-keys")
        text = text.replace("METRICS_PORT=9464\n", f"METRICS_PORT={self.metrics_port}\n")
        self.settings.write_text(text.replace("\nPORT=8080\n", f"\nPORT={self.port}\n"))

    def start(self) -> None:
        """Do what systemd does with the unit."""
        self.stop()
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(self.here((CHECKOUT / "systemd" / "rangkiang.service").read_text()))
        pairs = [*self.settings.read_text().splitlines(), *unit["Service"]["Environment"].split()]
        environment = dict(pair.split("=", 1) for pair in pairs if pair and not pair.startswith("#"))
        environment |= {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.program)}
        program, *words = unit["Service"]["ExecStart"].split()
        assert program == str(self.program / ".venv" / "bin" / "rangkiang")
        self.server = start_program(words, env=environment, cwd=self.data, stdout=None, sources=self.program)
        eventually(lambda: self.get("/health/ready") is not None, seconds=READY_SECONDS)

    def back_up_by_timer(self) -> None:
        """Do what systemd does when the timer is due: the unit's commands, with its settings."""
        folder = CHECKOUT / "systemd"
        timer = configparser.RawConfigParser()
        timer.read_string((folder / "rangkiang-backup.timer").read_text())
        assert timer["Timer"]["OnCalendar"] == "*-*-* 02:00:00"
        unit = configparser.RawConfigParser(strict=False)
        unit.read_string(self.here((folder / "rangkiang-backup.service").read_text()))
        old = self.backups / "2026-01-01T020000"
        old.mkdir()
        (old / "manifest.json").touch()
        os.utime(old, (0, 0))
        for command in (unit["Service"]["ExecStart"], unit["Service"]["ExecStartPost"]):
            self.type(shlex.join(shlex.split(command.replace("%%", "%"))))
        (made,) = self.backups.iterdir()
        databases = {f"{name}.db" for name in service_names()}
        assert {path.name for path in made.iterdir()} == {"manifest.json", "settings.zip", *databases}
        with zipfile.ZipFile(made / "settings.zip") as archive:
            assert archive.namelist() == [str(self.settings).lstrip("/")]

    def stop(self) -> None:
        """Stop the library and wait for its end."""
        if self.server is not None:
            self.server.terminate()
            assert self.server.wait(timeout=60) == 0
            self.server = None

    def get(self, path: str, **query: Any) -> Any:
        """JSON of the API; None when it does not answer with 200."""
        try:
            response = httpx.get(f"http://127.0.0.1:{self.port}/api/v1{path}", params=query, timeout=20, verify=False)
        except httpx.HTTPError:
            return None
        return response.json() if response.status_code == 200 else None

    def export(self) -> bytes:
        """Every record as it was imported."""
        self.type(f"rangkiang export --format marc --to {self.folder}/all.mrc")
        return (self.folder / "all.mrc").read_bytes()

    def catalogue(self) -> dict[str, Any]:
        return search_results(self.get)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    computer = Machine(tmp_path)
    yield computer
    if computer.server is not None:
        computer.server.kill()
        computer.server.wait()


class Story:
    """What happens on the machine around the blocks of the page."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.records, self.catalogue = b"", {}  # type: bytes, dict[str, Any]
        self.versions: list[str] = []
        # A part of the block that each belongs to.
        self.before = {"rangkiang backup": self.note, "rangkiang restore": self.damage}
        self.after = {
            SHELL: self.keep_shell,
            "git clone": machine.make_environment,
            "rangkiang.env /etc": machine.edit_settings,
            "rangkiang backup": self.import_more,
            "index rebuild": self.compare,
            "git checkout": self.note_version,
        }

    def run(self, block: str) -> None:
        """Type a block, with what happens before and after it."""
        for part, act in self.before.items():
            if part in block:
                act()
        self.block = block
        self.machine.type(block)
        for part, act in self.after.items():
            if part in block:
                act()

    def operate(self, block: str) -> None:
        """Do what systemd does, of a block that needs root."""
        for line in block.splitlines():
            if line == TIMER:
                self.machine.back_up_by_timer()
            if line.startswith("systemctl") and line in START:
                self.machine.start()
            elif line.startswith("systemctl") and line in STOP:
                self.machine.stop()

    def keep_shell(self) -> None:
        self.machine.shell = self.block

    def note(self) -> None:
        self.records, self.catalogue = self.machine.export(), self.machine.catalogue()

    def import_more(self) -> None:
        """Import records that are not in the backup."""
        path = self.machine.folder / "later.mrc"
        path.write_bytes(iso(book(f"r{number}", f"{LATER} {number}") for number in range(20)))
        self.machine.type(f"rangkiang import {path} --source later --new-source")
        eventually(lambda: self.machine.get("/search", q=LATER)["total"] == 20, seconds=READY_SECONDS)

    def damage(self) -> None:
        """Overwrite the middle of the database, as a failing disk does, and lose the index."""
        database = self.machine.data / "catalog.db"
        with database.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(database.stat().st_size // 2))
        for file in self.machine.data.glob("index/**/*"):
            if file.is_file():
                file.unlink()
        with pytest.raises(AssertionError, match="DATABASE_FILE_UNUSABLE"):
            self.machine.type("rangkiang up")

    def compare(self) -> None:
        """Assert that everything of the backup is there, and nothing later."""
        assert self.machine.export() == self.records
        assert self.machine.catalogue() == self.catalogue
        assert self.machine.get("/search", q=LATER)["total"] == 0

    def note_version(self) -> None:
        self.versions.append(git(self.machine.program, "describe", "--tags"))


def test_the_page_installs_restores_upgrades_and_rolls_back_a_library(machine: Machine) -> None:
    story = Story(machine)
    for kind, block in english():
        if kind == "machine":
            story.operate(block)
        elif kind == "embedded":
            story.run(block)
    assert story.versions == ["v0.5.0", "v0.5.1", "v0.5.0"]
    story.compare()
    assert machine.backups.joinpath("rangkiang-rules.yml").read_text().startswith("groups:\n")


def test_release_0_2_0_does_not_start_on_a_database_of_a_later_release(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (release,) = (release for release in recorded_releases() if release.version == "0.2.0")
    sources = unpack(release, tmp_path / "release")
    settings = {"DATA": str(tmp_path / "var"), "HOST": "127.0.0.1", "PORT": "0"}
    Program(CHECKOUT, settings).run("migrate")
    old = Program(sources, settings).start("up")
    old.communicate(timeout=COMMAND_SECONDS)
    assert old.returncode != 0
    (sentence,) = re.findall(r"Release 0\.2\.0 .*?`(Can't [^`]+)`", sections()[1], re.DOTALL)
    assert sentence in capfd.readouterr().err
