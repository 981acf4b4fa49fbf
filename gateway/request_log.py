"""Metrics, the log of failed responses, and the access log of each request.

The access log is off unless ACCESS_LOG is `on`. It is JSON on standard error, whatever LOG_FORMAT is. It has neither
the query (what a reader searched for) nor the address, unless ACCESS_LOG_DETAILS names them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.types import Scope

from chassis import metrics
from chassis.metrics import telemetry
from chassis.redaction import redact_address
from chassis.settings import Settings
from gateway.settings import GatewaySettings

log = logging.getLogger(__name__)
access_log = logging.getLogger("gateway.access")

COUNT_SECONDS = 60.0

# The client closed the connection before the response began; the number is that of nginx.
CLIENT_GONE = 499


def logged_path(scope: Scope) -> str:
    """Return the path of a request for a log, without the secret of a notice link or a sign-in link."""
    link = scope.get("path_params", {}).get("link", "")
    path: str = scope["path"]
    return redact_address(path.replace(link, "{link}") if link else path)


class RequestLog:
    """Records each request after its end, on an event loop.

    A service that is away fails many requests for one reason: the first has a line, and then each minute their number,
    until a minute has none.

    templates      route template by endpoint
    count_seconds  the minute
    """

    def __init__(
        self,
        settings: Settings,
        templates: Mapping[Callable[..., Any], str],
        *,
        count_seconds: float = COUNT_SECONDS,
    ) -> None:
        self._count_seconds = count_seconds
        # (status, reason, service) -> requests since the last line
        self._failures: dict[tuple[int, str, str], int] = {}
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
            reason, service = state.get("reason", ""), state.get("service", "")
            if not self._is_counted(status, reason, service):
                fields = {"request_id": state["request_id"], "status": status, "reason": reason, "service": service}
                log.warning("response_failed", extra={**fields, "method": scope["method"], "route": route})
        if self._logs_access:
            self._log_access(scope, route, status, seconds)

    def _is_counted(self, status: int, reason: str, service: str) -> bool:
        """Count a request that failed as an earlier one did. Returns False for the first one, and for each bug."""
        if status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
            return False
        key = (status, reason, service)
        if key in self._failures:
            self._failures[key] += 1
            return True
        self._report_later(key)
        return False

    def _report_later(self, key: tuple[int, str, str]) -> None:
        self._failures[key] = 0
        asyncio.get_running_loop().call_later(self._count_seconds, self._report, key)

    def _report(self, key: tuple[int, str, str]) -> None:
        status, reason, service = key
        count = self._failures.pop(key)
        fields = {"status": status, "reason": reason, "service": service}
        if count:
            log.warning("responses_failed", extra={**fields, "count": count})
            self._report_later(key)
        else:
            log.warning("responses_fail_no_longer", extra=fields)

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
