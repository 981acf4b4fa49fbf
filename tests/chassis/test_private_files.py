"""Only the owner reads databases and indexes in DATA; files that an operator asks for have the operator's modes."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders import book, iso
from tests.programs import RANGKIANG

SERVICES = ("catalog", "circulation", "members", "notifications")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The umask of most users: everybody may read new files."""
    old = os.umask(0o022)
    yield
    os.umask(old)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "var"


def start(data: Path, *words: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(data), "PORT": "0"}
    return subprocess.Popen([RANGKIANG, *words], cwd=data.parent, env=environment, stdout=subprocess.PIPE, text=True)


def run(data: Path, *words: str) -> tuple[int, str]:
    process = start(data, *words)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


@contextmanager
def up(data: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(data, "up", "--workers", "2", "--json")
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], 60)[0]
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def open_to_others(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in (folder, *folder.rglob("*")) if mode(path) & 0o077}


def umask_of(process: int) -> str:
    return next(line.split()[1] for line in Path(f"/proc/{process}/status").read_text().splitlines() if "Umask" in line)


def test_every_process_of_up_makes_files_that_only_its_owner_reads(data: Path) -> None:
    with up(data) as process:
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(workers) == 2
        assert {umask_of(number) for number in (process.pid, *map(int, workers))} == {"0077"}
        assert {f"{service}.db" for service in SERVICES} <= {path.name for path in data.iterdir()}
        assert open_to_others(data) == set()


def test_a_command_narrows_what_earlier_releases_made(data: Path) -> None:
    assert run(data, "migrate", "catalog")[0] == 0
    (data / "index").mkdir()
    for path in (data, data / "index"):
        path.chmod(0o755)
    (data / "catalog.db").chmod(0o644)
    (data / "catalog.db.replaced").touch(0o644)
    assert run(data, "migrate", "catalog")[0] == 0
    assert [path.name for path in data.iterdir() if mode(path) & 0o077] == []


def test_narrowing_changes_neither_files_of_others_nor_what_a_link_names(data: Path, tmp_path: Path) -> None:
    data.mkdir()
    outside, letter, folder = tmp_path / "outside.db", data / "letter.txt", data / "services"
    outside.touch(0o644)
    letter.touch(0o644)
    folder.mkdir(0o755)
    (data / "old.db").symlink_to(outside)
    assert run(data, "migrate", "catalog")[0] == 0
    assert [mode(path) for path in (data, outside, letter, folder)] == [0o755, 0o644, 0o644, 0o755]


def test_doctor_names_what_others_can_read(data: Path) -> None:
    assert run(data, "migrate", "catalog")[0] == 0
    finding = doctor(data)
    assert (finding["ok"], "catalog.db" in finding["say"]["en"]) == (True, False)
    (data / "catalog.db").chmod(0o644)
    finding = doctor(data)
    assert (finding["ok"], str(data / "catalog.db") in finding["say"]["en"]) == (False, True)
    assert mode(data / "catalog.db") == 0o644  # doctor changes nothing


def doctor(data: Path) -> dict[str, object]:
    _, output = run(data, "doctor", "--json")
    return next(finding for finding in json.loads(output)["findings"] if finding["part"] == "data folder")


def test_exports_and_reports_have_the_modes_of_the_operators_other_files(data: Path, tmp_path: Path) -> None:
    (tmp_path / "books.mrc").write_bytes(iso([book("1")]))
    exported, report, private = tmp_path / "out.mrc", tmp_path / "report.jsonl", tmp_path / "private.mrc"
    private.touch(0o600)
    assert run(data, "migrate", "catalog")[0] == 0
    assert run(data, "import", "books.mrc", "--source", "A", "--new-source", "--report", str(report))[0] == 0
    assert run(data, "export", "--to", str(exported))[0] == 0
    assert run(data, "export", "--to", str(private))[0] == 0
    assert [mode(path) for path in (exported, report, private)] == [0o644, 0o644, 0o600]


def test_the_certificate_that_readers_install_is_readable_and_its_key_is_not(data: Path) -> None:
    assert run(data, "tls", "init", str(data.parent / "tls"))[0] == 0
    assert mode(data.parent / "tls" / "authority.crt") == 0o644
    assert mode(data.parent / "tls" / "authority.key") == 0o600
