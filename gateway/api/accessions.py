"""Routes of the accession register: entries by period, as JSON and CSV, their corrections, and numbers not given."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import OpenSet, to_message, to_model
from chassis.queries import text
from gateway.api.items import ItemId
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT, PDF_CONTENT, XLSX_CONTENT
from gateway.api.writes import Version, versioned
from gateway.clients import Catalog, call
from gateway.registers.files import register_as_csv, register_as_pdf, register_as_xlsx
from gateway.registers.layouts import LAYOUTS
from rangkiang.catalog.v1 import models
from rangkiang.catalog.v1 import register_pb2 as wire

router = APIRouter(tags=["accession register"], route_class=ApiRoute)


class FileQuery(models.AccessionsConditions):
    layout: Annotated[str, OpenSet(("", *LAYOUTS), is_sent=True)] = text(
        "Layout of the file: `full` has all facts of the acquisition (the default), `ten` and `thirteen` are the "
        "columns of registers on paper.",
        longest=32,
    )
    columns: str = text(
        "Columns in place of those of the layout, with commas between them.",
        longest=400,
        example="number,title,price,note",
    )


@router.get("/accessions", **documented("The accession register", "catalog.ListAccessions"))
async def list_accessions(
    request: Request, query: Annotated[models.AccessionsQuery, Query()], catalog: Catalog
) -> models.Accessions:
    """List entries of the accession register, in its order. Entries of removed items stay, with the reason."""
    reply = await call(request, catalog.ListAccessions, to_message(wire.ListAccessionsRequest, query))
    return to_model(models.Accessions, reply)


@router.get(
    "/accessions.csv",
    response_class=Response,
    **documented("The accession register as CSV", "catalog.ListAccessions", content=CSV_CONTENT),
)
async def list_accessions_as_csv(request: Request, query: Annotated[models.AccessionsConditions, Query()]) -> Response:
    """List entries in one file, at most 100,000."""
    return await register_as_csv(request, to_message(wire.ListAccessionsRequest, query))


@router.get(
    "/accessions.xlsx",
    response_class=Response,
    **documented("The accession register as a workbook", "catalog.ListAccessions", content=XLSX_CONTENT),
)
async def list_accessions_as_xlsx(request: Request, query: Annotated[FileQuery, Query()]) -> Response:
    """List entries with the columns of a layout in one workbook, at most 100,000."""
    return await register_as_xlsx(request, **_file(query))


@router.get(
    "/accessions.pdf",
    response_class=Response,
    **documented("The accession register as PDF", "catalog.ListAccessions", content=PDF_CONTENT),
)
async def print_accessions(request: Request, query: Annotated[FileQuery, Query()]) -> Response:
    """Print entries with the columns of a layout on A4 landscape with totals of each page, at most 100,000."""
    return await register_as_pdf(request, **_file(query))


@router.get("/accessions/{item_id}", **documented("An entry of the register", "catalog.GetAccession", errors=(404,)))
async def get_accession(
    request: Request, response: Response, item_id: ItemId, query: NoParameters, catalog: Catalog
) -> models.CorrectedAccession:
    """Return an entry with its corrections. The ETag is its version."""
    reply = await call(request, catalog.GetAccession, wire.GetAccessionRequest(id=item_id))
    return versioned(response, to_model(models.CorrectedAccession, reply), reply.entry.version)


@router.patch(
    "/accessions/{item_id}",
    **documented("Correct an entry of the register", "catalog.CorrectAccession", errors=(404,)),
)
async def correct_accession(
    request: Request,
    response: Response,
    item_id: ItemId,
    body: models.AccessionCorrectionBody,
    catalog: Catalog,
    version: Version,
) -> models.CorrectedAccession:
    """Correct facts of an entry. Its number never changes; the values before stay, with the reason."""
    message = to_message(wire.CorrectAccessionRequest, body, id=item_id, version=version)
    reply = await call(request, catalog.CorrectAccession, message)
    return versioned(response, to_model(models.CorrectedAccession, reply), reply.entry.version)


@router.get("/accession-gaps", **documented("Accession numbers not given", "catalog.ListAccessionGaps"))
async def list_accession_gaps(
    request: Request, query: Annotated[models.AccessionGapsQuery, Query()], catalog: Catalog
) -> models.AccessionGaps:
    """List numbers that no item has, with the reason."""
    reply = await call(request, catalog.ListAccessionGaps, to_message(wire.ListAccessionGapsRequest, query))
    return to_model(models.AccessionGaps, reply)


@router.post("/accession-gaps", **documented("Skip accession numbers", "catalog.SkipAccessionNumbers", status=201))
async def skip_accession_numbers(
    request: Request, body: models.AccessionGapBody, catalog: Catalog
) -> models.AccessionGap:
    """Make the next numbers void, with a reason: such as those of a register on paper, or of spoilt labels."""
    message: Any = to_message(wire.SkipAccessionNumbersRequest, body)
    return to_model(models.AccessionGap, await call(request, catalog.SkipAccessionNumbers, message))


@router.post("/accession-numberings", **documented("Number items without a number", "catalog.NumberItems"))
async def number_items(
    request: Request, body: models.AccessionNumberingBody, catalog: Catalog
) -> models.AccessionNumbering:
    """Enter items that have no accession number into the register, part by part, such as items that imports brought.

    The first to arrive comes first. The first parts take the numbers that sources have, the others give new ones.
    """
    message = to_message(wire.NumberItemsRequest, body)
    return to_model(models.AccessionNumbering, await call(request, catalog.NumberItems, message))


def _file(query: FileQuery) -> dict[str, Any]:
    names = models.AccessionsConditions.model_fields.keys() & wire.ListAccessionsRequest.DESCRIPTOR.fields_by_name
    message = wire.ListAccessionsRequest(**{name: getattr(query, name) for name in names})
    return {"message": message, "layout": query.layout or LAYOUTS[0], "columns": query.columns}
