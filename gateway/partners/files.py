"""/records/{id}.{ending}: a record as a file in an export format."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.records import record_in_format

router = APIRouter()


@router.get("/records/{record_id}.{ending}")
async def file(request: Request) -> Response:
    record_id, ending = request.path_params["record_id"], request.path_params["ending"]
    headers = {"Content-Disposition": f'attachment; filename="{record_id[:36]}.{ending[:8]}"'}
    return await record_in_format(request, record_id, ending, headers=headers)
