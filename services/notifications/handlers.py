"""Handlers of other services' facts: each creates a notice, or drops notices that are no longer needed."""

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
from services.notifications.webhooks.facts import forget_member, note_loan, note_member

# Facts of members have no branch; later the sender reads the zone of the institution.
_INSTITUTION_ZONE = institutions.DEFAULT_ZONE


def copy_institutions(session: Session, fact: InstitutionsChanged, _context: Context) -> None:
    """Copy institutions and branches that the catalogue added or changed."""
    institutions.copy_institutions(session, fact.institutions)


def copy_members(session: Session, fact: MembersChanged, _context: Context) -> None:
    """Copy members that were added, changed or merged."""
    merging.copy_members(session, fact.members)


def erase_member(session: Session, fact: MemberErased, context: Context) -> None:
    """Erase the texts, conversations and facts of an erased member."""
    _erase(session, UUID(fact.id), UUID(context.institution))


def erase_known_member(session: Session, member_id: UUID) -> None:
    """Erase the data of a member who members lists as erased; an unknown member has no data."""
    institution_id = session.scalar(select(Member.institution_id).where(Member.id == member_id))
    if institution_id is not None:
        _erase(session, member_id, institution_id)


def _erase(session: Session, member_id: UUID, institution_id: UUID) -> None:
    members.erase_member(session, member_id, institution_id=institution_id)
    store.erase_member(session, member_id)
    forget_member(session, member_id)


def open_loan(session: Session, fact: LoanOpened, _context: Context) -> None:
    """Make the receipt of a loan that is still open; an imported loan gets none."""
    note_loan(session, "loan.opened", fact.loan, **({"imported": True} if fact.imported else {}))
    loan = fact.loan
    if is_current(read_mark(session, loan), loan) and not fact.imported:
        make_notice(
            session,
            LOAN_RECEIPT,
            key=loan.loan_id,
            institution_id=loan.institution_id,
            member_id=loan.member_id,
            loan=loan,
            day=loan.due_on,
        )


def renew_loan(session: Session, fact: LoanRenewed, _context: Context) -> None:
    """Drop notices about the earlier due date, and make a receipt of a renewal or a notice of the changed date."""
    note_loan(session, "loan.renewed", fact.loan)
    loan = fact.loan
    if not is_current(read_mark(session, loan), loan):
        return
    reason = "DUE_DATE_MOVED" if fact.moved else "LOAN_RENEWED"
    drop_waiting(session, loan.loan_id, OF_DUE_DATE, reason, keep_day=loan.due_on)
    # A reminder that came before this fact has the changed date already.
    if fact.moved and has_reminder(session, loan):
        return
    make_notice(
        session,
        DUE_DATE_MOVED if fact.moved else RENEWAL_RECEIPT,
        key=f"{loan.loan_id}:{loan.due_on}",
        institution_id=loan.institution_id,
        member_id=loan.member_id,
        loan=loan,
        day=loan.due_on,
        zone=_INSTITUTION_ZONE if fact.moved else "",
    )


def return_loan(session: Session, fact: LoanReturned, _context: Context) -> None:
    """Drop waiting notices of the loan, and make a receipt of the return."""
    note_loan(session, "loan.returned", fact.loan)
    loan = fact.loan
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


def remind(session: Session, fact: LoanDueSoon, _context: Context) -> None:
    """Make a reminder of a loan that is due soon. It replaces waiting notices about the due date."""
    loan = fact.loan
    if is_current(read_mark(session, loan), loan):
        key = f"{loan.loan_id}:{loan.due_on}:{fact.days}"
        is_new = make_notice(
            session,
            DUE_SOON,
            key=key,
            institution_id=loan.institution_id,
            member_id=loan.member_id,
            loan=loan,
            day=loan.due_on,
            facts={"zone": fact.zone},
            zone=fact.zone or _INSTITUTION_ZONE,
        )
        if is_new:
            kinds = (DUE_SOON, DUE_DATE_MOVED)
            drop_waiting(session, loan.loan_id, kinds, "NEWER_NOTICE", keep=f"{DUE_SOON}:{key}")


def warn(session: Session, fact: LoanOverdue, _context: Context) -> None:
    """Make the notice of a step of an overdue loan. It replaces waiting notices about the due date."""
    note_loan(session, "loan.overdue", fact.loan, days=fact.days)
    loan = fact.loan
    if is_current(read_mark(session, loan), loan) and not has_later_step(session, loan, fact.step):
        key = f"{loan.loan_id}:{loan.due_on}:{fact.step}"
        is_new = make_notice(
            session,
            OVERDUE,
            key=key,
            institution_id=loan.institution_id,
            member_id=loan.member_id,
            loan=loan,
            day=loan.due_on,
            facts={"step": fact.step, "zone": fact.zone},
            zone=fact.zone or _INSTITUTION_ZONE,
        )
        if is_new:
            drop_waiting(session, loan.loan_id, OF_DUE_DATE, "NEWER_NOTICE", keep=f"{OVERDUE}:{key}")


def tell_suspension(session: Session, fact: SuspensionStarted, _context: Context) -> None:
    """Make the notice of a suspension. A suspension that becomes longer gives another notice, for its new last day."""
    loan = fact.loan
    make_notice(
        session,
        "suspension_started",
        key=f"{loan.loan_id}:{fact.ends_on}",
        institution_id=loan.institution_id,
        member_id=loan.member_id,
        loan=loan,
        facts={"suspended_until": fact.ends_on, "days": fact.days},
    )


def end_suspension(session: Session, fact: SuspensionEnded, _context: Context) -> None:
    """Drop waiting notices of suspensions that staff ended."""
    drop_earlier(session, fact.member_id, "suspension_started", reason="SUSPENSION_ENDED")


def welcome(session: Session, fact: MemberRegistered, _context: Context) -> None:
    """Make the welcome notice of a new member."""
    note_member(session, "member.registered", institution_id=fact.institution_id, member_id=fact.id)
    make_notice(
        session,
        "membership_registered",
        key=fact.id,
        institution_id=fact.institution_id,
        member_id=fact.id,
        facts={"expires_on": fact.expires_on},
    )


def send_slip(session: Session, fact: SlipIssued, _context: Context) -> None:
    """Make the notice of a code, which does not exist yet, and drop waiting notices of earlier codes."""
    is_new = make_notice(
        session,
        "slip",
        key=fact.slip_id,
        institution_id=fact.institution_id,
        member_id=fact.member_id,
        facts={"slip_id": fact.slip_id, "expires_at": fact.expires_at.ToJsonString()},
    )
    if is_new:
        drop_earlier(session, fact.member_id, "slip", keep=fact.slip_id, reason="NEWER_NOTICE")


def tell_expiry(session: Session, fact: MembershipExpiring, _context: Context) -> None:
    """Make the notice of a membership that ends soon."""
    key = f"{fact.member_id}:{fact.expires_on}:{fact.days}"
    is_new = make_notice(
        session,
        "membership_expiring",
        key=key,
        institution_id=fact.institution_id,
        member_id=fact.member_id,
        day=fact.expires_on,
        facts={"expires_on": fact.expires_on},
        zone=_INSTITUTION_ZONE,
    )
    if is_new:
        drop_earlier(session, fact.member_id, "membership_expiring", keep=key, reason="NEWER_NOTICE")
