"""GET /records/{id}, for display or in a format selected by Accept or the URL's ending, and its items."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway import clients
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NearQuery, NoParameters
from gateway.api.schemas import JSON, RecordId, UncheckedRecordId, check_record_id
from gateway.clients import Catalog, call
from gateway.formats import ENDING_BY_MEDIA_TYPE, FORMATS, MEDIA_TYPES
from gateway.links import absolute_url
from gateway.negotiation import preferred_media_type
from gateway.plans import count_records
from gateway.problems import NotAcceptable
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import forms_pb2, items_pb2, models

router = APIRouter(tags=["records"], route_class=ApiRoute)

# Text formats are first, because generated clients read a response in the first format.
_AS_TEXT: dict[str, Any] = {
    media_type: {"schema": {"type": "string"}}
    for media_type in sorted(MEDIA_TYPES, key=lambda name: name[:5] != "text/")
}
_AS_TEXT["text/csv"]["example"] = "TY  - BOOK\r\nTI  - Robohnya Surau Kami\r\nAU  - Navis, A.A.\r\nER  - \r\n"

Ending = Annotated[
    str,
    Path(description=" ".join(f"`{ending}`: {form.description}" for ending, form in FORMATS.items()), examples=["ris"]),
    WithJsonSchema({"type": "string", "enum": list(FORMATS)}),
]


@router.get(
    "/records/{record_id}.{ending}",
    response_class=Response,
    **documented(
        "A record in another format", "catalog.GetForm", errors=(404, 410), content=_AS_TEXT, revalidates=True
    ),
)
async def get_record_form(
    request: Request, record_id: UncheckedRecordId, ending: Ending, query: NoParameters
) -> Response:
    """Return a record in the format of the URL's ending, for clients that cannot set Accept.

    The ETag of `.marcjson` is the version of the record, for `PUT /records/{record_id}`.
    """
    return await record_in_format(request, record_id, ending)


@router.get(
    "/records/{record_id}",
    response_model=models.FullRecord,
    **documented(
        "A record",
        "catalog.GetRecord",
        errors=(404, 406, 410),
        content={media_type: {"schema": {"type": "string"}} for media_type in _AS_TEXT if media_type != JSON},
        revalidates=True,
    ),
)
async def get_record(request: Request, record_id: RecordId, query: Annotated[NearQuery, Query()]) -> Response:
    """Return a record. Accept selects JSON for display, or a format of `/records/{record_id}.{ending}`."""
    media_type = preferred_media_type(request.headers.get("accept", ""), MEDIA_TYPES)
    if media_type is None:
        raise NotAcceptable("MEDIA_TYPE_NOT_OFFERED", offered=[*MEDIA_TYPES])
    return await record_in_format(request, record_id, ENDING_BY_MEDIA_TYPE[media_type], near=query.near)


async def record_in_format(
    request: Request, record_id: str, ending: str, *, near: str = "", headers: dict[str, str] | None = None
) -> Response:
    """Respond with a record in the format of a URL ending.

    raises  NotFound  RECORD_NOT_FOUND, also for an unknown ending
    """
    form = FORMATS.get(ending)
    check_record_id(record_id if form else f"{record_id}.{ending}")
    assert form is not None
    stub = clients.catalog(request)
    if ending == "json":
        reply = await call(request, stub.GetRecord, wire.GetRecordRequest(id=record_id, branch=near))
        count_records(request, 1)
        return respond(request, record_json(reply), JSON, headers=headers)
    message = forms_pb2.GetFormRequest(id=record_id, form=form.name, address=absolute_url(request, "/records/{id}"))
    content = await call(request, stub.GetForm, message)
    count_records(request, 1)
    version = content.version if ending == "marcjson" else None  # the form in which cataloguers edit a record
    return respond(request, content.content, content.media_type, headers=headers, version=version)


def record_json(reply: wire.GetRecordReply) -> bytes:
    """Return a FullRecord as JSON. The model is not used, because this route is one of the most frequent."""
    members: dict[str, Any] = {
        "id": reply.id,
        "version": reply.version,
        "record": orjson.Fragment(reply.display),
        "holdings": orjson.Fragment(reply.holdings or b"[]"),
        "updated_at": reply.updated_at.ToJsonString(),
        "source": reply.source,
        "institution": reply.institution,
    }
    members |= {"work_id": reply.work_id or None, "editions": reply.editions or None}
    return orjson.dumps(members)


@router.get(
    "/records/{record_id}/items",
    **documented("A record's items", "catalog.ListItems", errors=(404, 410), revalidates=True),
)
async def list_items(
    request: Request, record_id: RecordId, query: Annotated[models.ItemsQuery, Query()], catalog: Catalog
) -> models.Items:
    """List the items of a record in all institutions, by branch and call number; those of the branch `near` first."""
    message = to_message(wire.ListItemsRequest, query, record_id=record_id)
    reply = await call(request, catalog.ListItems, message)
    return to_model(models.Items, reply)


@router.post("/availability", **documented("Availability of many records", "catalog.GetAvailability"))
async def get_availability(request: Request, body: models.AvailabilityBody, catalog: Catalog) -> models.Availability:
    """Say for at most 200 ids or ISBNs which records they are, and by branch how many items can be borrowed. An ISBN
    finds every record that has it, in any form of the number.
    """
    reply = await call(request, catalog.GetAvailability, to_message(items_pb2.GetAvailabilityRequest, body))
    return to_model(models.Availability, reply)
