"""RPCs that lend, renew and take back items: each runs one act in a transaction, once for its Idempotency-Key.

An item or member that is not known here is copied from its owner, and the act runs again. Refused acts are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock, rpc
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.errors import Error, Invalid, Refused
from chassis.ids import parse_id
from chassis.rpc.methods import writes_once
from chassis.rpc.status import refusal_message
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.counts import DESK, SELF, count_refusals
from services.circulation.institutions import branches_of
from services.circulation.loans.acts import Act, begin_act
from services.circulation.loans.check_in import check_in, use_in_library
from services.circulation.loans.check_out import check_out
from services.circulation.loans.renewals import Renewal, renew_loan, renew_loans
from services.circulation.loans.suspensions import end_suspension
from services.circulation.rpc.messages import item_message, loan_message, suspension_message
from services.circulation.rpc.owners import Owners

Reply = TypeVar("Reply", bound=Message)
LONGEST_NUMBER = 300
Refusals = tuple[UUID, date, str, str]  # institution, day, branch, reason


class LoanMethods:
    """The part of the servicer for check-outs, check-ins and renewals."""

    _database: Database
    _owners: Owners

    def CheckOut(self, request: wire.CheckOutRequest, context: grpc.ServicerContext) -> wire.CheckOutReply:
        act = _check_out_act(rpc.context(context), request)
        item, member = _scanned(request.item, "item"), _scanned(request.member, "member")

        def lend(session: Session) -> wire.CheckOutReply:
            done = check_out(session, act, item=item, member=member, branch=request.branch)
            return wire.CheckOutReply(loan=loan_message(done.view), repeated=done.is_repeated)

        return self._write(
            act, request, wire.CheckOutReply, lend, context, item=item, member=member, branch=request.branch
        )

    def PreviewCheckOut(
        self, request: wire.PreviewCheckOutRequest, context: grpc.ServicerContext
    ) -> wire.PreviewCheckOutReply:
        scan = request.check_out
        act = _check_out_act(rpc.context(context), scan)
        item, member = _scanned(scan.item, "item"), _scanned(scan.member, "member")

        def judge() -> wire.PreviewCheckOutReply:
            with self._database.reading(act.caller) as session:
                allowed = check_out(session, act, item=item, member=member, branch=scan.branch, is_dry_run=True)
                return wire.PreviewCheckOutReply(loan=loan_message(allowed.view))

        return self._owners.retry_known(act.caller, context, judge, item=item, member=member)

    def CheckIn(self, request: wire.CheckInRequest, context: grpc.ServicerContext) -> wire.CheckInReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=DESK, at=_moment(request, request.at))
        item = _scanned(request.item, "item")

        def take_back(session: Session) -> wire.CheckInReply:
            done = check_in(session, act, item=item, branch=request.branch)
            return wire.CheckInReply(
                loan=loan_message(done.view) if done.view is not None else None,
                next=done.next,
                to=done.to,
                suspension=suspension_message(done.suspension),
                notes=[refusal_message(note) for note in done.notes],
                item=item_message(done.copy, done.home),
                repeated=done.is_repeated,
            )

        return self._write(act, request, wire.CheckInReply, take_back, context, item=item, branch=request.branch)

    def UseInLibrary(self, request: wire.UseInLibraryRequest, context: grpc.ServicerContext) -> wire.UseInLibraryReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=DESK, at=_moment(request, request.at))
        item = _scanned(request.item, "item")

        def use(session: Session) -> wire.UseInLibraryReply:
            copy, home, is_repeated = use_in_library(session, act, item=item, branch=request.branch)
            return wire.UseInLibraryReply(item=item_message(copy, home), repeated=is_repeated)

        return self._write(act, request, wire.UseInLibraryReply, use, context, item=item, branch=request.branch)

    @writes_once
    def EndSuspension(
        self, request: wire.EndSuspensionRequest, session: Session, caller: Context
    ) -> wire.EndSuspensionReply:
        act = begin_act(caller, now=clock.now(), channel=DESK)
        suspension = end_suspension(session, act, member=_scanned(request.member, "member"), reason=request.reason)
        return wire.EndSuspensionReply(suspension=suspension_message(suspension))

    def RenewLoan(self, request: wire.RenewLoanRequest, context: grpc.ServicerContext) -> wire.RenewLoanReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK, override=tuple(request.override), reason=request.reason)
        judged: list[Renewal] = []

        def renew(session: Session) -> wire.RenewLoanReply:
            judged[:] = [renew_loan(session, act, loan=request.id)]
            return wire.RenewLoanReply(loan=_renewed(judged[0]))

        return self._write(act, request, wire.RenewLoanReply, renew, context, judged=judged)

    def RenewOwnLoan(self, request: wire.RenewOwnLoanRequest, context: grpc.ServicerContext) -> wire.RenewOwnLoanReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=SELF)
        own_id, judged = parse_id(act.caller.actor), list[Renewal]()

        def renew(session: Session) -> wire.RenewOwnLoanReply:
            judged[:] = [renew_loan(session, act, loan=request.id, borrower_id=own_id, due_on=request.due_on)]
            return wire.RenewOwnLoanReply(loan=_renewed(judged[0]))

        return self._write(act, request, wire.RenewOwnLoanReply, renew, context, judged=judged)

    def RenewAll(self, request: wire.RenewAllRequest, context: grpc.ServicerContext) -> wire.RenewAllReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=DESK)
        return self._renew_all(act, request, wire.RenewAllReply, context, _scanned(request.member, "member"))

    def RenewOwnLoans(
        self, request: wire.RenewOwnLoansRequest, context: grpc.ServicerContext
    ) -> wire.RenewOwnLoansReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=SELF)
        return self._renew_all(act, request, wire.RenewOwnLoansReply, context, act.caller.actor)

    def _renew_all(
        self, act: Act, request: Message, reply_type: type[Reply], context: grpc.ServicerContext, member: str
    ) -> Reply:
        """Renew each loan of a member. The replies to staff and to the member have the same fields."""
        make: Any = reply_type
        judged: list[Renewal] = []

        def renew(session: Session) -> Reply:
            judged[:] = renew_loans(session, act, member=member)
            renewals = [
                wire.Renewal(
                    loan=loan_message(renewal.view),
                    is_renewed=not renewal.refusals,
                    refusals=[refusal_message(refusal) for refusal in renewal.refusals],
                )
                for renewal in judged
            ]
            reply: Reply = make(renewals=renewals)
            return reply

        return self._write(act, request, reply_type, renew, context, member=member, judged=judged)

    def _write(
        self,
        act: Act,
        request: Message,
        reply_type: type[Reply],
        write: Callable[[Session], Reply],
        context: grpc.ServicerContext,
        *,
        item: str = "",
        member: str = "",
        branch: str = "",
        judged: Sequence[Renewal] = (),
    ) -> Reply:
        """Run an act in one transaction, once for its key; and again when the owner of an unknown item knows it.

        item, member  may be unknown here
        branch        full code of the branch for which a refusal is counted; "" to count none
        judged        renewals that the act appends; their refusals are counted for their branches
        """

        def run() -> Reply:
            return self._database.run(
                act.caller, lambda session: once(session, act.caller, request, reply_type, lambda: write(session))
            )

        try:
            reply = self._owners.retry_known(act.caller, context, run, item=item, member=member)
        except Refused as problem:
            self._count(act, judged, branch=branch, reasons=problem.reasons)
            raise
        self._count(act, judged)
        return reply

    def _count(self, act: Act, judged: Sequence[Renewal], *, branch: str = "", reasons: Iterable[str] = ()) -> None:
        """Count the refusals of an act that has ended; its answer never depends on that."""
        counts: Counter[Refusals] = Counter()
        for renewal in judged:
            place, refused = renewal.view.branch, [refusal.reason for refusal in renewal.refusals]
            counts.update(_refused(act, place.code if place else "", place.zone if place else "UTC", refused))
        if branch:
            with suppress(Error, DBAPIError), self._database.reading(act.caller) as session:
                place = branches_of(session, act.institution_id).by_full_code(branch)
                counts.update(_refused(act, place.code, place.zone, reasons))
        count_refusals(self._database, counts, deadline=act.caller.deadline)


def _refused(act: Act, branch: str, zone: str, reasons: Iterable[str]) -> list[Refusals]:
    """Return the keys under which a refused act is counted, on the day in the zone of its branch."""
    day = act.now.astimezone(ZoneInfo(zone)).date()
    return [(act.institution_id, day, branch, reason) for reason in reasons]


def _renewed(renewal: Renewal) -> wire.Loan:
    """Return the message of a renewed loan. Raises Refused with every refusal of the renewal."""
    if renewal.refusals:
        raise Refused(refusals=renewal.refusals)
    return loan_message(renewal.view)


def _check_out_act(caller: Context, request: wire.CheckOutRequest) -> Act:
    return begin_act(
        caller, now=clock.now(), channel=DESK, at=_moment(request, request.at), override=tuple(request.override),
        reason=request.reason,
    )  # fmt: skip


def _moment(request: Any, moment: Timestamp) -> datetime | None:
    """Return the moment `at`; None when the request has none. Raises Invalid AT_INVALID."""
    if not request.HasField("at"):
        return None
    try:
        return moment.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid("AT_INVALID", field="at") from None


def _scanned(text: str, field: str) -> str:
    """Check an id or a scanned number, and return it.

    raises  Invalid  SCAN_INVALID
    """
    if not text or len(text) > LONGEST_NUMBER:
        raise Invalid("SCAN_INVALID", field=field)
    return text
