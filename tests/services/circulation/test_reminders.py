"""Each night a loan that is due soon or overdue has its event: once, in its branch's zone, and never a stale one."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from chassis import clock
from chassis.bus.outbox import outbox
from chassis.service import Resources
from chassis.settings import load
from services.circulation.jobs import remind
from services.circulation.loans import reminders
from services.circulation.service import SERVICE
from services.circulation.settings import CirculationSettings
from services.circulation.tables import Loan, ReminderNight
from tests.conftest import CHECKOUT
from tests.programs import start_program
from tests.services.circulation.library import at
from tests.services.circulation.test_closings import close
from tests.services.circulation.test_importing import load as load_loans

STEPS = CirculationSettings().steps
# A loan of seven days is due on Monday the 9th, in each zone.
LENT = "2026-03-02T09:00:00+07:00"


def night(library, moment: str, steps=STEPS) -> list[dict]:
    """Run the job at a moment. Returns its events, each with its kind."""
    with at(moment):
        earlier_ids = {row.id for row in library.execute(select(outbox.c.id))}
        reminders.remind(library.database, steps, threading.Event())
    return [event for event in emitted(library) if event["event"] not in earlier_ids]


def emitted(library) -> list[dict]:
    rows = library.execute(select(outbox.c.id, outbox.c.type, outbox.c.body).order_by(outbox.c.id))
    return [
        json.loads(row.body) | {"kind": row.type.rpartition(".")[2], "event": row.id}
        for row in rows
        if row.type.endswith(("LoanDueSoon", "LoanOverdue", "SuspensionStarted"))
    ]


def lend(library, *, branch: str = "pusat", moment: str = LENT):
    with at(moment):
        return library.check_out(library.member(), library.item(branch=branch), branch=branch).loan


def test_a_loan_has_a_fact_on_each_step_and_on_no_other_night(library):
    loan = lend(library)
    nights = {}
    for day in (3, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 23, 38, 39, 41):
        month, number = (3, day) if day <= 31 else (4, day - 31)
        for event in night(library, f"2026-{month:02}-{number:02}T02:10:00+07:00"):
            nights[day] = (event["kind"], event.get("step") or -event["days"], event["days"])
            assert event["loan"]["loan_id"] == loan.id
    assert nights == {
        6: ("LoanDueSoon", -3, 3),
        8: ("LoanDueSoon", -1, 1),
        10: ("LoanOverdue", 1, 1),
        16: ("LoanOverdue", 7, 7),
        23: ("LoanOverdue", 14, 14),
        39: ("LoanOverdue", 30, 30),
    }


def test_a_fact_has_ids_dates_and_the_title_and_names_nobody(library):
    loan = lend(library)
    night(library, "2026-03-05T02:10:00+07:00")
    (event,) = night(library, "2026-03-06T02:10:00+07:00")
    assert event["loan"].keys() == {
        "loan_id", "institution_id", "item_id", "state_version", "state", "member_id", "due_at", "due_on", "branch_id",
        "title", "barcode",
    }  # fmt: skip
    assert (event["loan"]["title"], event["loan"]["barcode"]) == (loan.item.title, loan.item.barcode)
    assert event["loan"]["due_on"] == "2026-03-09"
    assert (event["on"], event["zone"]) == ("2026-03-06", "Asia/Jakarta")
    assert loan.card not in str(event)


def test_it_is_two_o_clock_in_papua_two_hours_before_java(library):
    java, papua = lend(library), lend(library, branch="papua")
    night(library, "2026-03-05T12:00:00+07:00")
    assert night(library, "2026-03-05T23:50:00+07:00") == []
    assert [event["loan"]["loan_id"] for event in night(library, "2026-03-06T00:05:00+07:00")] == [papua.id]
    assert night(library, "2026-03-06T01:55:00+07:00") == []
    assert [event["loan"]["loan_id"] for event in night(library, "2026-03-06T02:05:00+07:00")] == [java.id]
    assert night(library, "2026-03-06T05:00:00+07:00") == []


def test_after_days_off_a_loan_has_its_newest_step_alone(library):
    lend(library)
    later = lend(library, moment="2026-03-05T09:00:00+07:00")
    night(library, "2026-03-05T02:10:00+07:00")
    # Off on the 6th, 8th and 10th: three days before, one day before, one day after.
    found = {event["loan"]["loan_id"]: event for event in night(library, "2026-03-11T02:10:00+07:00")}
    assert [(event["kind"], event.get("step") or event["days"]) for event in found.values()] == [
        ("LoanOverdue", 1), ("LoanDueSoon", 1)
    ]  # fmt: skip
    assert [event["days"] for event in found.values() if event["kind"] == "LoanOverdue"] == [2]
    assert later.id in found
    assert night(library, "2026-03-12T02:10:00+07:00") == []


def test_a_clock_that_went_back_repeats_nothing(library):
    lend(library)
    night(library, "2026-03-05T02:10:00+07:00")
    assert len(night(library, "2026-03-06T02:10:00+07:00")) == 1
    assert night(library, "2010-01-01T02:10:00+07:00") == []
    assert night(library, "2026-03-06T03:10:00+07:00") == []


def test_a_library_that_begins_has_the_steps_of_its_first_night_alone(library):
    lend(library)
    lend(library, moment="2026-03-03T09:00:00+07:00")
    (event,) = night(library, "2026-03-17T02:10:00+07:00")
    assert (event["step"], event["loan"]["due_on"]) == (7, "2026-03-10")


def test_an_imported_loan_has_no_step_from_before_its_import(library, tmp_path):
    today = clock.now().astimezone(ZoneInfo("Asia/Jakarta")).date()
    days = {back: today - timedelta(days=back) for back in (20, 8, 7, -2, -3)}
    night(library, f"{days[20]}T02:10:00+07:00")
    path = tmp_path / "loans.csv"
    rows = [f"{library.item()};{library.member()};{today - timedelta(days=15)};{days[due]}" for due in (8, 7, -2, -3)]
    path.write_text("\n".join(["barcode;card;lent;due", *rows]))
    assert load_loans(library, path)[0].created == 4
    # The server was off for 20 nights, in which the loans of the other system reached their steps.
    found = night(library, f"{today}T12:00:00+07:00")
    assert [(event["kind"], event["days"]) for event in found] == [("LoanOverdue", 7), ("LoanDueSoon", 3)]


def test_a_returned_or_renewed_loan_has_no_stale_fact(library, monkeypatch):
    loans = [lend(library) for _ in range(4)]
    night(library, "2026-03-05T02:10:00+07:00")
    with at("2026-03-05T09:00:00+07:00"):
        library.check_in(loans[0].item.barcode)
        library.renew(loans[1].id)
    read = reminders.read_loans

    def read_and_act(*args):
        rows = list(read(*args))
        if rows:
            library.check_in(loans[2].item.barcode)
        return iter(rows)

    monkeypatch.setattr(reminders, "read_loans", read_and_act)
    assert [event["loan"]["loan_id"] for event in night(library, "2026-03-06T02:10:00+07:00")] == [loans[3].id]


def test_open_days_are_counted_beside_the_days(library):
    loan = lend(library)
    night(library, "2026-03-09T02:10:00+07:00")
    with at("2026-03-10T09:00:00+07:00"):
        close(library, "2026-03-12", "2026-03-13")
    night(library, "2026-03-10T02:10:00+07:00")
    (event,) = night(library, "2026-03-16T02:10:00+07:00")
    assert (event["step"], event["days"], event["open_days"]) == (7, 7, 5)
    assert event["loan"]["loan_id"] == loan.id


def test_a_night_that_is_killed_goes_on_where_it_was(library, monkeypatch):
    loans = {lend(library).id for _ in range(7)}
    night(library, "2026-03-05T02:10:00+07:00")
    url = library.database.url.render_as_string(hide_password=False)
    program = "tests.services.circulation.killed_night:main"
    for where, count in (("inside", 3), ("after", 6)):
        words = [url, "2026-03-06T02:10:00+07:00", where]
        assert start_program(words, program=program, env=os.environ, cwd=CHECKOUT).wait(timeout=60) == -9
        assert len(emitted(library)) == count
    monkeypatch.setattr(reminders, "LOANS_IN_A_TURN", 3)
    night(library, "2026-03-06T02:20:00+07:00")
    assert sorted(event["loan"]["loan_id"] for event in emitted(library)) == sorted(loans)


class OneTurn(threading.Event):
    """A stop that is set after the first turn."""

    def is_set(self) -> bool:
        was_set = super().is_set()
        self.set()
        return was_set


def in_jakarta(library) -> ReminderNight:
    of_loans = ReminderNight.institution_id == library.rows(Loan)[0].institution_id
    (row,) = library.rows(ReminderNight, ReminderNight.zone == "Asia/Jakarta", of_loans)
    return row


def test_nights_that_were_not_finished_count_for_the_loans_that_they_did(library, monkeypatch):
    for day in (2, 3, 4, 5):
        lend(library, moment=f"2026-03-0{day}T09:00:00+07:00")
    monkeypatch.setattr(reminders, "LOANS_IN_A_TURN", 1)
    night(library, "2026-03-05T02:10:00+07:00")
    with at("2026-03-06T02:10:00+07:00"):
        # One turn of the night: the loan of the 2nd, three days before.
        assert reminders.remind(library.database, STEPS, OneTurn()) == 1
    with at("2026-03-07T02:10:00+07:00"):
        assert reminders.remind(library.database, STEPS, OneTurn()) == 0
        assert [part["night"] for part in in_jakarta(library).parts] == ["2026-03-06"]
        reminders.remind(library.database, STEPS, threading.Event())
    assert sorted((event["loan"]["due_on"], event["days"]) for event in emitted(library)) == [
        ("2026-03-09", 3), ("2026-03-10", 3)
    ]  # fmt: skip
    row = in_jakarta(library)
    assert (row.done_on.isoformat(), row.position, row.parts) == ("2026-03-07", [], [])


def test_two_replicas_emit_each_step_once(library, monkeypatch):
    loans = {lend(library).id for _ in range(12)}
    monkeypatch.setattr(reminders, "LOANS_IN_A_TURN", 2)
    night(library, "2026-03-05T02:10:00+07:00")
    start = threading.Barrier(3)

    def replica(_number: int) -> None:
        start.wait(10)
        for _ in range(10):
            reminders.remind(library.database, STEPS, threading.Event())

    # The clock is that of the process: it stands still until the last replica has ended.
    with at("2026-03-06T02:10:00+07:00"), ThreadPoolExecutor(3) as pool:
        list(pool.map(replica, range(3)))
    assert sorted(event["loan"]["loan_id"] for event in emitted(library)) == sorted(loans)


def test_the_job_reads_its_steps_from_the_settings(library):
    lend(library)
    settings = load({"DATA": str(library.settings.data), "OVERDUE_DAYS": "2"})
    resources = Resources(settings, library.database, SERVICE)
    for day in ("10", "11"):
        with at(f"2026-03-{day}T02:10:00+07:00"):
            remind(resources, threading.Event())
    assert [event["step"] for event in emitted(library)] == [2]


def test_a_late_return_emits_the_suspension_that_it_begins_once(library):
    with at(LENT):
        member = library.member()
        items = [library.item(), library.item()]
        loans = [library.check_out(member, item).loan for item in items]
    with at("2026-03-13T09:00:00+07:00"):
        reply = library.check_in(items[0])
        library.check_in(items[1])
    (event,) = emitted(library)
    assert event["kind"] == "SuspensionStarted"
    assert event["loan"]["loan_id"] == loans[0].id
    assert (event["begins_on"], event["ends_on"], event["days"]) == (
        reply.suspension.begins_on, reply.suspension.ends_on, reply.suspension.days
    )  # fmt: skip
