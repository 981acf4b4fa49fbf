"""The commands `backup` and `restore`: exit codes, lines of JSON, a full disk, a running library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from chassis.operations.backup_manifest import release
from tests.conftest import CHECKOUT
from tests.programs import run_command, start_program

RANGKIANG = [sys.executable, "-P", "-m", "chassis.cli.commands"]
# A disk that has no room for a copy of the database, in a mount namespace of this script.
ON_A_FULL_DISK = """
mount -t tmpfs -o size=200k none "$1"
shift
"$@"
"""
# Copies that are found to be too large while they are written.
WITHOUT_A_LOOK = (
    "from chassis.operations import backup; from chassis.cli import commands;"
    "backup._check_space = lambda *_: None; commands.main()"
)


def run(data: Path, *words: str, **changes: str) -> tuple[int, Any]:
    """Run a command; return its exit code and its last line."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(data), "PORT": "0"} | changes
    result = run_command(words, environment=environment, folder=CHECKOUT)
    lines = result.stdout.decode().splitlines()
    assert lines, result.stderr.decode()
    return result.returncode, json.loads(lines[-1]) if lines[-1].startswith("{") else lines[-1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a migrated library."""
    folder = tmp_path / "data"
    assert run(folder, "migrate", "--json")[0] == 0
    return folder


def test_exit_codes_and_lines_of_json(data: Path, tmp_path: Path) -> None:
    copy = str(tmp_path / "backup")
    code, line = run(data, "backup", copy, "--json")
    assert (code, line["folder"], line["release"]) == (0, copy, release())
    assert line["locked_ms"] >= 0
    assert set(line["databases"]) == {path.stem for path in Path(copy).glob("*.db")}
    code, line = run(data, "backup", copy, "--json")
    assert (code, line["error"]["reason"]) == (2, "FOLDER_NOT_EMPTY")
    code, line = run(data, "restore", copy, "--json")
    assert (code, line["error"]["reason"]) == (2, "DATABASE_NOT_EMPTY")
    code, line = run(data, "restore", str(tmp_path), "--json")
    assert (code, line["error"]["reason"]) == (2, "BACKUP_NOT_FOUND")
    code, line = run(data, "restore", copy, "--replace", "--json")
    assert (code, len(line["replaced"])) == (0, len(line["databases"]))
    code, line = run(tmp_path / "new", "restore", copy)
    assert (code, "index" in line) == (0, True)


def test_options_encrypt_copy_and_add_settings(data: Path, tmp_path: Path) -> None:
    environment, disk = tmp_path / "rangkiang.env", tmp_path / "disk"
    environment.write_text("PORT=8080\n")
    disk.mkdir()
    identities = [x25519.Identity.generate() for _ in range(2)]
    files = [tmp_path / f"identity{number}" for number in range(2)]
    for file, identity in zip(files, identities, strict=True):
        file.write_text(f"{identity}\n")
    options = ["--encrypt", str(identities[0].to_public()), "--to", str(disk), "--settings", str(environment)]
    code, line = run(data, "backup", str(tmp_path / "b1"), *options, "--json")
    assert (code, line["target"]) == (0, str(disk))
    copy = str(disk / "b1")
    code, line = run(data, "restore", copy, "--replace", "--json")
    assert (code, line["error"]["reason"]) == (2, "IDENTITY_NEEDED")
    code, line = run(data, "restore", copy, "--replace", "--identity", str(files[1]), "--json")
    assert (code, line["error"]["reason"]) == (2, "IDENTITY_OTHER")
    assert "does not belong to the key" in line["error"]["sentence"]["en"]
    code, line = run(data, "restore", copy, "--settings", str(tmp_path / "new"), "--identity", str(files[0]), "--json")
    assert (code, line["files"]) == (0, [f"{tmp_path}/new{environment}"])
    code, line = run(data, "restore", copy, "--replace", "--identity", str(files[0]), "--json")
    assert (code, len(line["replaced"])) == (0, len(line["databases"]))


def test_a_running_library_is_backed_up_and_not_restored(data: Path, tmp_path: Path) -> None:
    copy = str(tmp_path / "backup")
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(data), "PORT": "0"}
    with start_program(["up", "--json"], env=environment, cwd=CHECKOUT) as server:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["address"]
        try:
            assert run(data, "backup", copy, "--json")[0] == 0
            code, line = run(data, "restore", copy, "--replace", "--json")
            assert (code, line["error"]["reason"]) == (3, "SERVER_RUNNING")
        finally:
            server.terminate()
    assert server.returncode == 0
    assert run(data, "restore", copy, "--replace", "--json")[0] == 0


@pytest.mark.parametrize("program", [RANGKIANG, [sys.executable, "-P", "-c", WITHOUT_A_LOOK]], ids=["before", "while"])
def test_a_full_disk_leaves_no_backup(data: Path, tmp_path: Path, program: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_A_FULL_DISK, "sh", str(disk)]
    look = ["sh", "-c", '"$@" > "$0.line"; code=$?; ls -A "$(dirname "$0")/disk" > "$0.left"; exit $code']
    command = [*namespace, *look, str(tmp_path / "result"), *program, "backup", str(disk / "backup"), "--json"]
    result = subprocess.run(
        command, env=os.environ | {"DATA": str(data)}, cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    line = json.loads((tmp_path / "result.line").read_text())
    assert (result.returncode, line["error"]["reason"]) == (3, "DISK_FULL"), result.stderr
    assert (tmp_path / "result.left").read_text() == ""
