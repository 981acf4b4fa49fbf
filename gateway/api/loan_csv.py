"""Loans as CSV (RFC 4180) for spreadsheets, without names of borrowers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from chassis.output import csv_line
from gateway.clients import call, circulation
from gateway.responses import csv_head, download
from rangkiang.circulation.v1 import loans_pb2 as wire

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


async def loans_as_csv(request: Request, message: wire.ListLoansRequest) -> Response:
    """Respond with all pages of a list of loans in one file, at most the first 50,000 loans."""
    lines = [csv_head(name for name, _ in _COLUMNS)]
    message.limit = _PAGE
    while True:
        reply = await call(request, circulation(request).ListLoans, message)
        lines += [csv_line(write(loan) for _, write in _COLUMNS) for loan in reply.loans]
        if not reply.cursor or len(lines) > _MOST:
            break
        message.cursor = reply.cursor
    return download("".join(lines), "loans.csv")


def _moment(loan: wire.Loan, name: str) -> str:
    moment: str = getattr(loan, name).ToJsonString() if loan.HasField(name) else ""  # type: ignore[arg-type]
    return moment
