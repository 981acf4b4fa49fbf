"""A clock that is set forward: reminders wait until its time is confirmed, and its acts end with `clock accept`."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import select
from typer.testing import CliRunner

from chassis import audit, clock
from chassis.cli import commands
from chassis.jobs.job_runs import DONE, due_at, job_runs
from chassis.service import Job, Resources
from services.circulation import checks
from services.circulation.jobs import remind
from services.circulation.loans import clock_jumps
from services.circulation.service import SERVICE
from services.circulation.tables import ReminderNight
from tests.services.circulation.library import at, reasons
from tests.services.circulation.test_reminders import emitted, lend

AHEAD = timedelta(days=400)


def job(library, moment: str, *, ahead: timedelta = timedelta()) -> list[dict]:
    """Run the job of reminders. Returns all events until then."""
    with clock.frozen(datetime.fromisoformat(moment), ahead=ahead):
        remind(Resources(library.settings, library.database, SERVICE), threading.Event())
    return emitted(library)


def accept(library, moment: str, *options: str) -> dict:
    url = library.database.url.render_as_string(hide_password=False)
    environment = {"DATA": str(library.settings.data), "DATABASE_URL": url, "LANG": "en"}
    with at(moment):
        result = CliRunner().invoke(commands.app, ["clock", "accept", "--json", *options], env=environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.output.splitlines()[-1])


def doctor(library) -> tuple[bool, str]:
    (finding,) = checks.clock_jump(Resources(library.settings, library.database, SERVICE))
    return finding.ok, finding.advice.en


def acceptances(library) -> list:
    return library.execute(select(audit.acts).where(audit.acts.c.act == "circulation.accept_clock"))


@contextmanager
def kept_by_ntp(monkeypatch):
    """The kernel's answer while NTP keeps the clock."""
    with monkeypatch.context() as patch:
        patch.setattr(clock, "is_synchronised", lambda: True)
        yield


def test_after_a_clock_ran_ahead_its_acts_refuse_others_until_an_administrator_confirms_the_time(library):
    member, item = library.member(), library.item()
    with at("2027-05-03T09:00:00+07:00"):
        library.check_out(member, item)
    with at("2026-03-02T09:00:00+07:00"):
        assert reasons(lambda: library.check_in(item)) == {"CLOCK_BEHIND"}
    assert accept(library, "2026-03-02T09:01:00+07:00", "--dry-run") == {
        "now": "2026-03-02T02:01:00+00:00", "newest_act": "2027-05-03T02:00:00+00:00", "reminders_waited": False,
        "nights": 0, "accepted": False, "dry_run": True,
    }  # fmt: skip
    assert acceptances(library) == []
    assert accept(library, "2026-03-02T09:01:00+07:00")["accepted"]
    (row,) = acceptances(library)
    assert json.loads(row.facts) == {"newest_act": "2027-05-03T02:00:00+00:00", "nights": 0}
    with at("2026-03-02T09:02:00+07:00"):
        assert library.check_in(item).next == "shelve"
        assert library.check_out(library.member(), item).loan.due_on == "2026-03-09"


def test_a_confirmation_that_nothing_needs_changes_nothing(library):
    lend(library)
    answer = accept(library, "2026-03-02T10:00:00+07:00")
    assert (answer["accepted"], answer["newest_act"]) == (False, None)
    assert acceptances(library) == []


def test_the_command_says_what_it_does(library):
    with at("2027-05-03T09:00:00+07:00"):
        library.check_out(library.member(), library.item())
    url = library.database.url.render_as_string(hide_password=False)
    environment = {"DATA": str(library.settings.data), "DATABASE_URL": url, "LANG": "en"}
    with at("2026-03-02T09:00:00+07:00"):
        output = [
            CliRunner().invoke(commands.app, ["clock", "accept", *options], env=environment).output
            for options in (["--dry-run"], [], [])
        ]
    assert "Once it is confirmed, acts with a later time (the latest: 2027-05-03 02:00 UTC)" in output[0]
    assert "The time 2026-03-02 02:00 UTC is confirmed." in output[1]
    assert "Nothing was changed." in output[2]


def test_after_a_jump_forward_reminders_wait_for_an_administrator(library, caplog):
    lend(library)
    assert job(library, "2026-03-05T02:10:00+07:00") == []
    for minute in (15, 20):
        assert job(library, f"2027-04-09T02:{minute}:00+07:00", ahead=AHEAD) == []
    jumps = [record for record in caplog.records if record.message == "clock_jumped"]
    assert [record.seconds for record in jumps] == [AHEAD.total_seconds()]
    is_well, advice = doctor(library)
    assert not is_well
    assert "rangkiang clock accept" in advice
    assert accept(library, "2026-03-05T02:30:00+07:00")["reminders_waited"]
    assert doctor(library)[0]
    assert [event["kind"] for event in job(library, "2026-03-06T02:10:00+07:00")] == ["LoanDueSoon"]


def test_after_a_jump_forward_reminders_go_on_when_ntp_keeps_the_clock(library, monkeypatch):
    lend(library)
    job(library, "2026-03-02T02:10:00+07:00")
    ahead = timedelta(days=4)
    assert job(library, "2026-03-06T02:15:00+07:00", ahead=ahead) == []
    with kept_by_ntp(monkeypatch):
        assert [event["kind"] for event in job(library, "2026-03-06T02:20:00+07:00", ahead=ahead)] == ["LoanDueSoon"]
    assert doctor(library)[0]


def test_hours_of_sleep_are_no_jump(library):
    lend(library)
    job(library, "2026-03-05T02:10:00+07:00")
    assert [event["kind"] for event in job(library, "2026-03-06T07:00:00+07:00")] == ["LoanDueSoon"]


def test_a_restarted_process_still_waits(library, monkeypatch):
    lend(library)
    job(library, "2026-03-02T02:10:00+07:00")
    job(library, "2026-03-06T02:15:00+07:00", ahead=timedelta(days=4))
    monkeypatch.setattr(clock_jumps, "last_readings", {})
    assert job(library, "2026-03-06T02:20:00+07:00", ahead=timedelta(days=4)) == []


def test_reminders_of_a_night_in_the_future_do_not_stop_those_after_the_confirmation(library):
    with at("2026-03-01T09:00:00+07:00"):
        remind(Resources(library.settings, library.database, SERVICE), threading.Event())
    lend(library)
    job(library, "2027-06-01T02:10:00+07:00")
    assert accept(library, "2026-03-05T02:10:00+07:00")["nights"] == 3
    days = library.execute(select(ReminderNight.night, ReminderNight.done_on))
    assert {day.isoformat() for row in days for day in row} == {"2026-03-05"}
    kinds = [event["kind"] for event in job(library, "2026-03-06T02:10:00+07:00")]
    assert kinds[-1] == "LoanDueSoon"


def test_a_job_whose_last_start_is_in_the_future_is_due(library):
    run = {"name": "hourly", "started_at": datetime.fromisoformat("2027-05-03T09:00:00+07:00"), "outcome": DONE}
    with library.database.transaction(clock_jumps.OPERATOR) as session:
        session.execute(job_runs.insert().values(**run, ended_at=run["started_at"]))
    hourly = Job(name="hourly", run="", lease="hourly", every_seconds=3_600)
    now = datetime.fromisoformat("2026-03-02T09:00:00+07:00")
    with clock.frozen(now):
        assert due_at(hourly, library.database, process_started=now) == now
