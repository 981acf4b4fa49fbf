"""GET /health/live and /health/ready, for whoever restarts us and whoever sends us readers."""

from __future__ import annotations

from typing import Literal

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Unavailable
from gateway.api.parameters import read, table
from gateway.api.schemas import JSON, Shape, documented

router = APIRouter(tags=["health"])

NOTHING_BUT_LANGUAGE = table()
READY_WITHIN_SECONDS = 1.0


class Health(Shape):
    status: Literal["live", "ready"]


@router.get(
    "/health/live",
    **documented(
        operation="live",
        summary="This process answers",
        model=Health,
        example={"status": "live"},
        parameters=NOTHING_BUT_LANGUAGE,
        refusals=(400,),
    ),
)
async def live(request: Request) -> Response:
    """Waits for nobody."""
    read(request, NOTHING_BUT_LANGUAGE)
    return _state("live")


@router.get(
    "/health/ready",
    **documented(
        operation="ready",
        summary="Readers can be served",
        model=Health,
        example={"status": "ready"},
        parameters=NOTHING_BUT_LANGUAGE,
        refusals=(400, 503),
    ),
)
async def ready(request: Request) -> Response:
    """The catalogue behind us is well."""
    read(request, NOTHING_BUT_LANGUAGE)
    try:
        await request.app.state.catalog_is_well(READY_WITHIN_SECONDS)
    except Error as trouble:
        raise Unavailable("NOT_READY", why=trouble.reason) from trouble
    return _state("ready")


def _state(state: str) -> Response:
    return Response(orjson.dumps({"status": state}), media_type=JSON, headers={"Cache-Control": "no-store"})
