"""Metrics, the log of failed responses, and the access log of each request.

The access log is off unless ACCESS_LOG is `on`. It is JSON on standard error, whatever LOG_FORMAT is. It has neither
the query (what a reader searched for) nor the address, unless ACCESS_LOG_DETAILS names them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.types import Scope

from chassis import metrics, telemetry
from chassis.redaction import redact_address
from chassis.settings import Settings
from gateway.settings import GatewaySettings

log = logging.getLogger(__name__)
access_log = logging.getLogger("gateway.access")

# The client closed the connection before the response began; the number is that of nginx.
CLIENT_GONE = 499


def logged_path(scope: Scope) -> str:
    """Return the path of a request for a log, without the secret of a notice link or a sign-in link."""
    link = scope.get("path_params", {}).get("link", "")
    path: str = scope["path"]
    return redact_address(path.replace(link, "{link}") if link else path)


class RequestLog:
    """Records each request after its end.

    templates  route template by endpoint
    """

    def __init__(self, settings: Settings, templates: Mapping[Callable[..., Any], str]) -> None:
        own = settings.of(GatewaySettings)
        self._templates = templates
        self._logs_access = own.access_log == "on"
        self._details = frozenset(own.access_log_details.split(","))
        if self._logs_access:
            telemetry.log_as_json(access_log, "gateway")

    def record(self, scope: Scope, status: int, seconds: float) -> None:
        """Record a request.

        scope    scope after routing, with the request id in its state
        status   status of the response; 0 when no response began
        seconds  seconds until the response was sent
        """
        route = self._templates.get(scope.get("endpoint"), "")  # type: ignore[arg-type]
        status = status or CLIENT_GONE
        metrics.observe_request(route, scope["method"], status, seconds)
        if status >= 500:
            state = scope["state"]
            log.warning(
                "response_failed",
                extra={
                    "request_id": state["request_id"],
                    "status": status,
                    "reason": state.get("reason", ""),
                    "method": scope["method"],
                    "route": route,
                },
            )
        if self._logs_access:
            self._log_access(scope, route, status, seconds)

    def _log_access(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        fields: dict[str, Any] = {
            "request_id": scope["state"]["request_id"],
            "method": scope["method"],
            "path": logged_path(scope),
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
        }
        if "queries" in self._details:
            fields["query"] = redact_address(f"?{scope['query_string'].decode('latin-1')}")[1:]
        if "addresses" in self._details:
            fields["address"] = (scope.get("client") or ("",))[0]
        access_log.info("request", extra=fields)


def templates_of(routes: Iterable[Any], *, prefix: str = "") -> dict[Callable[..., Any], str]:
    """Return the path template of each route by its endpoint."""
    return {route.endpoint: prefix + route.path for route in routes if hasattr(route, "endpoint")}
