"""The contract of every transport to a service: in process or over sockets, from coroutines or from threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Error, Forbidden, Invalid, NotFound, Refused, TooLate, Unauthenticated, Unavailable
from chassis.rpc import client_calls, inproc
from chassis.rpc.client import MESSAGE_BYTES, aio_channel, sync_channel
from chassis.rpc.server import Server
from chassis.settings import Settings
from chassis.transaction_guard import NestedWork
from gateway import problems
from gateway.settings import GatewaySettings
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo, words

SETTINGS = Settings(grpc_port=0, grpc_threads=4)


@pytest.fixture(scope="module")
def servicer() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def urls(servicer: Echo) -> Iterator[dict[str, str]]:
    inproc.register("echo", servicer, echo.add)
    server = Server(servicer, echo.add, SETTINGS)
    server.start()
    yield {"inproc": "inproc:echo", "dns": f"dns:///127.0.0.1:{server.port}"}
    server.stop(0)
    inproc.unregister("echo")


@pytest.fixture(params=["inproc", "dns"])
def url(request: pytest.FixtureRequest, urls: dict[str, str]) -> str:
    return urls[request.param]


class Sync:
    """Calls from the current thread."""

    def __init__(self, url: str) -> None:
        self.url, self.channel = url, sync_channel(url, SETTINGS)
        self.stub = echo.generated()[1].EchoStub(self.channel)

    def call(self, method: str, request: Any, **options: Any) -> Any:
        return getattr(self.stub, method)(request, **options)

    def close(self) -> None:
        self.channel.close()


class Aio:
    """The same calls, awaited on an event loop."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = self.loop.run_until_complete(self._open(url))
        self.stub = echo.generated()[1].EchoStub(self.channel)

    async def _open(self, url: str) -> Any:
        return aio_channel(url, SETTINGS)

    def call(self, method: str, request: Any, **options: Any) -> Any:
        async def reply() -> Any:
            return await getattr(self.stub, method)(request, **options)

        return self.loop.run_until_complete(reply())

    def close(self) -> None:
        self.loop.run_until_complete(self.channel.close())
        self.loop.close()


@pytest.fixture(params=[Sync, Aio])
def caller(request: pytest.FixtureRequest, url: str) -> Iterator[Sync | Aio]:
    client = request.param(url)
    yield client
    client.close()


FACT_TYPES = {"open": int, "share": float, "blocked": bool, "until": type(None), "cards": list, "day": str}


class TestChannel:
    def test_a_request_has_its_reply(self, caller: Sync | Aio) -> None:
        assert caller.call("Say", words("rangkiang", 7)) == words("rangkiang", 7)

    def test_an_error_arrives_as_it_was_raised(self, caller: Sync | Aio) -> None:
        with pytest.raises(NotFound) as raised:
            caller.call("Say", words("refuse"))
        error = raised.value
        assert (error.reason, error.facts) == ("WORD_NOT_FOUND", {"word": "{x}", "limit": 3})
        assert (error.sentence.id, error.sentence.en) == ("“{x}” tidak ada 3", "no “{x}” 3")

    def test_an_unexpected_error_shows_the_caller_no_internals(self, caller: Sync | Aio) -> None:
        with pytest.raises(Error) as raised:
            caller.call("Say", words("break"))
        assert raised.value.reason == "INTERNAL"
        assert "secret" not in f"{raised.value} {raised.value.facts} {raised.value.sentence}"

    def test_a_method_that_is_not_public_requires_a_credential(self, caller: Sync | Aio, servicer: Echo) -> None:
        calls_before = servicer.calls
        with pytest.raises(Unauthenticated):
            caller.call("Whisper", words("hush"), metadata=[("authorization", "Bearer forged")])
        assert servicer.calls == calls_before

    @pytest.mark.parametrize("name", ["catalog", "members", "catalog,members", "cat", "gateway", ""])
    def test_a_method_of_several_services_is_for_each_of_them_alone(self, urls: dict[str, str], name: str) -> None:
        with closing(sync_channel(urls["inproc"], SETTINGS, caller=name)) as channel:
            stub = echo.generated()[1].EchoStub(channel)
            if name in ("catalog", "members"):
                assert stub.Confide(words("context")).text.split()[2] == f"'system:{name}'"
                return
            with pytest.raises(Forbidden) as refusal:
                stub.Confide(words())
            assert (refusal.value.reason, refusal.value.facts) == ("SERVICE_ONLY", {"services": ["catalog", "members"]})

    def test_the_context_has_the_caller_and_the_deadline(self, caller: Sync | Aio) -> None:
        metadata = [("x-language", "en"), ("x-request-id", "r-1"), ("x-actor", "somebody")]
        reply = caller.call("Say", words("context"), timeout=5, metadata=metadata)
        assert reply.text == "en r-1 '' True"
        assert 3000 < reply.number <= 5100

    def test_a_call_without_a_deadline_gets_the_default(self, caller: Sync | Aio) -> None:
        default = client_calls.DEFAULT_TIMEOUT_SECONDS * 1000
        assert default / 2 < caller.call("Say", words("context")).number <= default + 100

    def test_a_reply_after_the_deadline_is_too_late(self, caller: Sync | Aio) -> None:
        with pytest.raises(TooLate) as raised:
            caller.call("Say", words("sleep", 200), timeout=0.05)
        assert raised.value.reason == "DEADLINE_PASSED"

    def test_a_method_never_runs_on_an_event_loop(self, caller: Sync | Aio) -> None:
        reply = caller.call("Say", words("thread"), timeout=5)
        assert (reply.text == threading.current_thread().name) == (type(caller) is Sync and "inproc" in caller.url)
        assert 3000 < reply.number <= 5100

    def test_an_error_too_long_for_the_wire_is_cut_and_arrives(self, caller: Sync | Aio) -> None:
        with pytest.raises(NotFound) as raised:
            caller.call("Say", words("ramble", 1000))
        error = raised.value
        assert error.facts["fact_0"] == ("ꦱꦸꦫꦠ" * 1000)[:300]
        assert error.sentence.en.startswith("ꦱꦸꦫꦠ")


def test_writers_that_wait_hold_up_neither_readers_nor_another_service(urls: dict[str, str]) -> None:
    inproc.register("other", Echo(), echo.add)

    async def read_beside_writers() -> list[float]:
        stubs = [echo.generated()[1].EchoStub(aio_channel(f"inproc:{name}", SETTINGS)) for name in ("echo", "other")]
        metadata = [("idempotency-key", "k")]
        writes = [
            asyncio.create_task(stub.SayKeyed(words("sleep", 500), metadata=metadata, timeout=10))
            for stub in stubs[:1]
            for _ in range(3 * SETTINGS.grpc_threads)
        ]
        await asyncio.sleep(0.1)
        waits = []
        for stub in stubs:
            start = time.monotonic()
            await stub.Say(words("thread"))
            waits.append(time.monotonic() - start)
        start = time.monotonic()
        await stubs[1].SayKeyed(words(), metadata=metadata)
        waits.append(time.monotonic() - start)
        assert not any(write.done() for write in writes)
        await asyncio.gather(*writes)
        return waits

    try:
        assert max(asyncio.run(read_beside_writers())) < 0.35
    finally:
        inproc.unregister("other")


OBJECTIONS = [
    {"reason": "LIMIT_REACHED", "facts": {"limit": 3}, "detail": "The limit of 3 loans is reached."},
    {
        "reason": "MEMBER_BLOCKED",
        "facts": {
            "open": 3,
            "share": 0.5,
            "blocked": True,
            "until": None,
            "cards": ["0012", "0013"],
            "day": "2026-12-24",
        },
        "detail": "The member is blocked (3 open).",
    },
]


class TestRefusals:
    def test_several_refusals_arrive_with_the_types_of_their_facts(self, caller: Sync | Aio) -> None:
        with pytest.raises(Refused) as raised:
            caller.call("Say", words("object"))
        refusals = [
            {"reason": refusal.reason, "facts": refusal.facts, "detail": refusal.sentence.en}
            for refusal in raised.value.refusals
        ]
        assert refusals == OBJECTIONS
        assert {name: type(value) for name, value in raised.value.refusals[1].facts.items()} == FACT_TYPES
        assert raised.value.reasons == {"LIMIT_REACHED", "MEMBER_BLOCKED"}

    def test_the_problem_document_has_all_of_them(self, url: str) -> None:
        app = FastAPI(exception_handlers={Error: problems.problem})
        app.state.settings = SETTINGS.of(GatewaySettings)

        @app.get("/")
        async def say(request: Request) -> None:
            request.scope["state"] = {"request_id": "r-1"}
            await echo.generated()[1].EchoStub(aio_channel(url, SETTINGS)).Say(words("object"))

        async def get() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                return await client.get("/?lang=en")

        response = asyncio.run(get())
        problem = response.json()
        assert response.status_code == 409
        assert (problem["reason"], problem["facts"]) == ("LIMIT_REACHED", {"limit": 3})
        assert problem["detail"] == "The limit of 3 loans is reached. The member is blocked (3 open)."
        assert problem["refusals"] == OBJECTIONS

    def test_of_more_refusals_than_the_wire_holds_the_first_arrive(self, caller: Sync | Aio) -> None:
        with pytest.raises(Refused) as raised:
            caller.call("Say", words("object at length", 100))
        numbers = [refusal.facts["n"] for refusal in raised.value.refusals]
        assert 1 < len(numbers) < 100
        assert numbers == list(range(len(numbers)))


class TestAddress:
    @pytest.fixture(params=[Sync, Aio])
    def kind(self, request: pytest.FixtureRequest) -> type[Sync] | type[Aio]:
        channel_kind: type[Sync] | type[Aio] = request.param
        return channel_kind

    @pytest.mark.parametrize("url", ["inproc:nowhere", "dns:///127.0.0.1:1"])
    def test_an_unreachable_service_is_named(self, kind: type[Sync] | type[Aio], url: str) -> None:
        caller = kind(url)
        with pytest.raises(Unavailable) as raised:
            caller.call("Say", words())
        caller.close()
        assert raised.value.reason == "SERVICE_UNAVAILABLE"
        assert raised.value.facts["service"] in {"nowhere", "echo"}

    def test_an_unknown_scheme_is_refused_with_the_nearest_one(self, kind: type[Sync] | type[Aio]) -> None:
        with pytest.raises(Invalid, match="Did you mean inproc:"):
            kind("inprocess:echo")


def test_the_size_of_a_message_is_limited(urls: dict[str, str]) -> None:
    caller = Sync(urls["dns"])
    with pytest.raises(Invalid) as raised:
        caller.call("Say", words("x" * (MESSAGE_BYTES + 1)))
    caller.close()
    assert raised.value.reason == "MESSAGE_TOO_LARGE"


def test_a_call_inside_a_transaction_is_refused_at_once(url: str, servicer: Echo, tmp_path: Path) -> None:
    calls, sync = servicer.calls, Sync(url)
    with (
        closing(Database(f"sqlite:///{tmp_path}/t.db")) as database,
        database.transaction(system("test")),
        pytest.raises(NestedWork, match="call before it begins"),
    ):
        sync.call("Say", words("rangkiang"))
    assert servicer.calls == calls
    assert sync.call("Say", words("rangkiang")) == words("rangkiang")
    sync.close()
