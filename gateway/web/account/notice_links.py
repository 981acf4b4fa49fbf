"""/l/{link}: the page of a link in a notice, on which a member renews one loan or stops notices of a kind.

GET and HEAD change nothing, because mail scanners open links. The link identifies the member, so the form needs neither
a cookie nor a session. The link gives no other access to the account.
"""

from __future__ import annotations

from hashlib import sha256

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Gone, NotFound, TooMany
from gateway import sessions
from gateway.callers import address_of
from gateway.clients import call, circulation, members, notifications
from gateway.limits import Buckets
from gateway.web.desk.lending import due_words, error_sentences, sentences
from gateway.web.forms import refuse_other_sites
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.members.v1 import contacts_pb2
from rangkiang.notifications.v1 import notices_pb2

router = APIRouter()

# Unknown links that one address may open in a minute. This limits attempts to guess a link.
MOST_FAILURES = 20
failures = Buckets(MOST_FAILURES)
# Form field that a mail program's unsubscribe button sends (RFC 8058).
ONE_CLICK = ("List-Unsubscribe", "One-Click")


@router.get("/l/{link}")
async def show(request: Request) -> Response:
    try:
        reply = await _open(request)
    except Gone:
        return _over_page(request, "expired")
    if reply.act == "renew":
        return await _loan_page(request, reply)
    return _opt_out_page(request, reply)


@router.post("/l/{link}")
async def act(request: Request) -> Response:
    """Renew the loan, or stop the notices. The form names the act, so that a mail program's button renews nothing."""
    refuse_other_sites(request)
    fields = await request.form(max_files=0, max_fields=5)
    try:
        reply = await _open(request)
    except Gone:
        return _over_page(request, "expired")
    chosen_act = str(fields.get("act", ""))
    if reply.act == "opt_out" and (chosen_act == "opt_out" or fields.get(ONE_CLICK[0]) == ONE_CLICK[1]):
        message = notices_pb2.OptOutRequest(kind=reply.subject, channel="all")
        await call(request, notifications(request).OptOut, message)
        return _opt_out_page(request, reply, is_done=True)
    if reply.act == "renew" and chosen_act == "renew":
        return await _renew(request, reply)
    raise NotFound("ROUTE_NOT_FOUND")


async def _open(request: Request) -> contacts_pb2.IssueActTokenReply:
    """Return the act of a link. Calls of this request then carry the link's token, even when a reader is signed in.

    raises  NotFound  ACT_LINK_INVALID
            Gone      ACT_LINK_EXPIRED
            TooMany   LINKS_TOO_MANY
    """
    caller = address_of(request.scope)
    if failures.take(caller) < 0:
        raise TooMany("LINKS_TOO_MANY", seconds=60)
    token: str = request.path_params["link"]
    try:
        message = contacts_pb2.IssueActTokenRequest(token=token[:300])
        reply = await call(request, members(request).IssueActToken, message)
    except Error as problem:
        # Only an unknown link counts. The members service made an expired link, and without it no link is refused.
        if isinstance(problem, Gone) or not isinstance(problem, NotFound):
            failures.charge(caller, -1)
        raise
    failures.charge(caller, -1)
    sessions.forward(request, b"authorization", f"Bearer {reply.token.token}")
    # A repeated form gets the response of the first one.
    sessions.forward(request, b"idempotency-key", f"link-{sha256(token.encode()).hexdigest()[:40]}")
    return reply


async def _renew(request: Request, reply: contacts_pb2.IssueActTokenReply) -> Response:
    loan_id, _, due_on = reply.subject.partition(":")
    message = loans_pb2.RenewOwnLoanRequest(id=loan_id, due_on=due_on)
    try:
        renewed = await call(request, circulation(request).RenewOwnLoan, message)
    except NotFound:
        return _over_page(request, "used")
    except Error as problem:
        reasons = tuple(error_sentences(request, problem))
        return await _loan_page(request, reply, reasons=reasons, status=problem.http_status)
    return _loan_shown(request, renewed.loan, reasons=(), renewed=True)


async def _loan_page(
    request: Request,
    reply: contacts_pb2.IssueActTokenReply,
    *,
    reasons: tuple[str, ...] = (),
    status: int = 200,
) -> Response:
    loan_id, _, due_on = reply.subject.partition(":")
    message = loans_pb2.GetOwnLoanRequest(id=loan_id, due_on=due_on)
    try:
        own = await call(request, circulation(request).GetOwnLoan, message)
    except NotFound:
        return _over_page(request, "used")
    reasons = reasons or sentences(own.refusals, words_of(request).language)
    return _loan_shown(request, own.loan, reasons=reasons, status=status)


def _loan_shown(
    request: Request, loan: loans_pb2.Loan, *, reasons: tuple[str, ...], renewed: bool = False, status: int = 200
) -> Response:
    words = words_of(request)
    return page(
        request,
        "notice_link.html",
        act="renew",
        loan=loan,
        due=due_words(loan, words),
        branch=local_text(loan.branch_name, words.language) or loan.branch,
        reasons=reasons,
        is_done=renewed,
        status=status,
        is_private=True,
    )


def _over_page(request: Request, why: str) -> Response:
    """Show that a link is no longer valid and what to do, without the member or the loan.

    why  "expired", or "used" when the loan has ended or has another due date
    """
    return page(request, "notice_link.html", act="over", why=why, status=410, is_private=True)


def _opt_out_page(request: Request, reply: contacts_pb2.IssueActTokenReply, *, is_done: bool = False) -> Response:
    texts, other = words_of(request).texts, "notice_link.kind.other"
    names = (f"notice_link.kind.{reply.subject}", f"code.notice_kind.{reply.subject}")
    kind = texts[next((name for name in names if name in texts), other)]
    return page(request, "notice_link.html", act="opt_out", kind=kind, is_done=is_done, is_private=True)
