"""GET /works/{id}: a work and its editions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NearQuery
from gateway.api.schemas import (
    JSON,
    LISTED_EXAMPLE,
    WORK_ID_EXAMPLE,
    ListedRecord,
    ResponseModel,
    Text,
    WorkId,
)
from gateway.api.serializers import listed, text
from gateway.clients import Catalog, call
from gateway.responses import respond
from rangkiang.catalog.v1 import works_pb2 as wire

router = APIRouter(tags=["works"], route_class=ApiRoute)


class Edition(ListedRecord):
    score: int
    """How sure it is that this is the work, 0 to 100."""
    reasons: list[Text]
    """Why it counts as the work."""


class Work(ResponseModel):
    id: str
    """Id of the work; of the other one, if it was merged into another."""
    title: str
    """Title of the work."""
    author: str
    """Its author."""
    editions: list[Edition]
    """Best first: can be had now, in the reader's language, newest."""


@router.get(
    "/works/{work_id}",
    response_model=Work,
    **documented(
        operation="get_work",
        summary="A work and its editions",
        example={
            "id": WORK_ID_EXAMPLE,
            "title": "Robohnya Surau Kami",
            "author": "Navis, A.A.",
            "editions": [
                {
                    **LISTED_EXAMPLE,
                    "score": 95,
                    "reasons": [{"id": "Pengarang dan judul sama", "en": "Same author and title"}],
                }
            ],
        },
        errors=(400, 404, 429, 503, 504),
    ),
)
async def work(request: Request, work_id: WorkId, query: Annotated[NearQuery, Query()], catalog: Catalog) -> Response:
    """The id of a work that was merged into another answers with the other one, whose id it then bears."""
    reply = await call(request, catalog.GetWork, wire.GetWorkRequest(id=work_id, branch=query.near))
    editions = [
        Edition(**listed(each.record), score=each.score, reasons=[text(reason) for reason in each.reasons])
        for each in reply.editions
    ]
    whole = Work(id=reply.id, title=reply.title, author=reply.author, editions=editions)
    return respond(request, whole.to_json(), JSON)
