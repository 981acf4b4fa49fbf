"""GET /records/{id}, for display or whole in one of three MARC formats, and its items."""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import LocalText, NotFound
from gateway.api.parameters import read, table
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID,
    RECORD_ID_EXAMPLE,
    RECORD_ID_PATTERN,
    Answer,
    Brief,
    Holding,
    Shape,
    Text,
    documented,
)
from gateway.deps import acceptable, answer, ask, catalog
from gateway.problems import NotAcceptable
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["records"])

MARC_FORMATS = {
    "application/marc": wire.MARC_FORMAT_ISO2709,
    "application/marcxml+xml": wire.MARC_FORMAT_MARCXML,
    "application/marc-in-json": wire.MARC_FORMAT_JSON,
}
OFFERED = (JSON, *MARC_FORMATS)
NOTHING_BUT_LANGUAGE = table()
_RECORD_ID = re.compile(RECORD_ID_PATTERN)


class Link(Shape):
    """relation: "resource" (the book itself), "version", "related" or "none"."""

    url: str
    label: str | None = None
    relation: str | None = None


class Heading(Shape):
    """text: as the facet "subject" has it; parts: the heading and its subdivisions."""

    text: str
    parts: list[str]
    kind: str


class Contributor(Shape):
    name: str
    role: str | None = None
    label: Text | None = None


class Parallel(Shape):
    """The same in its own script. script: ISO 15924; rtl: it runs from right to left; lang: BCP 47."""

    field: str
    text: str
    script: str
    rtl: bool
    lang: str | None = None


class Called(Shape):
    """A text with what it is called; type: the kind of a note or of a statement of publication."""

    text: str
    label: Text
    type: str | None = None


class Row(Shape):
    key: str
    label: Text
    values: list[str]


class Series(Shape):
    text: str
    title: str
    volume: str | None = None
    issn: str | None = None


class Relation(Shape):
    """A related record. id: of the record, where it is in this catalogue; query: a search that finds it if it is."""

    kind: str
    label: Text
    text: str
    title: str
    author: str | None = None
    detail: str | None = None
    control_number: str | None = None
    isbn: str | None = None
    issn: str | None = None
    query: str | None = None
    id: str | None = None


class Display(Brief):
    """All that is shown of a record; the MARC formats have all of it."""

    subjects: list[str] = []
    headings: list[Heading] = []
    contributors: list[Contributor] = []
    parallel: list[Parallel] = []
    uniform_title: str | None = None
    titles_other: list[Called] = []
    publication: list[Called] = []
    extent: str | None = None
    in_series: list[Series] = []
    notes: list[Called] = []
    more: list[Row] = []
    contents: list[str] = []
    audience: str | None = None
    translated_from: list[str] = []
    identifiers: dict[str, list[str]] = {}
    links: list[Link] = []
    relations: list[Relation] = []
    class_: Annotated[str | None, Field(alias="class")] = None
    source: str | None = None


class Record(Shape):
    id: str
    version: int
    record: Display
    holdings: list[Holding]
    updated_at: str
    source: str
    institution: str


class Item(Shape):
    id: str
    barcode: str
    call_number: str
    institution: str
    branch: str
    branch_name: Text
    collection: str
    material: str
    status: str
    availability: Answer
    copy_note: str


class Items(Shape):
    total: int
    hits: list[Item]


def readable(record_id: str) -> str:
    """The identifier, if it can be one at all.

    raises  NotFound  RECORD_NOT_FOUND
    """
    if not _RECORD_ID.fullmatch(record_id):
        raise NotFound(
            "RECORD_NOT_FOUND",
            LocalText("Tidak ada catatan {record}.", "There is no record {record}."),
            record=record_id[:80],
        )
    return record_id


@router.get(
    "/records/{record_id}",
    **documented(
        summary="One record",
        model=Record,
        example={
            "id": RECORD_ID_EXAMPLE,
            "version": 1,
            "record": {**BRIEF_EXAMPLE, "subjects": ["Cerita pendek Indonesia"], "extent": "140 hlm."},
            "holdings": [HOLDING_EXAMPLE],
            "updated_at": "2026-11-25T01:00:00Z",
            "source": "contoh",
            "institution": "PKS",
        },
        parameters=NOTHING_BUT_LANGUAGE,
        refusals=(400, 404, 406, 503, 504),
        path=(RECORD_ID,),
        also={media: {} for media in MARC_FORMATS},
    ),
)
async def record(request: Request) -> Response:
    """Accept chooses: application/json for display; application/marc, application/marcxml+xml or
    application/marc-in-json for all of it.
    """
    read(request, NOTHING_BUT_LANGUAGE)
    media = acceptable(request.headers.get("accept", ""), OFFERED)
    if media is None:
        raise NotAcceptable(
            "MEDIA_TYPE_NOT_OFFERED",
            LocalText("Catatan ini tersedia sebagai: {offered}.", "This record can be had as: {offered}."),
            offered=", ".join(OFFERED),
        )
    record_id = readable(request.path_params["record_id"])
    if media in MARC_FORMATS:
        return await marc(request, record_id, media)
    reply = await ask(request, catalog(request).GetRecord, wire.GetRecordRequest(id=record_id))
    return answer(request, as_json(reply), JSON)


def as_json(reply: wire.GetRecordReply) -> bytes:
    return orjson.dumps(
        {
            "id": reply.id,
            "version": reply.version,
            "record": orjson.Fragment(reply.display),
            "holdings": orjson.Fragment(reply.holdings or b"[]"),
            "updated_at": reply.updated_at.ToJsonString(),
            "source": reply.source,
            "institution": reply.institution,
        }
    )


async def marc(request: Request, record_id: str, media: str, headers: dict[str, str] | None = None) -> Response:
    """The record whole, in a MARC format named by its media type."""
    message = wire.GetMarcRequest(id=record_id, format=MARC_FORMATS[media])
    reply = await ask(request, catalog(request).GetMarc, message)
    return answer(request, reply.content, media, headers=headers)


@router.get(
    "/records/{record_id}/items",
    **documented(
        summary="A record's items",
        model=Items,
        example={
            "total": 1,
            "hits": [
                {
                    "id": RECORD_ID_EXAMPLE,
                    "barcode": "KS0000123",
                    "call_number": "899.221 NAV r",
                    "institution": "PKS",
                    "branch": "PST",
                    "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
                    "collection": "sirkulasi",
                    "material": "book",
                    "status": "in_service",
                    "availability": "can_be_borrowed",
                    "copy_note": "c.1",
                }
            ],
        },
        parameters=NOTHING_BUT_LANGUAGE,
        refusals=(400, 404, 503, 504),
        path=(RECORD_ID,),
    ),
)
async def items(request: Request) -> Response:
    """Every piece of the record in every library, by branch and call number."""
    read(request, NOTHING_BUT_LANGUAGE)
    record_id = readable(request.path_params["record_id"])
    reply = await ask(request, catalog(request).ListItems, wire.ListItemsRequest(record_id=record_id))
    hits = [_item(item) for item in reply.items]
    return answer(request, orjson.dumps({"total": len(hits), "hits": hits}), JSON)


def _item(item: wire.Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "barcode": item.barcode,
        "call_number": item.call_number,
        "institution": item.institution,
        "branch": item.branch,
        "branch_name": {"id": item.branch_name.id, "en": item.branch_name.en},
        "collection": item.collection,
        "material": item.material,
        "status": item.status,
        "availability": item.availability,
        "copy_note": item.copy,
    }
