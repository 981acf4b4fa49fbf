"""Routes with which staff add, read and change single items."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from chassis.queries import Flag
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import ID_PATTERN
from gateway.api.writes import Version, versioned
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import items_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["items"], route_class=ApiRoute)
_ITEM_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f07-23456789abcd"
# The gateway does not check the form: the service refuses any id that is not an item of the caller's institution (404).
ItemId = Annotated[
    str,
    Path(description="An item's identifier (UUID).", examples=[_ITEM_ID_EXAMPLE]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]


class ItemsQuery(models.InstitutionItemsQuery):
    """The items to list."""

    fast_add: Annotated[bool, Flag] = Field(
        default=False,
        description="Only items that a desk added, until an import or a cataloguer completes them.",
    )


@router.post(
    "/fast-adds",
    **documented("Add an item at the desk", "catalog.FastAdd", errors=(404, 409, 410), status=201),
)
async def fast_add(
    request: Request, response: Response, body: models.FastAddBody, catalog: Catalog
) -> models.EditedItem:
    """Add an item to a record, or to a new brief record that a cataloguer completes later. An import may match both."""
    item = (await call(request, catalog.FastAdd, to_message(wire.FastAddRequest, body))).edited
    return versioned(response, to_model(models.EditedItem, item), item.version)


@router.get("/items", **documented("Items of the institution", "catalog.ListFastAdds"))
async def list_items_of_institution(
    request: Request, query: Annotated[ItemsQuery, Query()], catalog: Catalog
) -> models.InstitutionItems:
    """List items of the caller's institution, the oldest first: all, those of desks, or the one with a barcode."""
    message = to_message(wire.ListFastAddsRequest, query, every=not query.fast_add)
    return to_model(models.InstitutionItems, await call(request, catalog.ListFastAdds, message))


@router.get("/items/{item_id}", **documented("An item", "catalog.GetItem", errors=(404,)))
async def get_item(
    request: Request, response: Response, item_id: ItemId, query: NoParameters, catalog: Catalog
) -> models.EditedItem:
    """Return an item of the caller's institution; the scope facts.loans is enough too. The ETag is its version."""
    reply = await call(request, catalog.GetItem, wire.GetItemRequest(id=item_id))
    return versioned(response, to_model(models.EditedItem, reply.item), reply.item.version)


@router.get("/items/{item_id}/changes", **documented("Changes of an item", "catalog.ListItemChanges", errors=(404,)))
async def list_item_changes(
    request: Request, item_id: ItemId, query: Annotated[models.ItemChangesQuery, Query()], catalog: Catalog
) -> models.ItemChanges:
    """List what staff changed in an item of the caller's institution: when, who, and the values before and after."""
    message = to_message(wire.ListItemChangesRequest, query, id=item_id)
    return to_model(models.ItemChanges, await call(request, catalog.ListItemChanges, message))


@router.patch("/items/{item_id}", **documented("Change an item", "catalog.ChangeItem", errors=(404, 409, 410)))
async def change_item(
    request: Request,
    response: Response,
    item_id: ItemId,
    body: models.ChangedItemBody,
    catalog: Catalog,
    version: Version,
) -> models.EditedItem:
    """Change an item, or move it to another record. It keeps its id, with its loan and its history.

    Later imports keep its barcode and its status; after another change they leave the item as it is.
    """
    message = to_message(wire.ChangeItemRequest, body, id=item_id, version=version)
    reply = await call(request, catalog.ChangeItem, message)
    return versioned(response, to_model(models.EditedItem, reply.item), reply.item.version)
