"""The web pages: server-rendered, one module per page. They work without JavaScript; htmx only makes them faster."""

from __future__ import annotations

from gateway.web import (
    assets,
    browse,
    classes,
    covers,
    filters,
    home,
    marcview,
    neighbours,
    preferences,
    record,
    results,
    style_guide,
    works,
)
from gateway.web.rendering import error_page

MODULES = (
    home,
    results,
    filters,
    marcview,
    neighbours,
    record,
    works,
    browse,
    classes,
    covers,
    preferences,
    style_guide,
    assets,
)

__all__ = ["MODULES", "error_page"]
