"""GET /works/{id}: a work and its editions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NearQuery
from gateway.api.schemas import JSON, LISTED_EXAMPLE, WORK_ID_EXAMPLE, ListedRecord, WorkId
from gateway.api.serializers import listed_record, text
from gateway.clients import Catalog, call
from gateway.responses import respond
from rangkiang.catalog.v1 import works_pb2 as wire
from rangkiang.common.v1.models import Text

router = APIRouter(tags=["works"], route_class=ApiRoute)


class Edition(ListedRecord):
    score: int
    """Certainty that the edition belongs to the work, 0 to 100."""
    reasons: list[Text]
    """Reasons why the edition belongs to the work."""


class Work(ResponseModel):
    id: str
    """Id of the work; for a merged work, the id of the work that replaced it."""
    title: str
    """Title of the work."""
    author: str
    """Author of the work."""
    editions: list[Edition]
    """The editions, the best first: available ones, then those in the reader's language, then the newest."""


@router.get(
    "/works/{work_id}",
    response_model=Work,
    **documented(
        operation="get_work",
        summary="A work and its editions",
        revalidates=True,
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
    """Return a work and its editions. For a work that was merged, the work that replaced it is returned."""
    reply = await call(request, catalog.GetWork, wire.GetWorkRequest(id=work_id, branch=query.near))
    editions = [
        Edition(
            **listed_record(edition.record), score=edition.score, reasons=[text(reason) for reason in edition.reasons]
        )
        for edition in reply.editions
    ]
    response = Work(id=reply.id, title=reply.title, author=reply.author, editions=editions)
    return respond(request, response.to_json(), JSON)
