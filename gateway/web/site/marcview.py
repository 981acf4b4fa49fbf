"""/records/{id}/marc: the MARC view of a record with all fields, for cataloguers."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.web.rendering import page
from gateway.web.site.record import downloads
from gateway.web.site.record_rows import is_right_to_left
from gateway.web.texts import wording
from rangkiang.catalog.v1 import catalog_pb2, forms_pb2

router = APIRouter()


@router.get("/records/{record_id}/marc")
async def marc_view(request: Request) -> Response:
    record_id = check_record_id(request.path_params["record_id"])
    stub = catalog(request)
    form, reply = await asyncio.gather(
        call(request, stub.GetForm, forms_pb2.GetFormRequest(id=record_id, form="marcjson")),
        call(request, stub.GetRecord, catalog_pb2.GetRecordRequest(id=record_id)),
    )
    whole = orjson.loads(form.content)
    return page(
        request,
        "marc.html",
        id=record_id,
        title=orjson.loads(reply.display)["title"],
        leader=whole["leader"],
        fields=[_field(tag, value) for entry in whole["fields"] for tag, value in entry.items()],
        downloads=downloads(record_id, wording(language(request))),
    )


def _field(tag: str, value: Any) -> dict[str, Any]:
    """Return a field of MARC-in-JSON for templates. Control fields have a value; data fields have subfields."""
    if isinstance(value, str):
        return {"tag": tag, "indicators": "", "value": value, "subfields": [], "rtl": False}
    subfields = [(code, text) for subfield in value["subfields"] for code, text in subfield.items()]
    return {
        "tag": tag,
        "indicators": f"{value['ind1']}{value['ind2']}".replace(" ", "#"),
        "value": "",
        "subfields": [(code, text, is_right_to_left(text)) for code, text in subfields],
    }
