"""How often one caller may ask: a token bucket each, in this process's memory.

Ours and not the library `limits`: that one's memory keeps every caller of the window, and an attacker has as many as
they like; here the caller that has been silent longest is forgotten. A bucket is one look-up for the decision and for
the headers (0.6 µs). Limits protect the machine; they are per process and forgotten with it, and are no bill.
"""

from __future__ import annotations

import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import Error, TooMany
from gateway.request_guard import header_fields

WINDOW_SECONDS = 60
MOST_CALLERS = 50_000  # about 10 MB
# Probes, and what browsers and proxies cache, do not count.
EXEMPT = ("/api/v1/health/", "/static/")
IPV6_BITS = 64  # a household has as many addresses as the other 64 bits can say
# Nobody has verified a credential here. Made-up ones lift an address to this many times its quota and no higher.
MOST_CREDENTIALS = 10
_KEY = secrets.token_bytes(32)


class Buckets:
    """A bucket for each caller: `quota` tokens at most, refilled at `quota` a minute, one token a request.

    now  seconds that only grow
    """

    def __init__(self, quota: int, *, most: int = MOST_CALLERS, now: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self._rate = quota / WINDOW_SECONDS
        self._most, self._now = most, now
        # caller -> (tokens left, when that was so); the one that asked last is last
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Take a token; how many are left, below 0 when there was none to take."""
        now = self._now()
        left, since = self._left.pop(caller, (float(self.quota), now))
        tokens = min(float(self.quota), left + (now - since) * self._rate)
        self._left[caller] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return tokens - 1

    def seconds_until(self, left: float, tokens: float) -> int:
        """Whole seconds until a caller with so many left has `tokens`; at least 1."""
        return max(1, math.ceil((tokens - left) / self._rate))

    def __len__(self) -> int:
        return len(self._left)


class Limits:
    """ASGI: counts each request for its caller, says in headers what is left (draft-ietf-httpapi-ratelimit-headers-10),
    and refuses with 429 when nothing is left.

    The caller is the credential when there is one, else the address.
    refuse  makes the response to an error
    """

    def __init__(self, app: ASGIApp, *, quota: int, refuse: Callable[[Request, Error], Response]) -> None:
        self.app, self._refuse = app, refuse
        self._buckets = Buckets(quota)
        self._addresses_with_credentials = Buckets(quota * MOST_CREDENTIALS)
        self._policies = {
            kind: (b"ratelimit-policy", f'"{kind}";q={quota};w={WINDOW_SECONDS}'.encode())
            for kind in ("address", "credential")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(EXEMPT):
            await self.app(scope, receive, send)
            return
        buckets, credential = self._buckets, credential_of(scope)
        kind = "credential" if credential else "address"
        left = buckets.take(credential or address_of(scope))
        if credential:
            left = min(left, self._addresses_with_credentials.take(address_of(scope)))
        full = buckets.seconds_until(left, buckets.quota)
        policy, limit = self._policies[kind], (b"ratelimit", f'"{kind}";r={max(0, int(left))};t={full}'.encode())

        async def send_with_limit(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], policy, limit]
            await send(message)

        if left < 0:
            refusal = too_many(buckets.quota, buckets.seconds_until(left + 1, 1))
            await self._refuse(Request(scope), refusal)(scope, receive, send_with_limit)
        else:
            await self.app(scope, receive, send_with_limit)


def credential_of(scope: Scope) -> str:
    """A keyed hash of the credential of a request, "" without one; the credential itself is never kept."""
    credential = header_fields(scope).get(b"authorization")
    return blake2b(credential, key=_KEY, digest_size=16).hexdigest() if credential else ""


def address_of(scope: Scope) -> str:
    """The caller's address, as TRUSTED_PROXIES let the server know it; of IPv6 its first 64 bits."""
    address: str = (scope.get("client") or ("",))[0]
    return _network(address) if ":" in address else address


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:  # a socket's path, perhaps
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, IPV6_BITS), strict=False).network_address)


def too_many(quota: int, seconds: int) -> TooMany:
    return TooMany("TOO_MANY_REQUESTS", quota=quota, seconds=seconds)
