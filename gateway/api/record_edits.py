"""Routes with which cataloguers create, edit, delete and restore records, read their versions, and take offers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import ID_PATTERN, JSON, RECORD_ID_EXAMPLE
from gateway.api.validation import check_media_type
from gateway.api.writes import Version, versioned
from gateway.clients import Catalog, call
from gateway.formats import FORMATS
from gateway.request_guard import accept_bodies
from rangkiang.catalog.v1 import cataloguing_pb2 as wire
from rangkiang.catalog.v1 import duplicates_pb2, models

router = APIRouter(tags=["cataloguing"], route_class=ApiRoute)

MARC_IN_JSON = FORMATS["marcjson"].media_type
# More than the limit of the service, so that the service refuses the record with its own sentence.
LONGEST_RECORD_BYTES = 1_100_000
MARC_EXAMPLE = {
    "leader": "00000nam a2200000 i 4500",
    "fields": [
        {"020": {"ind1": " ", "ind2": " ", "subfields": [{"a": "9789794030462"}]}},
        {"100": {"ind1": "1", "ind2": " ", "subfields": [{"a": "Navis, A. A."}]}},
        {"245": {"ind1": "1", "ind2": "0", "subfields": [{"a": "Robohnya surau kami"}]}},
    ],
}
MARC = {
    "schema": {
        "type": "object",
        "properties": {
            "leader": {"type": "string", "description": "24 characters."},
            "fields": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object", "minProperties": 1, "maxProperties": 1},
                "description": "Objects with one property, the tag: a text, or `ind1`, `ind2` and `subfields`.",
            },
        },
        "required": ["leader", "fields"],
        "description": "A MARC 21 record as MARC-in-JSON, at most 1 MB.",
    },
    "example": MARC_EXAMPLE,
}
# The service checks the id, because it also knows records that were deleted.
OwnRecordId = Annotated[
    str,
    Path(description="Identifier (UUID) of a record of the institution.", examples=[RECORD_ID_EXAMPLE]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]

OfferId = Annotated[
    str,
    Path(description="Identifier (UUID) of an offer.", examples=["0192f3a4-5b6c-7d8e-9f0b-23456789abcd"]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]


def takes_marc(summary: str, method: str, *, errors: tuple[int, ...], status: int = 200) -> dict[str, Any]:
    """Return arguments of a router's decorator for a route whose body is a record."""
    arguments = documented(summary, method, errors=(413, 415, *errors), status=status)
    arguments["openapi_extra"] |= {"requestBody": {"required": True, "content": {JSON: MARC}}}
    return arguments


async def read_record(request: Request) -> bytes:
    """Return the body of a request, a record as MARC-in-JSON. Raises UnsupportedMediaType.

    The document names JSON alone, because generators of clients take one type of a body.
    """
    check_media_type(request, MARC_IN_JSON)
    return await request.body()


@router.post("/records", **takes_marc("Create a record", "catalog.CreateRecord", errors=(409,), status=201))
@accept_bodies(LONGEST_RECORD_BYTES)
async def create_record(request: Request, response: Response, catalog: Catalog) -> models.SavedRecord:
    """Create a record of the caller's institution. A record without a control number (001) gets one."""
    message = wire.CreateRecordRequest(marc=await read_record(request))
    return _saved(response, await call(request, catalog.CreateRecord, message))


@router.post("/record-duplicates", **takes_marc("Records that may be the same", "catalog.FindDuplicates", errors=()))
@accept_bodies(LONGEST_RECORD_BYTES)
async def find_duplicates(request: Request, catalog: Catalog) -> models.DuplicateRecords:
    """List records of the caller's institution that may be the same as the record in the body; nothing is saved.

    Another edition of the work has a lower score, and below 60 it is left out.
    """
    message = duplicates_pb2.FindDuplicatesRequest(marc=await read_record(request))
    return to_model(models.DuplicateRecords, await call(request, catalog.FindDuplicates, message))


@router.put("/records/{record_id}", **takes_marc("Edit a record", "catalog.ReplaceRecord", errors=(404, 410)))
@accept_bodies(LONGEST_RECORD_BYTES)
async def replace_record(
    request: Request, response: Response, record_id: OwnRecordId, catalog: Catalog, version: Version
) -> models.SavedRecord:
    """Replace the content of a record of the caller's institution, which `GET /records/{record_id}.marcjson` returns.

    Its items stay. From the first edit on, imports no longer replace or delete the record.
    """
    message = wire.ReplaceRecordRequest(id=record_id, version=version, marc=await read_record(request))
    return _saved(response, await call(request, catalog.ReplaceRecord, message))


@router.delete(
    "/records/{record_id}",
    **documented("Delete a record", "catalog.DeleteRecord", errors=(404, 409, 410), status=204),
)
async def delete_record(request: Request, record_id: OwnRecordId, catalog: Catalog, version: Version) -> None:
    """Delete a record of the caller's institution that has no items, or withdrawn ones only. It can be restored."""
    await call(request, catalog.DeleteRecord, wire.DeleteRecordRequest(id=record_id, version=version))


@router.post(
    "/records/{record_id}/restorations",
    **documented("Restore a record", "catalog.RestoreRecord", errors=(404, 409), status=201),
)
async def restore_record(
    request: Request,
    response: Response,
    record_id: OwnRecordId,
    body: models.RestorationBody,
    catalog: Catalog,
    version: Version,
) -> models.SavedRecord:
    """Bring back a deleted record, or the content of an earlier version as a new version."""
    message = to_message(wire.RestoreRecordRequest, body, id=record_id, version=version)
    return _saved(response, await call(request, catalog.RestoreRecord, message))


@router.get(
    "/records/{record_id}/versions",
    **documented("Versions of a record", "catalog.ListRecordVersions", errors=(404,)),
)
async def list_record_versions(
    request: Request, record_id: OwnRecordId, query: Annotated[models.RecordVersionsQuery, Query()], catalog: Catalog
) -> models.RecordVersions:
    """List the versions of a record of the caller's institution: when and by whom they were made, and what changed."""
    message = to_message(wire.ListRecordVersionsRequest, query, id=record_id)
    return to_model(models.RecordVersions, await call(request, catalog.ListRecordVersions, message))


@router.get(
    "/records/{record_id}/versions/{version}",
    response_class=Response,
    **documented(
        "The content of a version",
        "catalog.GetRecordVersion",
        errors=(404,),
        content={MARC_IN_JSON: MARC},
    ),
)
async def get_record_version(
    request: Request,
    record_id: OwnRecordId,
    version: Annotated[int, Path(ge=1, le=1_000_000_000, description="Number of the version.", examples=[1])],
    query: NoParameters,
    catalog: Catalog,
) -> Response:
    """Return the content of a version of a record, as MARC-in-JSON."""
    message = wire.GetRecordVersionRequest(id=record_id, version=version)
    reply = await call(request, catalog.GetRecordVersion, message)
    return Response(reply.marc, media_type=MARC_IN_JSON)


@router.get("/record-offers", **documented("Offers of imports", "catalog.ListOffers"))
async def list_record_offers(
    request: Request, query: Annotated[models.RecordOffersQuery, Query()], catalog: Catalog
) -> models.RecordOffers:
    """List what imports have brought for records that the institution edits, and what it would change in them."""
    message = to_message(wire.ListOffersRequest, query)
    return to_model(models.RecordOffers, await call(request, catalog.ListOffers, message))


@router.get("/record-offers/{offer_id}", **documented("An offer", "catalog.GetOffer", errors=(404,)))
async def get_record_offer(
    request: Request, offer_id: OfferId, query: NoParameters, catalog: Catalog
) -> models.RecordOffer:
    """Return an offer that is neither taken nor refused; a newer offer for the same record replaces it."""
    return to_model(models.RecordOffer, await call(request, catalog.GetOffer, wire.GetOfferRequest(id=offer_id)))


@router.post(
    "/record-offers/{offer_id}/acceptances",
    **documented("Take an offer", "catalog.TakeOffer", errors=(404, 409), status=201),
)
async def take_record_offer(
    request: Request,
    response: Response,
    offer_id: OfferId,
    body: models.AcceptanceBody,
    catalog: Catalog,
    version: Version,
) -> models.SavedRecord:
    """Take all or some differences of an offer into its record, as a new version; the offer is then closed.

    If-Match has the version of the record, which is `record_version` of the offer.
    """
    message = to_message(wire.TakeOfferRequest, body, id=offer_id, version=version)
    return _saved(response, await call(request, catalog.TakeOffer, message))


@router.delete(
    "/record-offers/{offer_id}", **documented("Refuse an offer", "catalog.RefuseOffer", errors=(404,), status=204)
)
async def refuse_record_offer(request: Request, offer_id: OfferId, catalog: Catalog) -> None:
    """Close an offer without a change; the same content is not offered again."""
    await call(request, catalog.RefuseOffer, wire.RefuseOfferRequest(id=offer_id))


def _saved(response: Response, saved: wire.SavedRecord) -> models.SavedRecord:
    return versioned(response, to_model(models.SavedRecord, saved), saved.version)
