"""Converts errors to gRPC statuses and back; no other module does.

An error becomes a google.rpc.Status with these details: an ErrorInfo, which callers of release 0.5.0 need, and a
rangkiang.common.v1.Refusal per reason, whose facts keep their types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis import clock
from chassis.errors import Error, Invalid, Refusal, TooLate, Unavailable, error_for
from chassis.models import value_of
from chassis.sentences import LocalText
from rangkiang.common.v1 import refusal_pb2

# A status is base64-encoded in HTTP/2 trailers, which METADATA_BYTES limits in client and server.
_MAX_STATUS_BYTES = 40_000
_MAX_FACTS = 20
_MAX_FACT_CHARACTERS = 300
_MAX_SENTENCE_CHARACTERS = 600
_INT64 = 2**63


def abort(grpc_context: grpc.ServicerContext, error: Error) -> NoReturn:
    """End this call with `error`."""
    grpc_context.abort_with_status(rpc_status.to_status(to_status(error)))
    raise AssertionError("abort_with_status raises")


def to_status(error: Error) -> status_pb2.Status:
    """Convert an error to a status: texts are shortened, and only refusals that fit the trailers are sent."""
    status = status_pb2.Status(code=grpc.StatusCode[error.grpc_code].value[0], message=error.reason)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain="rangkiang"))
    for refusal in error.refusals:
        status.details.add().Pack(refusal_message(refusal))
        if status.ByteSize() > _MAX_STATUS_BYTES:
            del status.details[-1]
            break
    return status


def received(error: Error) -> Error:
    """Return the error in the form that a caller receives, over the network or inside one process."""
    return from_status(to_status(error), error.grpc_code) or error


def from_call(problem: grpc.RpcError, *, service: str) -> Error:
    """Return the error of a failed call.

    problem  an RpcError of a sync or an aio client; both have code, details and trailers
    service  name for the sentence that the service does not answer
    """
    call: Any = problem
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # the code and the status differ, so neither is reliable
        status = None
    if status is not None:
        error = from_status(status, call.code().name)
        if error is not None:
            return error
    code: grpc.StatusCode = call.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return too_late()
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in str(call.details()):
        return Invalid("MESSAGE_TOO_LARGE")
    return unavailable(service, code.name)


def unavailable(service: str, why: str) -> Unavailable:
    """Return the error for a service that gave no answer or an unreadable one. why: name of a gRPC code."""
    return Unavailable("SERVICE_UNAVAILABLE", service=service, code=why)


def too_late() -> TooLate:
    return TooLate("DEADLINE_PASSED")


def internal() -> Error:
    """Return the error for an unexpected failure; only the log has the cause."""
    return Error("INTERNAL")


def from_status(status: status_pb2.Status, code: str) -> Error | None:
    """Return the error of a status; None if the status is not from one of our services."""
    refusals = []
    for detail in status.details:
        if detail.Is(refusal_pb2.Refusal.DESCRIPTOR):
            refusal = refusal_pb2.Refusal()
            detail.Unpack(refusal)
            refusals.append(refusal_of(refusal))
    return error_for(code, refusals[0].facts)(refusals=refusals) if refusals else None


def refusal_message(refusal: Refusal) -> refusal_pb2.Refusal:
    """Return a refusal for a reply, with its sentence in both languages."""
    sentence = refusal.sentence
    message = refusal_pb2.Refusal(reason=refusal.reason)
    message.sentence.id = sentence.id[:_MAX_SENTENCE_CHARACTERS]
    message.sentence.en = sentence.en[:_MAX_SENTENCE_CHARACTERS]
    for name, value in list(refusal.facts.items())[:_MAX_FACTS]:
        message.facts[name].CopyFrom(_to_fact(value))
    return message


def _to_fact(value: Any) -> refusal_pb2.Fact:
    """Convert a fact; types that the message does not have, such as ids and dates, become text."""
    match value:
        case None:
            return refusal_pb2.Fact()
        case bool():
            return refusal_pb2.Fact(flag=value)
        case int() if -_INT64 <= value < _INT64:
            return refusal_pb2.Fact(integer=value)
        case float():
            return refusal_pb2.Fact(number=value)
        case list() | tuple():
            return refusal_pb2.Fact(list=refusal_pb2.FactList(values=_to_list(value)))
        case set() | frozenset():
            return refusal_pb2.Fact(list=refusal_pb2.FactList(values=_to_list(sorted(value))))
        case datetime():
            return refusal_pb2.Fact(text=clock.utc_text(value))
        case _:
            return refusal_pb2.Fact(text=str(value)[:_MAX_FACT_CHARACTERS])


def _to_list(values: Sequence[Any]) -> list[refusal_pb2.Fact]:
    """Convert the values of a list, up to the size limit of a fact."""
    facts, characters = [], 0
    for value in values:
        characters += min(len(str(value)), _MAX_FACT_CHARACTERS)
        if characters > _MAX_FACT_CHARACTERS:
            break
        facts.append(_to_fact(value))
    return facts


def refusal_of(message: refusal_pb2.Refusal) -> Refusal:
    """Return the refusal of a reply."""
    facts: Mapping[str, Any] = {name: value_of(fact) for name, fact in message.facts.items()}
    return Refusal.received(message.reason, facts, LocalText(message.sentence.id, message.sentence.en))
