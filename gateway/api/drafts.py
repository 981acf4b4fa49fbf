"""Routes for what a cataloguer has typed and not saved yet, and for templates of new records."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import ID_PATTERN
from gateway.api.writes import Version, versioned
from gateway.clients import Catalog, call
from gateway.request_guard import accept_bodies
from rangkiang.catalog.v1 import drafts_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["cataloguing"], route_class=ApiRoute)

# More than the limit of the service, because JSON escapes some letters.
LONGEST_DRAFT_BYTES = 256 * 1024
Place = Annotated[
    str,
    Path(description="Id of a record of the institution, or `new` for a new one.", examples=["new"], max_length=64),
]
TemplateId = Annotated[
    str,
    Path(description="Identifier (UUID) of a template.", examples=["0192f3a4-5b6c-7d8e-9f0c-23456789abcd"]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]


@router.get("/drafts", **documented("Drafts of the caller", "catalog.ListDrafts"))
async def list_drafts(request: Request, query: NoParameters, catalog: Catalog) -> models.Drafts:
    """List what the caller has typed in forms of records and not saved: at most 20 drafts, each kept for 30 days."""
    return to_model(models.Drafts, await call(request, catalog.ListDrafts, wire.ListDraftsRequest()))


@router.get("/drafts/{place}", **documented("A draft", "catalog.GetDraft", errors=(404,)))
async def get_draft(request: Request, place: Place, query: NoParameters, catalog: Catalog) -> models.Draft:
    """Return a draft of the caller with its values."""
    return to_model(models.Draft, await call(request, catalog.GetDraft, wire.GetDraftRequest(place=place)))


@router.put("/drafts/{place}", **documented("Save a draft", "catalog.SaveDraft", errors=(404, 410, 413)))
@accept_bodies(LONGEST_DRAFT_BYTES)
async def save_draft(request: Request, place: Place, body: models.DraftBody, catalog: Catalog) -> models.Draft:
    """Store what was typed in the form of a record, at most 64 KB. The oldest of more than 20 drafts goes.

    It replaces the caller's earlier draft of the same record; the record itself does not change.
    """
    message = to_message(wire.SaveDraftRequest, body, place=place)
    return to_model(models.Draft, await call(request, catalog.SaveDraft, message))


@router.delete("/drafts/{place}", **documented("Delete a draft", "catalog.DeleteDraft", status=204))
async def delete_draft(request: Request, place: Place, catalog: Catalog) -> None:
    """Delete a draft of the caller; without one nothing happens."""
    await call(request, catalog.DeleteDraft, wire.DeleteDraftRequest(place=place))


@router.get("/record-templates", **documented("Templates for records", "catalog.ListRecordTemplates"))
async def list_record_templates(request: Request, query: NoParameters, catalog: Catalog) -> models.RecordTemplates:
    """List the records from which new ones of the institution begin, by name; at most 100."""
    message = wire.ListRecordTemplatesRequest()
    return to_model(models.RecordTemplates, await call(request, catalog.ListRecordTemplates, message))


@router.get("/record-templates/{template_id}", **documented("A template", "catalog.GetRecordTemplate", errors=(404,)))
async def get_record_template(
    request: Request, response: Response, template_id: TemplateId, query: NoParameters, catalog: Catalog
) -> models.RecordTemplate:
    """Return a template. The ETag is its version."""
    template = await call(request, catalog.GetRecordTemplate, wire.GetRecordTemplateRequest(id=template_id))
    return versioned(response, to_model(models.RecordTemplate, template), template.version)


@router.post(
    "/record-templates",
    **documented("Add a template", "catalog.CreateRecordTemplate", errors=(409,), status=201),
)
async def create_record_template(
    request: Request, response: Response, body: models.RecordTemplateBody, catalog: Catalog
) -> models.RecordTemplate:
    """Store a record, without its control numbers and items, as a template of the institution."""
    template = await call(request, catalog.CreateRecordTemplate, to_message(wire.CreateRecordTemplateRequest, body))
    return versioned(response, to_model(models.RecordTemplate, template), template.version)


@router.put(
    "/record-templates/{template_id}",
    **documented("Replace a template", "catalog.ReplaceRecordTemplate", errors=(404, 409)),
)
async def replace_record_template(
    request: Request,
    response: Response,
    template_id: TemplateId,
    body: models.RecordTemplateBody,
    catalog: Catalog,
    version: Version,
) -> models.RecordTemplate:
    """Replace name, form and record of a template; records that began from it do not change."""
    message = to_message(wire.ReplaceRecordTemplateRequest, body, id=template_id, version=version)
    template = await call(request, catalog.ReplaceRecordTemplate, message)
    return versioned(response, to_model(models.RecordTemplate, template), template.version)


@router.delete(
    "/record-templates/{template_id}",
    **documented("Delete a template", "catalog.DeleteRecordTemplate", errors=(404,), status=204),
)
async def delete_record_template(request: Request, template_id: TemplateId, catalog: Catalog, version: Version) -> None:
    """Delete a template; records that began from it do not change."""
    message = wire.DeleteRecordTemplateRequest(id=template_id, version=version)
    await call(request, catalog.DeleteRecordTemplate, message)
