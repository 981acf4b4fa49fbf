"""/account: the reader's own account, the password, and the member's loans and renewals."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound, TooLate, Unavailable
from gateway.clients import call, circulation, members
from gateway.negotiation import language
from gateway.password_limit import call_within_limit
from gateway.web.code_svg import qr_svg
from gateway.web.desk.lending import LoanRow, due_words, error_sentences, sentences
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, signed_in_form
from gateway.web.hits import local_text
from gateway.web.library import institution_name
from gateway.web.rendering import page
from gateway.web.texts import wording, words_of
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.members.v1 import cards_pb2
from rangkiang.members.v1 import members_pb2 as wire

router = SignedInRouter()

_PASSWORD_FIELDS = {
    "PASSWORD_WRONG": "password",
    "PASSWORD_COMMON": "new_password",
    "PASSWORD_TOO_LONG": "new_password",
    "PASSWORD_TOO_SHORT": "new_password",
}


@dataclass(frozen=True, slots=True)
class OwnLoans:
    """The member's loans, for templates; `suspended_until` is an ISO date or ""."""

    rows: list[LoanRow]
    suspended_until: str


@router.get("/account")
async def account(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post("/account/password")
async def change_password(request: Request) -> Response:
    fields = await read_form(request)
    form = signed_in_form(request)
    password, new_password = fields.get("password", ""), fields.get("new_password", "")
    if new_password != fields.get("repeated", ""):
        form.add_error("repeated", wording(language(request)).say("signin.differ"))
        return await _page(request, form)
    message = wire.ChangePasswordRequest(password=password, new_password=new_password)
    act = call_within_limit(request, members(request).ChangePassword, message)
    return await act_or_show(
        request, act, "/account?changed=password", show=_page, form=form, form_fields=_PASSWORD_FIELDS
    )


@router.post("/account/loans/{loan_id}/renew")
async def renew(request: Request) -> Response:
    """Renew one loan. A refusal is shown next to the loan."""
    await read_form(request)
    loan_id: str = request.path_params["loan_id"]
    try:
        await call(request, circulation(request).RenewOwnLoan, loans_pb2.RenewOwnLoanRequest(id=loan_id))
    except NotFound:
        raise
    except Error as problem:
        reasons = {loan_id: tuple(error_sentences(request, problem))}
        form = signed_in_form(request)
        form.status = problem.http_status
        return await _page(request, form, reasons=reasons)
    return redirect("/account?changed=loans")


@router.post("/account/loans/renewals")
async def renew_all(request: Request) -> Response:
    """Renew every loan that can be renewed. Reasons against the others are shown next to each loan."""
    await read_form(request)
    reply = await call(request, circulation(request).RenewOwnLoans, loans_pb2.RenewOwnLoansRequest())
    lang = language(request)
    reasons = {
        renewal.loan.id: sentences(renewal.refusals, lang) for renewal in reply.renewals if not renewal.is_renewed
    }
    if not reasons:
        return redirect("/account?changed=loans")
    renewed = len(reply.renewals) - len(reasons)
    return await _page(request, signed_in_form(request), reasons=reasons, renewed=renewed)


async def _own_loans(request: Request, reasons: dict[str, tuple[str, ...]]) -> OwnLoans | None:
    """Return the open loans; None when circulation is not available.

    reasons  refusals of an act, by loan; other loans have the current reasons against a renewal
    """
    try:
        reply = await call(request, circulation(request).ListOwnLoans, loans_pb2.ListOwnLoansRequest())
    except NotFound:
        return OwnLoans([], "")
    except (Unavailable, TooLate):
        return None
    words = words_of(request)
    rows = [
        LoanRow(loan, due_words(loan, words), reasons=reasons.get(loan.id) or sentences(why.refusals, words.language))
        for loan, why in zip(reply.loans, reply.renewal_refusals, strict=True)
    ]
    return OwnLoans(rows, reply.suspension.ends_on)


async def _page(
    request: Request,
    form: Form,
    *,
    reasons: dict[str, tuple[str, ...]] | None = None,
    renewed: int | None = None,
) -> Response:
    own = (await call(request, members(request).GetAccount, wire.GetAccountRequest())).account
    membership = None
    if own.member_id:
        membership = await call(request, members(request).GetOwnMember, cards_pb2.GetOwnMemberRequest())
    words = wording(language(request))
    return page(
        request,
        "account.html",
        own=own,
        institution=institution_name(request, own.institution, words.language),
        member=membership.member if membership else None,
        qr=qr_svg(membership.qr, label=words.say("account.qr")) if membership and membership.qr else "",
        category=local_text(membership.member.category_name, words.language) if membership else "",
        form=form,
        changed=request.query_params.get("changed", ""),
        loans=await _own_loans(request, reasons or {}) if own.member_id else None,
        renewed=renewed,
    )
