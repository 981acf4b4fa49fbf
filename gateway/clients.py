"""gRPC clients: one stub for each service, created at its first use."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import Request

from chassis.errors import Invalid, Outdated
from chassis.rpc.client import AioChannel, aio_channel, check_health
from chassis.rpc.client_calls import has_replay
from chassis.settings import Settings
from gateway.negotiation import language
from gateway.request_guard import READ_METHODS, header_fields, request_id
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from rangkiang.notifications.v1.notifications_pb2_grpc import NotificationsStub

if TYPE_CHECKING:
    from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogAsyncStub
    from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationAsyncStub
    from rangkiang.members.v1.members_pb2_grpc import MembersAsyncStub
    from rangkiang.notifications.v1.notifications_pb2_grpc import NotificationsAsyncStub

Reply = TypeVar("Reply")
ACCEPTED_VERSIONS = "accepted_versions"  # in the state of a request: the versions in If-Match; None for `*`

_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# Values that gRPC accepts in text metadata.
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


class Clients:
    """Channels and stubs by service, for one event loop.

    `<SERVICE>_URL` is the address of a service. When a service is not available, only calls to it fail.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._channels: dict[str, AioChannel] = {}
        self._stubs: dict[str, Any] = {}

    def channel(self, service: str) -> AioChannel:
        channel = self._channels.get(service)
        if channel is None:
            channel = self._channels[service] = aio_channel(
                self._settings.service_url(service), self._settings, caller="gateway"
            )
        return channel

    def stub(self, service: str, make: Callable[[Any], Any]) -> Any:
        """Return the stub of a service; `make` is the generated stub class."""
        stub = self._stubs.get(service)
        if stub is None:
            stub = self._stubs[service] = make(self.channel(service))
        return stub

    async def check(self, service: str, seconds: float) -> None:
        """Check that a service is ready.

        raises  Unavailable, TooLate  the service does not report within `seconds` that it is ready
        """
        await check_health(self.channel(service), seconds)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


def clients(request: Request) -> Clients:
    all_clients: Clients = request.app.state.clients
    return all_clients


def catalog(request: Request) -> CatalogAsyncStub:
    stub: CatalogAsyncStub = clients(request).stub("catalog", CatalogStub)
    return stub


def members(request: Request) -> MembersAsyncStub:
    stub: MembersAsyncStub = clients(request).stub("members", MembersStub)
    return stub


def circulation(request: Request) -> CirculationAsyncStub:
    stub: CirculationAsyncStub = clients(request).stub("circulation", CirculationStub)
    return stub


def notifications(request: Request) -> NotificationsAsyncStub:
    stub: NotificationsAsyncStub = clients(request).stub("notifications", NotificationsStub)
    return stub


# These are coroutines, because FastAPI runs other dependencies in a thread, where no channel may be opened.
async def _services(request: Request) -> Clients:
    return clients(request)


async def _catalog(request: Request) -> Any:
    return catalog(request)


async def _members(request: Request) -> Any:
    return members(request)


async def _circulation(request: Request) -> Any:
    return circulation(request)


async def _notifications(request: Request) -> Any:
    return notifications(request)


Services = Annotated[Clients, Depends(_services)]
if TYPE_CHECKING:
    Catalog = Annotated[CatalogAsyncStub, Depends(_catalog)]
    Members = Annotated[MembersAsyncStub, Depends(_members)]
    Circulation = Annotated[CirculationAsyncStub, Depends(_circulation)]
    Notifications = Annotated[NotificationsAsyncStub, Depends(_notifications)]
else:
    # The asynchronous stubs exist only in the generated .pyi.
    Catalog = Annotated[Any, Depends(_catalog)]
    Members = Annotated[Any, Depends(_members)]
    Circulation = Annotated[Any, Depends(_circulation)]
    Notifications = Annotated[Any, Depends(_notifications)]


async def call(request: Request, method: Callable[..., Awaitable[Reply]], message: Any) -> Reply:
    """Call a method of a service on behalf of this request.

    The metadata has language, request id, trace and credential; for writes also Idempotency-Key. On pages
    the credential is the token of the browser's session, and the key comes from the form (gateway.sessions.forward).
    When the service replays the reply to an earlier call, the response has the header `Idempotency-Replayed: true`.

    raises  chassis.errors.Error  the error of the service; Unavailable or TooLate without a reply
            Invalid  HEADER_NOT_TEXT
    """
    fields = header_fields(request.scope)
    forwarded = request.scope["state"].get("forwarded")
    if forwarded:
        fields = {**fields, **forwarded}
    metadata = [("x-language", language(request)), ("x-request-id", request_id(request))]
    traceparent = fields.get(b"traceparent")
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        metadata.append(("traceparent", traceparent.decode("ascii")))
    for name in _FORWARDED if request.scope["method"] in READ_METHODS else _FORWARDED_ON_WRITES:
        if name in fields:
            value = fields[name].decode("latin-1")
            if not _PRINTABLE.fullmatch(value):
                raise Invalid("HEADER_NOT_TEXT", header=name.decode())
            metadata.append((name.decode(), value))
    seconds = request.app.state.settings.call_seconds
    try:
        reply = await method(message, timeout=seconds, metadata=metadata)
    except Outdated as outdated:
        if not _accept_version(request, message, outdated.facts.get("version")):
            raise
        reply = await method(message, timeout=seconds, metadata=metadata)
    if has_replay():
        request.scope["state"]["has_replay"] = True
    return reply


def _accept_version(request: Request, message: Any, version: Any) -> bool:
    """Put this version into a message, or into the message in it, if If-Match is a list or `*` that accepts it too."""
    accepted: set[int] | None = request.scope["state"].get(ACCEPTED_VERSIONS, set())
    if accepted is not None and version not in accepted:
        return False
    parts = [message, *(getattr(message, field.name) for field, _ in message.ListFields() if field.message_type)]
    versioned = next((part for part in parts if hasattr(part, "version")), message)
    versioned.version = version
    return True


_FORWARDED = (b"authorization",)
_FORWARDED_ON_WRITES = (b"authorization", b"idempotency-key")
