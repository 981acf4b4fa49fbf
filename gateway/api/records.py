"""GET /records/{id}, for display or in a format selected by Accept or the URL's ending, and its items."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway import clients
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NearQuery, QueryModel
from gateway.api.record_schema import FullRecord
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID_EXAMPLE,
    WORK_ID_EXAMPLE,
    AvailabilityAnswer,
    RecordId,
    UncheckedRecordId,
    check_record_id,
)
from gateway.api.serializers import text
from gateway.clients import Catalog, call
from gateway.formats import ENDING_BY_MEDIA_TYPE, FORMATS, MEDIA_TYPES
from gateway.links import absolute_url
from gateway.negotiation import preferred_media_type
from gateway.problems import NotAcceptable
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import forms_pb2
from rangkiang.common.v1.models import Text

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


class CallNumber(ResponseModel):
    """The parts of a call number; missing parts are empty."""

    prefix: str
    """Prefix, such as R for reference."""
    class_number: str
    """Class number, as printed."""
    author_mark: str
    """First letters of the author's name."""
    title_mark: str
    """First letter of the title."""
    volume: str
    """Volume."""
    copy_number: str
    """Copy number."""
    sort_key: str
    """Sort key in shelf order."""


class Item(ResponseModel):
    """One physical piece."""

    id: str
    """Id of the item."""
    barcode: str
    """Barcode; empty when the item has none, and then only the library knows whether the item can be borrowed."""
    call_number: str
    """The printed call number."""
    call_number_parts: CallNumber | None = None
    """The call number in parts; absent when it cannot be parsed."""
    institution: str
    """Code of the institution."""
    branch: str
    """Code of the branch."""
    branch_name: Text
    """Name of the branch."""
    collection: str
    """Code of the collection."""
    room: str
    """Room in the branch."""
    material: str
    """Kind of material."""
    status: str
    """Status of the item at its institution."""
    availability: AvailabilityAnswer
    """Whether a reader can use or borrow it."""
    due_on: str | None = None
    """With `out_until`: due date of the loan, ISO 8601."""
    copy_note: str
    """Copy number or note."""
    enumeration: str
    """Volume, number, part."""
    chronology: str
    """Date of issue."""
    pieces: str
    """Accompanying material."""


class Items(ResponseModel):
    total: int
    """Number of items."""
    hits: list[Item]
    """The items by branch and call number; those of the branch `near` first."""


_ITEM_EXAMPLE: dict[str, Any] = {
    "id": RECORD_ID_EXAMPLE,
    "barcode": "KS0000123",
    "call_number": "899.221 NAV r",
    "call_number_parts": {
        "prefix": "",
        "class_number": "899.221",
        "author_mark": "NAV",
        "title_mark": "r",
        "volume": "",
        "copy_number": "",
        "sort_key": "899.221 nav r",
    },
    "institution": "PKS",
    "branch": "PST",
    "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
    "collection": "circulation",
    "room": "Lantai 2",
    "material": "book",
    "status": "in_service",
    "availability": "can_be_borrowed",
    "copy_note": "c.1",
    "enumeration": "Jilid 2",
    "chronology": "",
    "pieces": "1 CD-ROM",
}


@router.get(
    "/records/{record_id}.{ending}",
    response_class=Response,
    **documented(
        operation="get_record_form",
        summary="A record in another format",
        revalidates=True,
        errors=(400, 404, 410, 429, 503, 504),
        content=_AS_TEXT,
    ),
)
async def record_file(
    request: Request, record_id: UncheckedRecordId, ending: Ending, query: Annotated[QueryModel, Query()]
) -> Response:
    """Return a record in the format of the URL's ending, for clients that cannot set Accept."""
    return await record_in_format(request, record_id, ending)


@router.get(
    "/records/{record_id}",
    response_model=FullRecord,
    **documented(
        operation="get_record",
        summary="A record",
        revalidates=True,
        example={
            "id": RECORD_ID_EXAMPLE,
            "version": 1,
            "record": {**BRIEF_EXAMPLE, "subjects": ["Cerita pendek Indonesia"], "extent": "140 hlm."},
            "holdings": [HOLDING_EXAMPLE],
            "updated_at": "2026-11-25T01:00:00Z",
            "source": "contoh",
            "institution": "PKS",
            "work_id": WORK_ID_EXAMPLE,
            "editions": 2,
        },
        errors=(400, 404, 406, 410, 429, 503, 504),
        content={media_type: {"schema": {"type": "string"}} for media_type in _AS_TEXT if media_type != JSON},
    ),
)
async def record(request: Request, record_id: RecordId, query: Annotated[NearQuery, Query()]) -> Response:
    """Return a record. Accept selects JSON for display, or a format of `/records/{record_id}.{ending}`."""
    media_type = preferred_media_type(request.headers.get("accept", ""), MEDIA_TYPES)
    if media_type is None:
        raise NotAcceptable("MEDIA_TYPE_NOT_OFFERED", offered=", ".join(MEDIA_TYPES))
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
        return respond(request, record_json(reply), JSON, headers=headers)
    message = forms_pb2.GetFormRequest(id=record_id, form=form.name, address=absolute_url(request, "/records/{id}"))
    content = await call(request, stub.GetForm, message)
    return respond(request, content.content, content.media_type, headers=headers)


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
    if reply.work_id:
        members |= {"work_id": reply.work_id, "editions": reply.editions}
    return orjson.dumps(members)


@router.get(
    "/records/{record_id}/items",
    response_model=Items,
    **documented(
        operation="list_items",
        summary="A record's items",
        revalidates=True,
        example={"total": 1, "hits": [_ITEM_EXAMPLE]},
        errors=(400, 404, 410, 429, 503, 504),
    ),
)
async def items(
    request: Request, record_id: RecordId, query: Annotated[NearQuery, Query()], catalog: Catalog
) -> Response:
    """List the items of a record in all institutions, by branch and call number; those of the branch `near` first."""
    message = wire.ListItemsRequest(record_id=record_id, branch=query.near)
    reply = await call(request, catalog.ListItems, message)
    hits = [_item(item) for item in reply.items]
    return respond(request, Items(total=len(hits), hits=hits).to_json(), JSON)


def _item(item: wire.Item) -> Item:
    return Item(
        id=item.id,
        barcode=item.barcode,
        call_number=item.call_number,
        call_number_parts=_call_number(item.call_number_parts) if item.HasField("call_number_parts") else None,
        institution=item.institution,
        branch=item.branch,
        branch_name=text(item.branch_name),
        collection=item.collection,
        room=item.room,
        material=item.material,
        status=item.status,
        availability=item.availability,
        due_on=item.due_on or None,
        copy_note=item.copy,
        enumeration=item.enumeration,
        chronology=item.chronology,
        pieces=item.pieces,
    )


def _call_number(parts: wire.CallNumber) -> CallNumber:
    return CallNumber(
        prefix=parts.prefix,
        class_number=parts.class_number,
        author_mark=parts.author_mark,
        title_mark=parts.title_mark,
        volume=parts.volume,
        copy_number=parts.copy,
        sort_key=parts.sort_key,
    )
