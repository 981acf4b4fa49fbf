"""What surrounds every method of every service, over the wire or not: trace, errors, deadline, scope."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from chassis import telemetry
from chassis.context import Context
from chassis.errors import Error, Invalid, LocalText, Unauthenticated
from chassis.ids import new_id
from chassis.rpc import status
from rangkiang.common.v1 import options_pb2

log = logging.getLogger(__name__)

PUBLIC = "public"
# Without a deadline gRPC says "in some centuries".
_NEVER_SECONDS = 1e6
_REQUEST_ID_CHARACTERS = 64

Behaviour = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service, its behaviour already guarded.

    path       /package.Service/Method
    behaviour  (request or iterator of requests, grpc context) -> reply or iterator of replies; raises only `Error`
    handler    as generated: serialisers and which sides stream
    """

    path: str
    service: str
    name: str
    scope: str
    inline: bool
    behaviour: Behaviour
    handler: Any


def methods_of(servicer: Any, adder: Callable[[Any, Any], None]) -> list[Method]:
    """Every method of a servicer, guarded.

    adder   generated add_…Servicer_to_server
    raises  Invalid  SCOPE_MISSING  a method does not say who may call it
    """
    taken = _Taken()
    adder(servicer, taken)
    service = descriptor_pool.Default().FindServiceByName(taken.service)
    found = []
    for name, handler in taken.handlers.items():
        options = _options(service.methods_by_name[name])
        if not options.scope:
            raise Invalid(
                "SCOPE_MISSING",
                LocalText(
                    "Metode {method} tidak menyebut siapa yang boleh memanggilnya.",
                    "The method {method} does not say who may call it: give it a scope in its .proto file.",
                ),
                method=f"{taken.service}/{name}",
            )
        path = f"/{taken.service}/{name}"
        behaviour = _guarded(handler, path, options.scope)
        found.append(Method(path, taken.service, name, options.scope, options.inline, behaviour, handler))
    return found


@dataclass(frozen=True, slots=True)
class Options:
    """What a method says of itself in its .proto file."""

    scope: str
    inline: bool
    idempotent: bool


def options_of(path: str) -> Options:
    """Options of the method at `path`; none when its descriptor is not loaded here."""
    service, _, name = path.removeprefix("/").partition("/")
    try:
        return _options(descriptor_pool.Default().FindServiceByName(service).methods_by_name[name])
    except KeyError:
        return Options(scope="", inline=False, idempotent=False)


def _options(method: MethodDescriptor) -> Options:
    said = method.GetOptions().Extensions
    return Options(
        scope=said[options_pb2.scope], inline=said[options_pb2.inline], idempotent=said[options_pb2.idempotent]
    )


class _Taken:
    """Stands where generated code expects a server, and keeps what it is given."""

    service: str = ""
    handlers: dict[str, Any]

    def add_generic_rpc_handlers(self, _handlers: Any) -> None:
        """The registered handlers below say the same."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self.service, self.handlers = service, handlers


def _guarded(handler: Any, path: str, scope: str) -> Behaviour:
    behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

    def once(request: Any, grpc_context: Any) -> Any:
        context = _enter(grpc_context)
        if telemetry.on():
            with telemetry.span(path[1:], kind="server", parent=dict(grpc_context.invocation_metadata())):
                return answer(request, grpc_context, context)
        return answer(request, grpc_context, context)

    def answer(request: Any, grpc_context: Any, context: Context) -> Any:
        try:
            _admit(scope, context)
            return behaviour(request, grpc_context)
        except Error:
            raise
        except Exception as problem:
            log.exception("rpc_failed", extra={"method": path, "request_id": context.request_id})
            raise status.internal() from problem

    def many(request: Any, grpc_context: Any) -> Iterator[Any]:
        context = _enter(grpc_context)
        with telemetry.span(path[1:], kind="server", parent=dict(grpc_context.invocation_metadata())):
            try:
                _admit(scope, context)
                yield from behaviour(request, grpc_context)
            except Error:
                raise
            except Exception as problem:
                log.exception("rpc_failed", extra={"method": path, "request_id": context.request_id})
                raise status.internal() from problem

    return many if handler.response_streaming else once


def _enter(grpc_context: Any) -> Context:
    """Put the chassis' context where `chassis.rpc.context` finds it.

    Nobody's word is taken for who is asking: that needs a credential, which a service will verify once members exist.
    """
    told = {key: value for key, value in grpc_context.invocation_metadata() if key.startswith("x-")}
    remaining = grpc_context.time_remaining()
    context = Context(
        language="en" if told.get("x-language") == "en" else "id",
        request_id=told.get("x-request-id", "")[:_REQUEST_ID_CHARACTERS] or str(new_id()),
        deadline=None if remaining is None or remaining > _NEVER_SECONDS else time.monotonic() + remaining,
    )
    grpc_context.rangkiang = context
    return context


def _admit(scope: str, context: Context) -> None:
    context.in_time()
    if scope != PUBLIC:
        raise Unauthenticated(
            "SIGN_IN_NEEDED",
            LocalText("Untuk ini perlu masuk lebih dulu.", "This needs signing in first."),
            scope=scope,
        )


def on_the_wire(method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    """The method for a gRPC server: its errors become statuses."""
    handler, behaviour = method.handler, method.behaviour

    def once(request: Any, grpc_context: grpc.ServicerContext) -> Any:
        try:
            return behaviour(request, grpc_context)
        except Error as error:
            status.abort(grpc_context, error)

    def many(request: Any, grpc_context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from behaviour(request, grpc_context)
        except Error as error:
            status.abort(grpc_context, error)

    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    made: grpc.RpcMethodHandler[Any, Any] = make(
        many if handler.response_streaming else once,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made
