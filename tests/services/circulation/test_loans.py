"""Check-out and check-in: loans, refusals, and the rows of each act."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from chassis.audit import acts
from chassis.bus.outbox import outbox
from chassis.errors import Forbidden, Invalid, KeyReused, NotFound, Refused
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.calendars_store import save_calendar
from services.circulation.tables import Branch, Copy, DailyCount, Loan, RefusalCount, Suspension
from tests.services.circulation.library import BRANCHES, DESK, TEST, UNAND, at, reasons

MONDAY = "2026-03-02T09:00:00+07:00"


@pytest.fixture(autouse=True)
def monday():
    with at(MONDAY):
        yield


def test_a_loan_is_due_at_the_end_of_a_day_and_leaves_fact_audit_and_count_without_the_borrower(library):
    member, item = library.member(age_band="26-35", sex="female"), library.item()
    reply = library.check_out(member, item)
    assert (reply.loan.due_on, reply.loan.card, reply.loan.item.barcode) == ("2026-03-09", member, item)
    assert reply.loan.due_at.ToDatetime(tzinfo=UTC) == datetime(2026, 3, 9, 16, 59, 59, tzinfo=UTC)
    (event,) = library.execute(select(outbox.c.type, outbox.c.body))
    loan = json.loads(event.body)["loan"]
    assert event.type == "rangkiang.circulation.v1.LoanOpened"
    assert (loan["member_id"], loan["state"], loan["state_version"]) == (reply.loan.member_id, "on_loan", "1")
    (act,) = library.execute(select(acts))
    assert (act.act, act.object) == ("circulation.check_out", reply.loan.id)
    assert reply.loan.member_id not in str(act)
    (count,) = library.rows(DailyCount)
    assert (count.kind, count.branch, count.ddc_class, count.category) == ("loan", "pusat", "813", "umum")
    assert (count.age_band, count.date.isoformat()) == ("26-35", "2026-03-02")
    assert count.id.version == 4


def test_a_refusal_has_every_reason_at_once_and_is_counted(library):
    member = library.member(
        expires_on="2026-03-01",
        blocks=[{"reason": "lost_card", "ends_on": ""}, {"reason": "old", "ends_on": "2026-01-01"}],
    )
    item = library.item(collection="reference", status="in_repair")
    with pytest.raises(Refused) as refusal:
        library.check_out(member, item)
    assert refusal.value.reasons == {"MEMBER_EXPIRED", "MEMBER_BLOCKED", "ITEM_NOT_FOR_LOAN", "ITEM_NOT_IN_SERVICE"}
    blocked = next(reason for reason in refusal.value.refusals if reason.reason == "MEMBER_BLOCKED")
    assert blocked.facts == {"reasons": ["lost_card"], "until": None}
    assert blocked.sentence.en == "This membership is blocked: other reason."
    assert not library.rows(Loan)
    counted = {row.reason: row.count for row in library.rows(RefusalCount)}
    assert counted == dict.fromkeys(refusal.value.reasons, 1)


def test_a_block_is_refused_with_its_reasons_and_its_last_day_in_words(library):
    member = library.member(
        blocks=[{"reason": "unpaid", "ends_on": "2026-04-01"}, {"reason": "conduct", "ends_on": ""}]
    )
    other = library.member(blocks=[{"reason": "lost_item", "ends_on": "2026-04-01"}])
    texts = []
    for number in (member, other):
        with pytest.raises(Refused) as refusal:
            library.check_out(number, library.item())
        texts.append(refusal.value.sentence)
    assert [text.id for text in texts] == [
        "Keanggotaan ini diblokir: tagihan belum lunas, pelanggaran tata tertib.",
        "Keanggotaan ini diblokir sampai 1 April 2026: buku hilang.",
    ]
    assert texts[1].en == "This membership is blocked until 1 April 2026: lost item."


def test_the_fourth_book_is_refused_and_an_overdue_one_refuses_at_once(library):
    member = library.member()
    for _ in range(3):
        library.check_out(member, library.item())
    assert reasons(lambda: library.check_out(member, library.item())) == {"LOAN_LIMIT_REACHED"}
    with at("2026-03-10T09:00:00+07:00"):
        assert reasons(lambda: library.check_out(member, library.item())) == {"LOAN_LIMIT_REACHED", "HAS_OVERDUE"}


def test_an_item_on_loan_is_refused_whoever_asks_and_cannot_be_waived(library):
    item = library.item()
    library.check_out(library.member(), item)
    other = library.member()
    override = {"override": ["ITEM_ON_LOAN"], "reason": "He insists."}
    assert reasons(lambda: library.check_out(other, item)) == {"ITEM_ON_LOAN"}
    assert reasons(lambda: library.check_out(other, item, **override)) == {"ITEM_ON_LOAN"}


def test_staff_with_the_scope_waive_a_refusal_with_a_reason_on_the_record(library):
    member, item = library.member(), library.item(collection="reference")
    waived = {"override": ["ITEM_NOT_FOR_LOAN"]}
    with pytest.raises(Invalid, match="OVERRIDE_UNREASONED"):
        library.check_out(member, item, **waived)
    with pytest.raises(Forbidden):
        library.check_out(member, item, **waived, reason="Exam", context={"scopes": DESK})
    assert library.check_out(member, item, **waived, reason="Exam").loan.id
    (act,) = library.execute(select(acts.c.facts))
    assert json.loads(act.facts)["waived"] == ["ITEM_NOT_FOR_LOAN"]
    assert json.loads(act.facts)["reason"] == "Exam"


def test_the_same_scan_within_a_minute_changes_nothing_and_after_it_is_refused(library):
    member, item = library.member(), library.item()
    first = library.check_out(member, item)
    with at("2026-03-02T09:00:59+07:00"):
        second = library.check_out(member, item)
        assert (second.repeated, second.loan) == (True, first.loan)
        assert library.check_in(item).next == "shelve"
    with at("2026-03-02T09:01:30+07:00"):
        again = library.check_in(item)
        assert (again.repeated, again.loan.id) == (True, first.loan.id)
    with at("2026-03-02T09:02:30+07:00"):
        notes = [note.reason for note in library.check_in(item).notes]
        assert notes == ["ITEM_WAS_NOT_ON_LOAN"]
    assert [row.kind for row in library.rows(DailyCount)].count("return") == 1
    with at("2026-03-02T09:03:00+07:00"):
        library.check_out(member, item)
    with at("2026-03-02T09:04:01+07:00"):
        assert reasons(lambda: library.check_out(member, item)) == {"ITEM_ON_LOAN"}


def test_a_key_has_one_effect_and_one_answer_also_when_it_would_be_refused_now(library):
    member, item = library.member(), library.item()
    first = library.check_out(member, item, key="k1")
    with at("2026-03-02T10:00:00+07:00"):
        assert library.check_out(member, item, key="k1") == first
        with pytest.raises(KeyReused):
            library.check_out(member, library.item(), key="k1")
    assert len(library.rows(Loan)) == 1


def test_a_return_elsewhere_is_in_transit_until_it_is_scanned_at_home(library):
    member, item = library.member(), library.item()
    library.check_out(member, item)
    with at("2026-03-03T09:00:00+07:00"):
        reply = library.check_in(item, branch="papua")
        assert (reply.next, reply.to, reply.loan.returned_at.seconds > 0) == ("transit", "PKS/pusat", True)
        assert reasons(lambda: library.check_out(member, item)) == {"ITEM_IN_TRANSIT"}
    with at("2026-03-04T09:00:00+07:00"):
        home = library.check_in(item)
        assert (home.next, [note.reason for note in home.notes]) == ("shelve", ["ITEM_WAS_IN_TRANSIT"])
        assert not home.HasField("loan")
    types = [row.type.rpartition(".")[2] for row in library.execute(select(outbox.c.type).order_by(outbox.c.id))]
    assert types == ["LoanOpened", "LoanReturned", "CopyMoved"]
    (copy,) = library.rows(Copy)
    assert (copy.state, copy.state_version, copy.transit_to) == ("in", 3, None)


def test_a_late_return_suspends_and_late_returns_of_one_day_count_once_at_the_longest(library):
    member, items = library.member(), [library.item(), library.item(), library.item()]
    library.check_out(member, items[0])
    with at("2026-03-04T09:00:00+07:00"):
        library.check_out(member, items[1])
        library.check_out(member, items[2])
    with at("2026-03-14T09:00:00+07:00"):
        first = library.check_in(items[1])
        assert (first.suspension.begins_on, first.suspension.ends_on, first.suspension.days) == (
            "2026-03-14", "2026-03-16", 3,
        )  # fmt: skip
        assert library.check_in(items[0]).suspension.ends_on == "2026-03-18"
        assert len(library.rows(Suspension)) == 1
    with at("2026-03-15T09:00:00+07:00"):
        assert library.check_in(items[2]).suspension.begins_on == "2026-03-19"
        assert reasons(lambda: library.check_out(member, items[2])) == {"MEMBER_SUSPENDED"}


def test_a_longer_late_return_on_paper_adds_its_days_after_the_suspensions_that_have_followed(library):
    member, items = library.member(), [library.item() for _ in range(3)]
    library.check_out(member, items[0])
    with at("2026-03-04T09:00:00+07:00"):
        library.check_out(member, items[1])
        library.check_out(member, items[2])
    with at("2026-03-14T09:00:00+07:00"):
        assert library.check_in(items[1]).suspension.ends_on == "2026-03-16"
    with at("2026-03-15T09:00:00+07:00"):
        assert library.check_in(items[2]).suspension.ends_on == "2026-03-20"
    with at("2026-03-16T09:00:00+07:00") as now:
        written = library.check_in(items[0], at=now - timedelta(days=2)).suspension
    # Five days for the 14th, of which three have been counted, and four for the 15th.
    assert (written.begins_on, written.ends_on, written.days) == ("2026-03-21", "2026-03-22", 2)
    assert sum(row.days for row in library.rows(Suspension)) == 9


@pytest.fixture(params=["UTC", "Asia/Jayapura", "America/Los_Angeles"])
def zone_of_server(request, monkeypatch):
    """The zone of the computer, which decides nothing."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_lebaran_and_the_end_of_the_year_in_papua(library, zone_of_server):
    member, items = library.member(), [library.item(branch="papua") for _ in range(2)]
    week = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
    closed = [
        {"from": "2026-03-18", "to": "2026-03-24", "why": "Idul Fitri"},
        {"from": "2027-01-01", "why": "Tahun Baru"},
    ]
    with library.database.transaction(TEST) as session:
        papua = session.get(Branch, BRANCHES["papua"])
        save_calendar(session, papua, version=0, document={"weekly": week, "closed": closed}, context=library.context)
    with at("2026-03-11T23:30:00+09:00"):
        loan = library.check_out(member, items[0], branch="papua").loan
        assert (loan.due_on, loan.due_at.ToJsonString()) == ("2026-03-25", "2026-03-25T14:59:59Z")
    with at("2026-03-25T23:59:59+09:00"):
        assert not library.call("GetBorrower", wire.GetBorrowerRequest(member=member)).overdue_loans
    with at("2026-03-26T00:05:00+09:00"):
        returned = library.check_in(items[0], branch="papua")
        assert (returned.suspension.begins_on, returned.suspension.days) == ("2026-03-26", 1)
    with at("2026-12-25T10:00:00+09:00"):
        assert library.check_out(member, items[1], branch="papua").loan.due_on == "2027-01-02"
    with at("2027-01-03T00:00:01+09:00"):
        assert not library.check_in(items[1], branch="papua").notes, "a Sunday is no overdue day"
    days = {row.date.isoformat() for row in library.rows(DailyCount)}
    assert days == {"2026-03-11", "2026-03-26", "2026-12-25", "2027-01-03"}


def test_an_act_on_paper_needs_the_scope_and_is_at_most_seven_days_old(library):
    member, item = library.member(), library.item()
    now = datetime.fromisoformat(MONDAY)
    with pytest.raises(Forbidden):
        library.check_out(member, item, at=now - timedelta(days=1), context={"scopes": DESK})
    assert reasons(lambda: library.check_out(member, item, at=now - timedelta(days=8))) == {"AT_TOO_OLD"}
    assert reasons(lambda: library.check_out(member, item, at=now + timedelta(hours=1))) == {"AT_IN_FUTURE"}
    assert library.check_out(member, item, at=now - timedelta(days=6)).loan.due_on == "2026-03-03"
    assert reasons(lambda: library.check_in(item, at=now - timedelta(days=7))) == {"AT_BEFORE_LOAN"}
    assert library.check_in(item, at=now - timedelta(days=5)).next == "shelve"
    assert {row.channel for row in library.rows(DailyCount)} == {"paper"}


def test_a_loan_on_paper_before_the_last_return_of_the_item_is_refused(library):
    member, other, item = library.member(), library.member(), library.item()
    now = datetime.fromisoformat(MONDAY)
    library.check_out(member, item, at=now - timedelta(days=3))
    library.check_in(item, at=now - timedelta(hours=2))
    for hours in (72, 3):
        lend = partial(library.check_out, other, item, at=now - timedelta(hours=hours))
        assert reasons(lend) == {"AT_BEFORE_RETURN"}
        assert reasons(partial(lend, override=["AT_BEFORE_RETURN"], reason="Catatan")) == {"AT_BEFORE_RETURN"}
    assert library.check_out(other, item, at=now - timedelta(hours=2)).loan.item.barcode == item


def test_a_clock_behind_the_newest_act_refuses_until_somebody_waives_it(library):
    member, item = library.member(), library.item()
    library.check_out(member, item)
    with at("2010-01-01T00:00:00+07:00"):
        assert reasons(lambda: library.check_in(item)) == {"CLOCK_BEHIND"}
        other = library.item()
        assert reasons(lambda: library.check_out(member, other)) == {"CLOCK_BEHIND"}
        assert library.check_out(member, other, override=["CLOCK_BEHIND"], reason="Battery").loan.due_on == "2010-01-08"
        assert library.check_in(other).next == "shelve"
    with at("2026-03-02T08:58:30+07:00"):
        assert library.check_in(item).next == "shelve"


def test_unknown_numbers_are_named_together_and_another_institution_is_not_seen(library):
    foreign = library.item(institution_id=str(UNAND), branch="limau")
    with pytest.raises(NotFound) as problem:
        library.check_out("C99999", foreign)
    assert problem.value.reasons == {"COPY_UNKNOWN", "BORROWER_UNKNOWN"}
    with pytest.raises(NotFound, match="BRANCH_UNKNOWN"):
        library.check_out("C99999", foreign, branch="limau")


def test_a_gateway_of_release_0_5_0_names_an_own_branch_by_its_code_alone(library):
    member, item = library.member(), library.item()
    assert library.call("CheckOut", wire.CheckOutRequest(member=member, item=item, branch="pusat")).loan.id
    with pytest.raises(NotFound, match="BRANCH_UNKNOWN"):
        library.call("CheckOut", wire.CheckOutRequest(member=member, item=item, branch="limau"))


def test_reading_here_is_counted_once_a_minute_and_an_item_on_loan_is_checked_in_first(library):
    item = library.item()
    assert not library.use(item).repeated
    assert library.use(item).repeated
    assert [row.kind for row in library.rows(DailyCount)] == ["in_library_use"]
    library.check_out(library.member(), item)
    with at("2026-03-02T10:00:00+07:00"):
        assert reasons(lambda: library.use(item)) == {"ITEM_ON_LOAN"}


def test_a_dry_run_names_the_due_day_and_lends_nothing(library):
    request = wire.CheckOutRequest(member=library.member(), item=library.item(), branch="PKS/pusat")
    reply = library.call("PreviewCheckOut", wire.PreviewCheckOutRequest(check_out=request))
    assert (reply.loan.id, reply.loan.due_on) == ("", "2026-03-09")
    assert not library.rows(Loan)
