"""/members/cards: cards of a class or of any found members on A4 sheets, ten on a page in the order of names."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Forbidden
from gateway.clients import call, members
from gateway.responses import download
from gateway.sessions import require_scope
from gateway.web.desk.members import category_names
from gateway.web.forms import Form, SignedInRouter, read_form, refuse, signed_in_form
from gateway.web.rendering import page
from rangkiang.members.v1 import cards_pb2, people_pb2

router = SignedInRouter()

# Members of one search, and cards of one file.
MOST = 100
_SCOPE = "members.cards"


@router.get("/members/cards")
async def box(request: Request) -> Response:
    require_scope(request, _SCOPE)
    return page(request, "card_sheets.html", form=signed_in_form(request, {"q": ""}), results=None)


@router.post("/members/cards")
async def find(request: Request) -> Response:
    """List the members that a class, a school or words of names find, each with a tick."""
    fields = await read_form(request)
    require_scope(request, _SCOPE)
    return await _results(request, signed_in_form(request, {"q": fields.text("q")[:200]}))


@router.post("/members/cards/print")
async def print_sheets(request: Request) -> Response:
    """Return the sheets of the ticked members as PDF."""
    fields = await read_form(request)
    message = cards_pb2.PrintCardsRequest(ids=fields.many("member"), layout="sheet")
    try:
        reply = await call(request, members(request).PrintCards, message)
    except Forbidden:
        raise
    except Error as problem:
        form = signed_in_form(request, {"q": fields.text("q")[:200], "member": fields.many("member")})
        refuse(request, form, problem, {})
        return await _results(request, form)
    return download(reply.pdf, "cards.pdf", is_shown=True)


async def _results(request: Request, form: Form) -> Response:
    results = None
    if query := form.values["q"]:
        message = people_pb2.SearchMembersRequest(q=query, limit=MOST)
        try:
            results = await call(request, members(request).SearchMembers, message)
        except Error as problem:
            refuse(request, form, problem, {})
    return page(
        request, "card_sheets.html", form=form, results=results, categories=await category_names(request), most=MOST
    )
