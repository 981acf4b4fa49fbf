"""Messages of loans, items and borrowers, made from results of the capabilities."""

from __future__ import annotations

from typing import Any

from chassis.rpc.status import refusal_message
from chassis.sentences import LocalText
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.common.v1 import text_pb2
from services.circulation.loans.lists import BorrowerView, ItemView
from services.circulation.loans.views import LoanView
from services.circulation.rules import SuspensionDays
from services.circulation.tables import Copy


def local_text(text: LocalText) -> text_pb2.LocalText:
    return text_pb2.LocalText(id=text.id, en=text.en)


def item_message(copy: Copy, home: str) -> wire.Item:
    return wire.Item(
        id=str(copy.id),
        barcode=copy.barcode,
        title=copy.title,
        call_number=copy.call_number,
        enumeration=copy.enumeration,
        record_id=str(copy.record_id or ""),
        branch=home,
        collection=copy.collection,
    )


def loan_message(view: LoanView) -> wire.Loan:
    loan: Any = view  # protobuf takes a datetime for a Timestamp, which its types do not say
    borrower, branch = view.borrower, view.branch
    return wire.Loan(
        id=str(loan.id or ""),
        member_id=str(borrower.id) if borrower is not None else "",
        card=borrower.card if borrower is not None else "",
        item=item_message(view.copy, view.home),
        branch=branch.full_code if branch is not None else "",
        branch_name=local_text(branch.name) if branch is not None else None,
        lent_at=loan.lent_at,
        due_at=loan.due_at,
        due_on=loan.due_on.isoformat(),
        zone=branch.zone if branch is not None else "",
        unit=loan.unit,
        renewals=loan.renewals,
        renewals_left=view.renewals_left,
        overdue_days=view.overdue_days,
        returned_at=loan.returned_at,
        version=loan.version,
        updated_at=loan.changed_at,
        group=borrower.group if borrower is not None else "",
        institution_id=str(view.copy.institution_id),
    )


def suspension_message(suspension: SuspensionDays | None) -> wire.Suspension | None:
    if suspension is None:
        return None
    return wire.Suspension(
        begins_on=suspension.begins_on.isoformat(), ends_on=suspension.ends_on.isoformat(), days=suspension.days
    )


def item_reply(view: ItemView) -> wire.FindItemReply:
    return wire.FindItemReply(
        item=item_message(view.copy, view.home),
        status=view.copy.status,
        state=view.copy.state,
        loan=loan_message(view.loan) if view.loan is not None else None,
        to=view.to,
    )


def borrower_reply(view: BorrowerView) -> wire.GetBorrowerReply:
    borrower = view.borrower
    return wire.GetBorrowerReply(
        member_id=str(borrower.id),
        card=borrower.card,
        category=borrower.category,
        expires_on=borrower.expires_on.isoformat() if borrower.expires_on is not None else "",
        open_loans=len(view.loans),
        overdue_loans=sum(loan.overdue_days > 0 for loan in view.loans),
        loan_limit=view.loan_limit,
        suspension=suspension_message(view.suspension),
        loans=[loan_message(loan) for loan in view.loans],
        refusals=[refusal_message(refusal) for refusal in view.refusals],
    )
