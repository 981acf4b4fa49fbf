"""Clients of the services behind the gateway: a stub for each, opened when it is first used."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import Request

from chassis.errors import Invalid
from chassis.rpc.client import AioChannel, aio_channel, check_health
from chassis.settings import Settings
from gateway.negotiation import language
from gateway.request_guard import READING, header_fields, request_id
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub

if TYPE_CHECKING:
    from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogAsyncStub

Reply = TypeVar("Reply")

# After this a call fails with 504.
CALL_SECONDS = 5.0
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# What gRPC takes as the value of a text metadata entry.
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


class Clients:
    """Channels and stubs by service. For one event loop.

    A service is reached by `<SERVICE>_URL`. One that does not answer makes its own calls fail, no others.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._channels: dict[str, AioChannel] = {}
        self._stubs: dict[str, Any] = {}

    def channel(self, service: str) -> AioChannel:
        channel = self._channels.get(service)
        if channel is None:
            channel = self._channels[service] = aio_channel(self._settings.service_url(service), self._settings)
        return channel

    def stub(self, service: str, make: Callable[[Any], Any]) -> Any:
        """The stub of a service; `make` is the generated class."""
        stub = self._stubs.get(service)
        if stub is None:
            stub = self._stubs[service] = make(self.channel(service))
        return stub

    async def check(self, service: str, seconds: float) -> None:
        """raises  Unavailable, TooLate  the service does not say within `seconds` that it is ready"""
        await check_health(self.channel(service), seconds)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


def clients(request: Request) -> Clients:
    every: Clients = request.app.state.clients
    return every


def catalog(request: Request) -> CatalogAsyncStub:
    stub: CatalogAsyncStub = clients(request).stub("catalog", CatalogStub)
    return stub


# FastAPI runs a dependency that is no coroutine in a thread, where no channel may be opened.
async def _services(request: Request) -> Clients:
    return clients(request)


async def _catalog(request: Request) -> Any:
    return catalog(request)


Services = Annotated[Clients, Depends(_services)]
if TYPE_CHECKING:
    Catalog = Annotated[CatalogAsyncStub, Depends(_catalog)]
else:
    # The asynchronous stub exists only in the generated .pyi.
    Catalog = Annotated[Any, Depends(_catalog)]


async def call(request: Request, method: Callable[..., Awaitable[Reply]], message: Any) -> Reply:
    """Call a method of a service on behalf of this request.

    Language, request id, trace and credential go along; on a method that writes, Idempotency-Key and If-Match too.
    raises  chassis.errors.Error  as the service raised it; Unavailable or TooLate when it does not answer
            Invalid  HEADER_NOT_TEXT
    """
    fields = header_fields(request.scope)
    metadata = [("x-language", language(request)), ("x-request-id", request_id(request))]
    traceparent = fields.get(b"traceparent", b"").decode("latin-1")
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        metadata.append(("traceparent", traceparent))
    for name in _FORWARDED if request.method in READING else _FORWARDED_ON_WRITES:
        if name in fields:
            value = fields[name].decode("latin-1")
            if not _PRINTABLE.fullmatch(value):
                raise Invalid("HEADER_NOT_TEXT", header=name.decode())
            metadata.append((name.decode(), value))
    return await method(message, timeout=CALL_SECONDS, metadata=metadata)


_FORWARDED = (b"authorization",)
_FORWARDED_ON_WRITES = (b"authorization", b"idempotency-key", b"if-match")
