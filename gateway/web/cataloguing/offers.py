"""/catalogue/offers: what imports bring for records that the library has edited; taken field by field, or refused."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.api.record_lists import offers_as_csv
from gateway.clients import call, catalog
from gateway.web.cataloguing.versions import shown_differences
from gateway.web.desk.actors import local_moment
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import cataloguing_pb2 as wire

router = SignedInRouter()

PATH = "/catalogue/offers"
NOTES = ("taken", "refused")
_PAGE = 50
# An offer with more differences is taken or refused as a whole.
MOST_TICKS = 150


@router.get(PATH)
async def offers(request: Request) -> Response:
    cursor = request.query_params.get("cursor", "")[:500]
    message = wire.ListOffersRequest(limit=_PAGE, cursor=cursor)
    reply = await call(request, catalog(request).ListOffers, message)
    note = request.query_params.get("note", "")
    return page(
        request,
        "catalogue_offers.html",
        offers=[(offer, local_moment(request, offer.offered_at)) for offer in reply.offers],
        note=note if note in NOTES else "",
        first=PATH if cursor else "",
        after=f"{PATH}?{urlencode({'cursor': reply.cursor})}" if reply.cursor else "",
    )


@router.get(f"{PATH}.csv")
async def offers_csv(request: Request) -> Response:
    return await offers_as_csv(request)


@router.get(f"{PATH}/{{offer_id}}")
async def offer(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post(f"{PATH}/{{offer_id}}")
async def decide(request: Request) -> Response:
    """Take the ticked differences or all of them, or refuse the offer. The offer is then closed."""
    fields = await read_form(request, most_fields=MOST_TICKS + 10)
    offer_id, act, ticked = request.path_params["offer_id"], fields.get("act", ""), fields.many("differences")
    form = signed_in_form(request, {"differences": ticked})
    stub = catalog(request)
    if act not in ("all", "refuse") and not ticked:
        form.add_error("differences", words_of(request).say("offers.none_ticked"))
        return await _page(request, form)
    try:
        if act == "refuse":
            await call(request, stub.RefuseOffer, wire.RefuseOfferRequest(id=offer_id))
        else:
            chosen = [] if act == "all" else ticked
            message = wire.TakeOfferRequest(id=offer_id, differences=chosen, version=fields.version())
            await call(request, stub.TakeOffer, message)
    except NotFound:
        raise
    except Error as problem:
        return await _page(request, refuse(request, form, problem, {}))
    return redirect(f"{PATH}?note={'refused' if act == 'refuse' else 'taken'}")


async def _page(request: Request, form: Form) -> Response:
    offer_id = request.path_params["offer_id"]
    reply = await call(request, catalog(request).GetOffer, wire.GetOfferRequest(id=offer_id))
    return page(
        request,
        "catalogue_offer.html",
        form=form,
        offer=reply,
        offered_at=local_moment(request, reply.offered_at),
        differences=shown_differences(reply.differences),
        has_ticks=len(reply.differences) <= MOST_TICKS,
    )
