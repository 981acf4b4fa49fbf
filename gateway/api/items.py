"""Routes with which staff add, read and change single items."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import CONTROL, OneOf, QueryModel, WholeNumber
from gateway.api.schemas import ID_PATTERN, RECORD_ID_EXAMPLE
from gateway.api.writes import Version
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import items_pb2 as wire
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
_PLAIN = f"^[^{CONTROL}]*$"


class FastAddBody(Body):
    """A new item: its barcode and branch, and a record or the title of a new one."""

    barcode: str = Field(
        description="Barcode, as scanned.", min_length=1, max_length=64, pattern=_PLAIN, examples=["KS0000987"]
    )
    branch: str = Field(
        description="Code of a branch of the institution.",
        min_length=1,
        max_length=64,
        pattern=_PLAIN,
        examples=["PST"],
    )
    record: str = Field("", description="Id of a record of the institution.", max_length=64, examples=[""])
    title: str = Field(
        "", description="Title of a new record.", max_length=500, pattern=_PLAIN, examples=["Negeri 5 Menara"]
    )
    author: str = Field(
        "",
        description="Author of the new record, family name first.",
        max_length=200,
        pattern=_PLAIN,
        examples=["Fuadi, Ahmad"],
    )


class ChangedItemBody(Body):
    """The changes; an absent field does not change."""

    barcode: str | None = Field(
        None, description="Barcode, as scanned.", min_length=1, max_length=64, pattern=_PLAIN, examples=["KS0000988"]
    )
    status: str | None = Field(
        None,
        description="Status: in_service, in_process, in_repair, missing, proposed_for_withdrawal or withdrawn.",
        max_length=40,
        examples=["in_repair"],
    )


class FastAddsQuery(QueryModel):
    """The items to list."""

    fast_add: Annotated[
        str, OneOf(("true",)), Field(description="Always true: items that a desk added and no import has matched yet.")
    ]
    cursor: str = Field("", description="The `next` value of the previous page.", max_length=64)
    limit: Annotated[int, WholeNumber(1, 200), Field(description="Items on a page.")] = 50


class EditedItem(ResponseModel):
    """An item as staff see it."""

    id: str
    """Identifier (UUID)."""
    version: int
    """Version, for If-Match."""
    barcode: str
    """Barcode; empty when the item has none."""
    status: str
    """Status in the catalogue."""
    record: str
    """Identifier (UUID) of its record."""
    title: str
    """Title of its record, at most 120 characters."""
    call_number: str
    """Call number."""
    branch: str
    """Code of its branch."""
    collection: str
    """Code of its collection."""
    is_fast_add: bool
    """True for an item that a desk added, until an import matches it."""


class FastAdds(ResponseModel):
    hits: list[EditedItem]
    """The items, the oldest first."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""


_EXAMPLE: dict[str, Any] = {
    "id": _ITEM_ID_EXAMPLE,
    "version": 1,
    "barcode": "KS0000987",
    "status": "in_service",
    "record": RECORD_ID_EXAMPLE,
    "title": "Negeri 5 Menara",
    "call_number": "",
    "branch": "PST",
    "collection": "",
    "is_fast_add": True,
}
_CHANGED = _EXAMPLE | {"version": 2, "status": "in_repair"}


@router.post(
    "/fast-adds",
    response_model=EditedItem,
    status_code=201,
    **documented(
        operation="fast_add",
        summary="Add an item at the desk",
        example=_EXAMPLE,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/FastAdd",
        status=201,
    ),
)
async def fast_add(request: Request, body: FastAddBody, catalog: Catalog) -> Response:
    """Add an item to a record, or to a new brief record that a cataloguer completes later. An import may match both."""
    message = wire.FastAddRequest(
        barcode=body.barcode, branch=body.branch, record_id=body.record, title=body.title, author=body.author
    )
    item: ItemCopy = (await call(request, catalog.FastAdd, message)).item
    added = EditedItem(
        id=item.id,
        version=item.version,
        barcode=item.barcode,
        status=item.status,
        record=item.record_id,
        title=item.title,
        call_number=item.call_number,
        branch=body.branch,
        collection=item.collection,
        is_fast_add=True,
    )
    return private(added, status=201, version=item.version)


@router.get(
    "/items",
    response_model=FastAdds,
    **documented(
        operation="list_fast_adds",
        summary="Items added at desks",
        example={"hits": [_EXAMPLE]},
        errors=ERRORS,
    ),
)
async def list_fast_adds(request: Request, query: Annotated[FastAddsQuery, Query()], catalog: Catalog) -> Response:
    """List items of the caller's institution that a desk added and no import has matched yet."""
    message = wire.ListFastAddsRequest(cursor=query.cursor, limit=query.limit)
    reply = await call(request, catalog.ListFastAdds, message)
    return private(FastAdds(hits=[_item(item) for item in reply.items], next=reply.cursor or None))


@router.get(
    "/items/{item_id}",
    response_model=EditedItem,
    **documented(operation="get_item", summary="An item", example=_EXAMPLE, errors=(*ERRORS, 404)),
)
async def get(request: Request, item_id: ItemId, query: Annotated[QueryModel, Query()], catalog: Catalog) -> Response:
    """Return an item of the caller's institution. The ETag is its version."""
    reply = await call(request, catalog.GetItem, wire.GetItemRequest(id=item_id))
    return private(_item(reply.item), version=reply.item.version)


@router.patch(
    "/items/{item_id}",
    response_model=EditedItem,
    **documented(
        operation="change_item",
        summary="Change an item",
        example=_CHANGED,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/ChangeItem",
    ),
)
async def change(
    request: Request, item_id: ItemId, body: ChangedItemBody, catalog: Catalog, version: Version
) -> Response:
    """Change the barcode or the status of an item. Later imports keep both."""
    message = wire.ChangeItemRequest(id=item_id, version=version, barcode=body.barcode, status=body.status)
    reply = await call(request, catalog.ChangeItem, message)
    return private(_item(reply.item), version=reply.item.version)


def _item(item: wire.ItemForEdit) -> EditedItem:
    return EditedItem(
        id=item.id,
        version=item.version,
        barcode=item.barcode,
        status=item.status,
        record=item.record_id,
        title=item.title,
        call_number=item.call_number,
        branch=item.branch,
        collection=item.collection,
        is_fast_add=item.is_fast_add,
    )
