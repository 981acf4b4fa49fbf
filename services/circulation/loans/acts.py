"""The common part of acts at a desk: actor, time, waived refusals, and the traces of an act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from chassis import audit
from chassis.bus.events import emit
from chassis.context import Context
from chassis.errors import Forbidden, Invalid, Refusal, Refused
from chassis.models import enum_values
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from rangkiang.circulation.v1.loans_pb2 import FinalRefusal
from services.circulation import rules
from services.circulation.institutions import BranchFacts
from services.circulation.tables import Borrower, Copy

OVERRIDE_SCOPE, PAPER_SCOPE = "loans.override", "loans.at"
LONGEST_REASON = 300
FINAL = frozenset(reason.upper() for reason, _ in enum_values(FinalRefusal))  # nobody may waive these

# A check-out and a check-in write with statements, because the ORM's flush would double the time of their write lock.
_copies: Any = Copy.__table__
_borrowers: Any = Borrower.__table__
_MOVE_COPY = (
    update(_copies)
    .where(_copies.c.id == bindparam("copy_id"))
    .values(
        state=bindparam("new_state"),
        state_version=_copies.c.state_version + 1,
        transit_to=bindparam("new_transit_to"),
        act=bindparam("new_act"),
        act_at=bindparam("new_act_at"),
        act_branch_id=bindparam("new_act_branch_id"),
        act_loan_id=bindparam("new_act_loan_id"),
    )
)
_CHANGE_BORROWER = (
    update(_borrowers)
    .where(_borrowers.c.id == bindparam("borrower_id"))
    .values(lending_version=_borrowers.c.lending_version + 1)
)


@dataclass(frozen=True, slots=True)
class Act:
    """One act of a caller in an institution.

    now       when the act is recorded
    at        when the act happened: `now`, or the moment on paper
    channel   "desk", "paper" or "self", for the counts
    override  reasons of refusals that the caller waives; `reason` is the caller's explanation
    """

    caller: Context
    institution_id: UUID
    now: datetime
    at: datetime
    channel: str
    override: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def actor(self) -> Context:
        """The context for audit and events. It does not name a borrower who acts without staff."""
        return replace(self.caller, actor="member", session="") if self.channel == "self" else self.caller

    def today(self, branch: BranchFacts) -> date:
        """Return the day of the act in the zone of its branch."""
        return self.at.astimezone(ZoneInfo(branch.zone)).date()

    def judge(self, refusals: list[Refusal]) -> list[str]:
        """Return the reasons that the caller has waived.

        raises  Refused  with the refusals that are not waived
        """
        remaining, waived = rules.split_waived(refusals, self.override)
        if remaining:
            raise Refused(refusals=remaining)
        return waived


def begin_act(
    caller: Context, *, now: datetime, channel: str, at: datetime | None = None, override: tuple[str, ...] = (),
    reason: str = "",
) -> Act:  # fmt: skip
    """Check the caller's scopes and the values of an act, and return the act.

    raises  Forbidden  SCOPE_NEEDED  `at` needs PAPER_SCOPE, `override` needs OVERRIDE_SCOPE
            Invalid    OVERRIDE_UNREASONED, REASON_TOO_LONG
            Refused    AT_IN_FUTURE, AT_TOO_OLD
    """
    institution_id = UUID(caller.institution)
    if override:
        if OVERRIDE_SCOPE not in caller.scopes:
            raise Forbidden("SCOPE_NEEDED", scope=OVERRIDE_SCOPE)
        if not reason.strip():
            raise Invalid("OVERRIDE_UNREASONED", field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid("REASON_TOO_LONG", field="reason", longest=LONGEST_REASON)
    if at is not None:
        if PAPER_SCOPE not in caller.scopes:
            raise Forbidden("SCOPE_NEEDED", scope=PAPER_SCOPE)
        refusal = rules.refuse_paper(at=at, now=now)
        if refusal is not None:
            raise Refused(refusals=[refusal])
        channel = "paper"
    return Act(caller, institution_id, now, at or now, channel, frozenset(override) - FINAL, reason.strip())


def move_copy(
    session: Session, copy: Copy, act: Act, name: str, *, state: str, branch_id: UUID, loan_id: UUID | None = None,
    transit_to: UUID | None = None,
) -> None:  # fmt: skip
    """Store the state of a copy, and the act: the same scan within a minute gets the same answer."""
    values = {
        "copy_id": copy.id,
        "new_state": state,
        "new_transit_to": transit_to,
        "new_act": name,
        "new_act_at": act.now,
        "new_act_branch_id": branch_id,
        "new_act_loan_id": loan_id,
    }
    session.connection().execute(_MOVE_COPY, values)


def change_borrower(session: Session, borrower: Borrower) -> None:
    """Increase the lending version of a borrower, which grows with each loan and suspension."""
    session.connection().execute(_CHANGE_BORROWER, {"borrower_id": borrower.id})


def record_act(
    session: Session, act: Act, verb: str, *, kind: str, object_id: UUID, copy: Copy, waived: list[str] | None = None,
    facts: Mapping[str, Any] = audit.NO_FACTS,
) -> None:  # fmt: skip
    """Write the audit row of an act. It has loan, copy and actor, but never the borrower."""
    more: dict[str, Any] = {"copy": str(copy.id), **facts}
    if waived:
        more |= {"waived": waived, "reason": act.reason}
    if act.at != act.now:
        more["at"] = act.at.isoformat(timespec="seconds")
    audit.record(session, act.actor, f"circulation.{verb}", kind=kind, object_id=object_id, facts=more)


def emit_loan_event(session: Session, act: Act, event: Any) -> None:
    """Emit an event of an act on a copy: a message with the field `loan`, made by `loan_copy`."""
    emit(session, event, aggregate_id=event.loan.item_id, version=event.loan.state_version, context=act.actor)


def loan_copy(
    copy: Copy, *, version: int, state: str, branch_id: UUID | None, loan_id: UUID | None = None,
    borrower_id: UUID | None = None, due_at: datetime | None = None, due_on: date | None = None,
) -> LoanCopy:  # fmt: skip
    """Return the state of a copy for other services, with its loan if it has one.

    version    state version of the copy
    branch_id  branch of the act, or the destination of a copy in transit
    """
    moment: Any = due_at  # protobuf takes a datetime for a Timestamp, which its types do not say
    return LoanCopy(
        loan_id=str(loan_id or ""),
        institution_id=str(copy.institution_id),
        item_id=str(copy.id),
        state_version=version,
        state=state,
        member_id=str(borrower_id or ""),
        due_at=moment,
        due_on=due_on.isoformat() if due_on is not None else "",
        branch_id=str(branch_id or ""),
        title=copy.title,
        barcode=copy.barcode,
    )
