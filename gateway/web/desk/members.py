"""/members: the search for members, and the page of a member."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Forbidden, NotFound, TooLate, Unavailable
from chassis.models import choices
from gateway.clients import call, circulation, members
from gateway.negotiation import language
from gateway.sessions import session_of
from gateway.web.desk.lending import loan_rows, people_of
from gateway.web.desk.notices import last_notices
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.members.v1 import cards_pb2
from rangkiang.members.v1 import people_pb2 as wire

router = SignedInRouter()

PAGE = 20
# Fields that pages place by themselves. The others are in the profile, and in the form below "More".
_PLACED = ("category", "name", "title_before", "title_after", "language", "birth_place", "birth_date", "sex", "nik",
           "phone", "email", "address", "school", "group", "expires_on", "note", "guardian", "responsible")  # fmt: skip
MORE = tuple(field.name for field in wire.MemberFields.DESCRIPTOR.fields if field.name not in _PLACED)
# States of a scanned card that is not the current card.
CARD_STATES = ("lost", "replaced", "revoked")


@router.get("/members")
async def box(request: Request) -> Response:
    # This call reads no member; it refuses callers without the scope.
    await call(request, members(request).ListCategories, wire.ListCategoriesRequest())
    return page(request, "members.html", form=signed_in_form(request, {"q": ""}), results=None)


@router.post("/members")
async def search(request: Request) -> Response:
    """Find members by number, name, phone, school or class. A single hit is opened.

    The form is sent with POST, because staff may type a phone number, which must not be in a URL.
    """
    fields = await read_form(request)
    form = signed_in_form(request, {"q": fields.text("q")})
    if scanned := await _scan(request, fields.text("q")):
        return redirect(scanned)
    if not fields.text("q"):
        return page(request, "members.html", form=form, results=None)
    message = wire.SearchMembersRequest(
        q=fields.text("q")[:200], limit=PAGE, cursor=fields.get("cursor", ""), by_contact=True
    )
    try:
        reply = await call(request, members(request).SearchMembers, message)
    except Error as problem:
        refuse(request, form, problem, {})
        return page(request, "members.html", form=form, results=None)
    if len(reply.members) == 1 and not message.cursor:
        return redirect(f"/members/{reply.members[0].id}")
    return page(request, "members.html", form=form, results=reply, categories=await category_names(request))


async def _scan(request: Request, text: str) -> str:
    """Return the path of the member whose card was scanned; "" for other texts."""
    session = session_of(request)
    if not text or session is None or "scans" not in session.account.scopes:
        return ""
    reply = await call(request, members(request).Scan, cards_pb2.ScanRequest(code=text[:300]))
    if reply.kind != "member":
        return ""
    state = f"?card={reply.card_state}" if reply.card_state not in ("", "active") else ""
    return f"/members/{reply.member.id}{state}"


@router.get("/members/{member_id}")
async def member(request: Request) -> Response:
    return await member_page(request, signed_in_form(request))


@router.post("/members/{member_id}/nik")
async def show_nik(request: Request) -> Response:
    """Show the page with the whole NIK, which the audit records."""
    await read_form(request)
    return await member_page(request, signed_in_form(request), shows_nik=True)


async def member_page(request: Request, form: Form, *, shows_nik: bool = False) -> Response:
    """Return the page of a member; `form` is the form of all its acts."""
    member_id = request.path_params["member_id"]
    message = wire.GetMemberRequest(id=member_id, shows_nik=shows_nik)
    reply = await call(request, members(request).GetMember, message)
    details, borrower = reply.member, await _borrower(request, member_id)
    lang = language(request)
    words = wording(lang)
    return page(
        request,
        "member.html",
        form=form,
        member=details,
        category=local_text(details.category_name, lang) or details.category,
        scanned=scanned if (scanned := request.query_params.get("card", "")) in CARD_STATES else "",
        facts=[(name, words.code(name, getattr(details, name))) for name in MORE],
        block_reasons=words.codes("block", choices(wire.Block, "reason")),
        alias_kinds=words.codes("card", choices(wire.Alias, "kind")),
        notices=await last_notices(request, member_id),
        guardian=details.guardian.name or await _name_of(request, details.guardian.member_id),
        nik=details.contact.nik if shows_nik else masked(details.contact.nik),
        is_nik_masked=bool(details.contact.nik) and not shows_nik,
        was_renewed_today=reply.was_renewed_today,
        suspension=borrower.suspension if borrower is not None and borrower.HasField("suspension") else None,
        # The earliest due time first: overdue loans lead.
        loans=borrower and loan_rows(sorted(borrower.loans, key=lambda loan: loan.due_at.ToDatetime()), wording(lang)),
    )


async def _name_of(request: Request, member_id: str) -> str:
    """Return the name of a member; "" for no id, and when it is not known."""
    people = await people_of(request, [member_id]) or {}
    return people[member_id].name if member_id in people else ""


def masked(nik: str) -> str:
    """Return a NIK with its region (6 digits) and its last two digits; those between are dots."""
    return f"{nik[:6]}{'•' * (len(nik) - 8)}{nik[-2:]}" if len(nik) > 8 else "•" * len(nik)


async def _borrower(request: Request, member_id: str) -> loans_pb2.GetBorrowerReply | None:
    """Return the loans and the suspension of a member; None when circulation does not know or show them."""
    try:
        return await call(request, circulation(request).GetBorrower, loans_pb2.GetBorrowerRequest(member=member_id))
    except (Forbidden, NotFound, TooLate, Unavailable):
        return None


async def category_names(request: Request) -> dict[str, str]:
    """Return the names of the institution's categories by code, in the institution's order."""
    reply = await call(request, members(request).ListCategories, wire.ListCategoriesRequest())
    return {
        category.code: local_text(category.name, language(request)) or category.code for category in reply.categories
    }
