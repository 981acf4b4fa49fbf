"""Handlers of other services' events: each creates a notice, or drops notices that are no longer needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged, RecordChangesNumbered
from rangkiang.circulation.v1.events_pb2 import (
    LoanDueSoon,
    LoanOpened,
    LoanOverdue,
    LoanRenewed,
    LoanReturned,
    SuspensionEnded,
    SuspensionStarted,
)
from rangkiang.members.v1.events_pb2 import (
    MemberErased,
    MemberRegistered,
    MembersChanged,
    MembershipExpiring,
    SlipIssued,
)
from services.notifications import institutions, members, merging
from services.notifications.conversations import store
from services.notifications.notices import (
    DUE_DATE_MOVED,
    DUE_SOON,
    LOAN_RECEIPT,
    OF_DUE_DATE,
    OVERDUE,
    RENEWAL_RECEIPT,
    Drop,
    NewNotice,
    drop_earlier,
    drop_waiting,
    make_notice,
    make_notices,
    of_loan,
    read_reminders,
    store_marks,
)
from services.notifications.tables import Member
from services.notifications.webhooks.events import PartnerEvent, forget_member, loan_event, queue_events, record_events

# Events of members have no branch; later the sender reads the zone of the institution.
_INSTITUTION_ZONE = institutions.DEFAULT_ZONE
# Kinds of notices that the return of a loan makes obsolete.
OF_OPEN_LOAN = (*OF_DUE_DATE, LOAN_RECEIPT, RENEWAL_RECEIPT)

LoanEvent = LoanOpened | LoanRenewed | LoanReturned | LoanDueSoon | LoanOverdue


def copy_institutions(session: Session, event: InstitutionsChanged, _context: Context) -> None:
    """Copy institutions and branches that the catalogue added or changed."""
    institutions.copy_institutions(session, event.institutions)


def follow_records(session: Session, event: RecordChangesNumbered, _context: Context) -> None:
    """Queue events about changed and deleted records for partners."""
    queue_events(session, record_events(event))


def copy_members(session: Session, event: MembersChanged, _context: Context) -> None:
    """Copy members that were added, changed or merged."""
    merging.copy_members(session, event.members)


def erase_member(session: Session, event: MemberErased, context: Context) -> None:
    """Erase the texts, conversations and queued events of an erased member."""
    _erase(session, UUID(event.id), UUID(context.institution))


def erase_known_member(session: Session, member_id: UUID) -> None:
    """Erase the data of a member who members lists as erased; an unknown member has no data."""
    institution_id = session.scalar(select(Member.institution_id).where(Member.id == member_id))
    if institution_id is not None:
        _erase(session, member_id, institution_id)


def _erase(session: Session, member_id: UUID, institution_id: UUID) -> None:
    members.erase_member(session, member_id, institution_id=institution_id)
    store.erase_member(session, member_id)
    forget_member(session, member_id)


def follow_loans(session: Session, events: Sequence[tuple[LoanEvent, Context]]) -> None:
    """Make the notices of loans and drop those that are no longer needed; queue events for partners.

    Different loans are followed together, because each statement takes longer than its rows.
    """
    together: dict[str, LoanEvent] = {}
    for event, _ in events:
        if event.loan.loan_id in together:
            _follow(session, list(together.values()))
            together.clear()
        together[event.loan.loan_id] = event
    _follow(session, list(together.values()))


def _follow(session: Session, events: Sequence[LoanEvent]) -> None:
    """Follow different loans."""
    queue_events(session, [sent for event in events if (sent := _event_for_partners(event)) is not None])
    marks = store_marks(session, [(event.loan, isinstance(event, LoanReturned)) for event in events])
    loans = [event.loan for event in events if isinstance(event, LoanOverdue) or _is_moved(event)]
    steps = read_reminders(session, loans)
    drops: list[Drop] = []
    notices: list[NewNotice] = []
    for event in events:
        loan, mark = event.loan, marks[event.loan.loan_id]
        if isinstance(event, LoanReturned):
            if mark.returned_at is not None:
                drops.append(Drop(loan.loan_id, OF_OPEN_LOAN, "LOAN_RETURNED"))
                facts = {"returned_at": mark.returned_at.isoformat()}
                notices.append(of_loan("return_receipt", loan.loan_id, loan, facts=facts))
        elif mark.is_current(loan):
            if isinstance(event, LoanRenewed):
                reason = "DUE_DATE_MOVED" if event.moved else "LOAN_RENEWED"
                drops.append(Drop(loan.loan_id, OF_DUE_DATE, reason, keep_day=loan.due_on))
            notice = _notice_of(event, steps.get((loan.loan_id, loan.due_on), []))
            if notice is not None:
                notices.append(notice)
    drop_waiting(session, drops)
    make_notices(session, notices)


def _event_for_partners(event: LoanEvent) -> PartnerEvent | None:
    match event:
        case LoanOpened():
            return loan_event("loan.opened", event.loan, **({"imported": True} if event.imported else {}))
        case LoanRenewed():
            return loan_event("loan.renewed", event.loan)
        case LoanReturned():
            return loan_event("loan.returned", event.loan)
        case LoanOverdue():
            return loan_event("loan.overdue", event.loan, days=event.days)
    return None


def _is_moved(event: LoanEvent) -> bool:
    """Return whether staff or a calendar moved the due date."""
    return isinstance(event, LoanRenewed) and event.moved


def _notice_of(event: LoanOpened | LoanRenewed | LoanDueSoon | LoanOverdue, steps: Sequence[int]) -> NewNotice | None:
    """Return the notice of an event of an open loan; None without one.

    steps  steps of the reminders that exist for the same due date; read for moved due dates and overdue loans
    """
    loan = event.loan
    key = f"{loan.loan_id}:{loan.due_on}"
    match event:
        case LoanOpened():
            # An imported loan gets no receipt.
            return None if event.imported else of_loan(LOAN_RECEIPT, loan.loan_id, loan, day=loan.due_on)
        case LoanRenewed(moved=False):
            return of_loan(RENEWAL_RECEIPT, key, loan, day=loan.due_on)
        case LoanRenewed():
            # A reminder that came before this event has the changed date already.
            return None if steps else of_loan(DUE_DATE_MOVED, key, loan, day=loan.due_on, zone=_INSTITUTION_ZONE)
        case LoanDueSoon():
            kind, step, facts = DUE_SOON, event.days, dict[str, Any](zone=event.zone)
            replaces: tuple[str, ...] = (DUE_SOON, DUE_DATE_MOVED)
        case LoanOverdue():
            if max(steps, default=0) > event.step:
                return None
            kind, step, facts = OVERDUE, event.step, {"step": event.step, "zone": event.zone}
            replaces = OF_DUE_DATE
    return of_loan(
        kind, f"{key}:{step}", loan, day=loan.due_on, facts=facts, zone=event.zone or _INSTITUTION_ZONE,
        replaces=replaces,
    )  # fmt: skip


def create_suspension_notice(session: Session, event: SuspensionStarted, _context: Context) -> None:
    """Make the notice of a suspension. A suspension that becomes longer gives another notice, for its new last day."""
    loan = event.loan
    make_notice(
        session,
        "suspension_started",
        key=f"{loan.loan_id}:{event.ends_on}",
        institution_id=loan.institution_id,
        member_id=loan.member_id,
        loan=loan,
        facts={"suspended_until": event.ends_on, "days": event.days},
    )


def end_suspension(session: Session, event: SuspensionEnded, _context: Context) -> None:
    """Drop waiting notices of suspensions that staff ended."""
    drop_earlier(session, event.member_id, "suspension_started", reason="SUSPENSION_ENDED")


def create_welcome_notice(session: Session, event: MemberRegistered, _context: Context) -> None:
    """Make the welcome notice of a new member."""
    queue_events(session, [PartnerEvent("member.registered", UUID(event.institution_id), {}, UUID(event.id))])
    make_notice(
        session,
        "membership_registered",
        key=event.id,
        institution_id=event.institution_id,
        member_id=event.id,
        facts={"expires_on": event.expires_on},
    )


def create_password_code_notice(session: Session, event: SlipIssued, _context: Context) -> None:
    """Make the notice of a code, which does not exist yet, and drop waiting notices of earlier codes."""
    is_new = make_notice(
        session,
        "slip",
        key=event.slip_id,
        institution_id=event.institution_id,
        member_id=event.member_id,
        facts={"slip_id": event.slip_id, "expires_at": event.expires_at.ToJsonString()},
    )
    if is_new:
        drop_earlier(session, event.member_id, "slip", keep=event.slip_id, reason="NEWER_NOTICE")


def create_expiry_notice(session: Session, event: MembershipExpiring, _context: Context) -> None:
    """Make the notice of a membership that ends soon."""
    key = f"{event.member_id}:{event.expires_on}:{event.days}"
    is_new = make_notice(
        session,
        "membership_expiring",
        key=key,
        institution_id=event.institution_id,
        member_id=event.member_id,
        day=event.expires_on,
        facts={"expires_on": event.expires_on},
        zone=_INSTITUTION_ZONE,
    )
    if is_new:
        drop_earlier(session, event.member_id, "membership_expiring", keep=key, reason="NEWER_NOTICE")
