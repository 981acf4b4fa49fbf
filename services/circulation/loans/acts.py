"""The common part of acts at a desk: actor, time, waived refusals, and the guarded writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from google.protobuf.message import Message
from sqlalchemy import bindparam, insert, update

from chassis import audit, events
from chassis.context import Context
from chassis.errors import Forbidden, Invalid, Refusal, Refused
from chassis.outbox import outbox
from chassis.prepared import AnySession, Prepared
from services.circulation import rules
from services.circulation.calendars import Calendar, local_date
from services.circulation.rows import AnyBorrower, AnyCopy
from services.circulation.tables import Borrower, Copy

OVERRIDE_SCOPE, PAPER_SCOPE = "loans.override", "loans.at"
LONGEST_REASON = 300


class StaleFacts(Exception):
    """A guard has missed: another act has changed the copy or the borrower since this act read them."""


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
        """The context for audit and facts. It does not name a borrower who acts without staff."""
        return replace(self.caller, actor="member", session="") if self.channel == "self" else self.caller

    def today(self, calendar: Calendar) -> date:
        """Return the day of the act in the branch's zone."""
        return local_date(calendar, self.at)

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
    return Act(caller, institution_id, now, at or now, channel, frozenset(override), reason.strip())


@dataclass(slots=True)
class Trace:
    """The audit row and the facts of an act, made before the write turn."""

    rows: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        act: Act,
        verb: str,
        *,
        kind: str,
        object_id: UUID,
        copy: AnyCopy,
        fact: Fact | None = None,
        second_fact: Fact | None = None,
        waived: list[str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Trace:
        """Make the rows. The audit row has loan, copy and actor, but never the borrower."""
        more: dict[str, Any] = {"copy": str(copy.id), **(facts or {})}
        if waived:
            more |= {"waived": waived, "reason": act.reason}
        if act.at != act.now:
            more["at"] = act.at.isoformat(timespec="seconds")
        trace = cls()
        trace.rows["act"] = audit.row_of(act.actor, f"circulation.{verb}", kind=kind, object_id=object_id, facts=more)
        for name, one in (("event", fact), ("second_event", second_fact)):
            if one is not None:
                trace.rows[name] = events.row_of_json(
                    *one, aggregate_id=copy.id, version=copy.state_version + 1, context=act.actor
                )
        return trace

    def write(self, session: AnySession) -> None:
        """Write the rows. An import writes one audit row for many loans by itself."""
        if "act" in self.rows:
            _INSERT_ACT.execute(session, self.rows["act"])
        for name in ("event", "second_event"):
            if name in self.rows:
                _INSERT_EVENT.execute(session, self.rows[name])


_INSERT_ACT, _INSERT_EVENT = Prepared(insert(audit.acts).inline()), Prepared(insert(outbox).inline())

_copies: Any = Copy.__table__
_borrowers: Any = Borrower.__table__
_MOVE = (
    update(_copies)
    .where(
        _copies.c.id == bindparam("copy_id"),
        _copies.c.state_version == bindparam("read_state_version"),
        _copies.c.version == bindparam("read_version"),
    )
    .values(state_version=_copies.c.state_version + 1)
)
_CHANGE_BORROWER = Prepared(
    update(_borrowers)
    .where(
        _borrowers.c.id == bindparam("borrower_id"),
        _borrowers.c.lending_version == bindparam("read_lending_version"),
        _borrowers.c.version == bindparam("read_version"),
    )
    .values(lending_version=_borrowers.c.lending_version + 1)
)
# The new state, and the act, from which the same scan within a minute is answered.
_MOVE_COPY_TO = Prepared(
    _MOVE.values(
        state=bindparam("new_state"),
        transit_to=bindparam("new_transit_to"),
        act=bindparam("new_act"),
        act_at=bindparam("new_act_at"),
        act_branch_id=bindparam("new_act_branch_id"),
        act_loan_id=bindparam("new_act_loan_id"),
    )
)
_MOVE_COPY = Prepared(_MOVE)


def touch_copy(session: AnySession, copy: AnyCopy) -> None:
    """Increase the state version of a copy without a change of its state. Raises StaleFacts."""
    guard(session, _MOVE_COPY, _read(copy))


def move_copy(
    session: AnySession, copy: AnyCopy, *, state: str, act: Act, name: str, branch_id: UUID,
    loan_id: UUID | None = None, transit_to: UUID | None = None,
) -> None:  # fmt: skip
    """Store the state of a copy after an act. Raises StaleFacts."""
    values = {
        "new_state": state,
        "new_transit_to": transit_to,
        "new_act": name,
        "new_act_at": act.now,
        "new_act_branch_id": branch_id,
        "new_act_loan_id": loan_id,
    }
    guard(session, _MOVE_COPY_TO, {**_read(copy), **values})


def change_borrower(session: AnySession, borrower: AnyBorrower) -> None:
    """Increase the lending version of a borrower. Raises StaleFacts."""
    values = {
        "borrower_id": borrower.id,
        "read_lending_version": borrower.lending_version,
        "read_version": borrower.version,
    }
    guard(session, _CHANGE_BORROWER, values)


def guard(session: AnySession, statement: Prepared, values: dict[str, Any]) -> None:
    """Execute an UPDATE that must change one row. Raises StaleFacts."""
    if statement.execute(session, values) != 1:
        raise StaleFacts


def _read(copy: AnyCopy) -> dict[str, Any]:
    return {"copy_id": copy.id, "read_state_version": copy.state_version, "read_version": copy.version}


class Fact(NamedTuple):
    """A fact of an act: its message as protobuf JSON, which takes a tenth of the time of a message object."""

    type: type[Message]
    body: str


def loan_fact(
    message_type: type[Message], *, copy: AnyCopy, more: Mapping[str, Any] | None = None, **loan: Any
) -> Fact:
    """Make the fact of an act on a copy. The state version is one higher than that of the copy as it was read.

    message_type  LoanOpened, LoanRenewed, LoanReturned, CopyMoved or SuspensionStarted
    more          the other fields of the message
    loan          the other parameters of `loan_values`
    """
    values = loan_values(copy=copy, copy_id=copy.id, state_version=copy.state_version + 1, **loan)
    return Fact(message_type, orjson.dumps({"loan": values, **(more or {})}).decode())


def loan_values(
    *,
    copy: Any,
    copy_id: UUID,
    state: str,
    state_version: int,
    branch_id: UUID | None,
    loan_id: UUID | None = None,
    borrower_id: UUID | None = None,
    due_at: datetime | None = None,
    due_on: date | None = None,
) -> dict[str, str]:
    """Return the fields of a LoanFact as protobuf JSON.

    copy  a row with `institution_id` and `title` of the copy
    """
    values: dict[str, Any] = {
        "loan_id": loan_id,
        "institution_id": copy.institution_id,
        "item_id": copy_id,
        "state_version": state_version,
        "state": state,
        "member_id": borrower_id,
        "due_at": due_at.astimezone(UTC).isoformat().replace("+00:00", "Z") if due_at is not None else None,
        "due_on": due_on,
        "branch_id": branch_id,
        "title": copy.title or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}
