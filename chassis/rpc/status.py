"""Errors of the house to gRPC's status and back: the only place where the two meet.

On the wire an error is a google.rpc.Status: an ErrorInfo (reason, facts) and one LocalizedMessage for each language.
"""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis.errors import Error, Invalid, TooLate, Unavailable, error_for
from chassis.sentences import LocalText

DOMAIN = "rangkiang"
# Status travels in HTTP/2 trailers, which are bounded; `METADATA_BYTES` in client and server holds the sum of these.
_MAX_FACTS = 20
_MAX_FACT_CHARACTERS = 300
_MAX_SENTENCE_CHARACTERS = 600


def abort(grpc_context: grpc.ServicerContext, error: Error) -> NoReturn:
    """End this call with `error`."""
    grpc_context.abort_with_status(rpc_status.to_status(to_status(error)))
    raise AssertionError("abort_with_status raises")


def to_status(error: Error) -> status_pb2.Status:
    told = received(error)
    status = status_pb2.Status(code=grpc.StatusCode[error.grpc_code].value[0], message=told.reason)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=told.reason, domain=DOMAIN, metadata=told.facts))
    for locale, text in (("id", told.sentence.id), ("en", told.sentence.en)):
        status.details.add().Pack(error_details_pb2.LocalizedMessage(locale=locale, message=text))
    return status


def received(error: Error) -> Error:
    """The error as it arrives at a caller, whatever the way: facts as text, nothing longer than the wire allows."""
    facts = {name: str(value)[:_MAX_FACT_CHARACTERS] for name, value in list(error.facts.items())[:_MAX_FACTS]}
    return _rebuilt(
        type(error) if type(error).__module__ == Error.__module__ else error_for(error.grpc_code),
        error.reason,
        facts,
        LocalText(error.sentence.id[:_MAX_SENTENCE_CHARACTERS], error.sentence.en[:_MAX_SENTENCE_CHARACTERS]),
    )


def from_call(problem: grpc.RpcError, *, service: str) -> Error:
    """What a failed call says.

    problem  an RpcError of either kind of client: both tell their code, details and trailers
    service  named to people when it is the service itself that does not answer
    """
    call: Any = problem
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # the two halves of the answer contradict each other: believe neither
        status = None
    if status is not None:
        told = _told(status, call.code().name)
        if told is not None:
            return told
    code: grpc.StatusCode = call.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return too_late()
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in str(call.details()):
        return Invalid("MESSAGE_TOO_LARGE")
    return unavailable(service, code.name)


def unavailable(service: str, why: str) -> Unavailable:
    """The service does not answer, or answers what we do not understand; `why` is a gRPC code's name."""
    return Unavailable("SERVICE_UNAVAILABLE", service=service, code=why)


def too_late() -> TooLate:
    return TooLate("DEADLINE_PASSED")


def internal() -> Error:
    """Something broke that nobody foresaw; the log has it, the caller need not."""
    return Error("INTERNAL")


def _told(status: status_pb2.Status, code: str) -> Error | None:
    info, messages = None, {"id": "", "en": ""}
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.LocalizedMessage.DESCRIPTOR):
            message = error_details_pb2.LocalizedMessage()
            detail.Unpack(message)
            messages[message.locale] = message.message
    if info is None or info.domain != DOMAIN:
        return None
    return _rebuilt(error_for(code), info.reason, dict(info.metadata), LocalText(messages["id"], messages["en"]))


def _rebuilt(kind: type[Error], reason: str, facts: dict[str, Any], sentence: LocalText) -> Error:
    """An error whose sentence is ready: formatting it again would read people's braces as places for facts."""
    error = kind(reason, LocalText("", ""))
    error.facts.update(facts)
    error.sentence = sentence
    return error
