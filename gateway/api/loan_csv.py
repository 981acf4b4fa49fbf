"""Loans as CSV (RFC 4180) for spreadsheets; names and telephones of borrowers only where a page asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from chassis.output import csv_line
from gateway.clients import call, circulation, members
from gateway.responses import csv_head, download
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.members.v1 import contacts_pb2

_CONTACTS: Final = ("name", "phone")
# Most loans of one call, and of one file.
_PAGE, _MOST = 500, 50_000
_COLUMNS: Final[tuple[tuple[str, Callable[[wire.Loan], str]], ...]] = (
    ("due_on", lambda loan: loan.due_on),
    ("overdue_days", lambda loan: str(loan.overdue_days)),
    ("group", lambda loan: loan.group),
    ("card", lambda loan: loan.card),
    ("barcode", lambda loan: loan.item.barcode),
    ("title", lambda loan: loan.item.title),
    ("enumeration", lambda loan: loan.item.enumeration),
    ("call_number", lambda loan: loan.item.call_number),
    ("branch", lambda loan: loan.branch),
    ("lent_at", lambda loan: _moment(loan, "lent_at")),
    ("due_at", lambda loan: _moment(loan, "due_at")),
    ("returned_at", lambda loan: _moment(loan, "returned_at")),
    ("renewals", lambda loan: str(loan.renewals)),
    ("loan", lambda loan: loan.id),
    ("member", lambda loan: loan.member_id),
    ("item", lambda loan: loan.item.id),
)


async def loans_as_csv(request: Request, message: wire.ListLoansRequest, *, has_contacts: bool = False) -> Response:
    """Respond with all pages of a list of loans in one file, at most the first 50,000 loans.

    has_contacts  adds name and telephone of the borrowers; members requires the scope members.contact, and its audit
                  log records each borrower
    """
    lines = [csv_head([*(name for name, _ in _COLUMNS), *(_CONTACTS if has_contacts else ())])]
    message.limit = _PAGE
    while True:
        reply = await call(request, circulation(request).ListLoans, message)
        contacts = await _contacts(request, reply.loans) if has_contacts else {}
        lines += [
            csv_line([*(write(loan) for _, write in _COLUMNS), *contacts.get(loan.member_id, ())])
            for loan in reply.loans
        ]
        if not reply.cursor or len(lines) > _MOST:
            break
        message.cursor = reply.cursor
    return download("".join(lines), "loans.csv")


async def _contacts(request: Request, loans: Iterable[wire.Loan]) -> dict[str, tuple[str, str]]:
    """Return name and telephone of borrowers by id; a child's telephone is that of the guardian when it is known."""
    ids = sorted({loan.member_id for loan in loans} - {""})
    reply = await call(request, members(request).ListContacts, contacts_pb2.ListContactsRequest(ids=ids))
    return {member.id: (member.name, member.guardian.phone or member.phone) for member in reply.members}


def _moment(loan: wire.Loan, name: str) -> str:
    moment: str = getattr(loan, name).ToJsonString() if loan.HasField(name) else ""  # type: ignore[arg-type]
    return moment
