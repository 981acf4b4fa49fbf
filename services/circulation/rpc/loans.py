"""RPCs for the desk: check-out, check-in, renewals, uses in the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock, rpc
from chassis.context import REPLAYED, Context
from chassis.db import Database
from chassis.errors import Error, Invalid, NotFound, Refused
from chassis.idempotency import effect_row, once, store_effect, stored_reply
from chassis.ids import parse_id
from chassis.rpc.status import refusal_message
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.counts import DESK, SELF, RefusalCounter
from services.circulation.institutions import branches_of
from services.circulation.loans.acts import Act, StaleFacts, begin_act
from services.circulation.loans.check_in import CheckIn, UseHere, plan_check_in, plan_use, write_check_in, write_use
from services.circulation.loans.check_out import CheckOut, plan_check_out, write_check_out
from services.circulation.loans.facts import find_borrower_id
from services.circulation.loans.renewals import Renewal, plan_renewal, plan_renewals, write_renewals
from services.circulation.loans.suspensions import end_suspension
from services.circulation.rpc.messages import item_message, loan_message, suspension_message
from services.circulation.rpc.owners import Owners

Reply = TypeVar("Reply", bound=Message)
Plan = TypeVar("Plan")
LONGEST_NUMBER = 300


class LoanMethods:
    """The part of the servicer for check-outs, check-ins and renewals."""

    _database: Database
    _owners: Owners
    _refusals: RefusalCounter
    _zones: dict[tuple[UUID, str], ZoneInfo]

    def CheckOut(self, request: wire.CheckOutRequest, context: grpc.ServicerContext) -> wire.CheckOutReply:
        caller = rpc.context(context)
        act = _act(caller, request)
        item, member = _scanned(request.item, "item"), _scanned(request.member, "member")

        def plan(session: Any, lock: bool) -> CheckOut:
            return plan_check_out(session, act, item=item, member=member, branch=request.branch, lock=lock)

        def write(session: Any, planned: CheckOut) -> None:
            write_check_out(session, act, planned)

        def reply(planned: CheckOut) -> wire.CheckOutReply:
            return wire.CheckOutReply(loan=loan_message(planned.view), repeated=planned.is_repeated)

        return self._do(
            caller, request, wire.CheckOutReply, plan=plan, write=write, reply=reply,
            has_effect=lambda planned: not planned.is_repeated, grpc_context=context, item=item, member=member,
            branch=lambda: request.branch, act=act,
        )  # fmt: skip

    def PreviewCheckOut(
        self, request: wire.PreviewCheckOutRequest, context: grpc.ServicerContext
    ) -> wire.PreviewCheckOutReply:
        caller, check_out = rpc.context(context), request.check_out
        act = _act(caller, check_out)
        item, member = _scanned(check_out.item, "item"), _scanned(check_out.member, "member")

        def read() -> CheckOut:
            with self._database.prepared_reading(caller) as session:
                return plan_check_out(session, act, item=item, member=member, branch=check_out.branch)

        planned = self._owners.retry_known(caller, context, read, item=item, member=member)
        loan = loan_message(planned.view)
        if not planned.is_repeated:
            loan.id = ""
        return wire.PreviewCheckOutReply(loan=loan)

    def CheckIn(self, request: wire.CheckInRequest, context: grpc.ServicerContext) -> wire.CheckInReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK, at=_moment(request, request.at))
        item = _scanned(request.item, "item")

        def plan(session: Any, lock: bool) -> CheckIn:
            return plan_check_in(session, act, item=item, branch=request.branch, lock=lock)

        def write(session: Any, planned: CheckIn) -> None:
            write_check_in(session, act, planned)

        def reply(planned: CheckIn) -> wire.CheckInReply:
            return wire.CheckInReply(
                loan=loan_message(planned.view) if planned.view is not None else None,
                next=planned.next,
                to=planned.to,
                suspension=suspension_message(planned.suspension),
                notes=[refusal_message(note) for note in planned.notes],
                item=item_message(planned.copy, planned.home),
                repeated=planned.is_repeated,
            )

        return self._do(
            caller, request, wire.CheckInReply, plan=plan, write=write, reply=reply,
            has_effect=lambda planned: planned.trace is not None, grpc_context=context, item=item,
            branch=lambda: request.branch, act=act,
        )  # fmt: skip

    def UseInLibrary(self, request: wire.UseInLibraryRequest, context: grpc.ServicerContext) -> wire.UseInLibraryReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK, at=_moment(request, request.at))
        item = _scanned(request.item, "item")

        def plan(session: Any, lock: bool) -> UseHere:
            return plan_use(session, act, item=item, branch=request.branch, lock=lock)

        def write(session: Any, planned: UseHere) -> None:
            write_use(session, act, planned)

        def reply(planned: UseHere) -> wire.UseInLibraryReply:
            return wire.UseInLibraryReply(item=item_message(planned.copy, planned.home), repeated=planned.is_repeated)

        return self._do(
            caller, request, wire.UseInLibraryReply, plan=plan, write=write, reply=reply,
            has_effect=lambda planned: not planned.is_repeated, grpc_context=context, item=item,
            branch=lambda: request.branch, act=act,
        )  # fmt: skip

    def EndSuspension(
        self, request: wire.EndSuspensionRequest, context: grpc.ServicerContext
    ) -> wire.EndSuspensionReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK)
        member = _scanned(request.member, "member")
        with self._database.transaction(caller) as session:

            def end() -> wire.EndSuspensionReply:
                suspension = end_suspension(session, act, member=member, reason=request.reason)
                return wire.EndSuspensionReply(suspension=suspension_message(suspension))

            return once(session, caller, request, wire.EndSuspensionReply, end)

    def RenewLoan(self, request: wire.RenewLoanRequest, context: grpc.ServicerContext) -> wire.RenewLoanReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=DESK, override=tuple(request.override), reason=request.reason)
        return self._renew(act, request, wire.RenewLoanReply, context)

    def RenewOwnLoan(self, request: wire.RenewOwnLoanRequest, context: grpc.ServicerContext) -> wire.RenewOwnLoanReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=SELF)
        return self._renew(act, request, wire.RenewOwnLoanReply, context)

    def RenewAll(self, request: wire.RenewAllRequest, context: grpc.ServicerContext) -> wire.RenewAllReply:
        act = begin_act(rpc.context(context), now=clock.now(), channel=DESK)
        member = _scanned(request.member, "member")
        return self._renew_all(act, request, wire.RenewAllReply, context, member)

    def RenewOwnLoans(
        self, request: wire.RenewOwnLoansRequest, context: grpc.ServicerContext
    ) -> wire.RenewOwnLoansReply:
        caller = rpc.context(context)
        act = begin_act(caller, now=clock.now(), channel=SELF)
        return self._renew_all(act, request, wire.RenewOwnLoansReply, context, caller.actor)

    def _renew(self, act: Act, request: Any, reply_type: type[Reply], context: grpc.ServicerContext) -> Reply:
        borrower_id = parse_id(act.caller.actor) if act.channel == SELF else None
        due_on = request.due_on if act.channel == SELF else ""

        branch = ""

        def plan(session: Any, lock: bool) -> Renewal:
            nonlocal branch
            renewal = plan_renewal(session, act, loan=request.id, borrower_id=borrower_id, due_on=due_on, lock=lock)
            branch = renewal.branch
            if renewal.refusals:
                raise Refused(refusals=renewal.refusals)
            return renewal

        return self._do(
            act.caller, request, reply_type, plan=plan,
            write=lambda session, planned: write_renewals(session, act, [planned]),
            reply=lambda planned: _made(reply_type, loan=loan_message(planned.view)),
            has_effect=lambda planned: True, grpc_context=context, act=act, branch=lambda: branch,
        )  # fmt: skip

    def _renew_all(
        self, act: Act, request: Any, reply_type: type[Reply], context: grpc.ServicerContext, member: str
    ) -> Reply:
        def plan(session: Any, lock: bool) -> list[Renewal]:
            borrower_id = find_borrower_id(session, act.institution_id, member)
            if borrower_id is None:
                raise NotFound("BORROWER_UNKNOWN", given=member[:64])
            return plan_renewals(session, act, borrower_id=borrower_id, lock=lock)

        judged: list[Renewal] = []

        def reply(planned: list[Renewal]) -> Reply:
            judged[:] = planned
            return _made(
                reply_type,
                renewals=[
                    wire.Renewal(
                        loan=loan_message(renewal.view),
                        is_renewed=not renewal.refusals,
                        refusals=[refusal_message(refusal) for refusal in renewal.refusals],
                    )
                    for renewal in planned
                ],
            )

        answer = self._do(
            act.caller, request, reply_type, plan=plan,
            write=lambda session, planned: write_renewals(session, act, planned), reply=reply,
            has_effect=lambda planned: any(not renewal.refusals for renewal in planned),
            grpc_context=context, member=member, act=act,
        )  # fmt: skip
        if REPLAYED not in act.caller.trailers:
            for renewal in filter(lambda one: one.refusals, judged):
                self._count(act, renewal.branch, [refusal.reason for refusal in renewal.refusals])
        return answer

    def _do(
        self,
        caller: Context,
        request: Message,
        reply_type: type[Reply],
        *,
        plan: Callable[[Any, bool], Plan],
        write: Callable[[Any, Plan], None],
        reply: Callable[[Plan], Reply],
        has_effect: Callable[[Plan], bool],
        grpc_context: Any,
        act: Act,
        item: str = "",
        member: str = "",
        branch: Callable[[], str] = str,
    ) -> Reply:
        """Judge an act outside the write turn, then write it in one turn.

        When a guard has missed, judge and write the act again in a transaction with locks.

        branch  returns the code of the branch for which a refusal is counted; called after the refusal
        """

        def judge_and_write() -> Reply:
            with self._database.prepared_reading(caller) as statements:
                planned = plan(statements, False)
            answer = reply(planned)
            if not has_effect(planned):
                return self._stored(caller, request, reply_type) or answer
            effect = effect_row(caller, request, answer)
            with self._database.prepared_transaction(caller) as statements:
                if not store_effect(statements, effect):
                    raise StaleFacts  # the key has a reply, or its first call still runs; `once` handles both
                write(statements, planned)
            return answer

        def judge_again() -> Reply:
            planned = plan(session, True)
            if has_effect(planned):
                write(session, planned)
            return reply(planned)

        try:
            return self._owners.retry_known(caller, grpc_context, judge_and_write, item=item, member=member)
        except StaleFacts:
            pass
        except (Refused, NotFound) as problem:
            return self._replay_or_raise(caller, request, reply_type, problem, act, branch())
        try:
            with self._database.transaction(caller) as session:
                return once(session, caller, request, reply_type, judge_again)
        except Refused as problem:
            self._count(act, branch(), problem.reasons)
            raise

    def _replay_or_raise(
        self, caller: Context, request: Message, reply_type: type[Reply], problem: Error, act: Act, branch: str
    ) -> Reply:
        """Return the reply of an earlier call with this key, which may have caused the refusal; else raise it."""
        stored = self._stored(caller, request, reply_type)
        if stored is not None:
            return stored
        if isinstance(problem, Refused):
            self._count(act, branch, problem.reasons)
        raise problem

    def _stored(self, caller: Context, request: Message, reply_type: type[Reply]) -> Reply | None:
        with self._database.reading(caller) as session:
            return stored_reply(session, caller, request, reply_type)

    def _count(self, act: Act, branch: str, reasons: Iterable[str]) -> None:
        zone = self._zone(act, branch)
        self._refusals.count(act.institution_id, act.now.astimezone(zone).date(), branch, reasons)

    def _zone(self, act: Act, code: str) -> ZoneInfo:
        """Return the zone of a branch, which is read only once; UTC for an unknown branch."""
        key = (act.institution_id, code)
        if key not in self._zones:
            with self._database.reading(act.caller) as session:
                branches = [branch for branch in branches_of(session, act.institution_id).all if branch.code == code]
            self._zones[key] = ZoneInfo(branches[0].zone if branches else "UTC")
        return self._zones[key]


def _made(reply_type: type[Reply], **fields: Any) -> Reply:
    """Make a reply of the staff's RPC or of the member's own RPC, which have the same fields."""
    make: Any = reply_type
    reply: Reply = make(**fields)
    return reply


def _act(caller: Context, request: wire.CheckOutRequest) -> Act:
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
