"""Handlers of other services' events: each creates a notice, or drops notices that are no longer needed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
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
    drop_earlier,
    drop_waiting,
    has_later_step,
    has_reminder,
    is_current,
    make_notice,
    read_mark,
)
from services.notifications.tables import Member
from services.notifications.webhooks.facts import forget_member, queue_fact, queue_loan_fact

# Events of members have no branch; later the sender reads the zone of the institution.
_INSTITUTION_ZONE = institutions.DEFAULT_ZONE


def copy_institutions(session: Session, event: InstitutionsChanged, _context: Context) -> None:
    """Copy institutions and branches that the catalogue added or changed."""
    institutions.copy_institutions(session, event.institutions)


def copy_members(session: Session, event: MembersChanged, _context: Context) -> None:
    """Copy members that were added, changed or merged."""
    merging.copy_members(session, event.members)


def erase_member(session: Session, event: MemberErased, context: Context) -> None:
    """Erase the texts, conversations and queued facts of an erased member."""
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


def open_loan(session: Session, event: LoanOpened, _context: Context) -> None:
    """Make the receipt of a loan that is still open; an imported loan gets none."""
    queue_loan_fact(session, "loan.opened", event.loan, **({"imported": True} if event.imported else {}))
    loan = event.loan
    if is_current(read_mark(session, loan), loan) and not event.imported:
        make_notice(
            session,
            LOAN_RECEIPT,
            key=loan.loan_id,
            institution_id=loan.institution_id,
            member_id=loan.member_id,
            loan=loan,
            day=loan.due_on,
        )


def renew_loan(session: Session, event: LoanRenewed, _context: Context) -> None:
    """Drop notices about the earlier due date, and make a receipt of a renewal or a notice of the changed date."""
    queue_loan_fact(session, "loan.renewed", event.loan)
    loan = event.loan
    if not is_current(read_mark(session, loan), loan):
        return
    reason = "DUE_DATE_MOVED" if event.moved else "LOAN_RENEWED"
    drop_waiting(session, loan.loan_id, OF_DUE_DATE, reason, keep_day=loan.due_on)
    # A reminder that came before this event has the changed date already.
    if event.moved and has_reminder(session, loan):
        return
    make_notice(
        session,
        DUE_DATE_MOVED if event.moved else RENEWAL_RECEIPT,
        key=f"{loan.loan_id}:{loan.due_on}",
        institution_id=loan.institution_id,
        member_id=loan.member_id,
        loan=loan,
        day=loan.due_on,
        zone=_INSTITUTION_ZONE if event.moved else "",
    )


def return_loan(session: Session, event: LoanReturned, _context: Context) -> None:
    """Drop waiting notices of the loan, and make a receipt of the return."""
    queue_loan_fact(session, "loan.returned", event.loan)
    loan = event.loan
    mark = read_mark(session, loan, returned=True)
    if mark is None or mark.returned_at is None:
        return
    drop_waiting(session, loan.loan_id, (*OF_DUE_DATE, LOAN_RECEIPT, RENEWAL_RECEIPT), "LOAN_RETURNED")
    make_notice(
        session,
        "return_receipt",
        key=loan.loan_id,
        institution_id=loan.institution_id,
        member_id=loan.member_id,
        loan=loan,
        facts={"returned_at": mark.returned_at.isoformat()},
    )


def create_due_soon_notice(session: Session, event: LoanDueSoon, _context: Context) -> None:
    """Make a reminder of a loan that is due soon. It replaces waiting notices about the due date."""
    loan = event.loan
    if is_current(read_mark(session, loan), loan):
        key = f"{loan.loan_id}:{loan.due_on}:{event.days}"
        is_new = make_notice(
            session,
            DUE_SOON,
            key=key,
            institution_id=loan.institution_id,
            member_id=loan.member_id,
            loan=loan,
            day=loan.due_on,
            facts={"zone": event.zone},
            zone=event.zone or _INSTITUTION_ZONE,
        )
        if is_new:
            kinds = (DUE_SOON, DUE_DATE_MOVED)
            drop_waiting(session, loan.loan_id, kinds, "NEWER_NOTICE", keep=f"{DUE_SOON}:{key}")


def create_overdue_notice(session: Session, event: LoanOverdue, _context: Context) -> None:
    """Make the notice of a step of an overdue loan. It replaces waiting notices about the due date."""
    queue_loan_fact(session, "loan.overdue", event.loan, days=event.days)
    loan = event.loan
    if is_current(read_mark(session, loan), loan) and not has_later_step(session, loan, event.step):
        key = f"{loan.loan_id}:{loan.due_on}:{event.step}"
        is_new = make_notice(
            session,
            OVERDUE,
            key=key,
            institution_id=loan.institution_id,
            member_id=loan.member_id,
            loan=loan,
            day=loan.due_on,
            facts={"step": event.step, "zone": event.zone},
            zone=event.zone or _INSTITUTION_ZONE,
        )
        if is_new:
            drop_waiting(session, loan.loan_id, OF_DUE_DATE, "NEWER_NOTICE", keep=f"{OVERDUE}:{key}")


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
    queue_fact(session, "member.registered", UUID(event.institution_id), {}, member_id=UUID(event.id))
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
