"""The pages: server-rendered, one file a place. They work without JavaScript; htmx only makes them quicker."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.web import assets, home, record, results
from gateway.web.rendering import trouble

router = APIRouter()
for place in (home, results, record, assets):
    router.include_router(place.router)

__all__ = ["router", "trouble"]
