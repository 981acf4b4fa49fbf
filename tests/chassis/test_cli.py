"""The command line: exit codes, a last line of JSON also for errors, help for every command."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from chassis.cli import commands
from chassis.errors import Conflict, Error, Invalid, NotFound, Refusal, Refused, TooMany, Unavailable
from chassis.service import discover
from chassis.urls import resolve
from services.catalog.sample import institutions_path
from tests.builders import book, iso
from tests.conftest import CHECKOUT
from tests.programs import RANGKIANG, run_command

# A separate disk that is large, then full, then large again, in a mount namespace of this script.
ON_A_FULL_DISK = """
mount -t tmpfs -o size=100m none "$1"
rangkiang migrate > /dev/null
mount -o remount,size=$(($(df --output=used "$1" | tail -n 1) + 400))k "$1"
rangkiang import "$2" --source A --new-source --json; echo $?
rangkiang migrate --json; echo $?
mount -o remount,size=100m "$1"
rangkiang import "$2" --source A --new-source --json; echo $?
"""


def run(folder: Path, *words: str, program: tuple[str, ...] = (), **changes: str) -> tuple[int, str, str]:
    """Run a command with its data in this folder; return exit code, standard output and standard error.

    program  with its first words; without, that of this environment
    """
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(folder), "PORT": "0", "LANG": "C.UTF-8"} | changes
    if program:
        result = subprocess.run(
            [*program, *words], env=environment, cwd=CHECKOUT, capture_output=True, timeout=60, check=False
        )
    else:
        result = run_command(words, environment=environment, folder=CHECKOUT)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def last_line(output: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(output.splitlines()[-1])
    return line


def command_paths(command: Any, words: list[str]) -> list[list[str]]:
    """Every command below this one, as words."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        return [words]
    return [path for name, subcommand in subcommands.items() for path in command_paths(subcommand, [*words, name])]


LAZY = {name: commands.import_command(name) for name in commands.lazy_commands()}
COMMANDS = [
    words
    for name, command in {**typer.main.get_group(commands.app).commands, **LAZY}.items()
    for words in command_paths(command, [name])
]
# Modules that `rangkiang --help` does not need; to import them takes a second.
LARGE_MODULES = (
    "sqlalchemy",
    "alembic",
    "grpc",
    "kombu",
    "fastapi",
    "pydantic",
    "tantivy",
    "google.protobuf",
    "services.catalog",
)


def test_help_imports_no_service_and_no_large_library(tmp_path: Path) -> None:
    code, output, messages = run(
        tmp_path, "-X", "importtime", "-m", "chassis.cli.commands", "--help", program=(sys.executable,)
    )
    assert code == 0
    modules = {line.rpartition("|")[2].strip() for line in messages.splitlines() if line.startswith("import time:")}
    assert "typer" in modules
    assert not [name for name in sorted(modules) if name.startswith(LARGE_MODULES)]
    assert {"up", "import", "dead", "index"} <= set(output.split())


def test_help_shows_the_first_line_of_the_commands_help() -> None:
    assert commands.lazy_commands() == {
        name: (command.short_help or command.help).splitlines()[0] for name, command in LAZY.items()
    }


def test_every_command_of_a_service_is_listed() -> None:
    for service in discover():
        if not service.commands:
            continue
        group = typer.Typer()
        group.add_typer(resolve(service.commands))
        assert set(typer.main.get_group(group).commands) <= set(commands.lazy_commands())


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    code, line, _ = run(tmp_path, "--version", program=(RANGKIANG,))
    assert (code, line) == (0, f"rangkiang {importlib.metadata.version('rangkiang')}\n")


def test_settings_are_listed_with_owner_and_default(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "settings", "--json")
    settings = {line["name"]: line for line in last_line(output)["settings"]}
    assert code == 0
    assert settings["PORT"]["default"] == "8080"
    assert settings["SEARCH_URL"]["owners"] == ["catalog"]
    assert settings["QUERY_LOG"]["owners"] == ["catalog", "gateway"]
    assert settings["CATALOG_URL"]["default"] == "inproc:catalog"
    assert all(line["description"] for line in settings.values())
    assert "RATE_LIMIT" in run(tmp_path, "settings")[1]


@pytest.mark.parametrize(
    "words",
    [["migrate"], ["export", "--to", "x.mrc"], ["dead", "drop", "--service", "catalog", "--all"], ["up"]],
    ids=" ".join,
)
def test_a_misspelt_setting_is_refused_before_the_default_is_used(tmp_path: Path, words: list[str]) -> None:
    code, output, _ = run(tmp_path / "var", *words, "--json", DATABASE_URI="postgresql+psycopg://somewhere/{service}")
    error = last_line(output)["error"]
    assert (code, error["reason"], error["facts"]["meant"]) == (2, "SETTING_UNKNOWN", "DATABASE_URL")
    assert not (tmp_path / "var").exists()


def test_the_program_has_its_documented_commands() -> None:
    names = {" ".join(words) for words in COMMANDS}
    assert names >= {
        "up", "serve", "work", "gateway", "migrate", "import", "export", "index rebuild", "doctor", "institutions load",
        "sample load", "dead list", "dead show", "dead replay", "dead drop",
    }  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_a_json_option(words: list[str]) -> None:
    result = CliRunner().invoke(commands.app, [*words, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "--json" in result.output


def test_success_is_exit_code_zero(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "migrate", "--json")
    assert (code, list(last_line(output))) == (0, ["applied"])
    code, output, _ = run(tmp_path, "institutions", "load", str(institutions_path()), "--json")
    assert (code, last_line(output)["institutions"]) == (0, 3)


def test_records_put_aside_or_failed_checks_are_exit_code_one(tmp_path: Path) -> None:
    run(tmp_path / "var", "migrate")
    path = tmp_path / "campur.mrc"
    path.write_bytes(iso([book("1")]) + iso([book("2", "Rusak")]).replace(b"Rusak", b"R\xff\xfe\xfdk"))
    report = tmp_path / "temuan.jsonl"
    code, output, _ = run(
        tmp_path / "var", "import", str(path), "--source", "A", "--new-source", "--report", str(report), "--json"
    )
    assert (code, last_line(output)["created"], last_line(output)["put_aside"]) == (1, 1, 1)
    assert [json.loads(line)["reason"] for line in report.read_text().splitlines()] == ["BAD_UTF8"]
    code, output, _ = run(tmp_path / "nothing-here", "doctor", "--json")
    assert (code, last_line(output)["well"]) == (1, False)


@pytest.mark.parametrize(
    "words",
    [
        ["import", "--json"],
        ["import", "x.mrc", "--source", "no good", "--new-source", "--json"],
        ["export", "--json"],
        ["serve", "nothing", "--json"],
        ["migrate", "nothing", "--json"],
        ["nothing", "--json"],
        ["up", "--port", "many", "--json"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_two_with_an_error_in_json(tmp_path: Path, words: list[str]) -> None:
    if words[1] == "x.mrc":
        run(tmp_path, "migrate")
        (tmp_path / "x.mrc").write_bytes(b"")
        words = ["import", str(tmp_path / "x.mrc"), *words[2:]]
    code, output, messages = run(tmp_path, *words)
    assert code == 2, messages
    error = last_line(output)["error"]
    assert error["reason"]
    assert error["sentence"]["id"]
    assert error["sentence"]["en"]
    assert "Traceback" not in messages


def test_an_invalid_setting_is_named(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "doctor", "--json", WORKERS="many")
    assert (code, last_line(output)["error"]["reason"], last_line(output)["error"]["facts"]["variable"]) == (
        2,
        "SETTING_INVALID",
        "WORKERS",
    )


@pytest.mark.parametrize(
    "words",
    [
        ["migrate"],
        ["up"],
        ["import", "x.mrc", "--source", "A", "--new-source"],
        ["export", "--to", "y.mrc"],
        ["sample", "load"],
        ["index", "rebuild"],
        ["institutions", "load", str(institutions_path())],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_unusable_folder_is_exit_code_three_and_named(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "a-file").touch()
    code, output, messages = run(tmp_path / "a-file" / "var", *words, "--json")
    assert code == 3, messages
    error = last_line(output)["error"]
    assert (error["reason"], error["facts"]["folder"]) == ("FOLDER_UNUSABLE", str(tmp_path / "a-file" / "var"))
    assert "DATA=" in error["sentence"]["en"]


@pytest.mark.parametrize(
    "words",
    [
        ("export", "--to", "x"), ("members", "import", "x.csv"), ("loans", "import", "x.csv"), ("audit", "verify"),
        ("admin", "create", "--institution", "PKS", "--name", "Siti Rahma"), ("keys", "paper"), ("report", "searches"),
        ("dead", "list", "--service", "members"), ("resync", "members"), ("sample", "load"), ("serve", "members"),
        ("backup", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_folder_without_a_library_is_named_and_stays_empty(tmp_path: Path, words: tuple[str, ...]) -> None:
    data = tmp_path / "other" / "var"
    code, output, _ = run(data, *words, "--json")
    error = last_line(output)["error"]
    assert (code, error["reason"], error["facts"]["folder"]) == (3, "DATABASE_MISSING", str(data))
    assert "rangkiang migrate" in error["sentence"]["id"]
    assert list(tmp_path.iterdir()) == []


def test_doctor_makes_no_database_in_a_folder_without_a_library(tmp_path: Path) -> None:
    assert run(tmp_path / "var", "doctor")[0] == 1
    assert list(tmp_path.rglob("*.db*")) == []


def test_a_command_prints_the_folder_that_it_uses(tmp_path: Path) -> None:
    run(tmp_path, "migrate", "members")
    for words in (("client", "list"), ("audit", "list", "members"), ("migrate", "members")):
        code, output, messages = run(tmp_path, *words)
        assert (code, messages) == (0, f"DATA: {tmp_path}\n")
        assert str(tmp_path) not in output
        assert "DATA:" not in run(tmp_path, *words, "--json")[2]


def test_a_full_disk_is_an_error_with_a_sentence_and_keeps_saved_records(tmp_path: Path) -> None:
    disk, path = tmp_path / "var", tmp_path / "koleksi.mrc"
    disk.mkdir()
    fields = [["520", "  ", "a", "isi " * 200]]
    path.write_bytes(iso(book(str(number), f"Judul {number}", more=fields) for number in range(2000)))
    namespace = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
    _, output, messages = run(
        disk, "sh", "-c", ON_A_FULL_DISK, "sh", str(disk), str(path), program=namespace,
        PATH=f"{Path(RANGKIANG).parent}:{os.environ['PATH']}",
    )  # fmt: skip
    lines = output.splitlines()
    assert lines[1::2] == ["3", "3", "0"], messages[-3000:]
    assert [json.loads(line)["error"]["reason"] for line in lines[0:4:2]] == ["DISK_FULL", "DISK_FULL"]
    summary = json.loads(lines[4])
    assert (summary["read"], summary["created"]) == (2000, 2000)


@pytest.mark.parametrize(
    ("language", "sentence"), [("id_ID.UTF-8", "Tidak ada layanan"), ("en_GB.UTF-8", "There is no service")]
)
def test_without_json_an_error_is_a_sentence_in_the_operators_language(
    tmp_path: Path, language: str, sentence: str
) -> None:
    code, output, messages = run(tmp_path, "serve", "nothing", LANG=language)
    assert (code, output) == (2, "")
    assert messages.startswith("SERVICE_UNKNOWN: " + sentence)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Invalid, 2), (NotFound, 1), (Conflict, 1), (Refused, 1), (TooMany, 1), (Unavailable, 3)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_errors_have_their_exit_codes(
    kind: type[Error], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing_app(**_options: object) -> None:
        raise kind("SOME_REASON", what="test")

    monkeypatch.setattr(commands, "app", failing_app)
    monkeypatch.setattr(sys, "argv", ["rangkiang", "doctor", "--json"])
    with pytest.raises(SystemExit) as exit_info:
        commands.main()
    assert exit_info.value.code == code
    assert json.loads(capsys.readouterr().out)["error"]["facts"] == {"what": "test"}


def test_every_refusal_of_an_error_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_options: object) -> None:
        raise Refused(refusals=(Refusal("DISK_FULL"), Refusal("PORT_TAKEN", port=80, variable="PORT")))

    monkeypatch.setattr(commands, "app", refuse)
    monkeypatch.setenv("LANG", "id_ID.UTF-8")
    monkeypatch.setattr(sys, "argv", ["rangkiang", "doctor", "--json"])
    with pytest.raises(SystemExit):
        commands.main()
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["reason"], error["facts"]) == ("DISK_FULL", {})
    assert [(refusal["reason"], refusal["facts"]) for refusal in error["refusals"]] == [
        ("DISK_FULL", {}),
        ("PORT_TAKEN", {"port": 80, "variable": "PORT"}),
    ]
    assert error["refusals"][1]["detail"].startswith("Porta 80 sudah dipakai")

    monkeypatch.setattr(sys, "argv", ["rangkiang", "doctor"])
    with pytest.raises(SystemExit):
        commands.main()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["DISK_FULL", "PORT_TAKEN"]
    assert "Porta 80" in lines[1]
