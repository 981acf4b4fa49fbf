"""/account/card: the member's card with QR and Code 128, and the copy of it that a device keeps."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.clients import call, members
from gateway.negotiation import language
from gateway.sessions import session_of
from gateway.web import assets
from gateway.web.code_svg import code128_svg, qr_svg
from gateway.web.forms import SignedInRouter
from gateway.web.hits import local_text
from gateway.web.library import institution_name
from gateway.web.rendering import card_mark, page
from gateway.web.texts import wording
from rangkiang.members.v1 import cards_pb2

router = SignedInRouter()

# The files of the copy; its page needs no other.
FILES = ("site.css", "card.js", "mark.svg")


@router.get("/account/card")
async def own_card(request: Request) -> Response:
    return await _card(request, "own_card.html")


@router.get("/account/card/device")
async def device_copy(request: Request) -> Response:
    """Show the card and nothing else: no session, no token of a form, no other data. The device stores this page."""
    return await _card(request, "own_card_copy.html")


async def _card(request: Request, template: str) -> Response:
    session = session_of(request)
    assert session is not None  # SignedInRouter
    own = await call(request, members(request).GetOwnMember, cards_pb2.GetOwnMemberRequest())
    words = wording(language(request))
    member = own.member
    return page(
        request,
        template,
        member=member,
        institution=institution_name(request, session.account.institution, words.language),
        category=local_text(member.category_name, words.language) or member.category,
        qr=qr_svg(own.qr, label=words.say("account.qr")) if own.qr else "",
        barcode=code128_svg(member.number, label=words.say("account.barcode", number=member.number))
        if member.number
        else "",
        mark=card_mark(session.account.member_id),
        files=" ".join(assets.address(name) for name in FILES),
        is_private=True,
    )
