"""GET /records/{id}: for display, or in any form by Accept or by the ending of the address; and its items."""

from __future__ import annotations

import re
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.api.parameters import NEAR, one, read, table
from gateway.api.record_schema import FullRecord
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID,
    RECORD_ID_EXAMPLE,
    RECORD_ID_PATTERN,
    WORK_ID_EXAMPLE,
    Answer,
    Shape,
    Text,
    documented,
)
from gateway.deps import absolute, acceptable, answer, ask, catalog
from gateway.formats import BY_MEDIA_TYPE, ENDINGS, MEDIA_TYPES
from gateway.problems import NotAcceptable
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import forms_pb2

router = APIRouter(tags=["records"])

ONE = table(NEAR)
NOTHING_BUT_LANGUAGE = table()
_RECORD_ID = re.compile(RECORD_ID_PATTERN)
# A form that a program may show as text, first: what a generated client reads an answer as.
_AS_TEXT = {
    media: {"schema": {"type": "string"}} for media in sorted(MEDIA_TYPES, key=lambda media: media[:5] != "text/")
}
ENDING = {
    "name": "ending",
    "in": "path",
    "required": True,
    "description": " ".join(f"`{name}`: {each.says}" for name, each in ENDINGS.items()),
    "schema": {"type": "string", "enum": list(ENDINGS)},
    "example": "ris",
}


class CallNumber(Shape):
    """The parts of a call number; those it does not have are empty. sort_key sorts as the pieces stand."""

    prefix: str
    class_number: str
    author_mark: str
    title_mark: str
    volume: str
    copy_number: str
    sort_key: str


class Item(Shape):
    id: str
    barcode: str
    call_number: str
    call_number_parts: CallNumber | None = None
    institution: str
    branch: str
    branch_name: Text
    collection: str
    room: str
    material: str
    status: str
    availability: Answer
    copy_note: str
    enumeration: str
    chronology: str
    pieces: str


class Items(Shape):
    total: int
    hits: list[Item]


ITEM_EXAMPLE: dict[str, Any] = {
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


def is_id(text: str) -> bool:
    """It is an identifier as we write them."""
    return _RECORD_ID.fullmatch(text) is not None


def readable(record_id: str) -> str:
    """The identifier, if it can be one at all.

    raises  NotFound  RECORD_NOT_FOUND
    """
    if not is_id(record_id):
        raise NotFound("RECORD_NOT_FOUND", record=record_id[:80])
    return record_id


@router.get(
    "/records/{record_id}.{ending}",
    **documented(
        operation="get_record_form",
        summary="One record in a form of your choice",
        model=None,
        example="TY  - BOOK\r\nTI  - Robohnya Surau Kami\r\nAU  - Navis, A.A.\r\nER  - \r\n",
        media="text/csv",
        parameters=NOTHING_BUT_LANGUAGE,
        refusals=(400, 404, 429, 503, 504),
        path=(RECORD_ID, ENDING),
        also=_AS_TEXT,
    ),
)
async def record_form(request: Request) -> Response:
    """The same forms as by Accept, for those who can only write an address."""
    read(request, NOTHING_BUT_LANGUAGE)
    record_id, ending = request.path_params["record_id"], request.path_params["ending"]
    return await in_form(request, record_id, ending)


@router.get(
    "/records/{record_id}",
    **documented(
        operation="get_record",
        summary="One record",
        model=FullRecord,
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
        parameters=ONE,
        refusals=(400, 404, 406, 429, 503, 504),
        path=(RECORD_ID,),
        also={media: each for media, each in _AS_TEXT.items() if media != JSON},
    ),
)
async def record(request: Request) -> Response:
    """Accept chooses: application/json for display, or any of the forms that `/records/{record_id}.{ending}` has."""
    given = read(request, ONE)
    media = acceptable(request.headers.get("accept", ""), MEDIA_TYPES)
    if media is None:
        raise NotAcceptable("MEDIA_TYPE_NOT_OFFERED", offered=", ".join(MEDIA_TYPES))
    return await in_form(request, request.path_params["record_id"], BY_MEDIA_TYPE[media], near=one(given, "near"))


async def in_form(
    request: Request, record_id: str, ending: str, *, near: str = "", headers: dict[str, str] | None = None
) -> Response:
    """A record in the form of an ending.

    raises  NotFound  RECORD_NOT_FOUND, for an ending that nobody knows too
    """
    known = ENDINGS.get(ending)
    if known is None:
        record_id = f"{record_id}.{ending}"
    readable(record_id)
    assert known is not None
    if ending == "json":
        shown = await ask(request, catalog(request).GetRecord, wire.GetRecordRequest(id=record_id, branch=near))
        return answer(request, as_json(shown), JSON, headers=headers)
    message = forms_pb2.GetFormRequest(id=record_id, form=known.form, address=absolute(request, "/records/{id}"))
    reply = await ask(request, catalog(request).GetForm, message)
    return answer(request, reply.content, reply.media_type, headers=headers)


def as_json(reply: wire.GetRecordReply) -> bytes:
    shown: dict[str, Any] = {
        "id": reply.id,
        "version": reply.version,
        "record": orjson.Fragment(reply.display),
        "holdings": orjson.Fragment(reply.holdings or b"[]"),
        "updated_at": reply.updated_at.ToJsonString(),
        "source": reply.source,
        "institution": reply.institution,
    }
    if reply.work_id:
        shown |= {"work_id": reply.work_id, "editions": reply.editions}
    return orjson.dumps(shown)


@router.get(
    "/records/{record_id}/items",
    **documented(
        operation="list_items",
        summary="A record's items",
        model=Items,
        example={"total": 1, "hits": [ITEM_EXAMPLE]},
        parameters=ONE,
        refusals=(400, 404, 429, 503, 504),
        path=(RECORD_ID,),
    ),
)
async def items(request: Request) -> Response:
    """Every piece of the record in every library, by branch and call number; those of `near` first."""
    given = read(request, ONE)
    message = wire.ListItemsRequest(record_id=readable(request.path_params["record_id"]), branch=one(given, "near"))
    reply = await ask(request, catalog(request).ListItems, message)
    hits = [_item(item) for item in reply.items]
    return answer(request, orjson.dumps({"total": len(hits), "hits": hits}), JSON)


def _item(item: wire.Item) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": item.id,
        "barcode": item.barcode,
        "call_number": item.call_number,
        "institution": item.institution,
        "branch": item.branch,
        "branch_name": {"id": item.branch_name.id, "en": item.branch_name.en},
        "collection": item.collection,
        "room": item.room,
        "material": item.material,
        "status": item.status,
        "availability": item.availability,
        "copy_note": item.copy,
        "enumeration": item.enumeration,
        "chronology": item.chronology,
        "pieces": item.pieces,
    }
    if item.HasField("call_number_parts"):
        parts = item.call_number_parts
        shown["call_number_parts"] = {
            "prefix": parts.prefix,
            "class_number": parts.class_number,
            "author_mark": parts.author_mark,
            "title_mark": parts.title_mark,
            "volume": parts.volume,
            "copy_number": parts.copy,
            "sort_key": parts.sort_key,
        }
    return shown
