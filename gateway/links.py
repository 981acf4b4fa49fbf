"""Absolute URLs of this site, for links in feeds, sitemaps, messages and export formats."""

from __future__ import annotations

from starlette.requests import Request

from gateway.settings import GatewaySettings


def absolute_url(request: Request, path: str) -> str:
    """Return the URL of `path` under PUBLIC_URL, or under the scheme and host of the request when it is not set."""
    settings: GatewaySettings = request.app.state.settings
    return (settings.public_url or str(request.base_url)).rstrip("/") + path
