"""A closing moves the loans that are due in it, and other rules are compared with past loans before they are saved."""

from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import select, update

from chassis import clock
from chassis.audit import acts
from chassis.bus.outbox import outbox
from chassis.service import Resources
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1 import rules_pb2 as wire
from services.circulation.jobs import keep_open_days, move_off_closed_days
from services.circulation.loans import closings
from services.circulation.service import SERVICE
from services.circulation.tables import BranchDay, Loan, PolicyVersion
from tests.services.circulation.library import BRANCHES, TEST, at

MONDAY = "2026-03-02T09:00:00+07:00"


@pytest.fixture(autouse=True)
def monday():
    with at(MONDAY):
        yield


def close(library, first: str, last: str, *, branch: str = "PKS/pusat", version: int = 0):
    calendar = wire.Calendar(branch=branch, version=version)
    closing = calendar.closed.add(to=last, why="Banjir")
    setattr(closing, "from", first)
    return library.call("PutCalendar", wire.PutCalendarRequest(calendar=calendar))


def test_a_closing_moves_the_loans_that_are_due_in_it_and_says_whom_it_concerns(library):
    member, other = library.member(), library.member()
    items = [library.item() for _ in range(7)]
    loans = [library.check_out(member, item).loan for item in items[:3]]
    loans += [library.check_out(other, item).loan for item in items[3:6]]
    elsewhere = library.check_out(library.member(), items[6], branch="papua").loan
    assert {loan.due_on for loan in loans} == {"2026-03-09"}
    reply = close(library, "2026-03-09", "2026-03-11")
    assert reply.moved_total == 6
    assert {(moved_loan.card, moved_loan.barcode) for moved_loan in reply.moved} == {
        *((member, item) for item in items[:3]),
        *((other, item) for item in items[3:6]),
    }
    assert {(moved_loan.was_due_on, moved_loan.due_on) for moved_loan in reply.moved} == {("2026-03-09", "2026-03-12")}
    rows = {str(row.id): row for row in library.rows(Loan)}
    assert {rows[loan.id].due_on.isoformat() for loan in loans} == {"2026-03-12"}
    assert rows[loans[0].id].due_at.isoformat() == "2026-03-12T16:59:59+00:00"
    assert rows[elsewhere.id].due_on.isoformat() == "2026-03-09"
    events = [
        json.loads(body)
        for kind, body in library.execute(select(outbox.c.type, outbox.c.body))
        if kind.endswith("LoanRenewed")
    ]
    assert all(event["moved"] for event in events)
    assert {tuple(event["loan"][name] for name in ("loan_id", "due_on", "state_version")) for event in events} == {
        (loan.id, "2026-03-12", "2") for loan in loans
    }
    audited = library.execute(select(acts.c.object, acts.c.facts).where(acts.c.act == "circulation.move_due_day"))
    assert {row.object for row in audited} == {loan.id for loan in loans}
    assert member not in str(audited)
    why = library.call("ExplainLoan", loans_pb2.ExplainLoanRequest(id=loans[0].id))
    assert [(day.date, day.why) for day in why.days] == [
        ("2026-03-09", "Banjir"), ("2026-03-10", "Banjir"), ("2026-03-11", "Banjir"), ("2026-03-12", "")
    ]  # fmt: skip
    assert close(library, "2026-03-09", "2026-03-11", version=1).moved_total == 0


def test_an_overdue_loan_and_a_returned_one_stay_as_they_are(library):
    member, items = library.member(), [library.item(), library.item()]
    returned, overdue = (library.check_out(member, item).loan for item in items)
    library.check_in(items[0])
    with at("2026-03-10T09:00:00+07:00"):
        assert close(library, "2026-03-09", "2026-03-11").moved_total == 0
    rows = {str(row.id): row.due_on.isoformat() for row in library.rows(Loan)}
    assert rows == {returned.id: "2026-03-09", overdue.id: "2026-03-09"}


def test_a_loan_in_hours_waits_until_the_branch_opens(library):
    loan = library.check_out(library.member(), library.item()).loan
    due_at = clock.now().replace(hour=8)
    with library.database.transaction(TEST) as session:
        session.execute(update(Loan).values(unit="hour", due_at=due_at, due_on=due_at.date()))
    calendar = wire.Calendar(
        branch="PKS/pusat", weekly=[wire.Weekday(day="wed", hours=[wire.Interval(opens="08:00", closes="16:00")])]
    )
    reply = library.call("PutCalendar", wire.PutCalendarRequest(calendar=calendar))
    assert [(moved_loan.loan_id, moved_loan.due_on) for moved_loan in reply.moved] == [(loan.id, "2026-03-04")]
    assert library.rows(Loan)[0].due_at.isoformat() == "2026-03-04T01:00:00+00:00"


def test_loans_that_a_dead_process_has_not_moved_are_moved_by_the_job(library, monkeypatch):
    library.check_out(library.member(), library.item())
    monkeypatch.setattr("services.circulation.rpc.rules.move_due_days", lambda *_, **__: [])
    close(library, "2026-03-09", "2026-03-09")
    assert library.rows(Loan)[0].due_on.isoformat() == "2026-03-09"
    move_off_closed_days(Resources(library.settings, library.database, SERVICE), threading.Event())
    assert library.rows(Loan)[0].due_on.isoformat() == "2026-03-10"


def test_a_loan_that_ends_in_between_is_left_alone(library, monkeypatch):
    member, items = library.member(), [library.item(), library.item()]
    for item in items:
        library.check_out(member, item)
    read = closings.loans_on_closed_days

    def read_and_return(session, branch_id):
        rows = read(session, branch_id)
        if len(rows) == 2:
            library.check_in(items[0])
        return rows

    monkeypatch.setattr(closings, "loans_on_closed_days", read_and_return)
    assert [moved_loan.barcode for moved_loan in close(library, "2026-03-09", "2026-03-09").moved] == [items[1]]


def test_how_long_a_branch_was_open_is_kept_whatever_its_calendar_says_later(library):
    resources = Resources(library.settings, library.database, SERVICE)
    calendar = wire.Calendar(branch="PKS/pusat")
    for day, closes in (("mon", "16:00"), ("tue", "12:00")):
        calendar.weekly.append(wire.Weekday(day=day, hours=[wire.Interval(opens="08:00", closes=closes)]))
    library.call("PutCalendar", wire.PutCalendarRequest(calendar=calendar))
    with at("2026-03-03T09:00:00+07:00"):
        keep_open_days(resources, threading.Event())
    calendar.version = 1
    setattr(calendar.closed.add(to="2026-03-03", why="Banjir"), "from", "2026-03-02")
    with at("2026-03-05T09:00:00+07:00"):
        library.call("PutCalendar", wire.PutCalendarRequest(calendar=calendar))
        for _ in range(2):
            keep_open_days(resources, threading.Event())
    days = library.rows(BranchDay, BranchDay.branch_id == BRANCHES["pusat"])
    assert sorted((day.date.day, day.planned_minutes, day.open_minutes) for day in days) == [
        (2, 480, 480), (3, 240, 0), (4, 0, 0)
    ]  # fmt: skip
    assert {day.open_minutes for day in library.rows(BranchDay, BranchDay.branch_id == BRANCHES["limau"])} == {1440}


def test_a_dry_run_compares_rules_with_past_loans(library):
    for collection in ("circulation", "circulation", "audiovisual", "local"):
        library.check_out(library.member(), library.item(collection=collection))
    policies = library.call("GetPolicies", wire.GetPoliciesRequest()).policies
    sentence = policies.rows[1].not_for_loan_sentence
    policies.rows.add(collection="audiovisual", unit="day", period=3, renew_from="due", is_for_loan=True)
    policies.rows.add(collection="local", unit="day", period=7, renew_from="due", not_for_loan_sentence=sentence)
    policies.rows.add(category="lembaga", collection="local", unit="day", period=30, renew_from="due", is_for_loan=True)
    policies.rows[0].period = 14
    reply = library.call("PutPolicies", wire.PutPoliciesRequest(policies=policies, is_dry_run=True))
    preview = reply.preview
    assert (preview.loans, preview.refused, preview.longer, preview.shorter) == (4, 1, 2, 1)
    assert not library.rows(PolicyVersion)
    with at("2026-06-30T09:00:00+07:00"):
        reply = library.call("PutPolicies", wire.PutPoliciesRequest(policies=policies, is_dry_run=True))
    assert reply.preview.loans == 0
