"""/unapi — a record by its identifier in a format by its name (unAPI version 1), as reference managers ask."""

from __future__ import annotations

from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway import formats
from gateway.api.queries import QueryModel, read_query, text
from gateway.api.records import record_in_format
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.partners.xml import put, written
from gateway.problems import NotAcceptable
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

# Names that reference managers know -> ending; the best first.
FORMATS = {
    "mods": "mods", "marcxml": "xml", "marc": "mrc", "ris": "ris", "bibtex": "bib", "oai_dc": "dc", "jsonld": "jsonld",
    "marcjson": "marcjson",
}  # fmt: skip
DOCUMENTS = {
    "mods": "https://www.loc.gov/standards/mods/",
    "marcxml": "https://www.loc.gov/standards/marcxml/",
    "oai_dc": "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
    "jsonld": "https://schema.org/",
}


class UnapiQuery(QueryModel):
    id: str = text("The record's id, or the address of its page.", longest=500)
    format: str = text("Name of a format.", longest=40)


@router.get("/unapi")
async def unapi(request: Request) -> Response:
    """Without `id` the formats there are; with it those of the record (300); with `format` too, the record in it."""
    query = read_query(UnapiQuery, request, strict=False)
    asked = query.id
    if not asked:
        return respond(request, _formats(""), "application/xml", vary="Accept-Encoding")
    # urn:uuid:…, the page's address or the bare id all end in the id.
    record_id = check_record_id(urlsplit(asked).path.rpartition("/")[2].rpartition(":")[2].lower())
    name = query.format
    if not name:
        await call(request, catalog(request).GetRecord, wire.GetRecordRequest(id=record_id))
        listed = respond(request, _formats(asked), "application/xml", vary="Accept-Encoding")
        listed.status_code = 300 if listed.status_code == 200 else listed.status_code
        return listed
    if name not in FORMATS:
        raise NotAcceptable("FORMAT_UNKNOWN", format=name, known=", ".join(FORMATS))
    return await record_in_format(request, record_id, FORMATS[name])


def _formats(asked: str) -> bytes:
    element = Element("formats", {"id": asked} if asked else {})
    for name, ending in FORMATS.items():
        put(element, "format", name=name, type=formats.FORMATS[ending].media_type, docs=DOCUMENTS.get(name, ""))
    return written(element)
