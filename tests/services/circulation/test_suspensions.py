"""Suspensions: the list of those in force, and their end by staff with a reason."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from chassis.audit import acts
from chassis.bus.outbox import outbox
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.tables import Suspension
from tests.services.circulation.library import UNAND, Library, at, reasons


@pytest.fixture(autouse=True)
def monday():
    with at("2026-03-02T09:00:00+07:00"):
        yield


def suspend(library: Library, *returns: tuple[str, str]) -> list[str]:
    """Lend an item for each member and day, then take each back on its day, late. Returns the barcodes."""
    items = [library.item() for _ in returns]
    for (member, _), item in zip(returns, items, strict=True):
        library.check_out(member, item)
    for (_, day), item in sorted(zip(returns, items, strict=True), key=lambda pair: pair[0][1]):
        with at(f"{day}T09:00:00+07:00"):
            assert library.check_in(item).HasField("suspension")
    return items


def listed(library: Library, **options):
    return library.call("ListSuspensions", wire.ListSuspensionsRequest(**options))


def test_a_suspension_that_ends_with_a_reason_lets_the_member_borrow(library):
    member, other = library.member(), library.member()
    suspend(library, (member, "2026-03-12"), (member, "2026-03-13"), (other, "2026-03-12"))
    with at("2026-03-13T10:00:00+07:00"):
        assert reasons(lambda: library.check_out(member, library.item())) == {"MEMBER_SUSPENDED"}
        ended = library.end_suspension(member).suspension
        # Three days for the 12th, and four for the 13th, which follow them.
        assert (ended.begins_on, ended.ends_on, ended.days) == ("2026-03-12", "2026-03-18", 7)
        library.check_out(member, library.item())
        assert reasons(lambda: library.check_out(other, library.item())) == {"MEMBER_SUSPENDED"}
        assert not library.call("GetBorrower", wire.GetBorrowerRequest(member=member)).HasField("suspension")
        assert reasons(lambda: library.end_suspension(member)) == {"NO_SUSPENSION"}


def test_the_end_of_a_suspension_is_in_the_audit_without_the_member(library):
    member = library.member()
    suspend(library, (member, "2026-03-12"))
    with at("2026-03-12T10:00:00+07:00"):
        library.end_suspension(member, reason="  Tutup karena banjir ")
    (suspension,) = library.rows(Suspension)
    query = select(acts).where(acts.c.act == "circulation.end_suspension")
    (row,) = library.execute(query)
    assert (row.kind, row.object, row.actor) == ("suspension", str(suspension.id), library.context.actor)
    facts = {"loan": str(suspension.loan_id), "ends_on": "2026-03-14", "reason": "Tutup karena banjir"}
    assert json.loads(row.facts) == facts


def test_the_end_of_suspensions_is_one_fact_with_the_member(library):
    member = library.member_copy()
    library.tell_members(member)
    suspend(library, (member.numbers[0], "2026-03-12"), (member.numbers[0], "2026-03-13"))
    with at("2026-03-13T10:00:00+07:00"):
        library.end_suspension(member.numbers[0])
    (row,) = library.execute(select(outbox).where(outbox.c.type.like("%SuspensionEnded")))
    assert json.loads(row.body) == {"member_id": member.id}


def test_a_repeated_key_ends_a_suspension_once_and_a_reason_is_needed(library):
    member = library.member()
    suspend(library, (member, "2026-03-12"))
    with at("2026-03-12T10:00:00+07:00"):
        assert reasons(lambda: library.end_suspension(member, reason=" ")) == {"SUSPENSION_UNREASONED"}
        assert reasons(lambda: library.end_suspension(member, reason="x" * 301)) == {"REASON_TOO_LONG"}
        assert reasons(lambda: library.end_suspension("C99999")) == {"BORROWER_UNKNOWN"}
        assert library.end_suspension(member, key="k1") == library.end_suspension(member, key="k1")
    assert len(library.execute(select(acts).where(acts.c.act == "circulation.end_suspension"))) == 1


def test_a_scan_that_is_repeated_after_the_end_shows_no_suspension(library):
    member = library.member()
    (item,) = suspend(library, (member, "2026-03-12"))
    with at("2026-03-12T09:00:30+07:00"):
        library.end_suspension(member)
        again = library.check_in(item)
    assert again.repeated
    assert not again.HasField("suspension")


def test_the_list_has_a_row_for_each_member_whose_suspension_is_in_force_the_first_to_end_first(library):
    late, later = library.member(), library.member(group="XI A")
    suspend(library, (late, "2026-03-12"), (later, "2026-03-12"), (later, "2026-03-13"))
    with at("2026-03-13T10:00:00+07:00"):
        page = listed(library, limit=1)
        assert (page.total, len(page.suspensions)) == (2, 1)
        second = listed(library, limit=1, cursor=page.cursor)
        assert second.cursor == ""
        rows = [*page.suspensions, *second.suspensions]
        assert [(row.card, row.group, row.suspension.ends_on, row.suspension.days) for row in rows] == [
            (late, "", "2026-03-14", 3), (later, "XI A", "2026-03-18", 7),
        ]  # fmt: skip
        assert reasons(lambda: listed(library, cursor="x")) == {"CURSOR_INVALID"}
    with at("2026-03-15T10:00:00+07:00"):
        assert [row.card for row in listed(library).suspensions] == [later], "the 14th has passed"
        assert library.call("ListSuspensions", wire.ListSuspensionsRequest(), institution=str(UNAND)).total == 0
        library.end_suspension(later)
        assert listed(library).total == 0
