"""GET /health/live and /health/ready, for process supervisors and load balancers."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Unavailable
from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import JSON
from gateway.clients import Services

router = APIRouter(tags=["health"], route_class=ApiRoute)

READY_WITHIN_SECONDS = 1.0


class Health(ResponseModel):
    status: Literal["live", "ready"]
    """The state that was checked."""


@router.get(
    "/health/live",
    response_model=Health,
    **documented("This process responds", example={"status": "live"}, errors=(400,)),
)
async def live(query: NoParameters) -> Response:
    """Return 200 while this process runs. The services are not checked."""
    return _response(Health(status="live"))


@router.get(
    "/health/ready",
    response_model=Health,
    **documented("Readers can be served", example={"status": "ready"}, errors=(400, 503)),
)
async def ready(query: NoParameters, request: Request, services: Services) -> Response:
    """Return 200 when a replica of the catalogue is ready and this process is not stopping.

    Other services are not checked.
    """
    if request.app.state.is_draining:
        raise Unavailable("NOT_READY", why="DRAINING")
    try:
        await services.check("catalog", READY_WITHIN_SECONDS)
    except Error as problem:
        raise Unavailable("NOT_READY", why=problem.reason) from problem
    return _response(Health(status="ready"))


def _response(health: Health) -> Response:
    return Response(health.to_json(), media_type=JSON, headers={"Cache-Control": "no-store"})
