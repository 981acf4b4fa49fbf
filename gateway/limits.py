"""How often one address may ask: a token bucket each, in this process's memory.

Ours and not the library `limits`: that one's memory keeps every address of the window, and an attacker has as many as
they like; here the address that has been silent longest is forgotten. A bucket is one look-up for the decision and
for the headers (0.6 µs). Limits protect the machine; they are per process and forgotten with it, and are no bill.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import Error, TooMany

WINDOW_SECONDS = 60
MOST_ADDRESSES = 50_000  # about 10 MB
# Who watches over us, and what browsers and proxies keep: neither counts.
EXEMPT = ("/api/v1/health/", "/static/")
IPV6_BITS = 64  # a household has as many addresses as the other 64 bits can say


class Buckets:
    """A bucket for each address: `quota` tokens at most, refilled at `quota` a minute, one token a request.

    now  seconds that only grow
    """

    def __init__(self, quota: int, *, most: int = MOST_ADDRESSES, now: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self._rate = quota / WINDOW_SECONDS
        self._most, self._now = most, now
        # address -> (tokens left, when that was so); the one that asked last is last
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """Take a token; how many are left, below 0 when there was none to take."""
        now = self._now()
        left, since = self._left.pop(address, (float(self.quota), now))
        tokens = min(float(self.quota), left + (now - since) * self._rate)
        self._left[address] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return tokens - 1

    def seconds_until(self, left: float, tokens: float) -> int:
        """Whole seconds until somebody with so many left has `tokens`; at least 1."""
        return max(1, math.ceil((tokens - left) / self._rate))

    def __len__(self) -> int:
        return len(self._left)


class Limits:
    """ASGI: counts each request to its address, says in headers what is left (draft-ietf-httpapi-ratelimit-headers-10),
    and refuses with 429 who has nothing left.

    refuse  makes the answer to a refusal
    """

    def __init__(self, app: ASGIApp, *, quota: int, refuse: Callable[[Request, Error], Response]) -> None:
        self.app, self._refuse = app, refuse
        self._buckets = Buckets(quota)
        self._policy = (b"ratelimit-policy", f'"address";q={quota};w={WINDOW_SECONDS}'.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(EXEMPT):
            await self.app(scope, receive, send)
            return
        buckets = self._buckets
        left = buckets.take(caller(scope))
        full = buckets.seconds_until(left, buckets.quota)
        limit = (b"ratelimit", b'"address";r=%d;t=%d' % (max(0, int(left)), full))

        async def put_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self._policy, limit]
            await send(message)

        if left < 0:
            refusal = too_many(buckets.quota, buckets.seconds_until(left + 1, 1))
            await self._refuse(Request(scope), refusal)(scope, receive, put_on)
        else:
            await self.app(scope, receive, put_on)


def caller(scope: Scope) -> str:
    """Whose bucket it is: the address, as TRUSTED_PROXIES let the server know it; of IPv6 its first 64 bits."""
    address: str = (scope.get("client") or ("",))[0]
    return _network(address) if ":" in address else address


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:  # a socket's path, perhaps
        return address
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, IPV6_BITS), strict=False).network_address)


def too_many(quota: int, seconds: int) -> TooMany:
    return TooMany("TOO_MANY_REQUESTS", quota=quota, seconds=seconds)
