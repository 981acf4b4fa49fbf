"""Errors. Each has a reason for machines, facts, and a sentence for people in `sentences.toml`.

    Error
    ├── Invalid          the request cannot be read or is out of bounds           INVALID_ARGUMENT     400
    ├── Unauthenticated  the caller has no valid credential                       UNAUTHENTICATED      401
    ├── Forbidden        the caller is known and not allowed                      PERMISSION_DENIED    403
    ├── NotFound         the object does not exist                                NOT_FOUND            404
    │   └── Gone         it was deleted at `deleted_at`, or ended at `expired_at` NOT_FOUND            410
    ├── Conflict         another caller changes the same data at the same time    ABORTED              409
    ├── Refused          one or more rules refuse the act                         FAILED_PRECONDITION  409
    ├── Outdated         If-Match names an earlier version                        OUT_OF_RANGE         412
    ├── KeyReused        the Idempotency-Key belongs to another request           ALREADY_EXISTS       422
    ├── TooMany          more requests than are allowed in this time              RESOURCE_EXHAUSTED   429
    ├── Unavailable      a part does not answer; a later attempt may succeed      UNAVAILABLE          503
    └── TooLate          the caller's deadline passed                             DEADLINE_EXCEEDED    504

gRPC codes are texts, so that a worker process can import this module without gRPC.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, overload

from chassis.clock import utc_text
from chassis.redaction import redact_facts
from chassis.sentences import LocalText, fill


class Refusal:
    """One reason why a request is refused.

    reason    stable, for machines: UPPER_SNAKE
    facts     data about the reason, by name: text, numbers, booleans, None, or lists of these
    sentence  for people: from `sentences.toml`, or from another process
    """

    __slots__ = ("_sentence", "facts", "reason")

    def __init__(self, reason: str, /, **facts: Any) -> None:
        self.reason = reason
        self.facts: dict[str, Any] = facts
        self._sentence: LocalText | None = None

    @classmethod
    def received(cls, reason: str, facts: Mapping[str, Any], sentence: LocalText) -> Refusal:
        """Build a refusal from another process, which has sent the sentence too."""
        refusal = cls(reason, **facts)
        refusal._sentence = sentence
        return refusal

    @property
    def sentence(self) -> LocalText:
        return self._sentence or fill(self.reason, self.facts)

    def __repr__(self) -> str:
        return f"Refusal({self.reason!r}, {self.facts!r})"


class Error(Exception):
    """An error with one or more refusals.

    refusals  at least one; `reason` and `facts` are those of the first
    sentence  the sentences of all refusals
    """

    grpc_code: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500
    repeats_input: ClassVar[bool] = False  # facts repeat the caller's text, which may be a NIK in the wrong field

    @overload
    def __init__(self, reason: str, /, **facts: Any) -> None: ...
    @overload
    def __init__(self, /, *, refusals: Sequence[Refusal]) -> None: ...
    def __init__(self, reason: str = "", /, *, refusals: Sequence[Refusal] = (), **facts: Any) -> None:
        self.refusals = tuple(refusals) or (Refusal(reason, **facts),)
        if self.repeats_input:
            for refusal in self.refusals:
                refusal.facts = redact_facts(refusal.facts)
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        return self.refusals[0].reason

    @property
    def facts(self) -> dict[str, Any]:
        return self.refusals[0].facts

    @property
    def reasons(self) -> frozenset[str]:
        return frozenset(refusal.reason for refusal in self.refusals)

    @property
    def sentence(self) -> LocalText:
        texts = [refusal.sentence for refusal in self.refusals]
        return LocalText(" ".join(text.id for text in texts), " ".join(text.en for text in texts))

    def __str__(self) -> str:
        return f"{', '.join(refusal.reason for refusal in self.refusals)}: {self.sentence.en}"


class Invalid(Error):
    grpc_code = "INVALID_ARGUMENT"
    http_status = 400
    repeats_input = True


class Unauthenticated(Error):
    grpc_code = "UNAUTHENTICATED"
    http_status = 401


class Forbidden(Error):
    grpc_code = "PERMISSION_DENIED"
    http_status = 403


class NotFound(Error):
    grpc_code = "NOT_FOUND"
    http_status = 404
    repeats_input = True


class Gone(NotFound):
    http_status = 410


class Conflict(Error):
    grpc_code = "ABORTED"
    http_status = 409


class Refused(Error):
    grpc_code = "FAILED_PRECONDITION"
    http_status = 409


class Outdated(Error):
    grpc_code = "OUT_OF_RANGE"
    http_status = 412

    @classmethod
    def at_version(cls, version: int, *, given: int, changed: Iterable[str], changed_at: datetime) -> Outdated:
        """Build the error of a write for an earlier version of its object.

        version     current version of the object
        given       version in If-Match
        changed     names of the fields that have changed since that version
        changed_at  time of the last change, UTC
        """
        moment = utc_text(changed_at)
        return cls("VERSION_OUTDATED", version=version, given=given, changed=[*changed], changed_at=moment)


class KeyReused(Error):
    grpc_code = "ALREADY_EXISTS"
    http_status = 422


class TooMany(Error):
    grpc_code = "RESOURCE_EXHAUSTED"
    http_status = 429


class Unavailable(Error):
    grpc_code = "UNAVAILABLE"
    http_status = 503


class TooLate(Error):
    grpc_code = "DEADLINE_EXCEEDED"
    http_status = 504


def error_for(grpc_code: str, facts: Collection[str] = ()) -> type[Error]:
    """Return the class of errors with this gRPC code; `Error` for any other code.

    facts  names of the facts of the first refusal
    """
    for kind in _KINDS:
        if kind.grpc_code == grpc_code:
            return Gone if kind is NotFound and not _GONE.isdisjoint(facts) else kind
    return Error


_GONE = frozenset({"deleted_at", "expired_at"})
_KINDS = (
    Invalid, Unauthenticated, Forbidden, NotFound, Conflict, Refused, Outdated, KeyReused, TooMany, Unavailable,
    TooLate,
)  # fmt: skip


def no_free_handle(problem: Exception) -> Unavailable | None:
    """Return the error for an operating system without a free file handle for this process; None for other problems."""
    if isinstance(problem, OSError) and problem.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable("NO_FREE_HANDLE")
    return None
