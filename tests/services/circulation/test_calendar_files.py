"""`rangkiang calendars load`, and doctor's findings about calendars."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from chassis import clock
from chassis.cli import commands
from chassis.context import system
from chassis.service import Resources
from chassis.settings import load
from services.circulation import checks
from services.circulation.calendars import is_open
from services.circulation.calendars_store import calendar_of
from services.circulation.commands import institution_of
from services.circulation.institutions import copy_institutions
from services.circulation.service import SERVICE
from tests.migrated import copied_database
from tests.services.circulation.test_rules_rpc import PAPUA, PKS, PUSAT, branch, institution

TEST = system("test")
FILE = """
institution = "PKS"
closed = [{from = 2026-03-18, to = 2026-03-24, why = "Idul Fitri"}]
confirmed_years = [2026]
weekly = {mon = [["08:00", "16:00"]], fri = [["08:00", "11:30"], ["13:30", "16:00"]]}

[branch.pusat]
closed = [{from = 2026-05-04, why = "Pindah rak"}]

[branch.papua]
weekly = {sat = [["09:00", "12:00"]]}
"""


@pytest.fixture
def resources(tmp_path: Path):
    settings = load({"DATA": str(tmp_path)})
    with copied_database(SERVICE, tmp_path) as database:
        with database.transaction(TEST) as session:
            places = [branch(PUSAT, "pusat"), branch(PAPUA, "papua", "Asia/Jayapura")]
            copy_institutions(session, [institution(PKS, "PKS", "public", *places)])
        yield Resources(settings=settings, database=database, service=SERVICE)


def test_without_a_code_the_only_institution_is_no_sandbox(resources):
    with resources.database.transaction(TEST) as session:
        copy_institutions(session, [institution(uuid4(), "SANDBOX-7A20C4", "public")])
    assert institution_of(resources, "").code == "PKS"


def run(resources: Resources, text: str, *options: str) -> tuple[int, dict[str, object], str]:
    file = resources.settings.data / "calendars.toml"
    file.write_text(text)
    environment = {"DATA": str(resources.settings.data), "DATABASE_URL": ""}
    result = CliRunner().invoke(commands.app, ["calendars", "load", str(file), *options, "--json"], env=environment)
    lines = result.output.strip().splitlines() or ["{}"]
    return result.exit_code, json.loads(lines[-1]) if lines[-1].startswith("{") else {}, str(result.exception)


def test_a_file_replaces_the_calendars_of_its_branches(resources):
    both = {"institution": "PKS", "branches": 2, "changed": ["papua", "pusat"], "moved": 0, "dry_run": True}
    assert run(resources, FILE, "--dry-run")[:2] == (0, both)
    assert run(resources, FILE)[:2] == (0, {**both, "dry_run": False})
    with resources.database.reading(TEST) as session:
        main, papua = calendar_of(session, PUSAT), calendar_of(session, PAPUA)
    assert [closing.why for closing in main.closings] == ["Idul Fitri", "Pindah rak"]
    assert (is_open(main, date(2026, 5, 8)), is_open(main, date(2026, 5, 9))) == (True, False)
    assert (is_open(papua, date(2026, 5, 8)), is_open(papua, date(2026, 5, 9))) == (False, True)
    assert run(resources, FILE)[:2] == (0, {**both, "changed": [], "dry_run": False})


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_file_with_faults_changes_nothing(resources, options):
    wrong = FILE.replace('"16:00"]]', '"06:00"]]') + '[branch.nowhere]\nweekly = {mon = [["08:00", "09:00"]]}\n'
    code, _, problem = run(resources, wrong, *options)
    assert code != 0
    assert "CALENDAR_VALUE_INVALID" in problem
    assert "pusat.weekly.mon[0]" in problem
    assert "BRANCH_UNKNOWN" in problem
    with resources.database.reading(TEST) as session:
        assert calendar_of(session, PAPUA).version == 0


@pytest.mark.parametrize(
    "text", ["[", "institution = 'PKS'", "[branch.pusat]", "institution = 'PKS'\nbranch = {pusat = 1}"]
)
def test_a_file_without_branches_is_refused(resources, text):
    assert "CALENDARS_FILE" in run(resources, text)[2]


def test_doctor_names_branches_without_hours_or_confirmed_holidays(resources):
    def say() -> list[str]:
        return [finding.message.en for finding in checks.calendars(resources) if finding.ok]

    with clock.frozen(datetime(2026, 6, 1, tzinfo=UTC)):
        assert say() == [
            "2 branches have no opening hours and count as open every day: PKS/papua, PKS/pusat.",
            "The holidays of the next 30 days are not confirmed at 2 branches: PKS/papua, PKS/pusat.",
        ]
        run(resources, FILE)
        assert say() == ["Opening hours and holidays of 2 branches are recorded."]
    with clock.frozen(datetime(2026, 12, 10, tzinfo=UTC)):
        assert say() == ["The holidays of the next 30 days are not confirmed at 2 branches: PKS/papua, PKS/pusat."]
