"""One contract for every road to a service: in this process or over sockets, awaited or from threads."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from chassis.errors import Error, Invalid, NotFound, TooLate, Unauthenticated, Unavailable
from chassis.rpc import inproc
from chassis.rpc.client import MESSAGE_BYTES, aio_channel, sync_channel
from chassis.rpc.server import Server
from chassis.settings import Settings
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo, words

SETTINGS = Settings(grpc_port=0, grpc_threads=4)
Caller = Callable[[str, Any], Any]


@pytest.fixture(scope="module")
def servicer() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def roads(servicer: Echo) -> Iterator[dict[str, str]]:
    inproc.register("echo", servicer, echo.add)
    server = Server(servicer, echo.add, SETTINGS)
    server.start()
    yield {"inproc": "inproc:echo", "dns": f"dns:///127.0.0.1:{server.port}"}
    server.stop(0)
    inproc.forget("echo")


@pytest.fixture(params=["inproc", "dns"])
def url(request: pytest.FixtureRequest, roads: dict[str, str]) -> str:
    return roads[request.param]


class Sync:
    """Calls from this thread."""

    def __init__(self, url: str) -> None:
        self.channel = sync_channel(url, SETTINGS)
        self.stub = echo.generated()[1].EchoStub(self.channel)

    def one(self, method: str, request: Any, **more: Any) -> Any:
        return getattr(self.stub, method)(request if not isinstance(request, list) else iter(request), **more)

    def many(self, method: str, request: Any, *, take: int = 0, cancel: bool = True, **more: Any) -> list[Any]:
        replies = getattr(self.stub, method)(request if not isinstance(request, list) else iter(request), **more)
        found = []
        for reply in replies:
            found.append(reply)
            if len(found) == take:
                if cancel:
                    replies.cancel()
                break
        return found

    def close(self) -> None:
        self.channel.close()


class Aio:
    """The same calls, awaited on a loop of their own."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = self.loop.run_until_complete(self._open(url))
        self.stub = echo.generated()[1].EchoStub(self.channel)

    async def _open(self, url: str) -> Any:
        return aio_channel(url, SETTINGS)

    def one(self, method: str, request: Any, **more: Any) -> Any:
        async def call() -> Any:
            given = _awaited(request) if isinstance(request, list) else request
            return await getattr(self.stub, method)(given, **more)

        return self.loop.run_until_complete(call())

    def many(self, method: str, request: Any, *, take: int = 0, cancel: bool = True, **more: Any) -> list[Any]:
        async def call() -> list[Any]:
            given = _awaited(request) if isinstance(request, list) else request
            replies, found = getattr(self.stub, method)(given, **more), []
            async for reply in replies:
                found.append(reply)
                if len(found) == take:
                    if cancel:
                        replies.cancel()
                    break
            del replies
            # A loop that goes on: over the wire it is what carries the cancellation.
            await asyncio.sleep(0 if take == 0 else 0.1)
            return found

        return self.loop.run_until_complete(call())

    def close(self) -> None:
        self.loop.run_until_complete(self.channel.close())
        self.loop.close()


async def _awaited(requests: list[Any]) -> AsyncIterator[Any]:
    for request in requests:
        await asyncio.sleep(0)
        yield request


@pytest.fixture(params=[Sync, Aio])
def caller(request: pytest.FixtureRequest, url: str) -> Iterator[Sync | Aio]:
    made = request.param(url)
    yield made
    made.close()


ONE_ANSWER = ["Say", "SayInline"]


class TestChannel:
    @pytest.mark.parametrize("method", ONE_ANSWER)
    def test_a_request_has_its_reply(self, caller: Sync | Aio, method: str) -> None:
        assert caller.one(method, words("rangkiang", 7)) == words("rangkiang", 7)

    def test_replies_come_in_order(self, caller: Sync | Aio) -> None:
        assert [reply.number for reply in caller.many("Count", words(number=200))] == list(range(200))

    def test_requests_come_in_order_and_are_answered_once(self, caller: Sync | Aio) -> None:
        assert caller.one("Sum", [words(number=n) for n in range(100)]).number == 4950

    def test_requests_and_replies_flow_side_by_side(self, caller: Sync | Aio) -> None:
        replies = caller.many("Shout", [words("padang"), words("solok")])
        assert [reply.text for reply in replies] == ["PADANG", "SOLOK"]

    @pytest.mark.parametrize("method", ONE_ANSWER)
    def test_an_error_arrives_as_it_was_raised(self, caller: Sync | Aio, method: str) -> None:
        with pytest.raises(NotFound) as raised:
            caller.one(method, words("refuse"))
        error = raised.value
        assert (error.reason, error.facts) == ("WORD_NOT_FOUND", {"word": "{x}", "limit": "3"})
        assert (error.sentence.id, error.sentence.en) == ("“{x}” tidak ada 3", "no “{x}” 3")

    def test_an_error_after_some_replies_arrives_after_them(self, caller: Sync | Aio) -> None:
        with pytest.raises(NotFound):
            caller.many("Count", words("refuse", 3))

    def test_an_error_over_a_stream_of_requests_arrives(self, caller: Sync | Aio) -> None:
        with pytest.raises(NotFound):
            caller.one("Sum", [words(number=6), words(number=7)])

    @pytest.mark.parametrize("method", ONE_ANSWER)
    def test_what_nobody_foresaw_tells_the_caller_nothing_of_the_house(self, caller: Sync | Aio, method: str) -> None:
        with pytest.raises(Error) as raised:
            caller.one(method, words("break"))
        assert raised.value.reason == "INTERNAL"
        assert "secret" not in f"{raised.value} {raised.value.facts} {raised.value.sentence}"

    def test_a_method_that_is_not_public_wants_a_credential(self, caller: Sync | Aio, servicer: Echo) -> None:
        before = servicer.calls
        with pytest.raises(Unauthenticated):
            caller.one("Whisper", words("hush"), metadata=[("authorization", "Bearer forged")])
        assert servicer.calls == before

    @pytest.mark.parametrize("method", ONE_ANSWER)
    def test_the_context_says_who_asks_and_how_long(self, caller: Sync | Aio, method: str) -> None:
        metadata = [("x-language", "en"), ("x-request-id", "r-1"), ("x-actor", "somebody")]
        reply = caller.one(method, words("context"), timeout=5, metadata=metadata)
        assert reply.text == "en r-1 '' True"
        assert 3000 < reply.number <= 5100

    def test_who_sets_no_deadline_is_given_one(self, caller: Sync | Aio) -> None:
        assert 1000 < caller.one("Say", words("context")).number <= 2100

    def test_a_stream_without_a_deadline_may_flow(self, caller: Sync | Aio) -> None:
        assert len(caller.many("Count", words("sleep", 2))) == 2

    @pytest.mark.parametrize("method", ONE_ANSWER)
    def test_an_answer_after_the_deadline_is_too_late(self, caller: Sync | Aio, method: str) -> None:
        with pytest.raises(TooLate) as raised:
            caller.one(method, words("sleep", 200), timeout=0.05)
        assert raised.value.reason == "DEADLINE_PASSED"

    def test_a_stream_past_its_deadline_ends_too_late(self, caller: Sync | Aio) -> None:
        with pytest.raises(TooLate):
            caller.many("Count", words("sleep", 100), timeout=0.2)

    def test_replies_no_longer_wanted_are_no_longer_made(self, caller: Sync | Aio, servicer: Echo) -> None:
        servicer.ended.clear()
        before = servicer.calls
        assert len(caller.many("Count", words(number=10_000_000), take=5)) == 5
        assert servicer.ended.wait(5)
        assert servicer.calls - before < 1_000_000

    def test_replies_let_go_of_are_no_longer_made(self, caller: Sync | Aio, servicer: Echo) -> None:
        servicer.ended.clear()
        before = servicer.calls
        assert len(caller.many("Count", words(number=10_000_000), take=5, cancel=False)) == 5
        gc.collect()
        assert servicer.ended.wait(5)
        assert servicer.calls - before < 1_000_000

    def test_an_error_too_long_for_the_wire_is_cut_and_arrives(self, caller: Sync | Aio) -> None:
        with pytest.raises(NotFound) as raised:
            caller.one("Say", words("ramble", 1000))
        error = raised.value
        assert error.facts["fact_0"] == ("ꦱꦸꦫꦠ" * 1000)[:300]
        assert error.sentence.en.startswith("ꦱꦸꦫꦠ")


class TestAddress:
    @pytest.fixture(params=[Sync, Aio])
    def road(self, request: pytest.FixtureRequest) -> type[Sync] | type[Aio]:
        kind: type[Sync] | type[Aio] = request.param
        return kind

    @pytest.mark.parametrize("url", ["inproc:nowhere", "dns:///127.0.0.1:1"])
    def test_a_service_that_is_not_there_is_named(self, road: type[Sync] | type[Aio], url: str) -> None:
        caller = road(url)
        with pytest.raises(Unavailable) as raised:
            caller.one("Say", words())
        caller.close()
        assert raised.value.reason == "SERVICE_UNAVAILABLE"
        assert raised.value.facts["service"] in {"nowhere", "echo"}

    def test_an_unknown_scheme_is_answered_with_the_nearest(self, road: type[Sync] | type[Aio]) -> None:
        with pytest.raises(Invalid, match="Did you mean inproc:"):
            road("inprocess:echo")


def test_over_the_wire_a_message_is_bounded(roads: dict[str, str]) -> None:
    caller = Sync(roads["dns"])
    with pytest.raises(Invalid) as raised:
        caller.one("Say", words("x" * (MESSAGE_BYTES + 1)))
    caller.close()
    assert raised.value.reason == "MESSAGE_TOO_LARGE"
