"""Commands without disk, rights or files end with a sentence and an exit code, never with a traceback."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from gateway.web.covers.images import find_picture
from tests.builders import book, iso
from tests.conftest import CHECKOUT
from tests.programs import RANGKIANG
from tests.services.catalog.commands.running import Outcome, Rangkiang, run

# root reads every file; without these capabilities it has the rights of any owner
WITHOUT_RIGHTS = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    if os.geteuid() == 0
    else ()
)
IN_A_NAMESPACE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
WITHOUT_SHARED_MEMORY = 'mount -t tmpfs -o ro none /dev/shm && exec rangkiang "$@"'


def run_in(data: Path, program: tuple[str, ...], *words: str, **changes: str) -> Outcome:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    path = f"{Path(RANGKIANG).parent}:{os.environ['PATH']}"
    environment |= {"DATA": str(data), "LANG": "C.UTF-8", "PATH": path, **changes}
    process = subprocess.run([*program, *words], env=environment, cwd=CHECKOUT, capture_output=True, timeout=60)
    return Outcome(process)


def refusal(command: Outcome) -> tuple[int, str]:
    assert "Traceback" not in command.errors
    return command.code, command.line["error"]["reason"]


def test_a_file_name_that_is_not_utf8_is_imported_and_reported(rangkiang: Rangkiang, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/b\xe9.mrc")
    Path(path).write_bytes(iso([book("1")]) + iso([book("2", "Rusak")]).replace(b"Rusak", b"R\xff\xfe\xfdk"))
    report = tmp_path / "report.jsonl"
    command = rangkiang("import", path, "--source", "A", "--new-source", "--report", str(report), "--json")
    assert "Traceback" not in command.errors
    assert (command.code, command.line["created"], command.line["put_aside"]) == (1, 1, 1)
    assert json.loads(report.read_text())["path"].endswith("b\\xe9.mrc")
    missing = os.fsdecode(b"/nowhere/b\xe9.mrc")
    assert refusal(rangkiang("import", missing, "--source", "A", "--new-source", "--json")) == (2, "PATH_NOT_FOUND")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_unreadable_file_ends_an_import_before_it_begins(data: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "incoming"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.mrc").write_bytes(iso([book("1")]))
    (folder / "sub" / "b.mrc").write_bytes(iso([book("2")]))
    closed = folder / "sub" / "b.mrc" if kind == "file" else folder / "sub"
    closed.chmod(0)
    words = ("import", str(folder), "--source", "A", "--new-source", "--json")
    command = run_in(data, (*WITHOUT_RIGHTS, RANGKIANG), *words)
    closed.chmod(0o700)
    assert refusal(command) == (3, "PATH_UNREADABLE")
    assert command.line["error"]["facts"]["path"] == str(closed)


def test_a_device_that_fails_while_it_is_read_is_named(rangkiang: Rangkiang) -> None:
    # Linux answers EIO to a read at address 0.
    command = rangkiang("import", "/proc/self/mem", "--source", "A", "--new-source", "--json")
    assert refusal(command) == (3, "PATH_UNREADABLE")
    assert command.line["error"]["facts"]["path"] == "/proc/self/mem"


def test_a_named_pipe_is_no_file(rangkiang: Rangkiang, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(rangkiang("import", str(tmp_path / "pipe"), "--source", "A", "--new-source", "--json")) == (
        3,
        "PATH_UNREADABLE",
    )


def test_an_export_to_a_full_device_is_an_error_with_a_sentence(rangkiang: Rangkiang) -> None:
    rangkiang("import", "-", "--source", "A", "--new-source", stdin=iso([book("1")]))
    assert refusal(rangkiang("export", "--to", "/dev/full", "--json")) == (3, "FILE_OR_DEVICE_FAILED")


def test_a_full_standard_output_is_an_error_with_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [RANGKIANG, "settings", "--json"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert "Traceback" not in result.stderr
    assert (result.returncode, result.stderr.partition(":")[0]) == (3, "FILE_OR_DEVICE_FAILED")


def test_a_data_folder_that_is_not_utf8_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    data = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe9"))
    for words in (["migrate"], ["import", "-", "--source", "A", "--new-source"]):
        assert refusal(run(data, *words, "--json")) == (3, "FOLDER_UNUSABLE")


def test_an_import_without_shared_memory_decodes_in_one_process(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "books.mrc"
    path.write_bytes(iso(book(str(number)) for number in range(600)))
    program = (*IN_A_NAMESPACE, "sh", "-c", WITHOUT_SHARED_MEMORY, "sh")
    command = run_in(data, program, "import", str(path), "--source", "A", "--new-source", "--json")
    assert "Traceback" not in command.errors
    assert (command.code, command.line["created"]) == (0, 600)
    assert "import_in_one_process" in command.errors


DEPTH = 100_000
DEEP = {
    "arrays": "a = " + "[" * DEPTH,
    "tables": "a = " + "{a=" * DEPTH,
    "keys": ".".join("a" * DEPTH) + " = 1",
    "headers": "[" + ".".join("a" * DEPTH) + "]",
}


@pytest.mark.parametrize("shape", DEEP)
def test_a_deep_toml_file_is_refused(rangkiang: Rangkiang, tmp_path: Path, shape: str) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(DEEP[shape])
    commands = {
        "INSTITUTIONS_FILE": ["institutions", "load", str(path)],
        "CLASSES_FILE": ["classes", "load", str(path)],
    }
    for reason, words in commands.items():
        assert refusal(rangkiang(*words, "--json")) == (2, reason)


@pytest.mark.parametrize(
    ("url", "code", "reason"),
    [
        ("sqlite:////proc/nothing/catalog.db", 3, "FOLDER_UNUSABLE"),
        ("sqlite:///{folder}", 3, "DATABASE_FILE_UNUSABLE"),
        ("sqlite:///{folder}/text.db", 3, "DATABASE_FILE_UNUSABLE"),
        ("postgresql+psycopg://app@127.0.0.1:1/catalog", 3, "DATABASE_UNAVAILABLE"),
        ("postgresql+psycopg://app@127.0.0.1:port/catalog", 2, "SETTING_INVALID"),
        ("postgresql://app@127.0.0.1:1/catalog", 2, "URL_SCHEME_MISSPELT"),
        ("oracle://app@127.0.0.1:1/catalog", 2, "URL_SCHEME_UNKNOWN"),
    ],
)
def test_a_database_that_cannot_be_opened_is_an_error_with_a_sentence(
    tmp_path: Path, url: str, code: int, reason: str
) -> None:
    (tmp_path / "text.db").write_text("This is no database. " * 500)
    # Every command reads the URL first and in the same way; each opens the database in its own.
    opening = [["export", "--to", os.devnull], ["import", "-", "--source", "A", "--new-source"]] if code == 3 else []
    for words in (*opening, ["migrate"]):
        command = run(tmp_path, *words, "--json", DATABASE_URL=url.format(folder=tmp_path))
        # Only `migrate` would create the folder.
        is_missing = reason == "FOLDER_UNUSABLE" and words != ["migrate"]
        assert refusal(command) in {(code, "DATABASE_MISSING" if is_missing else reason), (code, "MIGRATION_FAILED")}


def test_a_named_pipe_among_the_covers_is_ignored(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "9789794074018.jpg")
    assert find_picture(tmp_path, ["9789794074018"]) is None
