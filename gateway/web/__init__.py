"""The pages: server-rendered, one file a place. They work without JavaScript; htmx only makes them quicker."""

from __future__ import annotations

from gateway.web import assets, home, record, results
from gateway.web.rendering import trouble

PLACES = (home, results, record, assets)

__all__ = ["PLACES", "trouble"]
