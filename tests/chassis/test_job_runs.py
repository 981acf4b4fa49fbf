"""The next start of a scheduled job, in the time of its zone."""

from __future__ import annotations

from datetime import datetime

import pytest

from chassis.jobs.job_runs import next_start
from chassis.service import Job


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("at", "zone", "last_start", "expected"),
    [
        # Jakarta is at UTC+7 the whole year.
        ("03:00", "Asia/Jakarta", "2026-11-26T08:00", "2026-11-26T20:00"),
        ("03:00", "Asia/Jakarta", "2026-11-26T19:59", "2026-11-26T20:00"),
        ("03:00", "Asia/Jakarta", "2026-11-26T20:00", "2026-11-27T20:00"),
        ("03:00", "Asia/Jayapura", "2026-11-26T08:00", "2026-11-26T18:00"),
        # After a longer break the next start is the first missed one.
        ("03:00", "Asia/Jakarta", "2026-11-20T20:00", "2026-11-21T20:00"),
        # Summer time in Berlin begins on 2026-03-29 and ends on 2026-10-25.
        ("03:30", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:30"),
        ("02:30", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:30"),
        ("02:30", "Europe/Berlin", "2026-03-29T01:30", "2026-03-30T00:30"),
        ("02:30", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("02:30", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_a_daily_job_starts_once_a_day_at_its_local_time(at: str, zone: str, last_start: str, expected: str) -> None:
    job = Job(name="daily", run="", lease="daily", at=at, zone=zone)
    assert next_start(job, utc(last_start)) == utc(expected)


def test_a_job_with_a_period_starts_one_period_after_its_last_start() -> None:
    job = Job(name="hourly", run="", lease="hourly", every_seconds=3_600)
    assert next_start(job, utc("2026-11-26T08:00")) == utc("2026-11-26T09:00")


@pytest.mark.parametrize(
    "schedule",
    [{"at": "03:00"}, {"zone": "Asia/Jakarta"}, {"at": "3 o'clock", "zone": "Asia/Jakarta"},
     {"at": "03:00", "zone": "Asia/Jakarta", "every_seconds": 60.0}],
)  # fmt: skip
def test_an_incomplete_or_contradictory_schedule_is_refused(schedule: dict[str, str | float]) -> None:
    with pytest.raises(ValueError, match=r"daily|Invalid"):
        Job(name="daily", run="", lease="daily", **schedule)  # type: ignore[arg-type]
