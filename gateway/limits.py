"""Rate limits: a token bucket per caller, in the memory of this process.

The library `limits` is not used: it stores every caller of the window in memory, and an attacker can send requests as
any number of callers. This module removes the caller that has been idle longest. One look-up (0.6 µs) gives the
decision and the headers. Limits protect the machine, so each process has its own, which end with the process.

A request takes one token. At its end it takes one more token for each further `TOKEN_SECONDS` of CPU time that it used
in this process and in the services.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import metrics
from chassis.addresses import Networks, is_in, site_of
from chassis.errors import Error, TooMany
from chassis.rpc.cpu_time import Measured
from gateway.callers import Callers, address_of
from gateway.plans import Usage, client_of, plan_exceeded, protocol_of
from gateway.request_guard import LIMIT_HEADERS

WINDOW_SECONDS = 60
# CPU time of one token. A search with hits takes a tenth of this time.
TOKEN_SECONDS = 0.01
MOST_CALLERS = 50_000  # about 10 MB
# Health probes do not count.
EXEMPT = frozenset(("/api/v1/health/live", "/api/v1/health/ready"))
# Static files have a separate quota, so that the page that explains the limit gets its style sheet. Files over this
# quota count like other requests.
FILES = "/static/"
# All credentials of one address together get this many times the quota and the requests at once of one credential. This
# is enough for desks behind one router, and limits a caller who signs in a thousand times.
MOST_CREDENTIALS = 10
# An IPv6 site has 65,536 networks that count as callers; together they get this many times the quota of one network.
MOST_NETWORKS = 16


class Buckets:
    """A bucket per caller: at most `quota` tokens, refilled with `quota` tokens per minute.

    now  returns the seconds of a monotonic clock
    """

    def __init__(self, quota: int, *, most: int = MOST_CALLERS, now: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self._rate = quota / WINDOW_SECONDS
        self._most, self._now = most, now
        # caller -> (tokens left, time of that count); the latest caller is last
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Take a token; return the number of tokens left, which is below 0 when no whole token was left."""
        now = self._now()
        left, since = self._left.pop(caller, (float(self.quota), now))
        tokens = min(float(self.quota), left + (now - since) * self._rate)
        self._store(caller, tokens - 1 if tokens >= 1 else tokens, now)
        return tokens - 1

    def charge(self, caller: str, tokens: float) -> None:
        """Take tokens for completed work. A caller owes at most `quota` tokens, so the wait is at most two minutes."""
        left, since = self._left.get(caller, (float(self.quota), self._now()))
        self._store(caller, max(left - tokens, -float(self.quota)), since)

    def _store(self, caller: str, left: float, since: float) -> None:
        self._left[caller] = (left, since)
        if len(self._left) > self._most:
            self._left.popitem(last=False)

    def seconds_until(self, left: float, tokens: float) -> int:
        """Return the whole seconds until a caller with `left` tokens has `tokens`; at least 1."""
        return max(1, math.ceil((tokens - left) / self._rate))

    def __len__(self) -> int:
        return len(self._left)


class Limits:
    """ASGI: counts the requests of each caller and their CPU time, and refuses too many with 429.

    The caller is the verified credential, else the address. Response headers, which RequestGuard adds, have the number
    of tokens left (draft-ietf-httpapi-ratelimit-headers-10).

    usage   plans of clients, whose requests a minute replace the quota
    refuse  returns the response to an error
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        quota: int,
        callers: Callers,
        usage: Usage,
        refuse: Callable[[Request, Error], Response],
    ) -> None:
        self.app, self._callers, self._usage, self._refuse = app, callers, usage, refuse
        self._buckets = Buckets(quota)
        self._of_plans: dict[int, Buckets] = {}  # by the plan's requests a minute
        self._files = Buckets(quota)
        self._addresses_with_credentials = Buckets(quota * MOST_CREDENTIALS)
        self._sites = Buckets(quota * MOST_NETWORKS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self.app(scope, receive, send)
            return
        if scope["path"].startswith(FILES) and self._files.take(address_of(scope)) >= 0:
            await self.app(scope, receive, send)
            return
        credential = self._callers.credential(scope)
        kind = "credential" if credential else "address"
        client = client_of(credential)
        plan = self._usage.minute_limit(client)
        buckets = self._buckets_of(plan) if plan else self._buckets
        accounts = self._accounts(buckets, address_of(scope), credential)
        counts = [(bucket, bucket.take(caller)) for bucket, caller in accounts]
        left = min(count for _, count in counts)
        # Each bucket refills at its own rate.
        full = max(bucket.seconds_until(count, buckets.quota) for bucket, count in counts)
        limit = (b"ratelimit", f'"{kind}";r={max(0, int(left))};t={full}'.encode())
        policy = (b"ratelimit-policy", f'"{kind}";q={buckets.quota};w={WINDOW_SECONDS}'.encode())
        scope["state"][LIMIT_HEADERS] = (policy, limit)
        if left < 0:
            metrics.count_limited(kind)
            wait = max(bucket.seconds_until(count + 1, 1) for bucket, count in counts)
            short = next(bucket for bucket, count in counts if count < 0)
            refusal = too_many(short.quota, wait)
            if client:
                self._usage.count(client, protocol_of(scope), refusals=1)
            if plan and short is buckets:
                refusal = plan_exceeded("requests_a_minute", quota=plan, used=plan, seconds=wait)
            await self._refuse(Request(scope), refusal)(scope, receive, send)
            return
        request = Measured(self.app(scope, receive, send))
        try:
            await request
        finally:
            if request.cpu.seconds > TOKEN_SECONDS:
                for bucket, caller in accounts:
                    bucket.charge(caller, request.cpu.seconds / TOKEN_SECONDS - 1)

    def _buckets_of(self, plan: int) -> Buckets:
        buckets = self._of_plans.get(plan)
        if buckets is None:
            buckets = self._of_plans[plan] = Buckets(plan)
        return buckets

    def _accounts(self, buckets: Buckets, address: str, credential: str) -> list[tuple[Buckets, str]]:
        """Return the buckets from which a request takes tokens, each with the caller's key in it."""
        accounts = [(buckets, credential or address)]
        if credential:
            accounts.append((self._addresses_with_credentials, address))
        if site := site_of(address):
            accounts.append((self._sites, site))
        return accounts


class Semaphores:
    """A semaphore for each caller, which lets at most `most` requests run at once; it is kept while it is used."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._semaphores: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, caller: str) -> asyncio.Semaphore:
        semaphore = self._semaphores.get(caller)
        if semaphore is None:
            semaphore = self._semaphores[caller] = asyncio.Semaphore(self._most)
        return semaphore

    def __len__(self) -> int:
        return len(self._semaphores)


class Concurrency:
    """ASGI: runs at most `most` requests of one credential (or of one address without credential) at once; others wait.

    Without this limit, one caller with many connections and costly searches within the quota delays all other callers.
    All credentials of one address together have MOST_CREDENTIALS times the requests of one credential.

    exempt  trusted proxies, which send the requests of many callers
    """

    def __init__(self, app: ASGIApp, *, most: int, callers: Callers, exempt: Networks) -> None:
        self.app, self._callers, self._exempt = app, callers, exempt
        self.semaphores_of_callers = Semaphores(most)
        self.addresses_with_credentials = Semaphores(most * MOST_CREDENTIALS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._counts(scope):
            await self.app(scope, receive, send)
            return
        credential, address = self._callers.credential(scope), address_of(scope)
        with_credential = self.addresses_with_credentials.of(address) if credential else nullcontext()
        async with self.semaphores_of_callers.of(credential or address), with_credential:
            await self.app(scope, receive, send)

    def _counts(self, scope: Scope) -> bool:
        """Return whether a request counts; health probes and requests of trusted proxies do not."""
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            return False
        return not (self._exempt and is_in((scope.get("client") or ("",))[0], self._exempt))


def too_many(quota: int, seconds: int) -> TooMany:
    return TooMany("TOO_MANY_REQUESTS", quota=quota, seconds=seconds)
