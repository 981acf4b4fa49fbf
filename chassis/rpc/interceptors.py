"""Interceptors of every method of every service, over gRPC or in-process: trace, errors, deadline, scope, CPU time."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from chassis import metrics
from chassis.context import Context
from chassis.errors import Error, Forbidden, Invalid, Unauthenticated, no_free_handle
from chassis.ids import new_id
from chassis.metrics import telemetry
from chassis.rpc import cpu_time, status
from chassis.security.auth import TokenVerifier, act_scope
from rangkiang.common.v1 import options_pb2

log = logging.getLogger(__name__)

PUBLIC = "public"
# Begins a scope with names of services, "service:catalog,members": only they may call the method, for themselves.
SERVICE_SCOPE = "service:"
_OK = grpc.StatusCode.OK.name
# The driver's message about a text with NUL, which PostgreSQL refuses; on SQLite such a text matches nothing.
NUL_REFUSED = "PostgreSQL text fields cannot contain NUL"
# For a call without a deadline, gRPC returns a time of centuries.
_NO_DEADLINE_SECONDS = 1e6
_MAX_REQUEST_ID_CHARACTERS = 64
_KEY = re.compile(r"[\x21-\x7e]{1,64}")

Behaviour = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service with its interceptors.

    path       /package.Service/Method
    keyed      writes once for each Idempotency-Key
    behaviour  (request, grpc context) -> reply; raises only `Error`
    handler    the generated handler with the serializers
    """

    path: str
    service: str
    name: str
    scope: str
    keyed: bool
    behaviour: Behaviour
    handler: Any


def methods_of(servicer: Any, adder: Callable[[Any, Any], None], verifier: TokenVerifier | None = None) -> list[Method]:
    """Return every method of a servicer, with its interceptors.

    adder     generated add_…Servicer_to_server
    verifier  verifies access tokens; with None, calls of methods that are not public are refused
    raises    Invalid  SCOPE_MISSING  a method declares no scope
    """
    recorder = _HandlerRecorder()
    adder(servicer, recorder)
    service = _service(recorder.service)
    methods = []
    for name, handler in recorder.handlers.items():
        options = _options(service.methods_by_name[name])
        if not options.scope:
            raise Invalid("SCOPE_MISSING", method=f"{recorder.service}/{name}")
        path = f"/{recorder.service}/{name}"
        behaviour = _with_interceptors(handler, path, options, verifier)
        methods.append(Method(path, recorder.service, name, options.scope, options.keyed, behaviour, handler))
    return methods


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a method in its .proto file."""

    scope: str
    idempotent: bool
    keyed: bool
    act: str = ""
    partner_scope: str = ""


def options_of(path: str) -> Options:
    """Return the options of the method at `path`; empty options for an unknown one."""
    service, _, name = path.removeprefix("/").partition("/")
    try:
        return _options(_service(service).methods_by_name[name])
    except KeyError:
        return Options(scope="", idempotent=False, keyed=False)


def _service(name: str) -> ServiceDescriptor:
    """Return the descriptor of a service, after loading <service>.proto of its package.

    A stub does not load that file if the messages of its methods are in other files.
    """
    package, _, service = name.rpartition(".")
    with suppress(ModuleNotFoundError):
        import_module(f"{package}.{service.lower()}_pb2")
    return descriptor_pool.Default().FindServiceByName(name)


def _options(method: MethodDescriptor) -> Options:
    extensions = method.GetOptions().Extensions
    return Options(
        scope=extensions[options_pb2.scope],
        idempotent=extensions[options_pb2.idempotent],
        keyed=extensions[options_pb2.keyed],
        act=extensions[options_pb2.act],
        partner_scope=extensions[options_pb2.partner_scope],
    )


class _HandlerRecorder:
    """Replaces a gRPC server in the generated adder, and records the handlers."""

    service: str = ""
    handlers: dict[str, Any]

    def add_generic_rpc_handlers(self, _handlers: Any) -> None:
        """Do nothing, because add_registered_method_handlers gets the same handlers."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self.service, self.handlers = service, handlers


def _with_interceptors(handler: Any, path: str, options: Options, verifier: TokenVerifier | None) -> Behaviour:
    def counted(request: Any, grpc_context: Any) -> Any:
        if metrics.own() is None:
            return behaviour(request, grpc_context)
        start, code = time.perf_counter(), _OK
        try:
            return behaviour(request, grpc_context)
        except Error as error:
            code = error.grpc_code
            raise
        finally:
            metrics.observe_call(path[1:], code, time.perf_counter() - start)

    def behaviour(request: Any, grpc_context: Any) -> Any:
        context = _set_context(grpc_context, path, options)
        if telemetry.is_tracing():
            with telemetry.span(path[1:], kind="server", parent=dict(grpc_context.invocation_metadata())):
                return reply(request, grpc_context, context)
        return reply(request, grpc_context, context)

    def reply(request: Any, grpc_context: Any, context: Context) -> Any:
        start = time.thread_time()
        try:
            context.check_deadline()
            others = {limited_scope(options.act, request), options.partner_scope} - {""}
            grpc_context.rangkiang = context = _with_caller(context, options.scope, others, grpc_context, verifier)
            if options.keyed:
                _check_key(context.key)
            answer = handler.unary_unary(request, grpc_context)
            microseconds = str(int(1e6 * (time.thread_time() - start)))
            grpc_context.set_trailing_metadata(((cpu_time.METADATA_KEY, microseconds), *context.trailers.items()))
            return answer
        except Error:
            raise
        except Exception as problem:
            raise unexpected(problem, method=path, request_id=context.request_id) from problem

    return counted


def unexpected(problem: Exception, *, method: str, request_id: str) -> Error:
    """Return the error for an unexpected exception of a method; logs the exception, unless the caller caused it."""
    if NUL_REFUSED in str(problem):
        return Invalid("TEXT_HAS_NUL")
    if (error := no_free_handle(problem)) is not None:
        return error
    log.error("rpc_failed", extra={"method": method, "request_id": request_id}, exc_info=problem)
    return status.internal()


def _set_context(grpc_context: Any, path: str, options: Options) -> Context:
    """Store the chassis' context for `chassis.rpc.context`; still without a caller, whom only an access token names."""
    headers = dict(grpc_context.invocation_metadata())
    remaining = grpc_context.time_remaining()
    context = Context(
        language="en" if headers.get("x-language") == "en" else "id",
        request_id=headers.get("x-request-id", "")[:_MAX_REQUEST_ID_CHARACTERS] or str(new_id()),
        deadline=None if remaining is None or remaining > _NO_DEADLINE_SECONDS else time.monotonic() + remaining,
        method=path,
        key=headers.get("idempotency-key", "") if options.keyed else "",
    )
    grpc_context.rangkiang = context
    return context


def limited_scope(act: str, request: Any) -> str:
    """Return the scope that a limited token needs for this request; "" if the method accepts no limited token.

    act  the method's option: "renew:id,due_on"
    """
    if not act:
        return ""
    name, _, fields = act.partition(":")
    return act_scope(name, ":".join(str(getattr(request, field)) for field in fields.split(",") if field))


def _with_caller(
    context: Context, scope: str, others: Set[str], grpc_context: Any, verifier: TokenVerifier | None
) -> Context:
    """Return the context with the caller; unchanged for a public method.

    others  scopes that are enough too: of a token for only this request, and of partners
    raises  Unauthenticated  SIGN_IN_NEEDED, and the errors of TokenVerifier.verify
            Forbidden        SCOPE_NEEDED, SERVICE_ONLY
    """
    if scope == PUBLIC:
        return context
    if scope.startswith(SERVICE_SCOPE):
        name, names = peer_service(grpc_context), scope.removeprefix(SERVICE_SCOPE).split(",")
        if name not in names:
            raise Forbidden("SERVICE_ONLY", services=[*names])
        return replace(context, institution="*", actor=f"system:{name}")
    authorization = dict(grpc_context.invocation_metadata()).get("authorization", "")
    if not authorization or verifier is None:
        raise Unauthenticated("SIGN_IN_NEEDED", scope=scope)
    principal = verifier.verify(authorization)
    if scope not in principal.scopes and not others & principal.scopes:
        raise Forbidden("SCOPE_NEEDED", scope=scope)
    return replace(
        context,
        institution=principal.institution,
        actor=principal.id,
        session=principal.session,
        scopes=principal.scopes,
    )


def peer_service(grpc_context: Any) -> str:
    """Return the name of the calling service, from its certificate or in this process; "" without one."""
    names = grpc_context.auth_context().get("x509_common_name", ())
    return names[0].decode() if names else ""


def _check_key(key: str) -> None:
    if not key:
        raise Invalid("IDEMPOTENCY_KEY_MISSING")
    if not _KEY.fullmatch(key):
        raise Invalid("IDEMPOTENCY_KEY_INVALID", longest=64)


def grpc_handler(method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler of a method for a gRPC server, which converts errors to statuses."""

    def behaviour(request: Any, grpc_context: grpc.ServicerContext) -> Any:
        try:
            return method.behaviour(request, grpc_context)
        except Error as error:
            status.abort(grpc_context, error)

    handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=method.handler.request_deserializer,
        response_serializer=method.handler.response_serializer,
    )
    return handler
