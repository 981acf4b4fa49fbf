"""GET /works/{id}: a work and its editions."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.api.parameters import NEAR, one, read, table
from gateway.api.records import is_id
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID_EXAMPLE,
    WORK_ID,
    WORK_ID_EXAMPLE,
    Shape,
    Shown,
    Text,
    documented,
)
from gateway.api.serializers import shown, text_of
from gateway.deps import answer, ask, catalog
from rangkiang.catalog.v1 import works_pb2 as wire

router = APIRouter(tags=["works"])

WORK = table(NEAR)


class Edition(Shown):
    """score: how sure we are that it is this work, 0 to 100; reasons: why."""

    score: int
    reasons: list[Text]


class Work(Shape):
    """Editions best first: can be had now, in the reader's language, newest."""

    id: str
    title: str
    author: str
    editions: list[Edition]


@router.get(
    "/works/{work_id}",
    **documented(
        operation="get_work",
        summary="A work and its editions",
        model=Work,
        example={
            "id": WORK_ID_EXAMPLE,
            "title": "Robohnya Surau Kami",
            "author": "Navis, A.A.",
            "editions": [
                {
                    "id": RECORD_ID_EXAMPLE,
                    "record": BRIEF_EXAMPLE,
                    "holdings": [HOLDING_EXAMPLE],
                    "score": 95,
                    "reasons": [{"id": "Pengarang dan judul sama", "en": "Same author and title"}],
                }
            ],
        },
        parameters=WORK,
        refusals=(400, 404, 429, 503, 504),
        path=(WORK_ID,),
    ),
)
async def work(request: Request) -> Response:
    """The id of a work that was merged into another answers with the other one, whose id it then bears."""
    given = read(request, WORK)
    work_id = request.path_params["work_id"]
    if not is_id(work_id):
        raise NotFound("WORK_NOT_FOUND", work=work_id[:80])
    message = wire.GetWorkRequest(id=work_id, branch=one(given, "near"))
    reply = await ask(request, catalog(request).GetWork, message)
    editions = [
        {**shown(each.record), "score": each.score, "reasons": [text_of(reason) for reason in each.reasons]}
        for each in reply.editions
    ]
    made = {"id": reply.id, "title": reply.title, "author": reply.author, "editions": editions}
    return answer(request, orjson.dumps(made), JSON)
