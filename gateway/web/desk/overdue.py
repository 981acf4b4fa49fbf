"""/desk/overdue: overdue loans by school and class, letters to print, and slips with a borrower's loans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from gateway.api.loan_csv import loans_as_csv
from gateway.clients import call, circulation
from gateway.negotiation import language
from gateway.sessions import may, session_of
from gateway.web.desk.lending import LoanRow, branches, loan_rows, people_of
from gateway.web.forms import SignedInRouter
from gateway.web.library import institution_name, letterhead_of
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.circulation.v1 import loans_pb2 as wire

router = SignedInRouter()

LOANS_ON_A_PAGE, MOST_LOANS = 500, 2_000


@dataclass(frozen=True, slots=True)
class Group:
    """The overdue loans of a class or study programme of a school or faculty; both are "" when they are not known."""

    school: str
    name: str
    borrowers: list[tuple[str, list[LoanRow]]]


@router.get("/desk/overdue")
async def overdue(request: Request) -> Response:
    """Show the overdue loans of the institution, or of one branch or group."""
    return await _list(request, "overdue.html")


@router.get("/desk/overdue/letters")
async def letters(request: Request) -> Response:
    """Show a letter for each group, each printed on its own page; none while the schools are not known."""
    return await _list(request, "letters.html")


@router.get("/desk/overdue.csv")
async def overdue_csv(request: Request) -> Response:
    """Download the overdue loans; with names and telephones for those who may read contact data."""
    return await loans_as_csv(request, _message(request), has_contacts=may(request, "members.contact"))


@router.get("/desk/slips/{member_id}")
async def slip(request: Request) -> Response:
    """Show the loans of a borrower for a 58 mm printer. Slips have no name, because people lose them."""
    message = wire.GetBorrowerRequest(member=request.path_params["member_id"])
    reply = await call(request, circulation(request).GetBorrower, message)
    rows = loan_rows(sorted(reply.loans, key=lambda loan: loan.due_at.ToDatetime()), words_of(request))
    session = session_of(request)
    assert session is not None  # SignedInRouter
    return page(
        request,
        "loan_slip.html",
        institution=institution_name(request, session.account.institution, language(request)),
        borrower=reply,
        total=len(rows),
        dates=[(due, list(own)) for due, own in groupby(rows, lambda row: row.due)],
        today=clock.now(),
    )


def _message(request: Request) -> wire.ListLoansRequest:
    params = request.query_params
    return wire.ListLoansRequest(
        is_overdue=True,
        branch=params.get("branch", "")[:100],
        group=params.get("group", "")[:200],
        limit=LOANS_ON_A_PAGE,
    )


async def _list(request: Request, template: str) -> Response:
    message, total = _message(request), 0
    loans: list[wire.Loan] = []
    while True:
        reply = await call(request, circulation(request).ListLoans, message)
        loans += reply.loans
        total = total or reply.total
        if not reply.cursor or len(loans) >= MOST_LOANS:
            break
        message.cursor = reply.cursor
    people = await people_of(request, [loan.member_id for loan in loans])
    names = {member_id: member.name for member_id, member in (people or {}).items()}
    schools = {member_id: member.school for member_id, member in (people or {}).items()}
    session = session_of(request)
    assert session is not None  # SignedInRouter
    return page(
        request,
        template,
        letterhead=letterhead_of(request, session.account.institution, language(request)),
        groups=_groups(loan_rows(loans, words_of(request), names), schools),
        total=total,
        has_more=reply.has_more,
        is_cut=len(loans) < total,
        are_names_missing=people is None,
        branch=message.branch,
        group=message.group,
        branches=await branches(request),
        query_string=request.url.query,
        today=clock.now(),
    )


def _groups(rows: list[LoanRow], schools: Mapping[str, str]) -> list[Group]:
    """Return the loans by school, group and borrower, in order of their names. Borrowers without a group are last.

    schools  member -> school or faculty; two schools may have classes of the same name
    """

    def group_of(row: LoanRow) -> tuple[bool, str, str]:
        school = schools.get(row.loan.member_id, "")
        return not (school or row.loan.group), school, row.loan.group

    def borrower_of(row: LoanRow) -> tuple[str, str]:
        return row.borrower, row.loan.member_id

    ordered = sorted(rows, key=lambda row: (*group_of(row), *borrower_of(row), row.loan.due_on))
    return [
        Group(school, name, [(borrower[0], list(own)) for borrower, own in groupby(members, borrower_of)])
        for (_, school, name), members in groupby(ordered, group_of)
    ]
