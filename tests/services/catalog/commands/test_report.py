"""Reports of searches, and their deletion."""

from __future__ import annotations

import csv
import io
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from sqlalchemy import func, select
from typer.testing import CliRunner

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.service import Resources
from chassis.settings import Settings
from services.catalog import jobs, query_log
from services.catalog.commands import report
from services.catalog.commands.database import open_catalogue
from services.catalog.query_log import QueryReport, SearchEntry, log_searches, report_searches
from services.catalog.service import SERVICE
from services.catalog.tables import Search
from tests.migrated import copied_database

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
LOG = [
    SearchEntry("2026-11-20", "surau", 4, 0, "id"),
    SearchEntry("2026-11-21", "Surau", 5, 0, "en"),
    SearchEntry("2026-11-21", "surau", 3, 3, "id"),
    SearchEntry("2026-11-22", "surau", 4, 4, "id"),
    SearchEntry("2026-11-21", "belajar python", 0, 0, "id"),
    SearchEntry("2026-11-23", "belajar python", 0, 0, "id"),
    SearchEntry("2026-11-20", "adat", 0, 0, "id"),
    SearchEntry("2026-11-22", "adat", 2, 0, "id"),
    SearchEntry("2026-08-01", "lama", 0, 0, "id"),
    SearchEntry("2026-11-22", "=1+1", 0, 0, "id"),
]


def noted(database: Database) -> None:
    """Log each search on its own day."""
    for entry in LOG:
        day = datetime.fromisoformat(f"{entry.day}T09:00:00+00:00")
        with clock.frozen(day), database.transaction(system("test")) as session:
            log_searches(session, [entry])


def reported(database: Database, **more: Any) -> list[QueryReport]:
    with database.reading(READER) as session:
        return report_searches(session, **{"since": "2026-11-01", "failed": False, "limit": 10, **more})


def test_a_report_counts_searches_failures_and_opened_hits(database: Database) -> None:
    noted(database)
    assert reported(database) == [
        QueryReport("adat", 2, 1, 2, 0, None, "2026-11-22"),
        QueryReport("belajar python", 2, 2, 0, 0, None, "2026-11-23"),
        QueryReport("surau", 2, 0, 5, 2, 3.5, "2026-11-22"),
        QueryReport("=1+1", 1, 1, 0, 0, None, "2026-11-22"),
    ]
    assert [row.query for row in reported(database, failed=True)] == ["belajar python", "=1+1"]
    assert [row.query for row in reported(database, failed=True, since="2026-01-01", limit=2)] == [
        "belajar python",
        "=1+1",
    ]


@pytest.mark.parametrize(("log", "remaining"), [("on", 9), ("off", 0)])
def test_old_searches_are_forgotten_and_all_of_them_when_the_log_is_off(
    database: Database, log: Any, remaining: int
) -> None:
    noted(database)
    resources = Resources(settings=Settings(query_log=log, query_log_days=90), database=database, service=SERVICE)
    with clock.frozen(NOW):
        jobs.delete_old_searches(resources, threading.Event())
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(Search)) == remaining


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`rangkiang report …` on a log, its language set."""
    monkeypatch.setenv("DATA", str(tmp_path))
    with copied_database(SERVICE, tmp_path) as database:
        noted(database)

    rangkiang = typer.Typer()
    rangkiang.add_typer(report.app, name="report")

    def run(*words: str, lang: str = "C.UTF-8") -> Result:
        monkeypatch.setenv("LANG", lang)
        with clock.frozen(NOW):
            return CliRunner().invoke(rangkiang, ["report", *words])

    return run


def test_the_command_prints_in_both_languages(asked: Any) -> None:
    english, indonesian = asked("searches").output, asked("searches", lang="id_ID.UTF-8").output
    assert "belajar python" in english
    assert "Opened" in english
    assert "Dibuka" in indonesian
    assert "Tidak ada pencarian sejak 2027-01-01." in asked("searches", "--since", "2027-01-01", lang="id_ID").output


def test_the_command_says_how_many_searches_were_not_stored(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not stored" not in asked("searches").output
    monkeypatch.setattr(query_log, "MOST_ROWS_A_DAY", 0)
    with (
        clock.frozen(NOW),
        open_catalogue() as resources,
        resources.database.transaction(system("test")) as session,
    ):
        log_searches(session, LOG[2:3] * 12)
    output = " ".join(asked("searches").output.split())
    assert "12 searches were not stored, because at most" in output
    assert json.loads(asked("searches", "--json").stdout)["not_stored"] == 12


def test_the_command_gives_data_too(asked: Any) -> None:
    answer = json.loads(asked("searches", "--failed", "--json").stdout)
    assert answer["since"] == "2026-10-26"
    assert answer["not_stored"] == 0
    assert answer["searches"][0]["query"] == "belajar python"
    rows = list(csv.DictReader(io.StringIO(asked("searches", "--format", "csv").stdout)))
    assert rows[2] == {
        "query": "surau",
        "searches": "2",
        "failed": "0",
        "total": "5",
        "opened": "2",
        "rank": "3.5",
        "last": "2026-11-22",
    }
    assert rows[3]["query"] == "'=1+1"


def test_a_day_that_is_none_is_refused(asked: Any) -> None:
    refusal = asked("searches", "--since", "kemarin").exception
    assert isinstance(refusal, Invalid)
    assert refusal.reason == "DAY_INVALID"
