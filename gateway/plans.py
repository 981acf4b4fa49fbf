"""Plans of clients: limits of a day, and counts of what clients request, which go to members in batches.

A process counts in memory and sends its counts every few seconds. So a limit of a day is exceeded by what all processes
answer in that time, and a killed process loses the counts of that time. `gateway.limits` has the limits of a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import clock, metrics
from chassis.errors import Conflict, Error, Refusal, TooLate, TooMany, Unauthenticated, Unavailable
from chassis.ids import new_id_text
from chassis.sentences import fill, sentence
from gateway.callers import Callers
from gateway.request_guard import LIMIT_HEADERS
from rangkiang.members.v1 import staff_pb2 as wire

log = logging.getLogger(__name__)

SEND_SECONDS = 5.0
ZONE = ZoneInfo("Asia/Jakarta")
DAY_SECONDS = 86_400
# Protocols whose clients often cannot get an access token: they may send id and secret of a client as HTTP Basic.
PARTNER_PROTOCOLS = ("sru", "z3950", "oai", "daia")
# Not counted and not refused: access tokens, files of pages, and the statement.
_NOT_COUNTED = ("/oauth/", "/static/", "/api/v1/tokens", "/api/v1/health/", "/api/v1/reports/usage")
_RECORDS = "records"
# The sentences that name limits.
LIMITS = {
    "requests_a_minute": "LIMIT_REQUESTS_A_MINUTE",
    "requests_a_day": "LIMIT_REQUESTS_A_DAY",
    "records_a_day": "LIMIT_RECORDS_A_DAY",
}
# The Z39.50 server adds this parameter to its requests of SRU.
Z3950_PARAMETER = "x-protocol=z3950"
_RETRIED = (Unavailable, TooLate, TooMany, Conflict)

# (client, day) -> protocol -> [requests, records, refusals]
_Counts = dict[tuple[str, str], dict[str, list[int]]]
Exchange = Callable[[wire.CountUsageRequest, str], Awaitable[wire.CountUsageReply]]


class Usage:
    """The counts of this process that members does not have yet, and the plans of its clients as last heard.

    exchange  sends counts with an Idempotency-Key, and returns plans; may raise any `Error`
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._plans: dict[str, wire.UsagePlan] = {}
        self._counts: _Counts = {}
        self._sent: _Counts = {}  # a batch without a reply, which is sent again with the same key
        self._key = ""

    def count(self, client: str, protocol: str, *, requests: int = 0, records: int = 0, refusals: int = 0) -> None:
        counts = self._counts.setdefault((client, _today()), {}).setdefault(protocol, [0, 0, 0])
        for index, number in enumerate((requests, records, refusals)):
            counts[index] += number

    async def learn(self, client: str) -> None:
        """Read the plan of a client that is new to this process. Without members there are no limits of a day."""
        if client in self._plans:
            return
        self._plans[client] = wire.UsagePlan(client_id=client)  # until members answers
        with contextlib.suppress(Error):
            self._store(await self._exchange(wire.CountUsageRequest(client_ids=[client]), new_id_text()))

    def minute_limit(self, client: str) -> int:
        """Return the plan's requests a minute; 0 without a plan."""
        return self._plans[client].requests_a_minute if client in self._plans else 0

    def limits_of_day(self, client: str) -> list[tuple[str, int, int]]:
        """Return the limits of a day that a client has: name, quota, and what is used."""
        plan = self._plans.get(client)
        if plan is None:
            return []
        day = _today()
        requests, records = (plan.requests, plan.records) if plan.day == day else (0, 0)
        for counts in (self._sent, self._counts):
            for numbers in counts.get((client, day), {}).values():
                requests, records = requests + numbers[0], records + numbers[1]
        limits = [("requests_a_day", plan.requests_a_day, requests), ("records_a_day", plan.records_a_day, records)]
        return [limit for limit in limits if limit[1]]

    async def run(self) -> None:
        """Send a batch every few seconds until cancelled; then send what is left."""
        try:
            while True:
                await asyncio.sleep(SEND_SECONDS)
                await self.send()
        except asyncio.CancelledError:
            await self.send()  # a batch that was on its way has its counts, so newer ones follow
            await self.send()
            raise

    async def send(self) -> None:
        """Send the batch that has no reply, else the counts. They stay when members does not answer."""
        if not self._sent:
            self._sent, self._counts, self._key = self._counts, {}, new_id_text()
        if not self._sent:
            return
        counts = [
            wire.UsageCount(client_id=client, day=day, protocol=protocol, requests=a, records=b, refusals=c)
            for (client, day), by_protocol in self._sent.items()
            for protocol, (a, b, c) in by_protocol.items()
        ]
        client_ids = sorted({client for client, _ in self._sent})
        try:
            reply = await self._exchange(wire.CountUsageRequest(counts=counts, client_ids=client_ids), self._key)
        except Error as problem:
            if not isinstance(problem, _RETRIED):
                log.warning("usage_not_counted", extra={"reason": problem.reason})
                self._sent = {}
            return
        self._sent = {}
        self._store(reply)

    def _store(self, reply: wire.CountUsageReply) -> None:
        for plan in reply.plans:
            self._plans[plan.client_id] = plan


class PlanLimits:
    """ASGI: counts the requests of clients, and refuses those beyond the limits of a day with 429.

    refuse  returns the response to an error
    """

    def __init__(
        self, app: ASGIApp, *, usage: Usage, callers: Callers, refuse: Callable[[Request, Error], Response]
    ) -> None:
        self.app, self._usage, self._callers, self._refuse = app, usage, callers, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_NOT_COUNTED):
            await self.app(scope, receive, send)
            return
        request, protocol = Request(scope), protocol_of(scope)
        try:
            await self._callers.identify(request, is_partner=protocol in PARTNER_PROTOCOLS)
        except Error as problem:
            response = self._refuse(request, problem)
            if isinstance(problem, Unauthenticated):
                response.headers["WWW-Authenticate"] = 'Basic realm="rangkiang", charset="UTF-8"'
            await response(scope, receive, send)
            return
        client = client_of(self._callers.credential(scope))
        if not client:
            await self.app(scope, receive, send)
            return
        usage = self._usage
        await usage.learn(client)
        limits = usage.limits_of_day(client)
        scope["state"][LIMIT_HEADERS] = (*scope["state"].get(LIMIT_HEADERS, ()), *_headers(limits))
        for name, quota, used in limits:
            if used >= quota:
                metrics.count_limited("plan")
                usage.count(client, protocol, refusals=1)
                refusal = plan_exceeded(name, quota=quota, used=used, seconds=_seconds_of_day_left())
                await self._refuse(request, refusal)(scope, receive, send)
                return
        usage.count(client, protocol, requests=1)
        try:
            await self.app(scope, receive, send)
        finally:
            if records := scope["state"].get(_RECORDS, 0):
                usage.count(client, protocol, records=records)


def client_of(credential: str) -> str:
    """Return the id of a client; "" for a credential of a person, and without one."""
    account, _, session = credential.partition("/")
    return account if account == session else ""  # a client's session has the client's id


def protocol_of(scope: Scope) -> str:
    """Return the protocol of a request, as statements name it."""
    name: str = scope["path"][1:].partition("/")[0]
    if name == "sru" and Z3950_PARAMETER.encode() in scope["query_string"]:
        return "z3950"
    return name if name in PARTNER_PROTOCOLS else "api"


def count_records(request: Request, number: int) -> None:
    """Add records of the response to what the caller has received today."""
    state = request.scope["state"]
    state[_RECORDS] = state.get(_RECORDS, 0) + number


def plan_exceeded(limit: str, *, quota: int, used: int, seconds: int) -> TooMany:
    opens_at = clock.utc_text(clock.now() + timedelta(seconds=seconds), timespec="seconds")
    facts = {"limit": limit, "quota": quota, "used": used, "opens_at": opens_at, "seconds": seconds}
    text = fill("PLAN_EXCEEDED", facts | {"limit": sentence(LIMITS[limit])})
    return TooMany(refusals=[Refusal.received("PLAN_EXCEEDED", facts, text)])


def _headers(limits: list[tuple[str, int, int]]) -> list[tuple[bytes, bytes]]:
    """Return header fields with these limits (draft-ietf-httpapi-ratelimit-headers-10)."""
    seconds = _seconds_of_day_left() if limits else 0
    policies = [(b"ratelimit-policy", f'"{name}";q={quota};w={DAY_SECONDS}'.encode()) for name, quota, _ in limits]
    left = [(b"ratelimit", f'"{name}";r={max(0, quota - used)};t={seconds}'.encode()) for name, quota, used in limits]
    return policies + left


def _today() -> str:
    return clock.now().astimezone(ZONE).date().isoformat()


def _seconds_of_day_left() -> int:
    now = clock.now()
    midnight = datetime.combine(now.astimezone(ZONE).date() + timedelta(days=1), time(), ZONE).astimezone(UTC)
    return max(1, math.ceil((midnight - now).total_seconds()))
