"""GET /works/{id}: a work and its editions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import WorkId
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import models
from rangkiang.catalog.v1 import works_pb2 as wire

router = APIRouter(tags=["works"], route_class=ApiRoute)


@router.get(
    "/works/{work_id}", **documented("A work and its editions", "catalog.GetWork", errors=(404,), revalidates=True)
)
async def get_work(
    request: Request, work_id: WorkId, query: Annotated[models.WorkQuery, Query()], catalog: Catalog
) -> models.Work:
    """Return a work and its editions. For a work that was merged, the work that replaced it is returned."""
    reply = await call(request, catalog.GetWork, to_message(wire.GetWorkRequest, query, id=work_id))
    return to_model(models.Work, reply)
