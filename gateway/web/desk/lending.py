"""Common parts of the lending pages: due dates in words, names of borrowers, and the branch of the desk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request

from chassis import clock
from chassis.errors import Error, Forbidden, TooLate, Unauthenticated, Unavailable
from gateway.clients import call, circulation, members
from gateway.negotiation import language
from gateway.sessions import ENDED
from gateway.web.texts import Wording
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import rules_pb2
from rangkiang.common.v1 import refusal_pb2
from rangkiang.members.v1 import people_pb2

BRANCH_COOKIE = "desk_branch"
# Most ids in one call of members.
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class LoanRow:
    """A loan for templates.

    due       due date in words
    borrower  name, or card number when the name is not known
    reasons   reasons against a renewal
    """

    loan: wire.Loan
    due: str
    borrower: str = ""
    reasons: tuple[str, ...] = ()


def loan_rows(loans: Iterable[wire.Loan], words: Wording, names: Mapping[str, str] | None = None) -> list[LoanRow]:
    return [LoanRow(loan, due_words(loan, words), (names or {}).get(loan.member_id, loan.card)) for loan in loans]


def due_words(loan: wire.Loan, words: Wording) -> str:
    """Return the due date in words: "besok", "Kamis, 3 Desember 2026". A loan in hours also has the time."""
    due_at = loan.due_at.ToDatetime(UTC).astimezone(ZoneInfo(loan.zone or "UTC"))
    due_on = date.fromisoformat(loan.due_on) if loan.due_on else due_at.date()
    today = clock.now().astimezone(due_at.tzinfo).date()
    near = {today: "lending.today", today + timedelta(days=1): "lending.tomorrow"}
    day = words.say(near[due_on]) if due_on in near else words.weekday(due_on)
    if loan.unit == "hour":
        day = words.say(
            "lending.at_time", day=day, time=due_at.strftime("%H.%M" if words.language == "id" else "%H:%M")
        )
    return day


def sentences(refusals: Iterable[refusal_pb2.Refusal], lang: str) -> tuple[str, ...]:
    """Return the sentences of refusals in a language."""
    return tuple(
        (refusal.sentence.en or refusal.sentence.id) if lang == "en" else refusal.sentence.id for refusal in refusals
    )


async def names_of(request: Request, ids: Iterable[str]) -> dict[str, str] | None:
    """Return the names of members by id; None when members is not available or the caller may not see names."""
    people = await people_of(request, ids)
    return None if people is None else {member_id: member.name for member_id, member in people.items()}


async def people_of(request: Request, ids: Iterable[str]) -> dict[str, people_pb2.MemberInList] | None:
    """Return members by id; None when members is not available or the caller may not see them."""
    member_ids = sorted(set(filter(None, ids)))
    people: dict[str, people_pb2.MemberInList] = {}
    try:
        for begin in range(0, len(member_ids), _MOST_NAMES):
            message = people_pb2.ListMembersRequest(ids=member_ids[begin : begin + _MOST_NAMES])
            reply = await call(request, members(request).ListMembers, message)
            people |= {member.id: member for member in reply.members}
    except (Unavailable, TooLate, Forbidden):
        return None
    return people


async def branches(request: Request) -> list[tuple[str, str]]:
    """Return (full code, name) of the branches of the institution."""
    reply = await call(request, circulation(request).ListBranches, rules_pb2.ListBranchesRequest())
    lang = language(request)
    return [
        (branch.code, (branch.name.en or branch.name.id if lang == "en" else branch.name.id) or branch.code)
        for branch in reply.branches
    ]


def chosen_branch(request: Request, offered: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the branch of this desk: the only branch, or that of the browser's cookie; None before the choice."""
    if len(offered) == 1:
        return offered[0]
    code = request.cookies.get(BRANCH_COOKIE, "")
    return next((branch for branch in offered if branch[0] == code), None)


def error_sentences(request: Request, problem: Error) -> list[str]:
    """Return the sentences of an error.

    raises  Unauthenticated  the session has ended
    """
    if isinstance(problem, Unauthenticated) and problem.reason in ENDED:
        raise problem
    return [refusal.sentence.in_language(language(request)) for refusal in problem.refusals]
