"""Printed and logged text sends no control character to a terminal, and no text is markup."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from chassis.cli import commands
from chassis.errors import Invalid
from chassis.metrics import telemetry
from chassis.operations.health import Finding
from chassis.output import json_text, print_table, print_text, visible
from chassis.sentences import LocalText
from chassis.settings import Settings

# ESC and CSI sequences, a bell, a return to the start of the line, reversed text, a byte that is not UTF-8
HOSTILE = "\x1b]0;x\x07\x9b2J\r\u202egnp.exe\u2066\u200f\udce9\x7f"
SHOWN = "⟨U+001B⟩]0;x⟨U+0007⟩⟨U+009B⟩2J⟨U+000D⟩⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+200F⟩⟨U+DCE9⟩⟨U+007F⟩"


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_controls_are_shown_by_their_code_points() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible("a\nb\tc") == "a⟨U+000A⟩b⟨U+0009⟩c"
    assert visible("a\nb\tc", layout="\n\t") == "a\nb\tc"


@pytest.mark.parametrize("text", ["Robohnya surau kami", "Qurʼān · القرآن · 漢字 👩‍🚀", "é", "می‌خواهم"])
def test_a_text_in_any_script_is_printed_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_a_line_of_json_has_the_same_value_and_no_controls() -> None:
    line = json_text({"title": HOSTILE, "why": LocalText("ini", "this")})
    assert json.loads(line) == {"title": HOSTILE, "why": {"id": "ini", "en": "this"}}
    assert visible(line) == line


def test_a_table_shows_a_branch_that_looks_like_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_table(("branch",), [("![/b]",), ("[red]:books:[/]",), (HOSTILE,)])
    output = capsys.readouterr().out
    assert "![/b]" in output
    assert "[red]:books:[/]" in output
    assert SHOWN in output


def test_printed_text_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(f"{HOSTILE}\n\t[/]")
    assert capsys.readouterr().out == f"{SHOWN}\n\t[/]\n"


def test_doctor_shows_a_finding_that_looks_like_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch = LocalText("![/b]\x1b[31m", "![/b]\x1b[31m")
    monkeypatch.setattr("chassis.operations.health.examine", lambda *_: [Finding("catalog branches", False, branch)])
    monkeypatch.setattr("chassis.metrics.telemetry.start", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["rangkiang", "doctor"])
    with pytest.raises(SystemExit) as end:
        commands.main()
    assert end.value.code == commands.FINDINGS
    assert "![/b]⟨U+001B⟩[31m" in capsys.readouterr().out


def test_doctor_names_the_parts_that_need_something(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works, broken, print_it = (
        LocalText("Baik.", "Works."),
        LocalText("Rusak.", "Broken."),
        LocalText("Cetak.", "Print it."),
    )
    findings = [
        Finding("disks", True, works),
        Finding("master key", True, works, print_it),
        Finding("catalog index", False, broken),
    ]
    monkeypatch.setattr("chassis.operations.health.examine", lambda *_: findings)
    monkeypatch.setattr("chassis.metrics.telemetry.start", lambda *_: None)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.setattr("sys.argv", ["rangkiang", "doctor"])
    with pytest.raises(SystemExit):
        commands.main()
    output = capsys.readouterr().out
    rows = [line.split("│")[1:3] for line in output.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["ok", "disks"], ["to do", "master key"], ["fault", "catalog index"],
    ]  # fmt: skip
    assert output.splitlines()[-1] == "1 of 3 parts are in order. To do: master key. Faults: catalog index."


def test_an_error_shows_the_controls_in_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.exit_with(Invalid("USAGE", why=HOSTILE))
    assert SHOWN in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_line_shows_controls_in_message_field_and_exception(
    logging_as_before: None, capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    telemetry.start(Settings(log_format=form), "tests")
    log = logging.getLogger("chassis.tests")
    forged_line = "\n12:00:00 INFO    import_done"
    try:
        raise ValueError(HOSTILE + forged_line)
    except ValueError:
        log.exception("failed %s", HOSTILE + forged_line, extra={"title": HOSTILE + forged_line})
    output = capsys.readouterr().err
    assert visible(output, layout="\n") == output
    if form == "json":
        [line] = output.splitlines()
        assert json.loads(line)["title"] == HOSTILE + forged_line
    else:
        assert output.count(SHOWN) == 3
        first, *others = output.splitlines()
        assert "failed" in first
        assert all(line.startswith("  ") for line in others)
