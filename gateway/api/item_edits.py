"""Routes with which cataloguers add and remove items, and set the pattern of accession numbers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.items import ItemId
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.record_edits import OwnRecordId
from gateway.api.writes import Version, versioned
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import accessions_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["items"], route_class=ApiRoute)


@router.post(
    "/records/{record_id}/items",
    **documented("Add items to a record", "catalog.AddItems", errors=(404, 409, 410), status=201),
)
async def add_items(
    request: Request, record_id: OwnRecordId, body: models.NewItemsBody, catalog: Catalog
) -> models.AddedItems:
    """Add up to 500 items to a record of the caller's institution, each with the next number of the accession register.

    An item whose barcode was removed before keeps its identifier and its entry in the register as it is.
    """
    message = to_message(wire.AddItemsRequest, body, record_id=record_id)
    return to_model(models.AddedItems, await call(request, catalog.AddItems, message))


@router.get(
    "/records/{record_id}/call-number-proposal",
    **documented("A call number for a record", "catalog.ProposeCallNumber", errors=(404, 410)),
)
async def propose_call_number(
    request: Request,
    record_id: OwnRecordId,
    query: Annotated[models.CallNumberProposalQuery, Query()],
    catalog: Catalog,
) -> models.CallNumberProposal:
    """Propose a call number from class, main entry and title, with its neighbours on the shelf of a branch."""
    message = to_message(wire.ProposeCallNumberRequest, query, record_id=record_id)
    return to_model(models.CallNumberProposal, await call(request, catalog.ProposeCallNumber, message))


@router.delete("/items/{item_id}", **documented("Remove an item", "catalog.RemoveItem", errors=(404, 409), status=204))
async def remove_item(
    request: Request,
    item_id: ItemId,
    query: Annotated[models.RemovalQuery, Query()],
    catalog: Catalog,
    version: Version,
) -> None:
    """Remove an item that is not out. Its accession number stays in the register, with the reason."""
    await call(request, catalog.RemoveItem, to_message(wire.RemoveItemRequest, query, id=item_id, version=version))


@router.get("/accession-rules", **documented("The pattern of accession numbers", "catalog.GetAccessionRules"))
async def get_accession_rules(
    request: Request, response: Response, query: NoParameters, catalog: Catalog
) -> models.AccessionRules:
    """Return how the caller's institution numbers its items. The ETag is the version."""
    rules = await call(request, catalog.GetAccessionRules, wire.GetAccessionRulesRequest())
    return versioned(response, to_model(models.AccessionRules, rules), rules.version)


@router.put("/accession-rules", **documented("Change the pattern of accession numbers", "catalog.PutAccessionRules"))
async def put_accession_rules(
    request: Request, response: Response, body: models.AccessionRulesBody, catalog: Catalog, version: Version
) -> models.AccessionRules:
    """Change the pattern of the numbers that are given from now on. Numbers that items have do not change."""
    message = to_message(wire.PutAccessionRulesRequest, body, version=version)
    rules = await call(request, catalog.PutAccessionRules, message)
    return versioned(response, to_model(models.AccessionRules, rules), rules.version)
