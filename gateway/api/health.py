"""GET /health/live and /health/ready, for process supervisors and load balancers."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request

from chassis.errors import Error, Unavailable
from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Services

router = APIRouter(tags=["health"], route_class=ApiRoute)

READY_WITHIN_SECONDS = 1.0


class Health(ResponseModel):
    status: Literal["live", "ready"]
    """The state that was checked."""


@router.get("/health/live", **documented("This process responds", example={"status": "live"}))
async def live(query: NoParameters) -> Health:
    """Return 200 while this process runs. The services are not checked."""
    return Health(status="live")


@router.get("/health/ready", **documented("Readers can be served", errors=(503,), example={"status": "ready"}))
async def ready(query: NoParameters, request: Request, services: Services) -> Health:
    """Return 200 when a replica of the catalogue is ready and this process is not stopping.

    Other services are not checked.
    """
    if request.app.state.is_draining:
        raise Unavailable("NOT_READY", why="DRAINING")
    try:
        await services.check("catalog", READY_WITHIN_SECONDS)
    except Error as problem:
        raise Unavailable("NOT_READY", why=problem.reason) from problem
    return Health(status="ready")
