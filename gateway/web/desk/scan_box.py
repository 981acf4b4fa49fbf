"""/desk: one input for every scan (card, item, name or title), with the outcome below it.

The page works with forms alone. With JavaScript, the page sends the same forms one after the other, and shows the part
of the response between `work` and the end of its outcome (static/desk.js).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Invalid, NotFound, TooLate, Unavailable
from gateway.clients import call, circulation
from gateway.negotiation import language
from gateway.sessions import may, session_of, set_cookie
from gateway.web.desk import desk_acts
from gateway.web.desk.desk_acts import LEND, READ_HERE, RETURN, Desk, Outcome
from gateway.web.desk.lending import (
    BRANCH_COOKIE,
    LoanRow,
    branches,
    chosen_branch,
    error_sentences,
    loan_rows,
    names_of,
    sentences,
)
from gateway.web.desk.members import category_names
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, signed_in_form
from gateway.web.rendering import YEAR_SECONDS, page
from gateway.web.texts import words_of
from rangkiang.circulation.v1 import loans_pb2 as wire

router = SignedInRouter()

MODES = (LEND, RETURN, READ_HERE)


@dataclass(frozen=True, slots=True)
class Borrower:
    """The current borrower, for templates.

    name      None when members is not available
    category  name of the category; its code when members is not available
    refusals  reasons why nothing can be lent now
    """

    reply: wire.GetBorrowerReply
    name: str | None
    category: str
    refusals: tuple[str, ...]
    loans: list[LoanRow]


@router.get("/desk")
async def desk(request: Request) -> Response:
    """Show the input. `member=` opens a borrower; `mode=` selects the act of the desk."""
    mode = request.query_params.get("mode", LEND)
    member = request.query_params.get("member", "")[:64]
    return await _page(request, mode if mode in MODES else LEND, member, None, await branches(request))


@router.post("/desk")
async def act(request: Request) -> Response:
    """Perform one act of the desk. When a service is not available, the form can be sent again with the same key."""
    fields = await read_form(request)
    mode, member = fields.get("mode", LEND), fields.text("member")[:64]
    session = session_of(request)
    offered = await branches(request)
    # The branch of the page that scanned, also when another tab has chosen another one since.
    branch = next((each for each in offered if each[0] == fields.get("branch", "")), chosen_branch(request, offered))
    if branch is None or session is None:
        return redirect("/desk")
    working = Desk(
        request, mode if mode in MODES else LEND, session.account.institution, branch[0], dict(offered), member
    )
    form = signed_in_form(request)
    try:
        outcome = await working.act(fields)
    except (Unavailable, TooLate) as problem:
        # It is unknown whether the act was done. The same key makes sure that it is done once.
        form.key, form.values = fields.get("key", form.key), {"code": fields.get("code", "")}
        form.status = problem.http_status
        outcome = Outcome(
            desk_acts.REFUSED,
            words_of(request).say("lending.no_answer"),
            fields.text("code"),
            error_sentences(request, problem),
        )
    return await _page(request, working.mode, working.member, outcome, offered, form=form, is_part="part" in fields)


@router.post("/desk/branch")
async def choose_branch(request: Request) -> Response:
    """Store the branch of this desk in a cookie of the browser."""
    fields = await read_form(request)
    code = fields.text("branch")
    if code not in dict(await branches(request)):
        raise Invalid("BRANCH_UNREADABLE")
    response = redirect("/desk")
    set_cookie(request, response, BRANCH_COOKIE, code, seconds=YEAR_SECONDS)
    return response


async def _page(
    request: Request,
    mode: str,
    member: str,
    outcome: Outcome | None,
    offered: list[tuple[str, str]],
    *,
    form: Form | None = None,
    is_part: bool = False,
) -> Response:
    form = form or signed_in_form(request)
    branch = chosen_branch(request, offered)
    if branch is None or request.query_params.get("branch") == "choose":
        return page(request, "desk_branch.html", form=form, branches=offered, chosen=branch)
    borrower = await _borrower(request, member) if member and form.status == 200 else None
    return page(
        request,
        "desk_part.html" if is_part else "desk.html",
        form=form,
        mode=mode,
        modes=MODES,
        branch=branch,
        can_change_branch=len(offered) > 1,
        member=member,
        borrower=borrower,
        outcome=outcome,
        may_renew=may(request, "loans.renew"),
    )


async def _borrower(request: Request, member: str) -> Borrower | None:
    """Return the data of a borrower's panel; None for a member whom circulation does not know yet."""
    message = wire.GetBorrowerRequest(member=member)
    try:
        reply = await call(request, circulation(request).GetBorrower, message)
    except (NotFound, Invalid):
        return None
    names, categories = await asyncio.gather(names_of(request, [reply.member_id]), _categories(request))
    words = words_of(request)
    return Borrower(
        reply,
        None if names is None else names.get(reply.member_id, ""),
        categories.get(reply.category, reply.category),
        sentences(reply.refusals, language(request)),
        loan_rows(reply.loans, words),
    )


async def _categories(request: Request) -> dict[str, str]:
    try:
        return await category_names(request)
    except (Unavailable, TooLate):
        return {}
