"""Routes with which staff add, read and change single items."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from chassis.queries import OneOf
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import ID_PATTERN
from gateway.api.writes import Version
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import items_pb2 as wire
from rangkiang.catalog.v1 import models
from rangkiang.catalog.v1.events_pb2 import ItemCopy

router = APIRouter(tags=["items"], route_class=ApiRoute)
_SERVICE = "/rangkiang.catalog.v1.Catalog"
_ITEM_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f07-23456789abcd"
# The gateway does not check the form: the service refuses any id that is not an item of the caller's institution (404).
ItemId = Annotated[
    str,
    Path(description="An item's identifier (UUID).", examples=[_ITEM_ID_EXAMPLE]),
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),
]


class FastAddsQuery(models.FastAddsQuery):
    """The items to list."""

    fast_add: Annotated[
        str, OneOf(("true",)), Field(description="Always true: items that a desk added and no import has matched yet.")
    ]


@router.post(
    "/fast-adds",
    **documented(
        "Add an item at the desk",
        model=models.EditedItem,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/FastAdd",
        status=201,
    ),
)
async def fast_add(request: Request, body: models.FastAddBody, catalog: Catalog) -> Response:
    """Add an item to a record, or to a new brief record that a cataloguer completes later. An import may match both."""
    item: ItemCopy = (await call(request, catalog.FastAdd, to_message(wire.FastAddRequest, body))).item
    added = to_model(models.EditedItem, item, record=item.record_id, branch=body.branch, is_fast_add=True)
    return private(added, status=201, version=item.version)


@router.get("/items", **documented("Items added at desks", model=models.FastAdds, errors=ERRORS))
async def list_fast_adds(request: Request, query: Annotated[FastAddsQuery, Query()], catalog: Catalog) -> Response:
    """List items of the caller's institution that a desk added and no import has matched yet."""
    reply = await call(request, catalog.ListFastAdds, to_message(wire.ListFastAddsRequest, query))
    return private(to_model(models.FastAdds, reply))


@router.get("/items/{item_id}", **documented("An item", model=models.EditedItem, errors=(*ERRORS, 404)))
async def get_item(request: Request, item_id: ItemId, query: NoParameters, catalog: Catalog) -> Response:
    """Return an item of the caller's institution. The ETag is its version."""
    reply = await call(request, catalog.GetItem, wire.GetItemRequest(id=item_id))
    return private(to_model(models.EditedItem, reply.item), version=reply.item.version)


@router.patch(
    "/items/{item_id}",
    **documented(
        "Change an item", model=models.EditedItem, errors=(*ERRORS, 404, 409), method=f"{_SERVICE}/ChangeItem"
    ),
)
async def change_item(
    request: Request, item_id: ItemId, body: models.ChangedItemBody, catalog: Catalog, version: Version
) -> Response:
    """Change the barcode or the status of an item. Later imports keep both."""
    message = to_message(wire.ChangeItemRequest, body, id=item_id, version=version)
    reply = await call(request, catalog.ChangeItem, message)
    return private(to_model(models.EditedItem, reply.item), version=reply.item.version)
