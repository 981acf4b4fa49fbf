"""Opening hours and loans of the sample library: thirty loans, of which five are overdue."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.branches import full_code
from chassis.context import system
from chassis.errors import NotFound, Refused
from chassis.operations import resync
from chassis.service import Resources
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.copies import IN_SERVICE
from services.circulation.loans.acts import Act
from services.circulation.loans.check_out import check_out
from services.circulation.tables import Borrower, Branch, Copy, Institution, Loan

SAMPLE = system("sample")
INSTITUTION = "PKS"
LOANS, OVERDUE, A_MEMBER = 30, 5, 2
OVERDUE_AGE = timedelta(days=20)
_HOURS = Path(__file__).with_suffix(".toml")
_LENDABLE = ("circulation", "children", "")


def load(resources: Resources) -> dict[str, int]:
    """Store opening hours and loans; a second call changes nothing. Returns the number of added loans.

    raises  NotFound  INSTITUTION_NOT_KNOWN  the catalogue has no sample library
    """
    resync.refill(resources)
    _give_hours(resources)
    with resources.database.reading(SAMPLE) as session:
        institution = session.scalars(select(Institution).where(Institution.code == INSTITUTION)).first()
        if institution is None:
            raise NotFound("INSTITUTION_NOT_KNOWN", given=INSTITUTION, known=[])
        if session.scalar(select(Loan.id).where(Loan.institution_id == institution.id).limit(1)) is not None:
            return {"loans": 0}
        items, members = _items(session, institution), _members(session, institution)
    now, count = clock.now(), 0
    branches: set[str] = set()
    for (item, branch), (member, number) in zip(items, _turns(members), strict=False):
        if count == LOANS:
            break
        # An overdue loan prevents further loans of its member, so the overdue loans are made last.
        age = OVERDUE_AGE if number >= LOANS - OVERDUE else timedelta(days=number % 5)
        branches.add(branch)
        count += _lend(resources, institution, item=item, member=member, branch=branch, at=now - age, now=now)
    return {"loans": count}


def _give_hours(resources: Resources) -> None:
    """Store the hours of each branch without a calendar; a manager must confirm the holidays."""
    hours = tomllib.loads(_HOURS.read_text(encoding="utf-8"))
    with resources.database.transaction(SAMPLE) as session:
        query = select(Branch, Institution.code).join(Institution, Institution.id == Branch.institution_id)
        for branch, institution in session.execute(query.order_by(Institution.code, Branch.code)).all():
            weekly = hours.get(institution, {}).get(branch.code)
            if weekly is not None and calendar_of(session, branch.id).version == 0:
                context = replace(SAMPLE, institution=str(branch.institution_id))
                save_calendar(session, branch, version=0, document={"weekly": weekly}, context=context)


def _lend(
    resources: Resources, institution: Institution, *, item: str, member: str, branch: str, at: datetime, now: datetime
) -> int:
    """Lend one item under the rules. Returns 1, or 0 when the rules refuse it."""
    act = Act(SAMPLE, institution.id, now, at, "paper")
    with resources.database.transaction(SAMPLE) as session:
        try:
            check_out(session, act, item=item, member=member, branch=branch)
        except Refused:
            return 0
    return 1


def _turns(members: list[str]) -> Iterator[tuple[str, int]]:
    """Yield (member, number of the loan), with the members in turn."""
    for number in range(LOANS * A_MEMBER):
        yield members[number % len(members)], number


def _items(session: Session, institution: Institution) -> list[tuple[str, str]]:
    """Return (id, full code of the branch) of items for loan, in order of barcode."""
    query = (
        select(Copy.id, Branch.code)
        .join(Branch, Branch.id == Copy.branch_id)
        .where(Copy.institution_id == institution.id, ~Copy.is_gone, Copy.status == IN_SERVICE)
        .where(Copy.collection.in_(_LENDABLE), Copy.barcode != "")
        .order_by(Copy.barcode)
        .limit(LOANS * A_MEMBER)
    )
    return [(str(row.id), full_code(institution.code, row.code)) for row in session.execute(query)]


def _members(session: Session, institution: Institution) -> list[str]:
    """Return the ids of members who may borrow, in order of card number."""
    query = select(Borrower).where(
        Borrower.institution_id == institution.id, Borrower.card != "", Borrower.merged_into.is_(None)
    )
    today = clock.now().date()
    return [
        str(row.id)
        for row in session.scalars(query.order_by(Borrower.card))
        if not row.blocks and (row.expires_on is None or row.expires_on > today)
    ]
