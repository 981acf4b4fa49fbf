"""Fifty people who sign in at once wait in the gateway, and not in threads of the members service."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from gateway import password_limit
from services.members.sign_in import passwords
from tests.conditions import eventually
from tests.fakes.accounts import PASSWORD, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

PEOPLE = 50
CALLS = password_limit.AT_ONCE + 1  # of one process


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served_catalog(FakeCatalog()) as url, served_gateway(url, requests_at_once=0) as address:
        yield address


@contextmanager
def no_hash_is_computed() -> Iterator[None]:
    """Take all threads of members' computations for the duration of the block."""
    are_busy, end = threading.Barrier(passwords.AT_ONCE + 1), threading.Event()
    for _ in range(passwords.AT_ONCE):
        work = partial(passwords.compute, lambda: (are_busy.wait(), end.wait()))
        threading.Thread(target=work, daemon=True).start()
    are_busy.wait()
    try:
        yield
    finally:
        end.set()


@pytest.fixture
def in_members(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An item for each call that holds a place in the members service."""
    held: list[None] = []
    place = passwords.place

    @contextmanager
    def counted_place() -> Iterator[None]:
        with place():
            held.append(None)
            try:
                yield
            finally:
                held.pop()

    monkeypatch.setattr(passwords, "place", counted_place)
    return held


async def sign_in(http: httpx.AsyncClient, user: str) -> httpx.Response:
    return await http.post("/api/v1/sign-in", json={"user": user, "password": PASSWORD})


def test_everybody_signs_in_although_few_calls_are_in_members_at_once(
    address: str, in_members: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_limit, "WAIT_SECONDS", 60.0)
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 60.0)
    users = [add_staff(new_user("desk"), "desk").user for _ in range(3)]

    async def all_sign_in() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, verify=False, timeout=60) as http:
            with no_hash_is_computed():
                running = [asyncio.create_task(sign_in(http, users[n % len(users)])) for n in range(PEOPLE)]
                await asyncio.to_thread(eventually, lambda: len(in_members) == CALLS)
                # Members answers others meanwhile.
                client = {"client_id": "unknown", "client_secret": "unknown"}
                assert (await http.post("/api/v1/tokens", json=client)).status_code == 401
                assert len(in_members) == CALLS
                assert not [task for task in running if task.done()]
            return await asyncio.gather(*running)

    responses = asyncio.run(all_sign_in())
    assert Counter(response.status_code for response in responses) == {200: PEOPLE}
    assert len(in_members) == 0


def test_a_sign_in_that_waited_two_seconds_is_refused_with_a_time_to_try_again(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_limit, "WAIT_SECONDS", 1.0)
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 60.0)
    user = add_staff(new_user("desk"), "desk").user
    waiting = 12

    async def all_sign_in() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, verify=False, timeout=60) as http:
            with no_hash_is_computed():
                running = [asyncio.create_task(sign_in(http, user)) for _ in range(CALLS + waiting)]
                while sum(task.done() for task in running) < waiting:
                    await asyncio.sleep(0.01)
            return await asyncio.gather(*running)

    responses = asyncio.run(all_sign_in())
    assert Counter(response.status_code for response in responses) == {200: CALLS, 429: waiting}
    for response in responses:
        if response.status_code == 429:
            assert response.json()["reason"] == "SIGN_IN_BUSY"
            assert response.headers["Retry-After"] == "1"
    # The refused have failed at nothing, so there is no pause.
    assert asyncio.run(_one(address, user)).status_code == 200


async def _one(address: str, user: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=address, verify=False, timeout=60) as http:
        return await sign_in(http, user)
