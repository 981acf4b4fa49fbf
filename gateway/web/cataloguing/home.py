"""/catalogue: what waits for cataloguers, and the pages of cataloguing."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from gateway.clients import call, catalog
from gateway.sessions import may
from gateway.web.forms import SignedInRouter
from gateway.web.rendering import page
from rangkiang.catalog.v1 import cataloguing_pb2, drafts_pb2, items_pb2, labels_pb2

router = SignedInRouter()

# (scope, path, text key) of the pages of cataloguing; a link is shown to callers who have the scope.
LINKS: tuple[tuple[str, str, str], ...] = (
    ("catalog.edit", "/catalogue/new", "catalogue.new"),
    ("catalog.edit", "/catalogue/records/new", "edits.new"),
    ("catalog.edit", "/catalogue/register", "register.heading"),
    ("catalog.edit", "/catalogue/labels", "labels.heading"),
    ("catalog.edit", "/catalogue/drafts", "drafts.heading"),
    ("catalog.manage", "/catalogue/imports", "tasks.imports"),
    ("catalog.manage", "/catalogue/tasks", "tasks.heading"),
)
_MOST_COUNTED = 100


@router.get("/catalogue")
async def catalogue(request: Request) -> Response:
    service = catalog(request)
    offers, fast_adds, labels, drafts = await asyncio.gather(
        call(request, service.ListOffers, cataloguing_pb2.ListOffersRequest(limit=_MOST_COUNTED)),
        call(request, service.ListFastAdds, items_pb2.ListFastAddsRequest(limit=_MOST_COUNTED)),
        call(request, service.ListLabels, labels_pb2.ListLabelsRequest(limit=1)),
        call(request, service.ListDrafts, drafts_pb2.ListDraftsRequest()),
    )
    # (text key, path, how many, whether there are more)
    waiting = [
        ("catalogue.fast_adds", "/catalogue/fast-adds", len(fast_adds.items), bool(fast_adds.cursor)),
        ("catalogue.offers", "/catalogue/offers", len(offers.offers), bool(offers.cursor)),
        ("labels.waiting", "/catalogue/labels", labels.total, False),
        ("drafts.waiting", "/catalogue/drafts", len(drafts.drafts), False),
    ]
    return page(
        request,
        "catalogue_home.html",
        waiting=[row for row in waiting if row[2]],
        links=[(path, key) for scope, path, key in LINKS if may(request, scope)],
    )
