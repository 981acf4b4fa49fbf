"""Errors: each has a reason for machines, facts, and a sentence for people in `sentences.toml`.

    Error
    ├── Invalid          the request cannot be understood or is out of bounds     INVALID_ARGUMENT     400
    ├── Unauthenticated  nobody we know is asking                                 UNAUTHENTICATED      401
    ├── Forbidden        somebody we know, who may not                            PERMISSION_DENIED    403
    ├── NotFound         there is no such thing                                   NOT_FOUND            404
    ├── Conflict         it changed meanwhile, or is being done already           ABORTED              409
    ├── Refused          rules object, all of them together                       FAILED_PRECONDITION  409
    ├── TooMany          more than is allowed in this time                        RESOURCE_EXHAUSTED   429
    ├── Unavailable      a part we need does not answer; trying again may help    UNAVAILABLE          503
    └── TooLate          the caller's time ran out                                DEADLINE_EXCEEDED    504

gRPC codes are names here, so that a worker process can import this module without gRPC.
"""

from __future__ import annotations

from typing import Any, ClassVar

from chassis.sentences import LocalText as LocalText
from chassis.sentences import fill


class Error(Exception):
    """Something went wrong in a way we can name.

    reason    stable, for machines: UPPER_SNAKE
    facts     what the reason is about, by name
    sentence  for people: the one of `sentences.toml`, or the one that came with an error from another process
    """

    grpc_code: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500

    def __init__(self, reason: str, say: LocalText | None = None, /, **facts: Any) -> None:
        self.reason = reason
        self.facts: dict[str, Any] = facts
        self._sentence = None if say is None else say.format(facts)
        super().__init__(reason, facts)

    @property
    def sentence(self) -> LocalText:
        if self._sentence is None:
            self._sentence = fill(self.reason, self.facts)
        return self._sentence

    @sentence.setter
    def sentence(self, ready: LocalText) -> None:
        self._sentence = ready

    def __str__(self) -> str:
        return f"{self.reason}: {self.sentence.en}"


class Invalid(Error):
    grpc_code = "INVALID_ARGUMENT"
    http_status = 400


class Unauthenticated(Error):
    grpc_code = "UNAUTHENTICATED"
    http_status = 401


class Forbidden(Error):
    grpc_code = "PERMISSION_DENIED"
    http_status = 403


class NotFound(Error):
    grpc_code = "NOT_FOUND"
    http_status = 404


class Conflict(Error):
    grpc_code = "ABORTED"
    http_status = 409


class Refused(Error):
    grpc_code = "FAILED_PRECONDITION"
    http_status = 409


class TooMany(Error):
    grpc_code = "RESOURCE_EXHAUSTED"
    http_status = 429


class Unavailable(Error):
    grpc_code = "UNAVAILABLE"
    http_status = 503


class TooLate(Error):
    grpc_code = "DEADLINE_EXCEEDED"
    http_status = 504


def error_for(grpc_code: str) -> type[Error]:
    """The class of errors that travels under this gRPC code; `Error` for a code that is not ours."""
    for kind in (Invalid, Unauthenticated, Forbidden, NotFound, Conflict, Refused, TooMany, Unavailable, TooLate):
        if kind.grpc_code == grpc_code:
            return kind
    return Error
