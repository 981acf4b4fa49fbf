"""/unapi: a record in a named format, for reference managers (unAPI version 1)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.queries import QueryModel, text
from gateway import formats
from gateway.api.queries import read_query
from gateway.api.records import record_in_format
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.partners.xml import put, serialize
from gateway.problems import NotAcceptable
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

# Format names that reference managers use -> URL ending.
FORMATS = {form.unapi: ending for ending, form in formats.FORMATS.items() if form.unapi}


class UnapiQuery(QueryModel):
    id: str = text("The record's id, or the address of its page.", longest=500)
    format: str = text("Name of a format.", longest=40)


@router.get("/unapi")
async def unapi(request: Request) -> Response:
    """List all formats; with `id`, list the formats of the record (300); with `id` and `format`, return the record."""
    query = read_query(UnapiQuery, request)
    identifier = query.id
    if not identifier:
        return respond(request, _formats(""), "application/xml", vary="Accept-Encoding")
    # `id` is urn:uuid:…, the page's URL or the id alone. Each ends in the id, once a query or fragment is removed.
    path = identifier.partition("?")[0].partition("#")[0]
    record_id = check_record_id(path.rpartition("/")[2].rpartition(":")[2].lower())
    name = query.format
    if not name:
        await call(request, catalog(request).GetRecord, wire.GetRecordRequest(id=record_id))
        response = respond(request, _formats(identifier), "application/xml", vary="Accept-Encoding")
        response.status_code = 300 if response.status_code == 200 else response.status_code
        return response
    if name not in FORMATS:
        raise NotAcceptable("FORMAT_UNKNOWN", format=name, known=[*FORMATS])
    return await record_in_format(request, record_id, FORMATS[name])


def _formats(identifier: str) -> bytes:
    element = Element("formats", {"id": identifier} if identifier else {})
    for name, ending in FORMATS.items():
        form = formats.FORMATS[ending]
        put(element, "format", name=name, type=form.media_type, docs=form.documentation)
    return serialize(element)
