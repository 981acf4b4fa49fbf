"""Limits of requests and of what runs at once, per credential and per address."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.addresses import networks
from chassis.security.auth import Principal, TokenState, sign_token
from gateway import limits
from gateway.callers import Callers, address_of
from gateway.limits import MOST_CREDENTIALS, MOST_NETWORKS, Buckets, Concurrency, Limits
from gateway.plans import Usage
from gateway.request_guard import LIMIT_HEADERS
from gateway.sessions import Sessions
from rangkiang.members.v1.staff_pb2 import CountUsageReply, CountUsageRequest
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

QUOTA = 6
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(limits, "TOKEN_SECONDS", 60)  # whatever a request costs here, it takes one token
    with served_catalog(FakeCatalog()) as url, served_gateway(url, rate_limit=QUOTA) as address:
        yield address


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_caller_over_the_limit_waits_for_a_token() -> None:
    clock = Clock()
    buckets = Buckets(60, now=clock)
    assert [buckets.take("a") for _ in range(60)][-1] == 0
    assert buckets.take("a") < 0
    assert buckets.take("b") == 59
    clock.seconds += 1
    assert buckets.take("a") == 0
    assert buckets.take("a") < 0
    clock.seconds += 3_600
    assert buckets.take("a") == 59


def test_the_least_recently_used_address_is_dropped() -> None:
    buckets = Buckets(60, most=3, now=Clock())
    for address in ("a", "b", "c", "a", "d"):
        buckets.take(address)
    assert len(buckets) == 3
    assert buckets.take("a") == 57
    assert buckets.take("b") == 59
    buckets.charge("dropped before its request ended", 1)
    assert len(buckets) == 3


def test_a_caller_that_owes_tokens_waits_two_minutes_at_most() -> None:
    clock = Clock()
    buckets = Buckets(60, now=clock)
    assert buckets.take("a") == 59
    buckets.charge("a", 9)
    assert buckets.take("a") == 49
    buckets.charge("a", 1_000)
    left = buckets.take("a")
    assert left == -61
    seconds = buckets.seconds_until(left + 1, 1)
    assert seconds == 61
    clock.seconds += seconds
    assert buckets.take("a") == 0
    buckets.charge("c", 5)
    assert buckets.take("c") == 54


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8::6", "2001:db8::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_ipv6_prefix_is_one_caller(address: str, caller: str) -> None:
    assert address_of({"client": (address, 1)}) == caller
    assert address_of({}) == ""


def test_responses_have_the_remaining_quota_and_a_request_over_it_is_refused(address: str) -> None:
    for remaining in range(QUOTA - 1, -1, -1):
        response = httpx.get(f"{address}/api/v1/institutions", verify=False)
        assert response.status_code == 200
        assert response.headers["RateLimit-Policy"] == '"address";q=6;w=60'
        assert response.headers["RateLimit"].startswith(f'"address";r={remaining};t=')
    refusal = httpx.get(f"{address}/api/v1/institutions", headers={"Accept-Language": "en"}, verify=False)
    assert refusal.status_code == 429
    assert refusal.json()["reason"] == "TOO_MANY_REQUESTS"
    assert refusal.json()["facts"]["quota"] == QUOTA
    assert 1 <= int(refusal.headers["Retry-After"]) <= 10
    assert refusal.headers["RateLimit"].startswith('"address";r=0;t=')
    assert refusal.headers["X-Request-Id"]


def test_a_page_explains_the_limit_and_has_its_style_and_health_does_not_count(address: str) -> None:
    for _ in range(QUOTA):
        httpx.get(f"{address}/", verify=False)
    page = httpx.get(f"{address}/", headers={"Accept": "text/html"}, verify=False)
    assert page.status_code == 429
    assert "Terlalu banyak permintaan" in page.text
    style = page.text.partition("/static/")[2].partition('"')[0]
    for path in ("/api/v1/health/live", f"/static/{style}"):
        response = httpx.get(f"{address}{path}", verify=False)
        assert (response.status_code, "RateLimit" in response.headers) == (200, False)


def test_files_of_pages_count_too(address: str) -> None:
    style = httpx.get(f"{address}/", verify=False).text.partition("/static/")[2].partition('"')[0]
    statuses = [httpx.get(f"{address}/static/{style}", verify=False).status_code for _ in range(2 * QUOTA)]
    assert statuses.count(200) == 2 * QUOTA - 1
    assert statuses[-1] == 429


def test_without_a_limit_responses_have_no_limit_headers() -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url, rate_limit=0) as address:
        assert "RateLimit" not in httpx.get(f"{address}/api/v1/institutions", verify=False).headers


def _token(account: str, *, session: str = "s", key: Ed25519PrivateKey = KEY) -> tuple[bytes, bytes]:
    """Return the header of a signed-in caller."""
    principal = Principal(id=account, institution="i", session=session, scopes=frozenset())
    token = sign_token(principal, key_id="k", private_key=key.private_bytes_raw())
    return b"authorization", f"Bearer {token}".encode()


def _usage() -> Usage:
    """Plans of a gateway that has no partner."""

    async def exchange(_batch: CountUsageRequest, _key: str) -> CountUsageReply:
        return CountUsageReply()

    return Usage(exchange)


def _callers() -> Callers:
    """Return callers that know no key yet."""

    async def read_state() -> TokenState:
        return TokenState(keys={"k": KEY.public_key().public_bytes_raw()}, revoked=frozenset({"ended"}))

    return Callers(Sessions(), read_state)


async def _callers_with_keys() -> Callers:
    callers = _callers()
    assert callers.credential({**_request("192.0.2.9"), "headers": [_token("first")]}) == ""
    await asyncio.sleep(0.01)
    return callers


def _add_status(statuses: list[int]) -> Any:
    """Return a `refuse` for Limits that adds the status of each refusal to the list."""

    def refuse(_request: Any, error: Any) -> Any:
        async def respond(_scope: Any, _receive: Any, _send: Any) -> None:
            statuses.append(error.http_status)

        return respond

    return refuse


def test_the_networks_of_an_ipv6_site_share_a_larger_quota() -> None:
    async def scenario() -> list[int]:
        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            statuses.append(200)

        statuses: list[int] = []
        limit = Limits(app, quota=2, callers=_callers(), usage=_usage(), refuse=_add_status(statuses))
        for number in range(MOST_NETWORKS + 4):
            for _ in range(2):
                await limit(_request(f"2001:db8:1:{number:x}::1"), None, None)
        await limit(_request("2001:db8:2::1"), None, None)
        return statuses

    statuses = asyncio.run(scenario())
    assert statuses == [200] * 2 * MOST_NETWORKS + [429] * 8 + [200]


def test_cpu_time_of_a_request_takes_further_tokens() -> None:
    async def scenario() -> list[int]:
        async def app(scope: Any, _receive: Any, _send: Any) -> None:
            await asyncio.sleep(0)
            end = time.thread_time() + scope["seconds"]
            while time.thread_time() < end:
                pass
            statuses.append(200)

        statuses: list[int] = []
        limit = Limits(app, quota=100, callers=_callers(), usage=_usage(), refuse=_add_status(statuses))
        await limit({**_request("192.0.2.1"), "seconds": 1.5}, None, None)
        for address in ("192.0.2.1", "192.0.2.2"):
            await limit({**_request(address), "seconds": 0}, None, None)
        return statuses

    assert asyncio.run(scenario()) == [200, 429, 200]


@pytest.mark.parametrize(("kind", "full"), [("site", 64), ("address", 67)])
def test_the_wait_is_that_of_the_bucket_without_tokens(monkeypatch: pytest.MonkeyPatch, kind: str, full: int) -> None:
    # One costly request takes all that its site or its address may owe.
    monkeypatch.setattr(limits, "TOKEN_SECONDS", 1e-7)
    monkeypatch.setattr(limits, "Buckets", partial(Buckets, now=Clock()))

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass
        await send({"type": "http.response.start", "headers": []})

    def refuse(_request: Any, error: Any) -> Any:
        async def respond(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "headers": [(b"retry-after", error.facts["seconds"])]})

        return respond

    async def scenario() -> dict[bytes, Any]:
        async def send(message: Any) -> None:
            responses.append(dict(message["headers"]))

        responses: list[dict[bytes, Any]] = []
        limit = Limits(app, quota=60, callers=await _callers_with_keys(), usage=_usage(), refuse=refuse)
        for number in (1, 2):
            address = f"2001:db8:1:{number}::1" if kind == "site" else "192.0.2.1"
            request = _request(address)
            if kind == "address":
                request["headers"] = [_token(f"account {number}")]
            await limit(request, None, send)
        return responses[1] | dict(request["state"][LIMIT_HEADERS])

    response = asyncio.run(scenario())
    assert response[b"retry-after"] == 61
    assert response[b"ratelimit"].endswith(b";r=0;t=%d" % full)


class Gate:
    """An application that answers when its gate is open, and counts what runs."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.running: Counter[str] = Counter()
        self.running_paths: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.served: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        address = scope["client"][0]
        self.running[address] += 1
        self.running_paths[scope["path"]] += 1
        self.most[address] = max(self.most[address], self.running[address])
        try:
            await self.open.wait()
            self.served.append(scope["path"])
        finally:
            self.running[address] -= 1


def _request(address: str, path: str = "/") -> dict[str, Any]:
    return {"type": "http", "path": path, "client": (address, 1), "headers": [], "state": {}}


def test_of_one_caller_some_requests_run_and_the_others_wait_in_order() -> None:
    async def scenario() -> None:
        gate = Gate()
        app = Concurrency(gate, most=4, callers=_callers(), exempt=networks("10.0.0.0/8"))
        paths = [f"/{number}" for number in range(50)]
        flood = [asyncio.create_task(app(_request("192.0.2.1", path), None, None)) for path in paths]
        other = asyncio.create_task(app(_request("192.0.2.2"), None, None))
        proxy = [asyncio.create_task(app(_request("10.1.2.3"), None, None)) for _ in range(20)]
        await asyncio.sleep(0)
        assert gate.running == {"192.0.2.1": 4, "192.0.2.2": 1, "10.1.2.3": 20}
        flood[4].cancel()
        flood[0].cancel()
        await asyncio.sleep(0.01)
        assert gate.running["192.0.2.1"] == 4
        gate.open.set()
        await asyncio.gather(*flood, other, *proxy, return_exceptions=True)
        assert [path for path in gate.served if path != "/"] == [*paths[1:4], *paths[5:]]
        assert gate.most["192.0.2.1"] == 4
        flood.clear()
        # Python keeps the last cancellation, which refers to its caller's semaphore.
        assert len(app.semaphores_of_callers) <= 1

    asyncio.run(scenario())


def test_a_verified_credential_has_places_of_its_own_and_an_invented_one_those_of_its_address() -> None:
    async def scenario() -> None:
        gate = Gate()
        app = Concurrency(gate, most=2, callers=await _callers_with_keys(), exempt=())
        stranger = Ed25519PrivateKey.generate()
        headers = {
            "/invented": [(b"authorization", b"Bearer %d" % number) for number in range(10)],
            "/foreign": [_token(f"account {number}", key=stranger) for number in range(10)],
            "/ended": [_token("desk 3", session="ended")] * 5,
            "/desk1": [_token("desk 1")] * 5,
            "/desk2": [_token("desk 2")] * 5,
            "/other-session": [_token("desk 2", session="t")] * 5,
        }
        requests = [
            {**_request("192.0.2.1", path), "headers": [header]} for path, group in headers.items() for header in group
        ]
        tasks = [asyncio.create_task(app(request, None, None)) for request in requests]
        await asyncio.sleep(0)
        assert gate.running_paths == {"/invented": 2, "/desk1": 2, "/desk2": 2, "/other-session": 2}
        gate.open.set()
        await asyncio.gather(*tasks)
        assert len(gate.served) == len(requests)
        assert not len(app.semaphores_of_callers)
        assert not len(app.addresses_with_credentials)

    asyncio.run(scenario())


def test_the_credentials_of_an_address_together_have_places_for_ten() -> None:
    async def scenario() -> None:
        gate = Gate()
        app = Concurrency(gate, most=2, callers=await _callers_with_keys(), exempt=())
        requests = [
            {**_request("192.0.2.1"), "headers": [_token(f"account {number}")]}
            for number in range(30)
            for _ in range(2)
        ]
        tasks = [asyncio.create_task(app(request, None, None)) for request in requests]
        await asyncio.sleep(0)
        assert gate.running["192.0.2.1"] == 2 * MOST_CREDENTIALS
        tasks[0].cancel()
        tasks[-1].cancel()
        await asyncio.sleep(0.01)
        assert gate.running["192.0.2.1"] == 2 * MOST_CREDENTIALS
        gate.open.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(gate.served) == len(requests) - 2
        assert len(app.semaphores_of_callers) <= 1
        assert len(app.addresses_with_credentials) <= 1

    asyncio.run(scenario())


def test_probes_do_not_wait() -> None:
    async def scenario() -> None:
        gate = Gate()
        app = Concurrency(gate, most=1, callers=_callers(), exempt=())
        tasks = [asyncio.create_task(app(_request("::1", "/api/v1/health/live"), None, None)) for _ in range(3)]
        await asyncio.sleep(0)
        assert gate.running["::1"] == 3
        gate.open.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
