"""The desk of an act: its branch, the calendar, the lending rules and the newest act, read in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from chassis import audit
from chassis.branches import own_branch_code
from services.circulation.calendars import Calendar
from services.circulation.calendars_store import STORED, calendar_from_row
from services.circulation.institutions import Branches, BranchFacts, branches_at
from services.circulation.policies import PolicySet
from services.circulation.policies_store import policies_from_row
from services.circulation.tables import Branch, BranchCalendar, Institution, PolicyVersion

NEWEST_ACT = select(audit.acts.c.at).order_by(audit.acts.c.number.desc()).limit(1)
_DESK = (
    select(
        Institution.version.label("institution_version"),
        Institution.kind,
        Branch.zone,
        *STORED,
        PolicyVersion.version.label("policy_version"),
        PolicyVersion.rows.label("policy_rows"),
        PolicyVersion.default_category,
        NEWEST_ACT.scalar_subquery().label("newest_act"),
    )
    .select_from(Institution)
    .outerjoin(Branch, (Branch.institution_id == Institution.id) & (Branch.code == bindparam("branch")))
    .outerjoin(BranchCalendar, BranchCalendar.branch_id == Branch.id)
    .outerjoin(PolicyVersion, PolicyVersion.institution_id == Institution.id)
    .where(Institution.id == bindparam("institution_id"))
    .order_by(PolicyVersion.version.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Desk:
    """A branch with what its acts need. newest_act: when the newest act of the database was recorded."""

    branch: BranchFacts
    branches: Branches
    calendar: Calendar
    policies: PolicySet
    newest_act: datetime | None


def read_desk(session: Session, institution_id: UUID, branch: str) -> Desk:
    """Read the desk at a branch, by the full code of the branch.

    raises  NotFound  BRANCH_UNKNOWN
    """
    parameters = {"institution_id": institution_id, "branch": own_branch_code(branch)}
    row = session.connection().execute(_DESK, parameters).first()
    branches = branches_at(session, institution_id, row.institution_version) if row is not None else Branches("", ())
    place = branches.by_full_code(branch)
    assert row is not None
    policies = policies_from_row(row.kind, row.policy_version, row.policy_rows, row.default_category)
    return Desk(place, branches, calendar_from_row(row, place.zone), policies, row.newest_act)
