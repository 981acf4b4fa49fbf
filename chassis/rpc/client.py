"""Clients of services: an aio client for the gateway and a sync client for services, over gRPC or inside one process.

Generated stubs accept both kinds of channel. Every call has a deadline and a span, and raises the error of the service.
An idempotent method is tried once more if no service answered. `inproc:` and `dns:///` differ only in transport.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2

from chassis.errors import Invalid, TooLate, Unavailable
from chassis.rpc import status
from chassis.rpc.client_calls import AioMethod, SyncMethod
from chassis.security.auth import TokenState, TokenVerifier
from chassis.settings import Settings
from chassis.urls import known_scheme, resolve
from rangkiang.common.v1.token_state_pb2 import GetTokenStateReply, GetTokenStateRequest

MESSAGE_BYTES = 16 * 1024 * 1024
METADATA_BYTES = 64 * 1024
CHECK_PAUSE_SECONDS = 0.05  # between two checks of health
# The service that signs access tokens. The chassis uses only its name and this method, not its contract.
ISSUING_SERVICE = "members"
STATE_METHOD = "/rangkiang.members.v1.Members/GetTokenState"

_AIO = {
    "inproc": "chassis.rpc.inproc:aio_transport",
    **dict.fromkeys(("dns", "ipv4", "unix"), "chassis.rpc.client:_aio_transport"),
}
_SYNC = {
    "inproc": "chassis.rpc.inproc:sync_transport",
    **dict.fromkeys(("dns", "ipv4", "unix"), "chassis.rpc.client:_sync_transport"),
}
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    # The client detects a dead peer within 25 s, and a restarted one within 2 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Shortest time between two resolutions of a name after connections have ended; gRPC's default is 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


def aio_channel(url: str, settings: Settings, *, caller: str = "") -> AioChannel:
    """Open a channel for generated stubs whose calls are awaited; call it in the event loop that uses the channel.

    url     inproc:catalog, dns:///host:port, ipv4:…, unix:…
    caller  name of the calling service, or "gateway"; over the network the certificate has it
    raises  Invalid  URL_SCHEME_UNKNOWN
    """
    return AioChannel(url, resolve(_AIO[known_scheme(url, _AIO)])(url, settings, caller))


def sync_channel(url: str, settings: Settings, *, caller: str = "") -> SyncChannel:
    """Open a channel for generated stubs that threads call. Raises the errors of `aio_channel`."""
    return SyncChannel(url, resolve(_SYNC[known_scheme(url, _SYNC)])(url, settings, caller))


def token_verifier(settings: Settings, servicer: Any = None) -> TokenVerifier:
    """Return a verifier that reads keys and revoked sessions from members.

    servicer  the servicer of this process, which is asked instead if it is that of members
    """
    ask = servicer.GetTokenState if hasattr(servicer, "GetTokenState") else _token_state_of(settings)

    return TokenVerifier(lambda: _token_state(ask(GetTokenStateRequest(), None)))


async def read_state_of(channel: AioChannel) -> TokenState:
    """Read keys and revoked sessions from members, without a thread. Raises Unavailable, TooLate."""
    method = channel.unary_unary(
        STATE_METHOD,
        request_serializer=GetTokenStateRequest.SerializeToString,
        response_deserializer=GetTokenStateReply.FromString,
    )
    return _token_state(await method(GetTokenStateRequest()))


def _token_state(reply: GetTokenStateReply) -> TokenState:
    return TokenState(keys={key.id: key.public_key for key in reply.keys}, revoked=frozenset(reply.revoked))


def _token_state_of(settings: Settings) -> Callable[[GetTokenStateRequest, Any], GetTokenStateReply]:
    # Opened at the first token, because a process of the catalogue may never get one.
    @cache
    def method() -> Any:
        return sync_channel(settings.service_url(ISSUING_SERVICE), settings).unary_unary(
            STATE_METHOD,
            request_serializer=GetTokenStateRequest.SerializeToString,
            response_deserializer=GetTokenStateReply.FromString,
        )

    def ask(request: GetTokenStateRequest, _context: Any) -> GetTokenStateReply:
        reply: GetTokenStateReply = method()(request)
        return reply

    return ask


async def check_health(channel: AioChannel, seconds: float) -> None:
    """Check within `seconds` that a replica of the service is ready to serve; each try is sent to another replica.

    raises  Unavailable  SERVICE_UNAVAILABLE  no service answers
                         NOT_SERVING          the replicas report that they are not healthy
            TooLate
    """
    check = _health_method(channel)
    end = time.monotonic() + seconds
    while True:
        try:
            # A replica that does not answer leaves half of the time for another one.
            reply = await check(health_pb2.HealthCheckRequest(), timeout=(end - time.monotonic()) / 2)
            _require_serving(reply, channel.url)
            return
        except (Unavailable, TooLate) as problem:
            if end - time.monotonic() < 2 * CHECK_PAUSE_SECONDS:
                raise _named(problem, channel.url) from problem
        await asyncio.sleep(CHECK_PAUSE_SECONDS)


def check_health_sync(channel: SyncChannel, seconds: float) -> None:
    """Check one replica, in a thread. Raises the errors of `check_health`."""
    try:
        reply = _health_method(channel)(health_pb2.HealthCheckRequest(), timeout=seconds)
    except Unavailable as problem:
        raise _named(problem, channel.url) from problem
    _require_serving(reply, channel.url)


def _health_method(channel: AioChannel | SyncChannel) -> Any:
    return channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )


def _named(problem: Unavailable | TooLate, url: str) -> Unavailable | TooLate:
    """Return the error with the URL in place of the name of gRPC's health service."""
    is_away = problem.reason == "SERVICE_UNAVAILABLE"
    return status.unavailable(url, problem.facts["code"]) if is_away else problem


def _require_serving(reply: health_pb2.HealthCheckResponse, url: str) -> None:
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise Unavailable("NOT_SERVING", service=url)


def _aio_transport(url: str, settings: Settings, _caller: str) -> aio.Channel:
    tls = _credentials(settings)
    return aio.insecure_channel(url, _OPTIONS) if tls is None else aio.secure_channel(url, tls, _OPTIONS)


def _sync_transport(url: str, settings: Settings, _caller: str) -> grpc.Channel:
    tls = _credentials(settings)
    return grpc.insecure_channel(url, _OPTIONS) if tls is None else grpc.secure_channel(url, tls, _OPTIONS)


def _credentials(settings: Settings) -> grpc.ChannelCredentials | None:
    """Return credentials of mutual TLS with the operator's own authority; None if none is set."""
    files = tls_files(settings)
    if files is None:
        return None
    certificate, key, authority = files
    return grpc.ssl_channel_credentials(authority, key, certificate)


def tls_files(settings: Settings) -> tuple[bytes, bytes, bytes] | None:
    """Read certificate, key and authority of mutual TLS, as PEM; None if none is set.

    raises  Invalid  GRPC_TLS_INCOMPLETE  only some of them are set
                     FILE_UNREADABLE
    """
    names = {"GRPC_CERT": settings.grpc_cert, "GRPC_KEY": settings.grpc_key, "GRPC_CA": settings.grpc_ca}
    if not any(names.values()):
        return None
    missing = [name for name, path in names.items() if not path]
    if missing:
        raise Invalid("GRPC_TLS_INCOMPLETE", missing=[*missing])
    certificate, key, authority = (_read(name, path) for name, path in names.items())
    return certificate, key, authority


def _read(variable: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise Invalid("FILE_UNREADABLE", variable=variable, file=path, why=problem.strerror) from None


class AioChannel:
    """The part of a channel that generated stubs use, with calls that are awaited and raise chassis.errors."""

    def __init__(self, url: str, transport: Any) -> None:
        self.url, self._transport = url, transport

    def unary_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        return AioMethod(self._transport.unary_unary(method, *serializers, **options), method)

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> AioChannel:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()


class SyncChannel:
    """The part of a channel that generated stubs use, with calls that block the calling thread, and raise as above."""

    def __init__(self, url: str, transport: Any) -> None:
        self.url, self._transport = url, transport

    def unary_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        return SyncMethod(self._transport.unary_unary(method, *serializers, **options), method)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> SyncChannel:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


class Stubs:
    """Generated stubs of other services, for the threads of one service; each is made at its first use, and kept."""

    def __init__(self, settings: Settings, *, caller: str) -> None:
        self._settings, self._caller = settings, caller
        self._stubs: dict[str, Any] = {}

    def of(self, service: str, make: Callable[[Any], Any]) -> Any:
        """Return the stub of a service; `make` is the generated class."""
        if service not in self._stubs:
            url = self._settings.service_url(service)
            self._stubs[service] = make(sync_channel(url, self._settings, caller=self._caller))
        return self._stubs[service]
