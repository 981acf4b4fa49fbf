"""Signed-in callers have limits of their own, as soon as the gateway has verified them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter

from chassis.errors import Unauthenticated, Unavailable
from chassis.security.auth import Principal, TokenState, sign_token
from gateway.callers import Callers
from gateway.sessions import Sessions
from tests.conditions import eventually
from tests.fakes.accounts import PASSWORD, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway


def _signed_in(address: str, user: str) -> dict[str, str]:
    """Return the header of a new session, which the gateway has verified by then."""
    credentials = {"user": user, "password": PASSWORD}
    token = httpx.post(f"{address}/api/v1/sign-in", json=credentials, verify=False).json()["access_token"]
    header = {"Authorization": f"Bearer {token}"}

    def is_verified() -> bool:
        response = httpx.get(f"{address}/api/v1/institutions", headers=header, verify=False)
        return response.headers.get("RateLimit", '"credential"').startswith('"credential"')

    eventually(is_verified)
    return header


def test_an_address_without_quota_serves_its_signed_in_desks_and_refuses_invented_credentials() -> None:
    quota = 60  # two sign-ins take the time of a dozen requests each

    def get(header: dict[str, str]) -> httpx.Response:
        return httpx.get(f"{address}/api/v1/institutions", headers=header, verify=False)

    def until_refused(header: dict[str, str]) -> httpx.Response:
        responses = (get(header) for _ in range(4 * quota))
        return next(response for response in responses if response.status_code == 429)

    with served_catalog(FakeCatalog()) as url, served_gateway(url, rate_limit=quota) as address:
        desk = _signed_in(address, add_staff(new_user("desk"), "desk").user)
        other = _signed_in(address, add_staff(new_user("desk"), "desk").user)
        for credential in ("", "invented", f"{desk['Authorization']}x"):
            refusal = until_refused({"Authorization": credential} if credential else {})
            assert refusal.headers["RateLimit"].startswith('"address";')
        for header in (desk, other):
            response = get(header)
            assert response.status_code == 200
            assert response.headers["RateLimit"].startswith('"credential";')


def test_two_desks_of_one_address_do_not_wait_for_each_other() -> None:
    router, release = APIRouter(), threading.Event()
    running: Counter[str] = Counter()

    @router.get("/slow/{caller}")
    async def slow(caller: str) -> str:
        running[caller] += 1
        while not release.is_set():
            await asyncio.sleep(0.01)
        running[caller] -= 1
        return caller

    with (
        served_catalog(FakeCatalog()) as url,
        served_gateway(url, routers=[router], requests_at_once=1) as address,
        ThreadPoolExecutor(12) as threads,
    ):
        headers = {name: _signed_in(address, add_staff(new_user("desk"), "desk").user) for name in ("desk-a", "desk-b")}
        headers |= {"anonymous": {}, "invented": {"Authorization": "Bearer invented"}}
        futures = [
            threads.submit(httpx.get, f"{address}/slow/{name}", headers=header, verify=False, timeout=20)
            for name, header in headers.items()
            for _ in range(3)
        ]
        eventually(lambda: running["desk-a"] and running["desk-b"] and running["anonymous"] + running["invented"])
        time.sleep(0.2)
        assert (running["desk-a"], running["desk-b"], running["anonymous"] + running["invented"]) == (1, 1, 1)
        release.set()
        assert [future.result().status_code for future in futures] == [200] * 12


def test_while_members_does_not_answer_a_token_counts_under_its_address() -> None:
    async def scenario() -> None:
        reads = 0

        async def read_state() -> TokenState:
            nonlocal reads
            reads += 1
            raise Unavailable("SERVICE_UNAVAILABLE", service="members", code="UNAVAILABLE")

        scope = {"type": "http", "headers": [(b"authorization", b"Bearer a.b.c")]}
        callers = Callers(Sessions(), read_state)
        for _ in range(20):
            assert callers.credential(scope.copy()) == ""
            await asyncio.sleep(0)
        assert reads == 1

    asyncio.run(scenario())


def test_a_wrong_request_is_not_described_to_an_unknown_caller_while_members_does_not_answer() -> None:
    urls = {"members": "ipv4:127.0.0.1:1"}
    invented = jwt.encode({}, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "x"})
    header = {"Authorization": f"Bearer {invented}", "Content-Type": "application/json"}
    with served_catalog(FakeCatalog()) as url, served_gateway(url, urls=urls, without=["members"]) as address:
        for _ in range(2):
            response = httpx.post(f"{address}/api/v1/members", content=b"{", headers=header, verify=False)
            assert (response.status_code, response.json()["reason"]) == (503, "SIGN_IN_UNAVAILABLE")


def test_a_token_of_a_key_that_is_newer_than_the_last_read_is_not_refused() -> None:
    caller, private = Principal("siti", "PKS", "s", frozenset()), Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()

    def request(key_id: str) -> dict[str, Any]:
        token = sign_token(caller, key_id=key_id, private_key=private.private_bytes_raw())
        return {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}

    async def scenario() -> None:
        keys, reads = {"first": public}, 0

        async def read_state() -> TokenState:
            nonlocal reads
            reads += 1
            state = TokenState(keys=dict(keys), revoked=frozenset())
            await asyncio.sleep(0.01)
            return state

        callers = Callers(Sessions(), read_state)
        await callers.require(request("first"))
        keys["second"] = public
        # This read begins before the next key is there.
        invented = asyncio.create_task(callers.require(request("invented")))
        while reads < 2:
            await asyncio.sleep(0)
        keys["third"] = public
        await asyncio.gather(*(callers.require(request(key_id)) for key_id in ("second", "third", "third")))
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await invented
        assert reads == 3

    asyncio.run(scenario())
