"""/catalogue/items/{id}/move: the record to which an item moves, found by words, by its id or by another item."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from chassis.ids import parse_or_nil
from gateway.clients import call, catalog
from gateway.sessions import session_of
from gateway.web.cataloguing.items import own_item
from gateway.web.cataloguing.matches import shown
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from rangkiang.catalog.v1 import catalog_pb2, items_pb2

router = SignedInRouter()

PATH = "/catalogue/items/{item_id}/move"
# Hits of a search that are read, because those of other institutions are left out, and records that are shown.
_HITS, _MOST_SHOWN = 50, 10


@router.get(PATH)
async def choose_record(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post("/catalogue/items/{item_id}/moves")
async def move(request: Request) -> Response:
    """Move the item. It keeps its barcode, its number, its loan and its history."""
    fields = await read_form(request)
    item_id = request.path_params["item_id"]
    message = items_pb2.ChangeItemRequest(id=item_id, version=fields.version(), record_id=fields.text("record"))
    try:
        await call(request, catalog(request).ChangeItem, message)
    except Error as problem:
        if problem.reason == "ITEM_NOT_FOUND":
            raise
        return await _page(request, refuse(request, signed_in_form(request), problem, {}))
    return redirect(f"/catalogue/items/{item_id}?note=moved")


async def _page(request: Request, form: Form) -> Response:
    item, query = await own_item(request), request.query_params.get("q", "").strip()[:500]
    found = await _records(request, query) if query else []
    return page(
        request,
        "catalogue_item_move.html",
        form=form,
        item=item,
        q=query,
        records=[record for record in found if record["id"] != item.record_id][:_MOST_SHOWN],
    )


async def _records(request: Request, query: str) -> list[dict[str, Any]]:
    """Return records of the caller's institution: that with an id or an address, of an item, or those of a search."""
    stub = catalog(request)
    record_id = parse_or_nil(query.rstrip("/").rpartition("/")[2])
    if not record_id.int:
        message = items_pb2.ListFastAddsRequest(barcode=query[:64], every=True, limit=1)
        for item in (await call(request, stub.ListFastAdds, message)).items:
            record_id = parse_or_nil(item.record_id)
    if record_id.int:
        try:
            reply = await call(request, stub.GetRecord, catalog_pb2.GetRecordRequest(id=str(record_id)))
        except NotFound:
            return []
        return [shown(reply.id, reply.display)]
    hits = (await call(request, stub.Search, catalog_pb2.SearchRequest(query=query, limit=_HITS))).hits
    session = session_of(request)
    assert session is not None  # SignedInRouter
    found = [shown(hit.id, hit.brief) for hit in hits]
    return [record for record in found if record.get("institution") == session.account.institution]
