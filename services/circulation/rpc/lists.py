"""RPCs that read loans: lists, explanations, the state of an item and of a borrower; and the snapshot."""

from __future__ import annotations

from functools import cached_property

import grpc
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock, rpc
from chassis.audit.access_log import AccessLog
from chassis.context import Context
from chassis.cursors import cursor_invalid
from chassis.database.db import Database
from chassis.errors import NotFound
from chassis.ids import parse_id
from chassis.rpc.methods import reads
from chassis.rpc.status import refusal_message
from rangkiang.circulation.v1 import events_pb2
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.borrowers import find_borrower
from services.circulation.copies import IN, read_id
from services.circulation.counts import DESK, SELF
from services.circulation.institutions import branches_of
from services.circulation.loans.acts import begin_act, loan_copy
from services.circulation.loans.lists import (
    LoanFilter,
    explain_loan,
    list_loans,
    loans_of,
    local_today,
    suspension_of,
    view_borrower,
    view_item,
)
from services.circulation.loans.renewals import find_loan, renew_loan, renew_loans
from services.circulation.loans.suspensions import list_suspensions
from services.circulation.loans.views import view_of
from services.circulation.policies import read_rows
from services.circulation.policies_store import current_policies, policies_event
from services.circulation.rpc.messages import (
    borrower_reply,
    item_reply,
    loan_message,
    local_text,
    suspension_message,
)
from services.circulation.rpc.owners import Owners
from services.circulation.rpc.rules import policy_row_message
from services.circulation.tables import Copy, Institution, Loan

PAGE = 500


class ListMethods:
    """The part of the servicer for reading."""

    _database: Database
    _owners: Owners

    @cached_property
    def _access_log(self) -> AccessLog:
        """Records reads of loans in the audit."""
        return AccessLog(self._database)

    @reads
    def ListLoans(self, request: wire.ListLoansRequest, session: Session, caller: Context) -> wire.ListLoansReply:
        loan_filter = LoanFilter(
            member=request.member,
            branch=request.branch,
            item=request.item,
            group=request.group,
            is_overdue=request.is_overdue,
            with_returned=request.with_returned,
            updated_since=rpc.moment_of(request, "updated_since"),
            limit=max(0, request.limit),
            cursor=request.cursor,
        )
        page = list_loans(session, parse_id(caller.institution), loan_filter, now=clock.now())
        self._access_log.record_list(
            caller,
            "circulation.list_loans",
            shown=len(page.loans),
            member_id=page.borrower_id or "",
            branch=request.branch,
            item=request.item,
            # Without loans of this group, the text may be anything.
            group=request.group if page.total else "",
            is_overdue=request.is_overdue,
            with_returned=request.with_returned,
            by_change=loan_filter.updated_since is not None,
            is_continued=bool(request.cursor),
        )
        return wire.ListLoansReply(
            loans=[loan_message(view) for view in page.loans],
            total=page.total,
            has_more=page.has_more,
            cursor=page.cursor,
        )

    @reads
    def ListSuspensions(
        self, request: wire.ListSuspensionsRequest, session: Session, caller: Context
    ) -> wire.ListSuspensionsReply:
        act = begin_act(caller, now=clock.now(), channel=DESK)
        page = list_suspensions(session, act, limit=max(0, request.limit), cursor=request.cursor)
        self._access_log.record_list(
            caller, "circulation.list_suspensions", shown=len(page.rows), is_continued=bool(request.cursor)
        )
        suspended = [
            wire.SuspendedMember(
                member_id=str(borrower.id), card=borrower.card, category=borrower.category, group=borrower.group,
                suspension=suspension_message(suspension),
            )
            for borrower, suspension in page.rows
        ]  # fmt: skip
        return wire.ListSuspensionsReply(suspensions=suspended, total=page.total, cursor=page.cursor)

    @reads
    def ListOwnLoans(
        self, _request: wire.ListOwnLoansRequest, session: Session, caller: Context
    ) -> wire.ListOwnLoansReply:
        act = begin_act(caller, now=clock.now(), channel=SELF)
        borrower = find_borrower(session, act.institution_id, caller.actor)
        if borrower is None:
            return wire.ListOwnLoansReply()
        loans = loans_of(session, borrower.id, act.institution_id, now=act.now)
        renewals = renew_loans(session, act, member=caller.actor, is_dry_run=True)
        refused = {renewal.view.id: renewal.refusals for renewal in renewals}
        return wire.ListOwnLoansReply(
            loans=[loan_message(view) for view in loans],
            suspension=suspension_message(suspension_of(session, borrower.id, today=local_today(session, act))),
            renewal_refusals=[
                wire.RenewalRefusals(refusals=[refusal_message(refusal) for refusal in refused.get(view.id, ())])
                for view in loans
            ],
        )

    @reads
    def GetOwnLoan(self, request: wire.GetOwnLoanRequest, session: Session, caller: Context) -> wire.GetOwnLoanReply:
        act = begin_act(caller, now=clock.now(), channel=SELF)
        borrower = find_borrower(session, act.institution_id, caller.actor)
        if borrower is None:
            raise NotFound("LOAN_UNKNOWN", given=request.id[:64])
        renewal = renew_loan(
            session, act, loan=request.id, borrower_id=borrower.id, due_on=request.due_on, is_dry_run=True
        )
        return wire.GetOwnLoanReply(
            loan=loan_message(renewal.view), refusals=[refusal_message(refusal) for refusal in renewal.refusals]
        )

    @reads
    def GetLoan(self, request: wire.GetLoanRequest, session: Session, caller: Context) -> wire.GetLoanReply:
        now = clock.now()
        view = view_of(session, *find_loan(session, parse_id(caller.institution), request.id), now=now)
        self._access_log.record(caller, "circulation.read_loan", kind="loan", object_id=view.id)
        loan = loan_message(view)
        if "loans.read" not in caller.scopes:
            for name in ("member_id", "card", "group"):
                loan.ClearField(name)
        return wire.GetLoanReply(loan=loan)

    @reads
    def ExplainLoan(self, request: wire.ExplainLoanRequest, session: Session, caller: Context) -> wire.ExplainLoanReply:
        explanation = explain_loan(session, begin_act(caller, now=clock.now(), channel=DESK), request.id)
        loan = explanation.loan
        (row,) = read_rows([loan.policy_row])
        institution = branches_of(session, loan.institution_id).institution
        return wire.ExplainLoanReply(
            loan=loan_message(explanation.view),
            policy_version=loan.policy_version,
            row=policy_row_message(row, institution),
            days=[wire.CalendarDay(date=day["date"], is_open=day["is_open"], why=day["why"]) for day in loan.days],
            steps=[local_text(step) for step in explanation.steps],
        )

    def FindItem(self, request: wire.FindItemRequest, context: grpc.ServicerContext) -> wire.FindItemReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK)

        def read() -> wire.FindItemReply:
            with self._database.reading(caller) as session:
                return item_reply(view_item(session, act, request.item))

        return self._owners.retry_known(caller, context, read, item=request.item)

    def GetBorrower(self, request: wire.GetBorrowerRequest, context: grpc.ServicerContext) -> wire.GetBorrowerReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK)

        def read() -> wire.GetBorrowerReply:
            with self._database.reading(caller) as session:
                view = view_borrower(session, act, request.member)
                self._access_log.record(caller, "circulation.read_borrower", kind="member", object_id=view.borrower.id)
                return borrower_reply(view)

        return self._owners.retry_known(caller, context, read, member=request.member)

    @reads
    def Snapshot(
        self, request: events_pb2.SnapshotRequest, session: Session, _caller: Context
    ) -> events_pb2.SnapshotReply:
        """Return a page of the copies on loan or in transit, in order of id; the last page has the policies."""
        after = read_id(request.cursor)
        if request.cursor and after is None:
            raise cursor_invalid()
        query = (
            select(Copy, Loan)
            .outerjoin(Loan, (Loan.copy_id == Copy.id) & Loan.returned_at.is_(None))
            .where(Copy.state != IN)
            .order_by(Copy.id)
            .limit(PAGE)
        )
        if after is not None:
            query = query.where(Copy.id > after)
        rows = session.execute(query).all()
        reply = events_pb2.SnapshotReply(loans=[_fact(copy, loan) for copy, loan in rows])
        if len(rows) == PAGE:
            reply.cursor = str(rows[-1][0].id)
            return reply
        for institution_id in session.scalars(select(Institution.id).order_by(Institution.id)):
            policies = current_policies(session, institution_id)
            reply.policies.append(policies_event(session, institution_id, policies))
        return reply


def _fact(copy: Copy, loan: Loan | None) -> events_pb2.LoanCopy:
    if loan is None:
        return loan_copy(copy, version=copy.state_version, state=copy.state, branch_id=copy.transit_to)
    return loan_copy(
        copy, version=copy.state_version, state=copy.state, loan_id=loan.id, borrower_id=loan.borrower_id,
        due_at=loan.due_at, due_on=loan.due_on, branch_id=loan.branch_id,
    )  # fmt: skip
