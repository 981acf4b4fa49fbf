"""What the command line promises: exit codes, a closing line of JSON whatever happens, help everywhere."""

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

from chassis import cli
from chassis.errors import Conflict, Error, Invalid, NotFound, Refusal, Refused, TooMany, Unavailable
from chassis.service import discover
from chassis.urls import resolve
from services.catalog.sample import institutions_path
from tests.builders import book, iso
from tests.conftest import CHECKOUT

RANGKIANG = str(Path(sys.executable).with_name("rangkiang"))
# A disk of its own that is large, then full, then large again, in a mount namespace that ends with the script.
ON_A_FULL_DISK = """
mount -t tmpfs -o size=100m none "$1"
rangkiang migrate > /dev/null && mount -o remount,size=1500k "$1"
rangkiang import "$2" --source A --json; echo $?
rangkiang migrate --json; echo $?
mount -o remount,size=100m "$1"
rangkiang import "$2" --source A --json; echo $?
"""


def ran(folder: Path, *words: str, program: tuple[str, ...] = (RANGKIANG,), **changes: str) -> tuple[int, str, str]:
    """A command with its data in this folder; exit code, standard output, standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    result = subprocess.run(
        [*program, *words],
        env=environment | {"DATA": str(folder), "PORT": "0", "LANG": "C.UTF-8"} | changes,
        cwd=CHECKOUT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def last_line(output: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(output.splitlines()[-1])
    return line


def below(command: Any, words: list[str]) -> list[list[str]]:
    """Each command under this one, as words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [words]
    return [found for name, each in inner.items() for found in below(each, [*words, name])]


LAZY = {name: cli.import_command(name) for name in cli.lazy_commands()}
COMMANDS = [
    words
    for name, command in {**typer.main.get_group(cli.app).commands, **LAZY}.items()
    for words in below(command, [name])
]
# What `rangkiang --help` has no use for; together they cost it a second.
HEAVY = (
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


def test_help_imports_no_service_and_no_heavy_library(tmp_path: Path) -> None:
    code, listed, messages = ran(tmp_path, "-X", "importtime", "-m", "chassis.cli", "--help", program=(sys.executable,))
    assert code == 0
    modules = {line.rpartition("|")[2].strip() for line in messages.splitlines() if line.startswith("import time:")}
    assert "typer" in modules
    assert not [name for name in sorted(modules) if name.startswith(HEAVY)]
    assert {"up", "import", "dead", "index"} <= set(listed.split())


def test_the_line_that_help_shows_is_the_commands_own() -> None:
    assert cli.lazy_commands() == {
        name: (command.short_help or command.help).splitlines()[0] for name, command in LAZY.items()
    }


def test_every_command_of_a_service_is_listed() -> None:
    for service in discover():
        imported = typer.Typer()
        imported.add_typer(resolve(service.commands))
        assert set(typer.main.get_group(imported).commands) <= set(cli.lazy_commands())


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    code, line, _ = ran(tmp_path, "--version")
    assert (code, line) == (0, f"rangkiang {importlib.metadata.version('rangkiang')}\n")


def test_settings_are_listed_with_owner_and_default(tmp_path: Path) -> None:
    code, output, _ = ran(tmp_path, "settings", "--json")
    listed = {line["name"]: line for line in last_line(output)["settings"]}
    assert code == 0
    assert listed["PORT"]["default"] == "8080"
    assert listed["SEARCH_URL"]["owners"] == ["catalog"]
    assert listed["QUERY_LOG"]["owners"] == ["catalog", "gateway"]
    assert listed["CATALOG_URL"]["default"] == "inproc:catalog"
    assert all(line["description"] for line in listed.values())
    assert "RATE_LIMIT" in ran(tmp_path, "settings")[1]


@pytest.mark.parametrize(
    "words",
    [["migrate"], ["export", "--to", "x.mrc"], ["dead", "drop", "--service", "catalog", "--all"], ["up"]],
    ids=" ".join,
)
def test_a_misspelt_setting_is_refused_before_the_default_is_used(tmp_path: Path, words: list[str]) -> None:
    code, output, _ = ran(tmp_path / "var", *words, "--json", DATABASE_URI="postgresql+psycopg://somewhere/{service}")
    error = last_line(output)["error"]
    assert (code, error["reason"], error["facts"]["meant"]) == (2, "SETTING_UNKNOWN", "DATABASE_URL")
    assert not (tmp_path / "var").exists()


def test_the_program_has_the_commands_of_its_conventions() -> None:
    names = {" ".join(words) for words in COMMANDS}
    assert names >= {
        "up", "serve", "work", "gateway", "migrate", "import", "export", "index rebuild", "doctor", "institutions load",
        "sample load", "dead list", "dead show", "dead replay", "dead drop",
    }  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_can_answer_in_json(words: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "--json" in result.output


def test_done_is_zero(tmp_path: Path) -> None:
    code, output, _ = ran(tmp_path, "migrate", "--json")
    assert (code, list(last_line(output))) == (0, ["applied"])
    code, output, _ = ran(tmp_path, "institutions", "load", str(institutions_path()), "--json")
    assert (code, last_line(output)["institutions"]) == (0, 3)


def test_something_put_aside_or_unwell_is_one(tmp_path: Path) -> None:
    ran(tmp_path / "var", "migrate")
    path = tmp_path / "campur.mrc"
    path.write_bytes(iso([book("1")]) + iso([book("2", "Rusak")]).replace(b"Rusak", b"Rus\xe9k"))
    report = tmp_path / "temuan.jsonl"
    code, output, _ = ran(tmp_path / "var", "import", str(path), "--source", "A", "--report", str(report), "--json")
    assert (code, last_line(output)["created"], last_line(output)["put_aside"]) == (1, 1, 1)
    assert [json.loads(line)["reason"] for line in report.read_text().splitlines()] == ["BAD_UTF8"]
    code, output, _ = ran(tmp_path / "nothing-here", "doctor", "--json")
    assert (code, last_line(output)["well"]) == (1, False)


@pytest.mark.parametrize(
    "words",
    [
        ["import", "--json"],
        ["import", "x.mrc", "--source", "no good", "--json"],
        ["export", "--json"],
        ["serve", "nothing", "--json"],
        ["migrate", "nothing", "--json"],
        ["nothing", "--json"],
        ["up", "--port", "many", "--json"],
    ],
    ids=" ".join,
)
def test_a_command_that_makes_no_sense_is_two_and_says_so_in_json(tmp_path: Path, words: list[str]) -> None:
    if words[1] == "x.mrc":
        ran(tmp_path, "migrate")
        (tmp_path / "x.mrc").write_bytes(b"")
        words = ["import", str(tmp_path / "x.mrc"), *words[2:]]
    code, output, messages = ran(tmp_path, *words)
    assert code == 2, messages
    error = last_line(output)["error"]
    assert error["reason"]
    assert error["sentence"]["id"]
    assert error["sentence"]["en"]
    assert "Traceback" not in messages


def test_a_setting_that_is_wrong_is_named(tmp_path: Path) -> None:
    code, output, _ = ran(tmp_path, "doctor", "--json", WORKERS="many")
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
        ["import", "x.mrc", "--source", "A"],
        ["export", "--to", "y.mrc"],
        ["sample", "load"],
        ["index", "rebuild"],
        ["institutions", "load", str(institutions_path())],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_folder_that_cannot_be_used_is_three_and_the_folder_is_named(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "a-file").touch()
    code, output, messages = ran(tmp_path / "a-file" / "var", *words, "--json")
    assert code == 3, messages
    error = last_line(output)["error"]
    assert (error["reason"], error["facts"]["folder"]) == ("FOLDER_UNUSABLE", str(tmp_path / "a-file" / "var"))
    assert "DATA=" in error["sentence"]["en"]


def test_a_database_that_was_never_prepared_says_what_to_run(tmp_path: Path) -> None:
    code, output, _ = ran(tmp_path, "export", "--to", str(tmp_path / "x"), "--json")
    assert (code, last_line(output)["error"]["reason"]) == (3, "DATABASE_NOT_MIGRATED")
    assert "rangkiang migrate" in last_line(output)["error"]["sentence"]["id"]


def test_a_disk_that_fills_up_is_said_in_a_sentence_and_what_was_saved_stays(tmp_path: Path) -> None:
    disk, path = tmp_path / "var", tmp_path / "koleksi.mrc"
    disk.mkdir()
    more = [["520", "  ", "a", "isi " * 200]]
    path.write_bytes(iso(book(str(number), f"Judul {number}", more=more) for number in range(2000)))
    namespace = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
    _, output, messages = ran(
        disk, "sh", "-c", ON_A_FULL_DISK, "sh", str(disk), str(path), program=namespace,
        PATH=f"{Path(RANGKIANG).parent}:{os.environ['PATH']}",
    )  # fmt: skip
    lines = output.splitlines()
    assert lines[1::2] == ["3", "3", "0"], messages[-3000:]
    assert [json.loads(line)["error"]["reason"] for line in lines[0:4:2]] == ["DISK_FULL", "DISK_FULL"]
    whole = json.loads(lines[4])
    assert (whole["read"], whole["created"]) == (2000, 2000)


@pytest.mark.parametrize(
    ("language", "sentence"), [("id_ID.UTF-8", "Tidak ada layanan"), ("en_GB.UTF-8", "There is no service")]
)
def test_without_json_an_error_is_a_sentence_in_the_operators_language(
    tmp_path: Path, language: str, sentence: str
) -> None:
    code, output, messages = ran(tmp_path, "serve", "nothing", LANG=language)
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
    def trouble(**_options: object) -> None:
        raise kind("SOME_REASON", what="trouble")

    monkeypatch.setattr(cli, "app", trouble)
    monkeypatch.setattr(sys, "argv", ["rangkiang", "doctor", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert json.loads(capsys.readouterr().out)["error"]["facts"] == {"what": "trouble"}


def test_every_refusal_of_an_error_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_options: object) -> None:
        raise Refused(refusals=(Refusal("DISK_FULL"), Refusal("PORT_TAKEN", port=80, variable="PORT")))

    monkeypatch.setattr(cli, "app", refuse)
    monkeypatch.setenv("LANG", "id_ID.UTF-8")
    monkeypatch.setattr(sys, "argv", ["rangkiang", "doctor", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["reason"], error["facts"]) == ("DISK_FULL", {})
    assert [(refusal["reason"], refusal["facts"]) for refusal in error["refusals"]] == [
        ("DISK_FULL", {}),
        ("PORT_TAKEN", {"port": 80, "variable": "PORT"}),
    ]
    assert error["refusals"][1]["detail"].startswith("Porta 80 sudah dipakai")

    monkeypatch.setattr(sys, "argv", ["rangkiang", "doctor"])
    with pytest.raises(SystemExit):
        cli.main()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["DISK_FULL", "PORT_TAKEN"]
    assert "Porta 80" in lines[1]
